package lineage

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"mlx/internal/lineage/internal/segment"
	"mlx/internal/object"
)

// The crash harness starts this test binary again as writers and sealers, kills them at random instants and starts others, and then
// asks for every record that a writer was told is safe. MLX_SOAK=10m (make soak) makes it longer.

const childVar = "MLX_LEDGER_CHILD"

func TestMain(m *testing.M) {
	if role, dir, ok := strings.Cut(os.Getenv(childVar), ":"); ok {
		go endWithParent()
		if err := crashChild(role, dir); err != nil {
			fmt.Fprintln(os.Stderr, role, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// endWithParent ends a child that nobody is left to kill.
func endWithParent() {
	for parent := os.Getppid(); os.Getppid() == parent; {
		time.Sleep(time.Second)
	}
	os.Exit(1)
}

func crashChild(role, dir string) error {
	switch role {
	case "careless":
		return careless(dir)
	case "job":
		return runCrashJob(dir)
	}
	l, err := Open(Options{Dir: dir, Now: time.Now, By: role, Host: "crash", PID: os.Getpid()})
	if err != nil {
		return err
	}
	ctx := context.Background()
	for i := 0; ; i++ {
		if role == "sealer" {
			if err := l.Seal(ctx); err != nil {
				return err
			}
			continue
		}
		group := make([]Draft, 1+i%3)
		for k := range group {
			group[k] = runKind().Draft(Entry[runBody]{Body: runBody{Name: strconv.Itoa(i), Params: map[string]any{"pad": strings.Repeat("x", i%500)}}})
		}
		recs, err := l.AppendAll(ctx, group...)
		if err != nil {
			return err
		}
		var out strings.Builder
		for _, r := range recs {
			out.WriteString(r.ID.Hex() + "\n")
		}
		if _, err := os.Stdout.WriteString(out.String()); err != nil {
			return err
		}
	}
}

// careless writes as the ledger does, but acknowledges without looking whether a sealer has taken the segment meanwhile.
func careless(dir string) error {
	l, err := Open(Options{Dir: dir, Now: time.Now})
	if err != nil {
		return err
	}
	if err := l.newSegment(); err != nil {
		return err
	}
	for i := 0; ; i++ {
		h, err := l.header(&Draft{Kind: "run.ended/v1", Body: runBody{Name: strconv.Itoa(i)}})
		if err != nil {
			return err
		}
		raw, err := l.lines.Format(h)
		if err != nil {
			return err
		}
		if err := l.seg.Append(segment.Frame(nil, raw), 1); err != nil && !errors.Is(err, segment.ErrMoved) {
			return err
		}
		if _, err := fmt.Println(object.Sum(raw).Hex()); err != nil {
			return err
		}
	}
}

type harness struct {
	t    *testing.T
	dir  string
	mu   sync.Mutex
	safe map[object.Digest]bool
	errs []string
	loss bool // is expected
	gone int  // records that were redacted
}

// start runs a child until it is killed; every id that it printed counts as acknowledged.
func (h *harness) start(role string, done *sync.WaitGroup) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVar+"="+role+":"+h.dir)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	done.Go(func() {
		in := bufio.NewScanner(out)
		for in.Scan() {
			if id, err := object.ParseDigest(in.Text()); err == nil {
				h.mu.Lock()
				h.safe[id] = true
				h.mu.Unlock()
			}
		}
		_ = cmd.Wait() // killed
		if stderr.Len() > 0 {
			h.mu.Lock()
			h.errs = append(h.errs, stderr.String())
			h.mu.Unlock()
		}
	})
	return cmd
}

func TestCrash(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes for seconds")
	}
	span := 4 * time.Second
	if soak := os.Getenv("MLX_SOAK"); soak != "" {
		span = 3 * time.Minute
		if d, err := time.ParseDuration(soak); err == nil {
			span = d
		}
	}
	h := &harness{t: t, dir: filepath.Join(t.TempDir(), "ledger"), safe: map[object.Digest]bool{}}
	h.run(span, "writer")
	if lost := h.after(); lost > 0 {
		t.Errorf("%d of %d acknowledged records are lost", lost, len(h.safe))
	}
}

// TestCrashBites shows that the harness sees loss where there is some.
func TestCrashBites(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes for a second")
	}
	h := &harness{t: t, dir: filepath.Join(t.TempDir(), "ledger"), safe: map[object.Digest]bool{}, loss: true}
	h.run(time.Second, "careless")
	if lost := h.after(); lost == 0 {
		t.Errorf("writers that check nothing lost none of %d records: the harness is blind", len(h.safe))
	}
}

// run keeps 8 writers and 3 sealers running for a while and kills one of them every few milliseconds.
func (h *harness) run(span time.Duration, writer string) {
	const writers, sealers = 8, 3
	var done sync.WaitGroup
	children := make([]*exec.Cmd, writers+sealers)
	role := func(i int) string {
		if i < writers {
			return writer
		}
		return "sealer"
	}
	for i := range children {
		children[i] = h.start(role(i), &done)
	}
	r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	kills, reads := 0, 0
	for end := time.Now().Add(span); time.Now().Before(end); kills++ {
		time.Sleep(time.Duration(r.IntN(40)) * time.Millisecond)
		i := r.IntN(len(children))
		_ = children[i].Process.Kill()
		children[i] = h.start(role(i), &done)
		if kills%16 == 0 && !h.loss {
			h.readAlive()
			reads++
		}
	}
	for _, c := range children {
		_ = c.Process.Kill()
	}
	done.Wait()
	for _, e := range h.errs {
		h.t.Errorf("a child failed: %s", e)
	}
	h.t.Logf("%d acknowledged, %d kills, %d reads while they ran", len(h.safe), kills, reads)
}

// readAlive looks for everything acknowledged so far while writers and sealers run.
func (h *harness) readAlive() {
	h.mu.Lock()
	want := make([]object.Digest, 0, len(h.safe))
	for id := range h.safe {
		want = append(want, id)
	}
	h.mu.Unlock()
	l, err := Open(Options{Dir: h.dir, ReadOnly: true})
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	v, err := l.view()
	if err != nil {
		h.t.Fatal(err)
	}
	if v.damage != nil {
		h.t.Errorf("alive: %v", v.damage)
	}
	lost := 0
	for _, id := range want {
		if !v.holds(id) {
			lost++
		}
	}
	if lost > 0 {
		h.t.Errorf("alive: %d of %d acknowledged records are missing", lost, len(want))
	}
}

// after checks what is left: nothing damaged, and a rerun packs what the dead have left. It returns how many acknowledged records
// are lost.
func (h *harness) after() (lost int) {
	t := h.t
	l := open(t, h.dir)
	l.opts.Now = time.Now
	if err := l.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	report, err := l.Verify(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range report.Problems {
		if h.loss { // writers that check nothing may leave a torn segment behind; a sealer keeps it and verify names it
			t.Logf("damage: %+v", p)
			lost++
			continue
		}
		t.Errorf("damage: %+v", p)
	}
	if report.Segments != 0 {
		t.Errorf("%d segments are left after sealing", report.Segments)
	}
	got := map[object.Digest]int{}
	for r, err := range l.Select(t.Context(), Query{All: true}) {
		if err != nil {
			t.Fatal(err)
		}
		got[r.ID]++
	}
	for id := range h.safe {
		if got[id] == 0 {
			lost++
		}
	}
	if len(got) != report.Records-h.gone {
		t.Errorf("select finds %d records, verify %d", len(got), report.Records)
	}
	if len(h.safe) == 0 {
		t.Error("nothing was acknowledged: the test shows nothing")
	}
	return lost
}

package snapshot

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot/internal/pack"
)

// crashSite is the folder in which a child is killed again and again: a store, data to save, a folder to check out into,
// and the list of what was acknowledged.
type crashSite struct {
	dir   string
	now   time.Time
	plans []string // of the gcs of this process, for a failure's message
}

func (c *crashSite) path(name string) string { return filepath.Join(c.dir, name) }

func (c *crashSite) open() (*Store, error) {
	return Open(Options{
		Dir: c.path("store"), Index: c.path("index"), Clone: Clone{ID: strings.Repeat("cd", 16), Dir: c.dir},
		Now: func() time.Time { return c.now }, Jobs: 2,
	})
}

// acked is one acknowledged version: its root, and what the folder was.
type acked struct{ root, content object.Digest }

// keepVersions is how many of the latest versions gc must keep.
const keepVersions = 6

func (c *crashSite) acked() ([]acked, error) {
	b, err := os.ReadFile(c.path("acked"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var out []acked
	for line := range strings.Lines(string(b)) {
		root, content, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || !strings.HasSuffix(line, "\n") {
			continue // the kill came before the acknowledgement was whole
		}
		var a acked
		if a.root, err = object.ParseDigest(root); err == nil {
			a.content, err = object.ParseDigest(content)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, err
}

func (c *crashSite) ack(a acked) error {
	f, err := os.OpenFile(c.path("acked"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%s %s\n", a.root, a.content)
	return errors.Join(err, f.Close())
}

// contentOf describes a folder completely: names, kinds, executable bits, contents.
func contentOf(dir string, leaveOut ...string) (object.Digest, error) {
	var b bytes.Buffer
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		if slices.Contains(leaveOut, rel) {
			return nil
		}
		st, err := e.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%q %s %v ", rel, st.Mode().Type(), st.Mode().IsRegular() && st.Mode()&0o100 != 0)
		var content []byte
		switch {
		case st.Mode().IsRegular():
			content, err = os.ReadFile(path)
		case st.Mode().Type() == fs.ModeSymlink:
			var to string
			to, err = os.Readlink(path)
			content = []byte(to)
		}
		fmt.Fprintf(&b, "%s\n", object.Sum(content))
		return err
	})
	return object.Sum(b.Bytes()), err
}

// change edits the data folder a little: new files, edits in place, removals, links, empty folders, one file of
// several chunks that is edited in a few places, so that it is stored as deltas.
func (c *crashSite) change(r *rand.Rand) error {
	data := c.path("data")
	if err := os.MkdirAll(filepath.Join(data, "d"), 0o777); err != nil {
		return err
	}
	for range 1 + r.IntN(4) {
		name := fmt.Sprintf("f%d", r.IntN(8))
		if r.IntN(2) == 0 {
			name = filepath.Join("d", name)
		}
		path := filepath.Join(data, name)
		if err := os.RemoveAll(path); err != nil {
			return err
		}
		var err error
		switch r.IntN(8) {
		case 0:
		case 1:
			err = os.Mkdir(path, 0o777)
		case 2:
			err = os.Symlink("f1", path)
		case 3:
			if err = os.Mkdir(path, 0o777); err == nil {
				err = os.WriteFile(filepath.Join(path, "in"), bytesOf(r, r.IntN(3000)), 0o777)
			}
		default:
			err = os.WriteFile(path, bytesOf(r, r.IntN(40_000)), 0o666)
		}
		if err != nil {
			return err
		}
	}
	table := filepath.Join(data, "table")
	b, err := os.ReadFile(table)
	if err != nil || r.IntN(10) == 0 {
		b = bytesOf(r, 1<<20+r.IntN(1<<20))
	}
	for range r.IntN(4) {
		copy(b[r.IntN(max(1, len(b)-8)):], "edited!!")
	}
	return os.WriteFile(table, b, 0o666)
}

// save saves the data folder and acknowledges the version.
func (c *crashSite) save(s *Store) error {
	list, err := c.acked()
	if err != nil {
		return err
	}
	o := SaveOptions{Path: c.path("data")}
	if len(list) > 0 {
		o.Previous = list[len(list)-1].root
	}
	content, err := contentOf(o.Path)
	if err != nil {
		return err
	}
	v, err := s.Save(context.Background(), o)
	if err != nil {
		return err
	}
	if err := c.ack(acked{v.Root, content}); err != nil {
		return err
	}
	return v.Release()
}

// gc collects what the latest versions do not need, on a clock that has jumped over the grace.
func (c *crashSite) gc(s *Store) error {
	c.now = c.now.Add(25 * time.Hour)
	list, err := c.acked()
	if err != nil {
		return err
	}
	plan, err := s.PlanGC(context.Background(), func(yield func(Root, error) bool) {
		for _, a := range list[max(0, len(list)-keepVersions):] {
			if !yield(Root{Digest: a.root, Why: "kept"}, nil) {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	if len(plan.Missing) > 0 {
		return fmt.Errorf("gc misses %v", plan.Missing)
	}
	for _, p := range plan.Packs {
		c.plans = append(c.plans, fmt.Sprintf("%s %s, %d of %d live", p.Do, p.ID.Short(), p.Live, p.Bytes))
	}
	c.plans = append(c.plans, "")
	return s.ApplyGC(context.Background(), plan)
}

// checkoutAny restores one of the latest versions over whatever stands there.
func (c *crashSite) checkoutAny(s *Store, r *rand.Rand) (acked, error) {
	list, err := c.acked()
	if err != nil || len(list) == 0 {
		return acked{}, err
	}
	list = list[max(0, len(list)-keepVersions):]
	a := list[r.IntN(len(list))]
	_, err = s.Checkout(context.Background(), CheckoutOptions{Path: c.path("work"), To: a.root, Kind: Directory})
	return a, err
}

// crashChild saves, checks out and collects until it is killed.
func crashChild(args []string) error {
	seed, err := strconv.ParseUint(args[1], 10, 64)
	if err != nil {
		return err
	}
	now, err := strconv.ParseInt(args[2], 10, 64)
	if err != nil {
		return err
	}
	c := &crashSite{dir: args[0], now: time.Unix(now, 0)}
	r := rand.New(rand.NewPCG(seed, 1))
	s, err := c.open()
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for {
		n := r.IntN(10)
		if args[3] == "save" {
			n = 0
		}
		switch {
		case n < 5:
			err = errors.Join(c.change(r), c.save(s))
		case n < 8:
			if _, err = c.checkoutAny(s, r); fault.KindOf(err) == fault.Conflict && args[3] == "edited" {
				err = nil
			}
		default:
			err = c.gc(s)
		}
		if err != nil {
			return err
		}
	}
}

// Killed at any instant of a save, a checkout or a gc, nothing that was acknowledged is lost, no wrong byte is stored,
// and doing it again goes on where it stopped.
func TestCrash(t *testing.T) {
	kills, until := 200, time.Now().Add(soak(t))
	if testing.Short() {
		kills = 20
	}
	h := &crashHarness{t: t, c: &crashSite{dir: memoryDir(t), now: time.Now()}, r: rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 2))}
	for i := 0; i < kills || time.Now().Before(until); i++ {
		h.round = i
		h.kill([]string{"save", "mixed", "edited"}[i%3])
		if t.Failed() {
			return
		}
	}
	h.old = 0
	h.restored("at the end")
	t.Logf("%d kills, %d versions acknowledged", h.round+1, h.seen)
}

type crashHarness struct {
	t     *testing.T
	c     *crashSite
	r     *rand.Rand
	round int
	seen  int // acknowledged versions that were restored once
	old   int
}

// kill runs a child, kills it, and looks at what it left.
func (h *crashHarness) kill(mode string) {
	h.t.Helper()
	own := h.plant(mode)
	twice := h.twice()
	const behind = 25 * 40 * time.Hour // every gc of the child
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVar+"="+strings.Join([]string{"crash", h.c.dir, fmt.Sprint(h.r.Uint64()), fmt.Sprint(h.c.now.Unix()), mode}, "\n"))
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		h.t.Fatal(err)
	}
	_, _ = bufio.NewReader(out).ReadString('\n')
	time.Sleep(time.Duration(h.r.Int64N(int64(30 * time.Millisecond))))
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if said.Len() > 0 {
		h.t.Fatalf("round %d (%s): the child failed: %s", h.round, mode, said.String())
	}
	h.c.now = h.c.now.Add(behind)
	h.restored("after the kill")
	h.again(mode, own, twice)
}

// plant puts files of the user's own into the folder that is checked out, and returns their contents.
func (h *crashHarness) plant(mode string) map[string]string {
	own := map[string]string{"mine": "my own " + fmt.Sprint(h.round), "d/mine": "mine, too " + fmt.Sprint(h.round)}
	if err := os.MkdirAll(filepath.Join(h.c.path("work"), "d"), 0o777); err != nil {
		h.t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(h.c.path("work"), "table")); err == nil && mode == "edited" {
		own["table"] = "not saved " + fmt.Sprint(h.round)
	}
	for name, text := range own {
		if err := os.WriteFile(filepath.Join(h.c.path("work"), name), []byte(text), 0o666); err != nil {
			h.t.Fatal(err)
		}
	}
	return own
}

// restored reads back what was acknowledged since the last call, and some of what was before, and verifies every byte.
func (h *crashHarness) restored(when string) {
	h.t.Helper()
	list, err := h.c.acked()
	if err != nil {
		h.t.Fatal(err)
	}
	s, err := h.c.open()
	if err != nil {
		h.t.Fatal(err)
	}
	defer s.Close()
	kept := list[max(0, len(list)-keepVersions):]
	var roots []object.Digest
	for i, a := range kept {
		roots = append(roots, a.root)
		if len(list)-len(kept)+i < h.seen && h.r.IntN(4) > 0 {
			continue
		}
		dir, err := os.MkdirTemp(h.c.dir, "restored-")
		if err != nil {
			h.t.Fatal(err)
		}
		if _, err := s.Checkout(context.Background(), CheckoutOptions{Path: filepath.Join(dir, "x"), To: a.root, Kind: Directory}); err != nil {
			h.t.Fatalf("round %d, %s: version %s was acknowledged: %v", h.round, when, a.root.Short(), err)
		}
		if got, err := contentOf(filepath.Join(dir, "x")); err != nil || got != a.content {
			h.t.Fatalf("round %d, %s: version %s is restored wrong (%v)", h.round, when, a.root.Short(), err)
		}
		os.RemoveAll(dir)
	}
	h.seen = len(list)
	if rep, err := s.Verify(context.Background(), roots, false, nil); err != nil || len(rep.Damage) > 0 {
		h.t.Fatalf("round %d, %s: verify: %v, %+v", h.round, when, err, rep.Damage)
	}
}

// again does everything once more, and expects no error, nothing stored twice, nothing left over.
func (h *crashHarness) again(mode string, own map[string]string, twice int) {
	h.t.Helper()
	c := h.c
	s, err := c.open()
	if err != nil {
		h.t.Fatal(err)
	}
	defer s.Close()
	fail := func(what string, err error) { h.t.Fatalf("round %d (%s): %s: %v", h.round, mode, what, err) }
	if err := c.save(s); err != nil && h.round > 0 {
		fail("save again", err)
	}
	if mode == "save" {
		if n := h.twice(); n > twice {
			fail("save again", fmt.Errorf("%d chunks are stored twice", n-twice))
		}
		if list, _ := filepath.Glob(c.path("store/tmp/*" + pack.TempSuffix)); len(list) > 0 {
			fail("save again", fmt.Errorf("not adopted: %v", list))
		}
	}
	h.checkoutAgain(s, mode, own, fail)
	c.plans = nil
	for n := 0; n < 2 || n < 8 && h.condemned(); n++ { // condemn, delete, and what had to be rewritten as well
		if err := c.gc(s); err != nil {
			fail("gc again", err)
		}
	}
	h.leftovers(fail)
}

func (h *crashHarness) checkoutAgain(s *Store, mode string, own map[string]string, fail func(string, error)) {
	c := h.c
	for name, text := range own {
		if got, err := os.ReadFile(filepath.Join(c.path("work"), name)); err != nil || string(got) != text {
			fail("own file "+name, fmt.Errorf("%.40q, %w", got, err))
		}
	}
	if _, edited := own["table"]; edited {
		if _, err := c.checkoutAny(s, h.r); err != nil && fault.KindOf(err) != fault.Conflict {
			fail("checkout over an edit", err)
		}
		if got, _ := os.ReadFile(filepath.Join(c.path("work"), "table")); string(got) != own["table"] {
			fail("checkout over an edit", fmt.Errorf("the edit is gone: %.40q", got))
		}
		os.Remove(filepath.Join(c.path("work"), "table"))
	}
	a, err := c.checkoutAny(s, h.r)
	if err != nil {
		fail("checkout again", err)
	}
	if a.root.IsZero() {
		return
	}
	if got, err := contentOf(c.path("work"), "mine", "d/mine"); err != nil || got != a.content {
		fail("checkout again", fmt.Errorf("the folder is not the version (%w)", err))
	}
	for ch, err := range s.Status(context.Background(), StatusOptions{Path: c.path("work"), Base: a.root, Kind: Directory}) {
		if err != nil || ch.Path != "mine" && ch.Path != "d/mine" {
			fail("status after a checkout again", fmt.Errorf("%+v %w", ch, err))
		}
	}
}

// twice counts the chunks that are in more than one pack that is not condemned.
func (h *crashHarness) twice() int {
	h.t.Helper()
	s, err := h.c.open()
	if err != nil {
		h.t.Fatal(err)
	}
	defer s.Close()
	skip, err := s.condemnedPacks()
	if err == nil {
		err = s.set.Refresh()
	}
	if err != nil {
		h.t.Fatal(err)
	}
	seen, n := map[object.Digest]bool{}, 0
	for _, f := range s.set.Files() {
		if skip[f.Name()] {
			continue
		}
		f.Chunks(func(d object.Digest, _, _ int, _ pack.Codec) bool {
			if seen[d] {
				n++
			}
			seen[d] = true
			return true
		})
	}
	return n
}

func (h *crashHarness) condemned() bool {
	list, _ := os.ReadDir(h.c.path("store/condemned"))
	return len(list) > 0
}

// leftovers lists what should not be there after a gc.
func (h *crashHarness) leftovers(fail func(string, error)) {
	known := map[string]bool{"format": true, "clone.json": true}
	for _, top := range []string{"store", "index"} {
		err := filepath.WalkDir(h.c.path(top), func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			hex := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(e.Name(), ".pack"), ".seen"), journalSuffix)
			if known[e.Name()] || top == "store" && filepath.Base(filepath.Dir(path)) == "packs" && len(hex) == 64 || top == "index" && len(hex) == 24 {
				return nil
			}
			return fmt.Errorf("%s was left", path)
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			fail("after gc", fmt.Errorf("%w\n%s", err, strings.Join(h.c.plans, "\n")))
		}
	}
	filepath.WalkDir(h.c.path("work"), func(path string, e fs.DirEntry, _ error) error {
		if isTemp(e.Name()) {
			fail("after a checkout", fmt.Errorf("%s was left", path))
		}
		return nil
	})
}

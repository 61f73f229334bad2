package main

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"testing"
	"time"
)

// TestRemoteCrash kills push and pull at 200 instants of each other's work, and does both again each time: then all is there, nothing
// was sent again that had arrived, and nothing lies about. Under "make soak" it goes on for as long as MLX_SOAK says.
func TestRemoteCrash(t *testing.T) {
	soak := time.Duration(0)
	if text := os.Getenv("MLX_SOAK"); text != "" {
		var err error
		if soak, err = time.ParseDuration(text); err != nil {
			t.Fatalf("MLX_SOAK: %v", err)
		}
	}
	for lane, rate := range []string{"", "12MiB/s"} { // without a limit the instants are those of small steps, with one those of transfers
		t.Run(fmt.Sprintf("rate %q", rate), func(t *testing.T) {
			t.Parallel()
			h := newCrashHarness(t, rate)
			random := rand.New(rand.NewPCG(uint64(lane), 7))
			start := time.Now()
			for h.push.kills < 50 || h.pull.kills < 50 || time.Since(start) < soak/2 {
				h.round(random)
				if t.Failed() {
					return
				}
				if h.rounds > 500 && soak == 0 {
					t.Fatalf("only %d and %d kills in %d rounds", h.push.kills, h.pull.kills, h.rounds)
				}
			}
			t.Logf("%d kills of push, %d of pull in %d rounds", h.push.kills, h.pull.kills, h.rounds)
		})
	}
}

// crashHarness is a repository that pushes into a folder, and its clone that pulls.
type crashHarness struct {
	*somebody
	want       map[string][32]byte
	push, pull leg
	rounds     int
}

// leg is a command that is killed, and what it takes undisturbed.
type leg struct {
	dir, command string
	takes        time.Duration
	bytes        int64
	kills        int
}

const (
	crashPacks = 6
	crashBig   = 400_000
	crashSlack = 300_000 // listings, log, records, tables, and what is read around small chunks
)

func newCrashHarness(t *testing.T, rate string) *crashHarness {
	h := &crashHarness{somebody: newSomebody(t)}
	h.push, h.pull = leg{dir: "a", command: "push"}, leg{dir: "b", command: "pull"}
	h.env = append(h.env, "MLX_LIMIT_RATE="+rate)
	if rate == "" {
		h.env = h.env[:len(h.env)-1]
	}
	h.project("a", crashPacks, crashBig)
	h.share("a", "remote")
	h.do(".", "git", "clone", "-q", "a", "b")
	h.do("b", "mlx", "trust", "-y")
	h.want = h.sums("a")
	for _, l := range []*leg{&h.push, &h.pull} {
		start := time.Now()
		l.bytes = h.run(l)
		l.takes = time.Since(start)
	}
	h.check()
	return h
}

// run does a leg to its end and returns how many bytes it moved.
func (h *crashHarness) run(l *leg) int64 {
	h.t.Helper()
	moved := decoded[struct {
		Sent     int64 `json:"bytes_sent"`
		Received int64 `json:"bytes_received"`
	}](h.t, h.do(l.dir, "mlx", l.command, "--json"))
	return moved.Sent + moved.Received
}

// round begins with an empty remote and an empty clone, kills either once or twice, and lets them finish.
func (h *crashHarness) round(random *rand.Rand) {
	h.rounds++
	h.reset()
	for _, l := range []*leg{&h.push, &h.pull} {
		for range 1 + random.IntN(2) {
			if h.killed(time.Duration(random.Float64()*float64(l.takes)), l.dir, "mlx", l.command) {
				l.kills++
			}
		}
		arrived := h.arrived(l)
		if moved := h.run(l); moved > l.bytes-arrived+crashSlack {
			h.t.Errorf("round %d: %s moved %d bytes again, although %d of %d had arrived", h.rounds, l.command, moved, arrived, l.bytes)
		}
	}
	h.check()
}

// arrived is how many bytes of whole packs a killed command has left where they are of use.
func (h *crashHarness) arrived(l *leg) (n int64) {
	dir := []string{"remote", "packs"}
	if l.command == "pull" {
		dir = []string{"b", ".git", "mlx", "store", "packs"}
	}
	_, packs := h.weight("*.pack", dir...)
	for _, path := range packs {
		info, err := os.Stat(path)
		if err != nil {
			h.t.Fatal(err)
		}
		n += info.Size()
	}
	return n
}

func (h *crashHarness) reset() {
	h.t.Helper()
	err := errors.Join(os.RemoveAll(h.path("remote")), os.Mkdir(h.path("remote"), 0o755), os.RemoveAll(h.path("a", ".git", "mlx", "remotes")))
	for _, derived := range []string{"store", "index", "ledger", "remotes"} {
		err = errors.Join(err, os.RemoveAll(h.path("b", ".git", "mlx", derived)))
	}
	for i := range crashPacks {
		err = errors.Join(err, os.RemoveAll(h.path("b", fmt.Sprintf("d%d", i))))
	}
	h.write(seeded(1, 1000), "remote", "packs", ".tmp-young")
	h.write(seeded(2, 1000), "remote", "packs", ".tmp-old")
	yesterday := time.Now().Add(-25 * time.Hour)
	if err := errors.Join(err, os.Chtimes(h.path("remote", "packs", ".tmp-old"), yesterday, yesterday)); err != nil {
		h.t.Fatal(err)
	}
}

// check asks whether everything is there and nothing else.
func (h *crashHarness) check() {
	h.t.Helper()
	if got := h.sums("b"); !maps.Equal(got, h.want) {
		h.t.Errorf("round %d: %d files came, not the %d that were pushed, or others", h.rounds, len(got), len(h.want))
	}
	h.do("b", "mlx", "verify")
	if h.rounds%10 == 0 {
		h.do("a", "mlx", "verify")
	}
	for _, dir := range []string{"a", "b"} {
		if _, left := h.weight("*", dir, ".git", "mlx", "store", "tmp"); len(left) > 0 { // what nobody could use
			h.do(dir, "mlx", "gc")
		}
		if _, left := h.weight("*", dir, ".git", "mlx", "store", "tmp"); len(left) > 0 {
			h.t.Errorf("round %d: left in %s: %q", h.rounds, dir, left)
		}
	}
	_, old := h.weight(".tmp-old", "remote")
	_, young := h.weight(".tmp-young", "remote")
	if h.rounds > 0 && (len(old) > 0 || len(young) == 0) {
		h.t.Errorf("round %d: what a push of yesterday left is there: %v; what one of now writes: %v", h.rounds, len(old) > 0, len(young) > 0)
	}
}

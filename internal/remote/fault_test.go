package remote

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mlx/internal/bucket"
	"mlx/internal/bucket/buckettest"
	"mlx/internal/fault"
	"mlx/internal/object"
)

// ill is something that goes wrong at one call of a driver, or from that call on until somebody has given up.
type ill struct {
	name   string
	ops    string // which calls it can befall
	fault  buckettest.Fault
	always bool
	kinds  []fault.Kind // of the error; none: it must be survived
}

func ills() []ill {
	unavailable, denied, integrity := []fault.Kind{fault.Unavailable}, []fault.Kind{fault.Denied}, []fault.Kind{fault.Integrity}
	return []ill{
		{"503 once", "get put create list", buckettest.Fault{Err: buckettest.Down()}, false, nil},
		{"503 for good", "get put create list", buckettest.Fault{Err: buckettest.Down()}, true, unavailable},
		{"429 once", "get put create list", buckettest.Fault{Err: buckettest.Busy(5 * time.Second)}, false, nil},
		{"credentials expired", "get put create list", buckettest.Fault{Err: buckettest.Denied()}, true, denied},
		{"disk full", "put create", buckettest.Fault{Err: buckettest.Full()}, true, unavailable},
		{"reply lost", "put create", buckettest.Fault{Err: buckettest.Down(), After: true}, false, nil},
		{"every reply lost", "put create", buckettest.Fault{Err: buckettest.Down(), After: true}, true, unavailable},
		{"cut at a byte", "get", buckettest.Fault{Cut: 9}, false, nil},
		{"ended at a byte", "get", buckettest.Fault{Cut: 7, Clean: true}, false, nil},
		{"wrong byte", "get", buckettest.Fault{Flip: 11}, false, integrity},
		{"wrong bytes for good", "get", buckettest.Fault{Flip: 3}, true, integrity},
		{"listing stale", "list", buckettest.Fault{Stale: true}, false, nil},
		{"listing cut", "list", buckettest.Fault{Err: buckettest.Down(), After: true}, false, nil},
		{"listing denied halfway", "list", buckettest.Fault{Err: buckettest.Denied(), After: true}, true, denied},
	}
}

// counted is a driver that remembers which packs were sent, and how often.
type counted struct {
	bucket.Driver
	mu    sync.Mutex
	packs map[string]int
}

func (d *counted) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, absent bool) error {
	err := d.Driver.Put(ctx, key, body, size, absent)
	if err == nil && strings.HasPrefix(key, packFolder) {
		d.mu.Lock()
		d.packs[key]++
		d.mu.Unlock()
	}
	return err
}

// tale is two clones that share a remote at which one thing goes wrong.
type tale struct {
	t     *testing.T
	d     *counted
	ill   ill
	at    int  // the call that it befalls
	on    bool // it is still to come, or goes on
	trace []buckettest.Call
	files [3]map[string][]byte
	roots [3]Root
	a, b  *clone
}

func newTale(t *testing.T, at int, what ill) *tale {
	s := &tale{t: t, d: &counted{Driver: buckettest.Memory(), packs: map[string]int{}}, ill: what, at: at, on: at > 0}
	d := buckettest.Faults(s.d, func(c buckettest.Call) buckettest.Fault {
		s.trace = append(s.trace, c)
		if s.on && (c.N == s.at || c.N > s.at && s.ill.always) && strings.Contains(s.ill.ops, c.Op) {
			return s.ill.fault
		}
		return buckettest.Fault{}
	})
	s.a, s.b = newClone(t, d), newClone(t, d)
	for _, c := range []*clone{s.a, s.b} {
		c.change = func(o *Options) { o.Jobs = 1 }
	}
	even := func(seed byte, n int) []byte {
		b := make([]byte, n)
		rand.NewChaCha8([32]byte{seed}).Read(b) // never fails
		return b
	}
	s.files[0] = map[string][]byte{"big": even(1, 90_000), "in/small": []byte("one\n"), "empty": {}}
	s.files[1] = map[string][]byte{"big": append(even(1, 90_000), even(2, 40_000)...), "in/small": []byte("two\n")}
	s.files[2] = map[string][]byte{"big": append(even(3, 30_000), even(1, 90_000)...)}
	return s
}

// steps are what the clones do; each may be done again.
func (s *tale) steps() []func() error {
	return []func() error{
		s.prepare(s.a, 0, 2), s.pushes(s.a, 1),
		s.prepare(s.a, 1, 1), s.pushes(s.a, 2),
		s.fetches(s.b, 0, 1),
		s.prepare(s.b, 2, 3), s.pushes(s.b, 3),
		s.fetches(s.a, 2),
	}
}

func (s *tale) prepare(c *clone, version, notes int) func() error {
	return func() error {
		c.note(notes)
		var previous object.Digest
		if version > 0 {
			previous = s.roots[version-1].Root
		}
		s.roots[version] = c.save(s.files[version], previous)
		return nil
	}
}

// pushes sends the first n versions.
func (s *tale) pushes(c *clone, n int) func() error {
	return func() error {
		p, err := c.remote().Push(s.t.Context(), PushOptions{Roots: s.roots[:n]})
		if err == nil && p.Head.Size != uint64([]int{2, 3, 6}[n-1]) {
			err = fmt.Errorf("it says that it is done with %d records", p.Head.Size)
		}
		return err
	}
}

func (s *tale) fetches(c *clone, versions ...int) func() error {
	return func() error {
		r := c.remote()
		if _, err := r.Sync(s.t.Context()); err != nil {
			return err
		}
		var roots []object.Digest
		for _, v := range versions {
			roots = append(roots, s.roots[v].Root)
		}
		got, err := r.Fetch(s.t.Context(), FetchOptions{Roots: roots})
		if err != nil {
			return err
		}
		return got.Release()
	}
}

// play does all steps, a step that failed once more after the fault is over.
func (s *tale) play() {
	for i, step := range s.steps() {
		err := step()
		if err == nil {
			continue
		}
		if !slices.Contains(s.ill.kinds, fault.KindOf(err)) {
			s.t.Errorf("step %d: %v (%s)", i, err, fault.KindOf(err))
		}
		s.on = false
		if err := step(); err != nil {
			s.t.Fatalf("step %d, again: %v", i, err)
		}
	}
	s.on = false
}

// check asks whether all is there, and nothing was sent for nothing.
func (s *tale) check() {
	c := newClone(s.t, s.d)
	c.pull(s.roots[:]...)
	s.a.pull()
	s.b.pull()
	for who, c := range map[string]*clone{"a": s.a, "b": s.b, "fresh": c} {
		s.sound(who, c)
	}
	for v, files := range s.files {
		tree, err := c.store.FS(s.t.Context(), s.roots[v].Root)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, name := range slices.Sorted(maps.Keys(files)) {
			if got, err := fs.ReadFile(tree, name); err != nil || !bytes.Equal(got, files[name]) {
				s.t.Errorf("version %d, %s: %d bytes, %v", v, name, len(got), err)
			}
		}
	}
	for key, n := range s.d.packs {
		if s.ill.fault.After {
			n = min(n, 1) // a reply was lost: the client cannot know
		}
		if n > 1 {
			s.t.Errorf("%s was sent %d times", key, n)
		}
	}
}

func (s *tale) sound(who string, c *clone) {
	var roots []object.Digest
	for _, r := range s.roots {
		roots = append(roots, r.Root)
	}
	report, err := c.store.Verify(s.t.Context(), roots, false, noProgress{})
	if err != nil || len(report.Damage) > 0 {
		s.t.Errorf("%s: the store: %+v, %v", who, report.Damage, err)
	}
	ledger, err := c.ledger.Verify(s.t.Context(), nil)
	if err != nil || !ledger.OK() || ledger.Size != 6 {
		s.t.Errorf("%s: the ledger: %d records, %+v, %v", who, ledger.Size, ledger.Problems, err)
	}
}

// TestEveryFaultAtEveryCall lets each call of two pushes, a pull, a push and a pull fail in each way that its kind can.
func TestEveryFaultAtEveryCall(t *testing.T) {
	clean := newTale(t, 0, ill{})
	clean.play()
	trace := slices.Clone(clean.trace)
	clean.check()
	if len(trace) < 30 {
		t.Fatalf("only %d calls", len(trace))
	}
	for i, call := range trace {
		t.Run(fmt.Sprintf("%02d %s", i+1, call.Op), func(t *testing.T) {
			t.Parallel()
			for _, what := range ills() {
				if strings.Contains(what.ops, call.Op) {
					t.Run(what.name, func(t *testing.T) {
						s := newTale(t, i+1, what)
						s.play()
						s.check()
					})
				}
			}
		})
	}
}

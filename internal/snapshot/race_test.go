package snapshot

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mlx/internal/object"
	"mlx/internal/snapshot/internal/pack"
)

func memoryBench(t *testing.T) *bench {
	b := newBench(t)
	b.dir = memoryDir(t)
	b.data = filepath.Join(b.dir, "data")
	b.reopen()
	return b
}

// other opens the store of a bench once more, as another process would.
func (b *bench) other(clone string, now func() time.Time) *Store {
	b.t.Helper()
	s, err := Open(Options{
		Dir: filepath.Join(b.dir, "store"), Index: filepath.Join(b.dir, "index-"+clone),
		Clone: Clone{ID: strings.Repeat(clone, 16), Dir: b.dir}, Now: now, Jobs: 2,
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// saverChild saves the folders it is given, several times, and says what it got.
func saverChild(args []string) error {
	s, err := Open(Options{
		Dir: filepath.Join(args[0], "store"), Index: filepath.Join(args[0], "index"),
		Clone: Clone{ID: strings.Repeat("ef", 16), Dir: args[0]}, Now: time.Now, Jobs: 2,
	})
	if err != nil {
		return err
	}
	for range 3 {
		for _, path := range args[1:] {
			v, err := s.Save(context.Background(), SaveOptions{Path: path, Fresh: true})
			if err != nil {
				return err
			}
			fmt.Println(path, v.Root)
			if err := v.Release(); err != nil {
				return err
			}
		}
	}
	return nil
}

// Eight processes save at once, each its own folder and all of them the same one.
func TestManySaveAtOnce(t *testing.T) {
	b := newBench(t)
	r := rand.New(rand.NewPCG(11, 12))
	common := bytesOf(r, 2<<20)
	var paths []string
	for i := range 8 {
		name := fmt.Sprintf("own%d", i)
		b.write(name+"/common", common)
		b.write(name+"/own", bytesOf(r, 300<<10))
		b.write("shared/"+name, bytesOf(r, 20<<10))
		paths = append(paths, filepath.Join(b.data, name))
	}
	shared := filepath.Join(b.data, "shared")
	roots := make([]map[string]string, len(paths))
	var group sync.WaitGroup
	for i, p := range paths {
		group.Go(func() {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), childVar+"="+strings.Join([]string{"saver", b.dir, p, shared}, "\n"))
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("child %d: %v: %s", i, err, out)
			}
			roots[i] = map[string]string{}
			for line := range strings.Lines(string(out)) {
				path, root, _ := strings.Cut(strings.TrimSpace(line), " ")
				if old := roots[i][path]; old != "" && old != root {
					t.Errorf("child %d: %s is now %s, now %s", i, path, old, root)
				}
				roots[i][path] = root
			}
		})
	}
	group.Wait()
	if t.Failed() {
		return
	}
	var all []object.Digest
	for i, p := range paths {
		for _, path := range []string{p, shared} {
			d, err := object.ParseDigest(roots[i][path])
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, d)
			to := filepath.Join(b.dir, "restored", fmt.Sprint(i), filepath.Base(path))
			b.mustCheckout(d, to)
			same(t, "restored "+path, listing(t, to), listing(t, path))
		}
		if roots[i][shared] != roots[0][shared] {
			t.Errorf("the shared folder is %s and %s", roots[i][shared], roots[0][shared])
		}
	}
	if rep, err := b.s.Verify(context.Background(), all, false, nil); err != nil || len(rep.Damage) > 0 {
		t.Fatalf("verify: %+v, %v", rep.Damage, err)
	}
}

// protocol is a gc and a save of the same content, taken apart into their steps, for every order of the steps. The old
// version is needed by nothing; the save brings its content back.
type protocol struct {
	b     *bench
	now   time.Time
	gc    *Store
	old   object.Digest
	root  object.Digest // of the save, once it is acknowledged
	saved *Saved
	plan  *GCPlan
	w     *saver
	save  *Store
}

func newProtocol(t *testing.T, delta bool) *protocol {
	b := memoryBench(t)
	p := &protocol{b: b, now: time.Now()}
	clock := func() time.Time { return p.now }
	r := rand.New(rand.NewPCG(21, 22))
	base := bytesOf(r, 60<<10)
	b.write("f", base)
	first := b.save(object.Digest{})
	if delta { // what is saved again is a delta, its base is needed by nothing either
		copy(base[100:], "changed in this place")
		b.write("f", base)
		if v := b.save(first.Root); v.Stored > 20<<10 {
			t.Fatalf("%d bytes are no delta", v.Stored)
		}
	}
	b.write("same", []byte("in both"))
	p.old = b.save(first.Root).Root
	want := listing(t, b.data)
	p.gc, p.save = b.other("11", clock), b.other("22", clock)
	b.t.Cleanup(func() {
		if p.root.IsZero() {
			t.Fatal("nothing was saved")
		}
		to := filepath.Join(b.dir, "restored")
		if _, err := b.other("33", clock).Checkout(context.Background(), CheckoutOptions{Path: to, To: p.root, Kind: Directory}); err != nil {
			t.Fatal(err)
		}
		same(t, "restored", listing(t, to), want)
	})
	return p
}

func (p *protocol) must(err error) {
	p.b.t.Helper()
	if err != nil {
		p.b.t.Fatal(err)
	}
}

// live yields what is acknowledged at the moment it is asked.
func (p *protocol) live(yield func(Root, error) bool) {
	if !p.root.IsZero() {
		yield(Root{Digest: p.root, Why: "saved"}, nil)
	}
}

func (p *protocol) planGC() {
	p.plan = try(p, func() (*GCPlan, error) { return p.gc.PlanGC(context.Background(), p.live) })
}
func (p *protocol) applyGC() { p.must(p.gc.ApplyGC(context.Background(), p.plan)) }
func (p *protocol) day()     { p.now = p.now.Add(25 * time.Hour) }

func try[T any](p *protocol, f func() (T, error)) T {
	p.b.t.Helper()
	v, err := f()
	p.must(err)
	return v
}

// The steps of a save, as saveOnce makes them.
func (p *protocol) start() {
	p.must(p.save.prepare())
	p.w = &saver{s: p.save, o: SaveOptions{Path: p.b.data}, kind: Directory, trust: true}
	p.must(p.w.start())
}

func (p *protocol) write() {
	ctx := context.Background()
	p.must(p.w.scan.run(ctx, p.b.data, Directory))
	p.must(p.w.check(ctx))
	p.w.pool = try(p, func() (*pool, error) { return newPool(p.save, p.w.skip, 1) })
	p.must(p.w.read(ctx))
	root := try(p, p.w.trees)
	p.must(p.w.finish(nil))
	p.saved = &Saved{Root: root}
}

func (p *protocol) publish() {
	p.saved.Release = try(p, func() (func() error, error) { return p.save.publish(p.saved.Root) })
}

// acknowledge lists condemned and missing packs again; where that says so, it saves once more.
func (p *protocol) acknowledge() {
	again := try(p, func() (bool, error) { return p.w.takenAway(context.Background(), p.saved.Root) })
	if again {
		p.must(p.saved.Release())
		v := try(p, func() (Saved, error) {
			return p.save.Save(context.Background(), SaveOptions{Path: p.b.data})
		})
		p.saved = &v
	}
	p.root = p.saved.Root
	p.must(p.saved.Release())
}

// A gc condemns, and a day later deletes, beside a save of the same content: whatever the order of their steps, what the
// save acknowledges can be read.
func TestGCBesideSave(t *testing.T) {
	type step struct {
		name string
		do   func(*protocol)
	}
	save := []step{{"start", (*protocol).start}, {"write", (*protocol).write}, {"publish", (*protocol).publish}, {"acknowledge", (*protocol).acknowledge}}
	gc := []step{{"plan", (*protocol).planGC}, {"condemn", (*protocol).applyGC}}
	for _, delta := range []bool{false, true} {
		for _, order := range interleave(len(save), len(gc)) {
			var names []string
			s, g := save, gc
			var steps []step
			for _, isSave := range order {
				from := &g
				if isSave {
					from = &s
				}
				steps, names = append(steps, (*from)[0]), append(names, (*from)[0].name)
				*from = (*from)[1:]
			}
			t.Run(fmt.Sprint(delta, strings.Join(names, "-")), func(t *testing.T) {
				p := newProtocol(t, delta)
				for _, s := range steps {
					s.do(p)
				}
				for range 3 {
					p.day()
					p.planGC()
					p.applyGC()
				}
			})
		}
	}
}

// The packs were condemned long ago; the save begins after that, and the deletion falls between its steps.
func TestDeletionBesideSave(t *testing.T) {
	save := []func(*protocol){(*protocol).start, (*protocol).write, (*protocol).publish, (*protocol).acknowledge}
	for _, delta := range []bool{false, true} {
		for plan := range len(save) + 1 {
			for apply := plan; apply <= len(save); apply++ {
				t.Run(fmt.Sprint(delta, plan, apply), func(t *testing.T) {
					p := newProtocol(t, delta)
					p.planGC()
					p.applyGC()
					p.day()
					for i := range len(save) + 1 {
						if i == plan {
							p.planGC()
						}
						if i == apply {
							p.applyGC()
						}
						if i < len(save) {
							save[i](p)
						}
					}
					for range 3 {
						p.day()
						p.planGC()
						p.applyGC()
					}
				})
			}
		}
	}
}

// interleave returns every order of a steps of one kind (true) and b of another.
func interleave(a, b int) [][]bool {
	if a == 0 && b == 0 {
		return [][]bool{nil}
	}
	var out [][]bool
	if a > 0 {
		for _, rest := range interleave(a-1, b) {
			out = append(out, append([]bool{true}, rest...))
		}
	}
	if b > 0 {
		for _, rest := range interleave(a, b-1) {
			out = append(out, append([]bool{false}, rest...))
		}
	}
	return out
}

// A save, checkouts, gcs and verifications at once: success, or a conflict that names the path; never damage.
func TestAllAtOnce(t *testing.T) {
	b := memoryBench(t)
	r := rand.New(rand.NewPCG(31, 32))
	b.write("f", bytesOf(r, 200<<10))
	var mu sync.Mutex
	live := []object.Digest{b.save(object.Digest{}).Root}
	kept := func() []object.Digest {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(live)
	}
	stop := time.Now().Add(1500 * time.Millisecond)
	var group sync.WaitGroup
	loop := func(what, clone string, do func(s *Store, r *rand.Rand) error) {
		group.Go(func() {
			r := rand.New(rand.NewPCG(uint64(clone[0]), 5))
			for time.Now().Before(stop) {
				if err := do(b.other(clone, time.Now), r); err != nil {
					t.Errorf("%s: %v", what, err)
					return
				}
			}
		})
	}
	for i := range 3 {
		data := filepath.Join(b.dir, fmt.Sprint("data", i))
		loop("save", fmt.Sprint(4, i), func(s *Store, r *rand.Rand) error {
			err := errors.Join(os.MkdirAll(data, 0o777), os.WriteFile(filepath.Join(data, fmt.Sprint(r.IntN(5))), bytesOf(r, r.IntN(90<<10)), 0o666))
			list := kept()
			v, serr := s.Save(context.Background(), SaveOptions{Path: data, Previous: list[len(list)-1]})
			if err = errors.Join(err, serr); err != nil {
				return err
			}
			mu.Lock()
			if live = append(live, v.Root); len(live) > 9 {
				live = live[3:]
			}
			mu.Unlock()
			return v.Release()
		})
	}
	loop("checkout", "51", func(s *Store, r *rand.Rand) error {
		list := kept()
		to := filepath.Join(b.dir, "work")
		os.RemoveAll(to)
		_, err := s.Checkout(context.Background(), CheckoutOptions{Path: to, To: list[len(list)-1], Kind: Directory})
		return err
	})
	gc := func(s *Store, _ *rand.Rand) error {
		plan, err := s.PlanGC(context.Background(), func(yield func(Root, error) bool) {
			for _, d := range kept() {
				if !yield(Root{Digest: d, Why: "kept"}, nil) {
					return
				}
			}
		})
		if err != nil {
			return err
		}
		return s.ApplyGC(context.Background(), plan)
	}
	loop("gc", "61", gc)
	loop("gc", "62", gc)
	loop("verify", "71", func(s *Store, _ *rand.Rand) error {
		rep, err := s.Verify(context.Background(), kept(), false, nil)
		if err == nil && len(rep.Damage) > 0 {
			err = fmt.Errorf("damage: %+v", rep.Damage[0])
		}
		return err
	})
	group.Wait()
	s := b.other("71", time.Now)
	if rep, err := s.Verify(context.Background(), live, false, nil); err != nil || len(rep.Damage) > 0 {
		t.Fatalf("verify: %+v, %v", rep.Damage, err)
	}
}

// While a save is in progress, gc leaves alone what it may have written; afterwards it is garbage like any other.
func TestGCSparesASaveInProgress(t *testing.T) {
	b := memoryBench(t)
	b.write("f", []byte("content"))
	b.save(object.Digest{})
	fates := func() (out []string) {
		plan, err := b.other("11", time.Now).PlanGC(context.Background(), func(func(Root, error) bool) {})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range plan.Packs {
			out = append(out, p.Do)
		}
		return out
	}
	end, err := b.s.announce()
	if err != nil {
		t.Fatal(err)
	}
	same(t, "during a save", fates(), []string{keepPack})
	end()
	same(t, "after it", fates(), []string{condemnPack})
}

// However gcs are killed and repeated, in the end each chunk is stored once.
func TestGCConverges(t *testing.T) {
	b := memoryBench(t)
	r := rand.New(rand.NewPCG(41, 42))
	var last Saved
	for i := range 12 {
		b.write(fmt.Sprint("f", i%5), bytesOf(r, 50<<10))
		last = b.save(last.Root)
	}
	for range 10 {
		b.now = b.now.Add(25 * time.Hour)
		b.reopen()
		plan, err := b.s.PlanGC(context.Background(), func(yield func(Root, error) bool) { yield(Root{Digest: last.Root, Why: "last"}, nil) })
		if err != nil {
			t.Fatal(err)
		}
		if r.IntN(2) == 0 { // two at once
			if err := b.other("99", func() time.Time { return b.now }).ApplyGC(context.Background(), plan); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.s.ApplyGC(context.Background(), plan); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[object.Digest]bool{}
	for _, f := range b.s.set.Files() {
		f.Chunks(func(d object.Digest, _, _ int, _ pack.Codec) bool {
			if seen[d] {
				t.Errorf("%s is stored twice", d.Short())
			}
			seen[d] = true
			return true
		})
	}
	if list, _ := os.ReadDir(b.s.condemned()); len(list) > 0 {
		t.Errorf("%d packs are still condemned", len(list))
	}
	b.mustCheckout(last.Root, filepath.Join(b.dir, "restored"))
	same(t, "restored", listing(t, filepath.Join(b.dir, "restored")), listing(t, b.data))
}

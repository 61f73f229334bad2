package remote

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"mlx/internal/bucket"
	"mlx/internal/bucket/buckettest"
	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/snapshot"
)

// noted is a kind for tests.
type noted struct {
	Text string `json:"text"`
}

var noteMade = lineage.Define[noted]("note.made/v1")

const testLedger = "7f3a90c2d15e4b68"

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(time.Microsecond)
	return c.t
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// clone is one machine's copy: store, ledger, what it remembers of remotes.
type clone struct {
	t      testing.TB
	dir    string
	clock  *clock
	store  *snapshot.Store
	ledger *lineage.Ledger
	driver bucket.Driver
	change func(*Options)
}

func newClone(t testing.TB, d bucket.Driver) *clone {
	t.Helper()
	c := &clone{t: t, dir: memoryDir(t), driver: d, clock: &clock{t: time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)}}
	var err error
	c.store, err = snapshot.Open(snapshot.Options{
		Dir: filepath.Join(c.dir, "store"), Index: filepath.Join(c.dir, "index"), Now: c.clock.now, Jobs: 2,
		Clone: snapshot.Clone{ID: "c10e", Dir: c.dir},
	})
	if err != nil {
		t.Fatal(err)
	}
	c.ledger, err = lineage.Open(lineage.Options{Dir: filepath.Join(c.dir, "ledger"), Now: c.clock.now, By: "ana", Host: "h", PID: os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.ledger.Close(); err != nil {
			t.Error(err)
		}
		if err := c.store.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// remote opens the remote anew, as each command does.
func (c *clone) remote() *Remote {
	c.t.Helper()
	o := Options{
		Name: "team", Place: "test://team", Bucket: bucket.New(c.driver, "test://team", bucket.Options{Now: c.clock.now, Wait: func(context.Context, time.Duration) error { return nil }}),
		Dir: filepath.Join(c.dir, "remotes"), ID: testLedger, Store: c.store, Ledger: c.ledger, Now: c.clock.now, By: "ana", Jobs: 4, Rand: rand.Reader,
	}
	if c.change != nil {
		c.change(&o)
	}
	r, err := Open(o)
	if err != nil {
		c.t.Fatal(err)
	}
	r.rollEvery = testRoll
	return r
}

// testRoll makes rolls so often that a test sees several.
const testRoll = 4

// save makes a version of some files.
func (c *clone) save(files map[string][]byte, previous object.Digest) Root {
	c.t.Helper()
	dir := memoryDir(c.t)
	for name, b := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			c.t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o666); err != nil {
			c.t.Fatal(err)
		}
	}
	s, err := c.store.Save(c.t.Context(), snapshot.SaveOptions{Path: dir, Previous: previous, Once: true})
	if err != nil {
		c.t.Fatal(err)
	}
	if err := s.Release(); err != nil {
		c.t.Fatal(err)
	}
	return Root{Root: s.Root, Path: "data", Kind: snapshot.Directory}
}

// note appends records.
func (c *clone) note(n int) {
	c.t.Helper()
	var drafts []lineage.Draft
	for i := range n {
		drafts = append(drafts, noteMade.Draft(lineage.Entry[noted]{Body: noted{fmt.Sprintf("note %d", i)}}))
	}
	if _, err := c.ledger.AppendAll(c.t.Context(), drafts...); err != nil {
		c.t.Fatal(err)
	}
}

func (c *clone) push(roots ...Root) Pushed {
	c.t.Helper()
	p, err := c.remote().Push(c.t.Context(), PushOptions{Roots: roots})
	if err != nil {
		c.t.Fatal(err)
	}
	return p
}

// pull brings records and versions, and compares the files.
func (c *clone) pull(roots ...Root) *Remote {
	c.t.Helper()
	r := c.remote()
	if _, err := r.Sync(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	for _, root := range roots {
		got, err := r.Fetch(c.t.Context(), FetchOptions{Roots: []object.Digest{root.Root}})
		if err != nil {
			c.t.Fatal(err)
		}
		if err := got.Release(); err != nil {
			c.t.Fatal(err)
		}
		if here, err := c.store.Has(c.t.Context(), root.Root); err != nil || !here {
			c.t.Fatalf("after a fetch Has is %v, %v", here, err)
		}
	}
	return r
}

func (c *clone) size() uint64 {
	c.t.Helper()
	n, _, err := c.ledger.Head(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	return n
}

func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

func TestPushAndPull(t *testing.T) {
	d := buckettest.Memory()
	a, b := newClone(t, d), newClone(t, d)
	files := map[string][]byte{"x/one.bin": noise(300_000), "two.txt": []byte("two\n"), "empty": nil}
	root := a.save(files, object.Digest{})
	a.note(3)
	if p := a.push(root); p.Roots != 1 || p.Records != 3 {
		t.Fatalf("pushed %+v", p)
	}
	if p := a.push(root); p.Roots != 0 || p.Records != 0 {
		t.Fatalf("pushed again %+v", p)
	}
	b.pull(root)
	if b.size() != 3 {
		t.Fatalf("%d records arrived", b.size())
	}
	tree, err := b.store.FS(t.Context(), root.Root)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		if got, err := fs.ReadFile(tree, name); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

func TestNothingNewIsOneRequest(t *testing.T) {
	d := buckettest.Memory()
	a, b := newClone(t, d), newClone(t, d)
	for range 3 {
		a.note(1)
		a.push()
		b.pull()
	}
	b.pull()
	r := b.pull()
	if n, _, _ := r.Requests(); n != 1 {
		t.Errorf("%d requests", n)
	}
}

func TestRolls(t *testing.T) {
	d := buckettest.Memory()
	a := newClone(t, d)
	var last Root
	for i := range 2*testRoll + 3 {
		a.note(1)
		last = a.save(map[string][]byte{"f": []byte(fmt.Sprint(i))}, object.Digest{})
		a.push(last)
	}
	b := newClone(t, d)
	r := b.pull(last)
	if n, _, _ := r.Requests(); b.size() != uint64(2*testRoll+3) || n > 30 {
		t.Errorf("%d records in %d requests", b.size(), n)
	}
	h1, _ := r.Head()
	h2, _ := a.remote().Head()
	if h1 != h2 {
		t.Errorf("heads differ: %+v, %+v", h1, h2)
	}
	b.note(1)
	b.push()
	a.pull()
	if a.size() != b.size() {
		t.Errorf("%d records and %d", a.size(), b.size())
	}
}

func TestManyPushAtOnce(t *testing.T) {
	d := buckettest.Memory()
	var clones []*clone
	for range 4 {
		clones = append(clones, newClone(t, d))
	}
	roots := make([][]Root, len(clones))
	var all sync.WaitGroup
	for i, c := range clones {
		all.Go(func() {
			for k := range 5 {
				c.note(2)
				root := c.save(map[string][]byte{"f": noise(20_000 + k)}, object.Digest{})
				roots[i] = append(roots[i], root)
				if _, err := c.remote().Push(t.Context(), PushOptions{Roots: []Root{root}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	for _, c := range append(clones, newClone(t, d)) {
		for _, list := range roots {
			c.pull(list...)
		}
		if c.size() != 40 {
			t.Errorf("%d records", c.size())
		}
	}
}

// wantIntegrity expects that a clone notices a log that is not what it has seen.
func wantIntegrity(t *testing.T, c *clone, what string) {
	t.Helper()
	_, err := c.remote().Sync(t.Context())
	if fault.KindOf(err) != fault.Integrity {
		t.Errorf("%s: %v", what, err)
	}
}

func TestRollbackIsNoticed(t *testing.T) {
	for what, harm := range map[string]func(*clone, bucket.Driver){
		"rolled back": func(_ *clone, d bucket.Driver) { mustDelete(t, d, logKey(3)) },
		"edited": func(_ *clone, d bucket.Driver) {
			b := mustRead(t, d, logKey(3))
			mustWrite(t, d, logKey(3), bytes.Replace(b, []byte(`"by":"ana"`), []byte(`"by":"eve"`), 1))
		},
		"forked": func(other *clone, d bucket.Driver) {
			mustDelete(t, d, logKey(3))
			mustDelete(t, d, tailKey)
			other.note(1)
			other.push()
			other.note(1)
			other.push()
		},
	} {
		d := buckettest.Memory()
		a, other := newClone(t, d), newClone(t, d)
		for range 3 {
			a.note(1)
			a.push()
			a.clock.pass(time.Minute)
		}
		a.pull()
		harm(other, d)
		wantIntegrity(t, a, what)
	}
}

func mustRead(t *testing.T, d bucket.Driver, key string) []byte {
	t.Helper()
	b, err := bucket.New(d, "test://x", bucket.Options{}).Read(t.Context(), key, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustWrite(t *testing.T, d bucket.Driver, key string, b []byte) {
	t.Helper()
	if err := d.Put(t.Context(), key, bytes.NewReader(b), int64(len(b)), false); err != nil {
		t.Fatal(err)
	}
}

func mustDelete(t *testing.T, d bucket.Driver, key string) {
	t.Helper()
	if err := d.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
}

func TestHintMayBeAnything(t *testing.T) {
	for what, hint := range map[string][]byte{
		"absent": nil, "empty": {}, "noise": noise(1000), "a line": []byte("{}\n"),
	} {
		d := buckettest.Memory()
		a := newClone(t, d)
		for range 3 {
			a.note(1)
			a.push()
		}
		old := mustRead(t, d, tailKey)
		a.note(1)
		a.push()
		mustDelete(t, d, tailKey)
		if hint != nil {
			mustWrite(t, d, tailKey, hint)
		}
		b := newClone(t, d)
		if b.pull(); b.size() != 4 {
			t.Errorf("%s: %d records", what, b.size())
		}
		mustWrite(t, d, tailKey, old) // stale
		c := newClone(t, d)
		if c.pull(); c.size() != 4 {
			t.Errorf("stale: %d records", c.size())
		}
	}
}

func TestCheckpoint(t *testing.T) {
	d := buckettest.Memory()
	a := newClone(t, d)
	a.note(2)
	a.push()
	good, _ := a.remote().Head()
	for range testRoll + 5 {
		a.note(1)
		a.push()
	}
	b := newClone(t, d)
	b.change = func(o *Options) { o.Checkpoint = &good }
	b.pull()
	bad := good
	bad.Entry[0] ^= 1
	c := newClone(t, d)
	c.change = func(o *Options) { o.Checkpoint = &bad }
	wantIntegrity(t, c, "another entry")
}

func TestOtherLedgerIsRefused(t *testing.T) {
	d := buckettest.Memory()
	a, b := newClone(t, d), newClone(t, d)
	a.note(1)
	a.push()
	b.change = func(o *Options) { o.ID = "0000000000000000" }
	if _, err := b.remote().Sync(t.Context()); fault.KindOf(err) != fault.Conflict {
		t.Errorf("another ledger: %v", err)
	}
}

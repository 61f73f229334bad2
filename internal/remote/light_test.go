package remote

import (
	"bytes"
	"fmt"
	"io/fs"
	"path/filepath"
	"testing"

	"mlx/internal/bucket/buckettest"
	"mlx/internal/object"
	"mlx/internal/snapshot"
)

// lightReader is somebody who reads versions and no records, from a store that was made for it.
func lightReader(t *testing.T, c *clone) *Remote {
	t.Helper()
	dir := t.TempDir()
	store, err := snapshot.Open(snapshot.Options{Dir: filepath.Join(dir, "store"), Index: filepath.Join(dir, "index"), Now: c.clock.now,
		Clone: snapshot.Clone{ID: "1e1f", Dir: dir}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	before := c.change
	defer func() { c.change = before }()
	c.change = func(o *Options) {
		if before != nil {
			before(o)
		}
		o.Ledger, o.ID, o.Store, o.Dir = nil, "", store, filepath.Join(dir, "remotes")
	}
	return c.remote()
}

func only(want string) func(string, bool) bool {
	return func(path string, isDir bool) bool {
		return path == want || isDir && len(want) > len(path) && want[:len(path)+1] == path+"/"
	}
}

// TestOneFileOfMany: one file of 1 MB out of 100,000 costs at most 10 requests, however often was pushed before.
func TestOneFileOfMany(t *testing.T) {
	n := 100_000
	if testing.Short() {
		n = 2_000
	}
	c := newClone(t, buckettest.Memory())
	files := map[string][]byte{"f50/big": noise(1 << 20)}
	for i := range n {
		files[fmt.Sprintf("f%02d/%05d", i*100/n, i)] = fmt.Appendf(nil, "file %d\n", i)
	}
	root := c.save(files, object.Digest{})
	c.push(root)
	c.note(10)
	for i := range 2 * testRoll {
		c.push(c.save(map[string][]byte{"x": fmt.Appendf(nil, "%d", i)}, object.Digest{}))
	}
	r := lightReader(t, c)
	if err := r.Look(t.Context(), root.Root); err != nil {
		t.Fatal(err)
	}
	done, err := r.Fetch(t.Context(), FetchOptions{Roots: []object.Digest{root.Root}, Only: only("f50/big")})
	if err != nil {
		t.Fatal(err)
	}
	requests, _, received := r.Requests()
	t.Logf("%d requests, %d bytes", requests, received)
	if requests > 10 {
		t.Errorf("%d requests", requests)
	}
	fsys, err := r.o.Store.FS(t.Context(), root.Root)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := fs.ReadFile(fsys, "f50/big"); err != nil || !bytes.Equal(got, files["f50/big"]) {
		t.Errorf("another file: %v", err)
	}
	if err := done.Release(); err != nil {
		t.Error(err)
	}
}

func TestRecall(t *testing.T) {
	c := newClone(t, buckettest.Memory())
	recall := func() *Known {
		k, err := Recall(filepath.Join(c.dir, "remotes"), "test://team")
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	unsent := func() int {
		ids, err := recall().Unsent(t.Context(), c.ledger)
		if err != nil {
			t.Fatal(err)
		}
		return len(ids)
	}
	c.note(3)
	if _, seen := recall().Head(); seen || unsent() != 3 || !recall().AsOf.IsZero() {
		t.Error("a remote that was never seen is remembered")
	}
	root := c.save(map[string][]byte{"a": noise(1000)}, object.Digest{})
	c.push(root)
	c.note(2)
	k := recall()
	if _, seen := k.Head(); !seen || !k.Holds(root.Root) || unsent() != 2 || k.AsOf.IsZero() || k.Encrypted() {
		t.Errorf("after a push: seen %v, %d unsent", seen, unsent())
	}
	if got := k.Totals(); got.Snapshots != 1 || got.Records != 3 || got.Packs != 1 || got.Bytes < 1000 {
		t.Errorf("got %+v", got)
	}
}

func TestLacks(t *testing.T) {
	d := buckettest.Memory()
	c := newClone(t, d)
	lacks := func(roots ...Root) Lack {
		t.Helper()
		lack, err := c.remote().Lacks(t.Context(), roots)
		if err != nil {
			t.Fatal(err)
		}
		return lack
	}
	root := c.save(map[string][]byte{"a": noise(1000)}, object.Digest{})
	if got := lacks(root); len(got.Roots) != 1 {
		t.Errorf("an empty remote lacks %+v", got)
	}
	c.push(root)
	if got := lacks(root); len(got.Roots)+len(got.Packs) != 0 || got.Blind {
		t.Errorf("after a push it lacks %+v", got)
	}
	other := c.save(map[string][]byte{"b": noise(1000)}, object.Digest{})
	if got := lacks(root, other); len(got.Roots) != 1 || got.Roots[0] != other {
		t.Errorf("it lacks %+v", got)
	}
	mustDelete(t, d, c.remote().known.state.Packs[0].key())
	if got := lacks(root); len(got.Packs) != 1 {
		t.Errorf("a pack is gone, and it lacks %+v", got)
	}
}

func TestFindAndNewest(t *testing.T) {
	c := newClone(t, buckettest.Memory())
	first := c.save(map[string][]byte{"a": []byte("1")}, object.Digest{})
	second := c.save(map[string][]byte{"a": []byte("2")}, object.Digest{})
	c.push(first)
	c.push(second)
	r := lightReader(t, c)
	if _, err := r.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]Root{"data": second, "data/a": second} {
		if got, ok := r.Newest(path); !ok || got != want {
			t.Errorf("newest of %s is %v", path, got)
		}
	}
	for _, path := range []string{"dat", "database", "", "other"} {
		if got, ok := r.Newest(path); ok {
			t.Errorf("newest of %q is %v", path, got)
		}
	}
	p, err := object.ParsePrefix(first.Root.Hex()[:8])
	if err != nil {
		t.Fatal(err)
	}
	if got, err := r.Find(p); err != nil || got != first {
		t.Errorf("found %v, %v", got, err)
	}
}

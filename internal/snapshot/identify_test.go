package snapshot

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// name identifies paths below the folder of the bench.
func (b *bench) name(fresh bool, paths ...string) map[string]Identity {
	b.t.Helper()
	out, err := b.s.Identify(context.Background(), IdentifyOptions{Dir: b.dir, Paths: paths, Fresh: fresh})
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

// TestIdentifyAsSaved: what Identify names without storing is what Save names, before a save and after it, for any change.
func TestIdentifyAsSaved(t *testing.T) {
	b := newBench(t)
	r := rand.New(rand.NewPCG(7, 7))
	big := make([]byte, 3<<20)
	for i := range big {
		big[i] = byte(r.Uint32())
	}
	names := []string{"big", "a/small", "a/b/c", "many/x"}
	for i := range 400 {
		names = append(names, fmt.Sprintf("many/a-name-that-is-long-enough-to-make-the-tree-a-recipe-%04d", i))
	}
	for step := range 30 {
		name := names[r.IntN(len(names))]
		if step < 4 {
			name = names[step]
		}
		size := r.IntN(100 << 10)
		if name == "big" {
			size = r.IntN(len(big))
		}
		switch path := filepath.Join(b.data, name); r.IntN(5) {
		case 0:
			_ = os.Remove(path) // it may not be there yet
		case 1:
			_ = os.Chmod(path, 0o755)
		case 2:
			_ = os.Remove(path)
			_ = os.MkdirAll(filepath.Dir(path), 0o777)
			_ = os.Symlink("elsewhere", path)
		default:
			b.write(name, big[:size])
		}
		if step%3 == 2 {
			b.reopen()
		}
		b.write("always", []byte{byte(step)})
		got := b.name(false, "data", "data/big", "data/nothing")
		fresh := b.name(true, "data", "data/big", "data/nothing")
		root := b.save(got["data"].Root).Root
		if got["data"].Root != root || fresh["data"].Root != root {
			t.Fatalf("step %d: named %s, fresh %s, saved as %s", step, got["data"].Root, fresh["data"].Root, root)
		}
		if again := b.name(false, "data"); again["data"] != got["data"] {
			t.Fatalf("step %d: after the save it is %v, was %v", step, again["data"], got["data"])
		}
		if got["data/nothing"] != (Identity{}) || got["data/big"] != fresh["data/big"] {
			t.Fatalf("step %d: %v", step, got)
		}
		if _, err := os.Lstat(filepath.Join(b.data, "big")); err == nil {
			saved, err := b.s.Save(t.Context(), SaveOptions{Path: filepath.Join(b.data, "big")})
			if err != nil {
				t.Fatal(err)
			}
			if err := saved.Release(); err != nil {
				t.Fatal(err)
			}
			if saved.Root != got["data/big"].Root {
				t.Fatalf("step %d: the file is named %s and saved as %s", step, got["data/big"].Root, saved.Root)
			}
		}
	}
}

// TestIdentifyStoresNothing: naming writes no pack, and a later save still stores everything.
func TestIdentifyStoresNothing(t *testing.T) {
	b := newBench(t)
	b.write("x", []byte("content"))
	b.name(false, "data", "data/x")
	if _, err := os.Lstat(filepath.Join(b.dir, "store")); err == nil {
		t.Fatal("a store was made")
	}
	saved := b.save(b.name(false, "data")["data"].Root)
	if ok, err := b.s.Has(t.Context(), saved.Root); err != nil || !ok {
		t.Fatalf("the version is stored: %t, %v", ok, err)
	}
}

// TestIdentifyRemembers: the second time no file is read, and one whose bytes changed while its metadata did not is still
// found by Fresh.
func TestIdentifyRemembers(t *testing.T) {
	b := newBench(t)
	for i := range 50 {
		b.write(fmt.Sprintf("f%02d", i), []byte{byte(i)})
	}
	paths := []string{"data/f00", "data/f01", "data/f30"}
	b.name(false, paths...)
	awaitClockTick(t, b.dir)
	first := b.name(false, paths...) // now none of them is younger than the memory
	n := naming{s: b.s, o: IdentifyOptions{Dir: b.dir, Paths: paths}, out: map[string]Identity{}}
	if err := n.files(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n.read != 0 || len(n.out) != 3 || n.out["data/f30"] != first["data/f30"] {
		t.Fatalf("read %d files: %v", n.read, n.out)
	}
	b.write("f00", []byte("other"))
	if got := b.name(false, "data/f00"); got["data/f00"] == first["data/f00"] {
		t.Fatal("a change was missed")
	}
	n = naming{s: b.s, o: IdentifyOptions{Dir: b.dir, Paths: paths}, out: map[string]Identity{}}
	if err := n.files(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n.read > 1 {
		t.Fatalf("asking for one path forgot the others: read %d", n.read)
	}
}

// awaitClockTick returns once the file system gives later times to new files than it has given.
func awaitClockTick(t *testing.T, dir string) {
	t.Helper()
	at := func() int64 {
		f, err := os.CreateTemp(dir, "tick")
		if err != nil {
			t.Fatal(err)
		}
		defer os.Remove(f.Name())
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		return info.ModTime().UnixNano()
	}
	for start := at(); at() == start; {
	}
}

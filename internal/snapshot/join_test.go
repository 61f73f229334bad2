package snapshot

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// parts saves a folder in n parts and returns their versions.
func (b *bench) parts(n int) []object.Digest {
	b.t.Helper()
	var all []object.Digest
	for i := range n {
		shard := Shard{i, n}
		v, err := b.s.Save(b.t.Context(), SaveOptions{Path: b.data, Once: true,
			Ignore: func(rel string, isDir bool) bool { return !isDir && !shard.HasPath(rel) }})
		if err == nil {
			err = v.Release()
		}
		if err != nil {
			b.t.Fatal(err)
		}
		all = append(all, v.Root)
	}
	return all
}

// grow writes random files, folders, empty folders and links.
func (b *bench) grow(rng *rand.Rand, files int) {
	b.t.Helper()
	dirs := []string{"."}
	for i := range files {
		dir := dirs[rng.IntN(len(dirs))]
		switch rng.IntN(8) {
		case 0:
			dirs = append(dirs, filepath.Join(dir, fmt.Sprintf("d%d", i)))
			if err := os.MkdirAll(filepath.Join(b.data, dirs[len(dirs)-1]), 0o777); err != nil {
				b.t.Fatal(err)
			}
		case 1:
			_ = os.MkdirAll(filepath.Join(b.data, dir), 0o777)                                                                                 // the link says
			if err := os.Symlink("elsewhere", filepath.Join(b.data, dir, fmt.Sprintf("l%d", i))); err != nil && !errors.Is(err, fs.ErrExist) { // it has grown before
				b.t.Fatal(err)
			}
		default:
			content := make([]byte, rng.IntN(1<<uint(rng.IntN(18))))
			for k := range content {
				content[k] = byte(rng.Uint32())
			}
			b.write(filepath.Join(dir, fmt.Sprintf("f%d", i)), content)
		}
	}
}

// TestJoinTrees: parts joined are the version that one pass makes, with its counts.
func TestJoinTrees(t *testing.T) {
	for seed := range uint64(3) {
		rng := rand.New(rand.NewPCG(seed, 9))
		for _, n := range []int{1, 2, 3, 17} {
			one, many := newBench(t), newBench(t)
			one.grow(rng, rng.IntN(200)+1)
			if err := os.MkdirAll(one.data, 0o777); err != nil {
				t.Fatal(err)
			}
			many.data = one.data
			whole := one.save(object.Digest{})
			parts := many.parts(n)
			joined, err := many.s.JoinTrees(t.Context(), parts)
			if err != nil {
				t.Fatalf("seed %d, %d parts: %v", seed, n, err)
			}
			if joined.Root != whole.Root || joined.Summary != whole.Summary {
				t.Errorf("seed %d, %d parts: joined %s %+v, one pass makes %s %+v", seed, n, joined.Root.Short(), joined.Summary, whole.Root.Short(), whole.Summary)
			}
			report, err := many.s.Verify(t.Context(), []object.Digest{joined.Root}, true, nil)
			if err != nil || len(report.Damage) > 0 {
				t.Errorf("seed %d, %d parts: %v %+v", seed, n, err, report.Damage)
			}
		}
	}
}

// TestJoinTreesLongFolder: a folder whose list of names needs a recipe.
func TestJoinTreesLongFolder(t *testing.T) {
	b := newBench(t)
	for i := range 3000 {
		b.write(fmt.Sprintf("a-name-that-is-as-long-as-names-of-files-can-well-be-%04d", i), []byte{byte(i)})
	}
	parts := b.parts(3)
	joined, err := b.s.JoinTrees(t.Context(), parts)
	if err != nil {
		t.Fatal(err)
	}
	if whole := b.save(object.Digest{}); whole.Root != joined.Root {
		t.Errorf("joined %s, one pass makes %s", joined.Root.Short(), whole.Root.Short())
	}
}

// TestJoinTreesRefuses: parts that are not of one folder, or not there.
func TestJoinTreesRefuses(t *testing.T) {
	b := newBench(t)
	b.write("x/y", []byte("first"))
	first := b.save(object.Digest{}).Root
	b.write("x/y", []byte("second"))
	second := b.save(object.Digest{}).Root
	if err := os.RemoveAll(filepath.Join(b.data, "x")); err != nil {
		t.Fatal(err)
	}
	b.write("x", []byte("a file"))
	file := b.save(object.Digest{}).Root
	for name, c := range map[string]struct {
		parts []object.Digest
		kind  fault.Kind
	}{
		"two contents":     {[]object.Digest{first, second}, fault.Conflict},
		"a file, a folder": {[]object.Digest{first, file}, fault.Conflict},
		"one that is not":  {[]object.Digest{first, object.Sum([]byte("nothing"))}, fault.NotFound},
		"no parts":         {nil, fault.Usage},
	} {
		got, err := b.s.JoinTrees(t.Context(), c.parts)
		if err == nil || fault.KindOf(err) != c.kind {
			t.Errorf("%s: %s, %v", name, got.Root.Short(), err)
		}
	}
	if got, err := b.s.JoinTrees(t.Context(), []object.Digest{first, first}); err != nil || got.Root != first {
		t.Errorf("the same twice: %s, %v", got.Root.Short(), err)
	}
}

package snapshot

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot/internal/chunk"
	"mlx/internal/snapshot/internal/disk"
	"mlx/internal/snapshot/internal/pack"
)

// readFS reads everything of a version through its file system, at most 64 MiB of a file and 10,000 paths.
func (f *forge) readFS(root object.Digest) error {
	version, err := f.b.s.FS(context.Background(), root)
	if err != nil {
		return err
	}
	n := 0
	err = fs.WalkDir(version, ".", func(path string, e fs.DirEntry, err error) error {
		if n++; err != nil || n > 10_000 || !e.Type().IsRegular() {
			if n > 10_000 {
				return fs.SkipAll
			}
			return err
		}
		h, err := version.Open(path)
		if err != nil {
			return err
		}
		defer h.Close()
		_, err = io.Copy(io.Discard, io.LimitReader(h, 64<<20))
		return err
	})
	return err
}

// bounded runs do and fails if it allocated more than limit bytes in all, or took longer than a minute.
func bounded(t *testing.T, limit uint64, do func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start := time.Now()
	do()
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > limit {
		t.Errorf("%d MiB were allocated, at most %d are allowed", n>>20, limit>>20)
	}
	if d := time.Since(start); d > time.Minute {
		t.Errorf("it took %s", d)
	}
}

// refused expects an integrity error (or damage) from the given readers.
func (f *forge) refused(root object.Digest, readers ...string) {
	f.t.Helper()
	bounded(f.t, 2<<30, func() {
		got := f.readers(root)
		for _, who := range readers {
			err := got[who]
			var damage damageError
			if !errors.As(err, &damage) && fault.KindOf(err) != fault.Integrity {
				f.t.Errorf("%s: %v", who, err)
			}
		}
	})
}

func TestHostileNames(t *testing.T) {
	bad := []string{"", ".", "..", "a/b", "/etc", "a\x00b", ".git", ".GIT", ".Git", ".git ", ".git.", ".git. .", ".git::$INDEX_ALLOCATION",
		".git:stream", "git~1", "GIT~1", ".g\u200cit", "\ufeff.git", ".gi\u200dT", ".mlx", ".MLX", ".mlx...", "mlx~1", ".m\u202alx", `..\x`, `a\..\..\x`,
		`.git\config`, `x\.GIT\y`, `a\git~1\b`, strings.Repeat("n", maxName+1)}
	for _, name := range bad {
		f := newForge(t)
		e := f.file("x", "content")
		e.Name = name
		for _, root := range []object.Digest{f.tree(e), f.tree(folderEntry("ok", f.tree(e), 7))} {
			f.refused(root, "checkout", "stat", "diff", "status", "fs", "verify")
		}
		if t.Failed() {
			t.Fatalf("name %.50q", name)
		}
	}
	good := []string{"...", ".gitignore", ".mlxignore", "git", "x.mlx", "a:b", "new\nline", "\xff\xfe", strings.Repeat("n", 255), "~1", "con"}
	for _, name := range good {
		if err := checkName(name); err != nil {
			t.Errorf("%.50q: %v", name, err)
		}
	}
}

// Names of 255 bytes, with newlines and bytes that are no UTF-8, come back as they were.
func TestAnyNameIsRestored(t *testing.T) {
	b := memoryBench(t)
	for i, name := range []string{strings.Repeat("\xff", 255), strings.Repeat("x", 254) + "\n", "a\nb", "\xc3\x28", "\x1b[31m", "e\u0301", "\u00e9", `back\slash`, " ", "-rf"} {
		b.write(name, fmt.Append(nil, i))
		b.write("d"+name[:min(len(name), 200)]+"/"+name, fmt.Append(nil, i))
	}
	v := b.save(object.Digest{})
	to := filepath.Join(b.dir, "to")
	b.mustCheckout(v.Root, to)
	same(t, "restored", listing(t, to), listing(t, b.data))
}

func TestHostileTrees(t *testing.T) {
	f := newForge(t)
	a, c := f.file("a", "1"), f.file("c", "2")
	again := a
	again.Kind = disk.Symlink
	kind := func(k byte) []byte {
		b := appendTree(nil, []treeEntry{a})
		b[len(treeMagic)] = k
		return b
	}
	whole := appendTree(nil, []treeEntry{a, c})
	longSize := append([]byte(treeMagic), byte(disk.File), 0x81, 0x00) // 1 in two bytes
	longSize = append(append(longSize, a.Sum[:]...), 1, 'a')
	for what, b := range map[string][]byte{
		"unsorted": appendTree(nil, []treeEntry{c, a}), "twice": appendTree(nil, []treeEntry{a, a}), "a symlink and a file": appendTree(nil, []treeEntry{again, a}),
		"kind 0": kind(0), "a socket": kind(byte(disk.Other)), "kind 9": kind(9), "longer": append(bytes.Clone(whole), 0), "cut": whole[:len(whole)-1],
		"another magic": append([]byte("mlx tree 2\n\x01"), whole[len(treeMagic):]...), "another algorithm": append([]byte("mlx tree 1\n\x02"), whole[len(treeMagic):]...),
		"a long number": longSize, "no tree": []byte("hello"), "huge size": append(append([]byte(treeMagic), byte(disk.File), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01), whole[len(treeMagic)+2:]...),
	} {
		t.Run(what, func(t *testing.T) {
			f := newForge(t)
			f.put([]byte("1"))
			f.put([]byte("2"))
			f.refused(f.put(b), "checkout", "stat", "diff", "status", "fs", "verify")
		})
	}
	t.Run("size", func(t *testing.T) { // of a single chunk
		f := newForge(t)
		e := f.file("a", "four")
		e.Size = 3
		f.refused(f.tree(e), "checkout", "fs")
	})
}

// A file may claim the digest of another: each chunk is whole, and together they are something else.
func TestClaimedDigest(t *testing.T) {
	f := newForge(t)
	content := bytes.Repeat([]byte("0123456789abcdef"), chunk.Min/8)
	one, two := content[:chunk.Min], content[chunk.Min:]
	rec := f.put(appendRecipe(nil, 0, int64(len(content)), []row{{ID: f.put(one), Len: len(one)}, {ID: f.put(two), Len: len(two)}}))
	honest := treeEntry{Name: "model", Kind: disk.File, Size: int64(len(content)), Sum: object.Sum(content), Recipe: rec}
	for who, err := range f.readers(f.tree(honest)) {
		if err != nil {
			t.Errorf("%s: %v", who, err)
		}
	}
	forged := honest
	forged.Sum = object.Sum([]byte("the approved model"))
	root := f.tree(forged)
	f.refused(root, "checkout", "fs", "verify")
	if _, err := f.b.checkout(root, filepath.Join(f.b.dir, "out"), CheckoutOptions{}); err == nil {
		t.Error("it was checked out")
	}
	if got, err := os.ReadFile(filepath.Join(f.b.dir, "out", "model")); err == nil {
		t.Errorf("%d bytes of it were left", len(got))
	}
}

func TestHostileRecipes(t *testing.T) {
	big := make([]byte, chunk.Max)
	words := func(level byte, size, count uint64, rows []byte) []byte {
		b := append([]byte(recipeMagic), chunk.ID, level)
		b = binary.LittleEndian.AppendUint64(b, size)
		return append(binary.LittleEndian.AppendUint64(b, count), rows...)
	}
	cases := map[string]func(f *forge) (rec object.Digest, size int64){
		"2^60 rows": func(f *forge) (object.Digest, int64) { return f.put(words(0, 1<<60, 1<<60, nil)), 1 << 60 },
		"2^60 bytes a row": func(f *forge) (object.Digest, int64) {
			return f.put(words(0, 1<<60, 1, make([]byte, rowSize))), 1 << 60
		},
		"no rows": func(f *forge) (object.Digest, int64) { return f.put(words(0, 0, 0, nil)), 0 },
		"fewer rows": func(f *forge) (object.Digest, int64) {
			return f.put(words(0, chunk.Max*2, 2, make([]byte, rowSize))), chunk.Max * 2
		},
		"half a row": func(f *forge) (object.Digest, int64) {
			return f.put(words(0, chunk.Max, 1, make([]byte, rowSize-1))), chunk.Max
		},
		"chunker 9": func(f *forge) (object.Digest, int64) {
			b := words(0, 1, 1, make([]byte, rowSize))
			b[len(recipeMagic)] = 9
			return f.put(b), 1
		},
		"level 9": func(f *forge) (object.Digest, int64) { return f.put(words(9, 1, 1, make([]byte, rowSize))), 1 },
		"level 1 of itself": func(f *forge) (object.Digest, int64) {
			d := object.Sum(big)
			f.put(big)
			return f.put(appendRecipe(nil, 1, chunk.Max, []row{{d, chunk.Max, 0}})), 5
		},
		"level in level": func(f *forge) (object.Digest, int64) {
			in := appendRecipe(nil, 2, chunk.Max, []row{{f.put(big), chunk.Max, 0}})
			return f.put(appendRecipe(nil, 2, int64(len(in)), []row{{f.put(in), len(in), 0}})), chunk.Max
		},
		"level left out": func(f *forge) (object.Digest, int64) {
			in := appendRecipe(nil, 0, chunk.Max, []row{{f.put(big), chunk.Max, 0}})
			return f.put(appendRecipe(nil, 2, int64(len(in)), []row{{f.put(in), len(in), 0}})), chunk.Max
		},
		"wrong length": func(f *forge) (object.Digest, int64) {
			return f.put(appendRecipe(nil, 0, chunk.Max-1, []row{{f.put(big), chunk.Max - 1, 0}})), chunk.Max - 1
		},
		"wrong size": func(f *forge) (object.Digest, int64) {
			return f.put(appendRecipe(nil, 0, chunk.Max-1, []row{{f.put(big), chunk.Max, 0}})), chunk.Max
		},
		"short chunks": func(f *forge) (object.Digest, int64) {
			d := f.put([]byte("x"))
			return f.put(appendRecipe(nil, 0, 2, []row{{d, 1, 0}, {d, 1, 0}})), 2
		},
		"rows that unfold": func(f *forge) (object.Digest, int64) { // a recipe of recipes of the same rows again and again
			many := bytes.Repeat(appendRecipe(nil, 0, chunk.Max, []row{{f.put(big), chunk.Max, 0}})[recipeHead:], chunk.Max/rowSize)
			rows := f.put(many[:chunk.Max/rowSize*rowSize])
			n := uint64(6000) * uint64(chunk.Max/rowSize)
			head := words(2, n*chunk.Max, n, many[:chunk.Max/rowSize*rowSize-recipeHead/rowSize*rowSize-rowSize])
			list := []row{{f.put(head), len(head), 0}}
			for range 6000 {
				list = append(list, row{rows, chunk.Max / rowSize * rowSize, 0})
			}
			size := int64(0)
			for _, w := range list {
				size += int64(w.Len)
			}
			return f.put(appendRecipe(nil, 3, size, list)), 1 << 49
		},
		"an exbibyte": func(f *forge) (object.Digest, int64) {
			return f.put(words(3, 1<<60, 1<<42, make([]byte, rowSize))), 1 << 60
		},
		"another object": func(f *forge) (object.Digest, int64) { return f.put([]byte("not a recipe")), 12 },
	}
	for what, make := range cases {
		t.Run(what, func(t *testing.T) {
			f := newForge(t)
			rec, size := make(f)
			f.refused(f.tree(treeEntry{Name: "f", Kind: disk.File, Size: size, Sum: object.Sum([]byte("whatever")), Recipe: rec}), "checkout", "fs", "verify")
			f.refused(f.tree(treeEntry{Name: "d", Kind: disk.Directory, Size: size, Sum: object.Sum([]byte("whatever")), Recipe: rec}), "checkout", "stat", "diff", "status", "fs", "verify")
			if what != "another object" {
				f.refused(rec, "checkout", "stat", "diff", "status", "fs", "verify")
			}
		})
	}
	t.Run("a tree of one chunk again and again", func(t *testing.T) {
		f := newForge(t)
		name := f.file(strings.Repeat("n", 4000), "x")
		var tree []byte
		for tree = appendTree(nil, []treeEntry{name}); len(tree) < chunk.Max-5000; {
			tree = append(tree, tree[len(treeMagic):min(len(tree), 4100)]...)
		}
		d := f.put(tree)
		rows := make([]row, 2000)
		for i := range rows {
			rows[i] = row{d, len(tree), 0}
		}
		rec := f.put(appendRecipe(nil, 0, int64(2000*len(tree)), rows))
		bounded(t, 200<<20, func() { f.refused(rec, "checkout", "stat", "diff", "status", "fs", "verify") })
	})
}

// A few folders that name one another unfold into more paths than there are atoms.
func TestFoldersThatUnfold(t *testing.T) {
	f := newForge(t)
	root := f.tree(f.file("a", "x"))
	for range 60 {
		root = f.tree(folderEntry("a", root, 1), folderEntry("b", root, 1))
	}
	f.refused(root, "checkout", "stat", "diff", "status", "verify")
}

func TestFoldersTooDeep(t *testing.T) {
	f := newForge(t)
	root := f.tree(f.file("a", "x"))
	for range maxDepth + 10 {
		root = f.tree(folderEntry("d", root, 1))
	}
	f.refused(root, "checkout", "stat", "diff", "verify")
}

func TestHostileSymlinks(t *testing.T) {
	bad := func(name string, entries func(f *forge) []treeEntry) {
		t.Run(name, func(t *testing.T) {
			f := newForge(t)
			root := f.tree(entries(f)...)
			f.done()
			out := filepath.Join(f.b.dir, "out")
			_, err := f.b.checkout(root, out, CheckoutOptions{})
			if k := fault.KindOf(err); k != fault.Denied && k != fault.Integrity {
				t.Errorf("%v", err)
			}
			if list, _ := os.ReadDir(out); len(list) > 0 {
				t.Errorf("%v was made", list)
			}
		})
	}
	for _, to := range []string{"..", "../x", "/etc/passwd", "a/../..", "a/../b", `..\x`, `\x`, `C:\x`, "./../x", "", "a\x00b", "//x", strings.Repeat("l/", 3000)} {
		bad(fmt.Sprintf("%.20q", to), func(f *forge) []treeEntry {
			e := treeEntry{Name: "l", Kind: disk.Symlink, Size: int64(len(to)), Sum: object.Sum([]byte(to))}
			if to != "" {
				e = f.link("l", to)
			}
			return []treeEntry{e}
		})
	}
	bad("up from below", func(f *forge) []treeEntry {
		return []treeEntry{folderEntry("d", f.tree(f.link("l", "../../x")), 1)}
	})
	bad("through another", func(f *forge) []treeEntry { // each stays inside by its letters
		return []treeEntry{f.link("a", "p/q/../../../x"), folderEntry("p", f.tree(folderEntry("q", f.tree(f.link("l", "../..")), 1)), 1)}
	})
	bad("with a file below it", func(f *forge) []treeEntry { return []treeEntry{f.link("a", "b"), f.file("a/x", "1")} })

	f := newForge(t)
	root := f.tree(folderEntry("d", f.tree(f.link("l", "../x"), f.link("m", "n")), 1), f.link("s", "d/l"))
	f.done()
	if _, err := f.b.checkout(root, filepath.Join(f.b.dir, "out"), CheckoutOptions{}); err != nil {
		t.Errorf("symlinks inside: %v", err)
	}
}

// A symlink that stands where a version has a folder is not followed.
func TestSymlinkInTheWay(t *testing.T) {
	b := memoryBench(t)
	b.write("d/f", []byte("new"))
	v := b.save(object.Digest{})
	outside := filepath.Join(b.dir, "outside")
	if err := errors.Join(os.Mkdir(outside, 0o777), os.WriteFile(filepath.Join(outside, "f"), []byte("precious"), 0o666)); err != nil {
		t.Fatal(err)
	}
	for _, force := range []bool{false, true} {
		to := filepath.Join(b.dir, fmt.Sprint("to", force))
		if err := errors.Join(os.Mkdir(to, 0o777), os.Symlink(outside, filepath.Join(to, "d"))); err != nil {
			t.Fatal(err)
		}
		_, err := b.checkout(v.Root, to, CheckoutOptions{Force: force})
		if !force && fault.KindOf(err) != fault.Conflict || force && err != nil {
			t.Errorf("force %v: %v", force, err)
		}
	}
	if got, _ := os.ReadFile(filepath.Join(outside, "f")); string(got) != "precious" {
		t.Error("a file outside was written")
	}
}

func TestHostileFrames(t *testing.T) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	bomb := enc.EncodeAll(make([]byte, 256<<20), nil)
	streamed := func() []byte { // states no size
		var b bytes.Buffer
		w, _ := zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1))
		for range 256 {
			w.Write(make([]byte, 1<<20))
		}
		w.Close()
		return b.Bytes()
	}()
	if len(bomb) > 400_000 || len(streamed) > 400_000 {
		t.Fatalf("bombs of %d and %d bytes", len(bomb), len(streamed))
	}
	base := bytes.Repeat([]byte("base"), 9000)
	plain := enc.EncodeAll(base, nil)
	text := []byte("text that is long enough to be a chunk of its own")
	id, other := object.Sum(text), object.Sum([]byte("other"))
	delta := func(base object.Digest, payload []byte) []byte { return append(base[:], payload...) }
	for what, make := range map[string]func(f *forge){
		"bomb":              func(f *forge) { f.frame(pack.Zstd, id, len(text), bomb) },
		"bomb of any size":  func(f *forge) { f.frame(pack.Zstd, id, pack.Limit, streamed) },
		"bomb as a delta":   func(f *forge) { f.frame(pack.Delta, id, len(text), delta(f.put(base), bomb)) },
		"streamed delta":    func(f *forge) { f.frame(pack.Delta, id, len(text), delta(f.put(base), streamed)) },
		"other bytes":       func(f *forge) { f.frame(pack.Zstd, id, len(base), plain) },
		"fewer bytes":       func(f *forge) { f.frame(pack.Zstd, id, len(base)+1, plain) },
		"no zstd":           func(f *forge) { f.frame(pack.Zstd, id, len(text), text) },
		"empty":             func(f *forge) { f.frame(pack.Zstd, id, len(text), nil) },
		"two frames":        func(f *forge) { f.frame(pack.Zstd, id, len(base), append(bytes.Clone(plain), plain...)) },
		"raw, wrong digest": func(f *forge) { f.frame(pack.Raw, id, len(base), base) },
		"delta of itself":   func(f *forge) { f.frame(pack.Delta, id, len(text), delta(id, plain)) },
		"cyclic deltas": func(f *forge) {
			f.frame(pack.Delta, id, len(text), delta(other, plain))
			f.frame(pack.Delta, other, len(text), delta(id, plain))
		},
		"delta of a delta": func(f *forge) {
			f.frame(pack.Delta, id, len(text), delta(other, plain))
			f.frame(pack.Delta, other, len(base), delta(f.put(base), plain))
		},
	} {
		t.Run(what, func(t *testing.T) {
			f := newForge(t)
			make(f)
			e := treeEntry{Name: "f", Kind: disk.File, Size: int64(len(text)), Sum: id}
			root := f.tree(e)
			bounded(t, 300<<20, func() {
				got := f.readers(root)
				for _, who := range []string{"checkout", "fs", "verify"} {
					if k := fault.KindOf(got[who]); got[who] == nil || who != "verify" && k != fault.Integrity && k != fault.NotFound {
						t.Errorf("%s: %v", who, got[who])
					}
				}
				rep, err := f.b.s.Verify(context.Background(), []object.Digest{root}, false, nil)
				if err != nil || len(rep.Damage) == 0 || len(rep.Damage[0].Hurts) == 0 || rep.Damage[0].Hurts[0].Path != "f" {
					t.Errorf("verify: %+v, %v", rep.Damage, err)
				}
			})
		})
	}
}

func TestHostilePointer(t *testing.T) {
	huge := [][]byte{make([]byte, 64<<20), []byte(strings.Repeat("mlx pointer 1\n", 1<<20))}
	bounded(t, 1<<20, func() {
		for _, b := range huge {
			if _, err := ParsePointer(b); fault.KindOf(err) != fault.Usage {
				t.Errorf("%v", err)
			}
		}
	})
	good := string(Pointer{Root: object.Sum(nil), Summary: Summary{Kind: File, Files: 1, Bytes: 7}}.Encode())
	for _, change := range [][2]string{{"files 1", "files 01"}, {"files 1", "files +1"}, {"files 1", "files -1"}, {"bytes 7", "bytes 99999999999999999999"}, {"bytes 7\n", "bytes 7"},
		{"bytes 7\n", "bytes 7\n\n"}, {"sha256:", ""}, {"sha256:e", "sha256:E"}, {"kind file", "kind socket"}, {"kind", "Kind"}, {"pointer 1", "pointer 2"}} {
		if _, err := ParsePointer([]byte(strings.Replace(good, change[0], change[1], 1))); fault.KindOf(err) != fault.Usage {
			t.Errorf("%q instead of %q: %v", change[1], change[0], err)
		}
	}
}

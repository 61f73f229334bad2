package snapshot

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot/internal/pack"
)

// small makes a store with one pack of each kind of frame in it, and returns the version and what it looks like.
func small(t *testing.T) (b *bench, root object.Digest, want []string) {
	b = memoryBench(t)
	r := rand.New(rand.NewPCG(51, 52))
	noise := make([]byte, 1500)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	b.write("noise", noise)
	b.write("d/text", bytes.Repeat([]byte("a line of text\n"), 40))
	first := b.save(object.Digest{})
	copy(noise[700:], "changed")
	b.write("noise", noise)
	b.write("d/more", []byte("more"))
	v := b.save(first.Root)
	codecs := map[pack.Codec]bool{}
	for _, f := range b.s.set.Files() {
		f.Chunks(func(_ object.Digest, _, _ int, c pack.Codec) bool { codecs[c] = true; return true })
	}
	if len(codecs) != 3 {
		t.Fatalf("codecs %v", codecs)
	}
	return b, v.Root, listing(t, b.data)
}

// damages yields every truncation of a file, a flipped bit in every byte, and some longer files.
func damages(b []byte) func(yield func(what string, b []byte) bool) {
	return func(yield func(string, []byte) bool) {
		for n := range b {
			if !yield("cut", b[:n]) {
				return
			}
		}
		for i := range b {
			c := bytes.Clone(b)
			if c[i] ^= 1 << (i * 5 % 8); !yield("flip", c) {
				return
			}
		}
		_ = yield("longer", append(bytes.Clone(b), 0)) && yield("twice", append(bytes.Clone(b), b...)) && yield("zeros", make([]byte, len(b)))
	}
}

// Any damage of a pack is found by verify, which names what it hurts; no reader serves a wrong byte.
func TestDamagedPack(t *testing.T) {
	b, root, _ := small(t)
	b.s.Close()
	want := readAll(t, b, root, true)
	files, err := filepath.Glob(filepath.Join(b.dir, "store/packs/*.pack"))
	if err != nil || len(files) != 2 {
		t.Fatalf("%v, %v", files, err)
	}
	unhurt := 0
	for _, file := range files {
		whole, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		os.Chmod(file, 0o644)
		k := 0
		for what, damaged := range damages(whole) {
			k++
			if err := os.WriteFile(file, damaged, 0o644); err != nil {
				t.Fatal(err)
			}
			b.reopen()
			rep, err := b.s.Verify(context.Background(), []object.Digest{root}, false, nil)
			if err != nil || len(rep.Damage) == 0 {
				t.Fatalf("%s to %d bytes: verify: %+v, %v", what, len(damaged), rep, err)
			}
			if !strings.Contains(rep.Damage[0].Object+rep.Damage[len(rep.Damage)-1].Object, filepath.Base(file)) {
				t.Fatalf("%s: verify does not name the pack: %+v", what, rep.Damage)
			}
			hurt := map[string]bool{}
			for _, d := range rep.Damage {
				for _, h := range d.Hurts {
					hurt[h.Path] = true
				}
			}
			got := readAll(t, b, root, false)
			for path, content := range want {
				switch got[path] {
				case content:
				case "":
					if !covered(hurt, path) {
						t.Fatalf("%s at %d: %s cannot be read, and verify does not say so: %+v", what, k, path, rep.Damage)
					}
				default:
					t.Fatalf("%s: %s is served wrong", what, path)
				}
			}
			if len(hurt) == 0 {
				unhurt++
			}
			b.s.Close()
		}
		if err := os.WriteFile(file, whole, 0o444); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d damages hurt nothing", unhurt)
}

// covered says whether a path or a folder above it is among those that are hurt.
func covered(hurt map[string]bool, path string) bool {
	for p := path; ; p = filepath.Dir(p) {
		if p == "." {
			return hurt[""]
		}
		if hurt[p] {
			return true
		}
	}
}

// readAll returns the content of every file of a version that can be read; any error must be one of integrity.
func readAll(t *testing.T, b *bench, root object.Digest, all bool) map[string]string {
	t.Helper()
	b.reopen()
	out := map[string]string{}
	version, err := b.s.FS(context.Background(), root)
	if err == nil {
		err = fs.WalkDir(version, ".", func(path string, e fs.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				var content []byte
				if content, err = fs.ReadFile(version, path); err == nil {
					out[path] = string(content)
				}
			}
			if err != nil && fault.KindOf(err) != fault.Integrity && fault.KindOf(err) != fault.NotFound {
				t.Fatalf("%s: %v", path, err)
			}
			return nil
		})
	}
	if err != nil && (all || fault.KindOf(err) != fault.Integrity) {
		t.Fatal(err)
	}
	return out
}

// A save heals a store: what it cannot find whole it writes again.
func TestSaveAfterDamage(t *testing.T) {
	b, root, want := small(t)
	files, _ := filepath.Glob(filepath.Join(b.dir, "store/packs/*.pack"))
	for _, f := range files {
		os.Chmod(f, 0o644)
		if err := os.Truncate(f, 100); err != nil {
			t.Fatal(err)
		}
	}
	b.reopen()
	if again := b.save(root); again.Root != root {
		t.Fatalf("root %s, want %s", again.Root, root)
	}
	to := filepath.Join(b.dir, "to")
	b.mustCheckout(root, to)
	same(t, "restored", listing(t, to), want)
	rep, err := b.s.Verify(context.Background(), []object.Digest{root}, false, nil)
	if err != nil || len(rep.Damage) != 2 || len(rep.Damage[0].Hurts)+len(rep.Damage[1].Hurts) > 0 {
		t.Errorf("verify: %+v, %v", rep.Damage, err)
	}
}

// A copy of a chunk that is damaged does no harm where there is another.
func TestSecondCopyServes(t *testing.T) {
	b, root, want := small(t)
	b.s.Close()
	files, _ := filepath.Glob(filepath.Join(b.dir, "store/packs/*.pack"))
	var packs []string
	for _, f := range files { // the same chunks in packs of their own
		packs = append(packs, f)
		p, err := pack.NewWriter(b.s.tmp(), "copy")
		if err != nil {
			t.Fatal(err)
		}
		b.reopen()
		if err := b.s.refresh(); err != nil {
			t.Fatal(err)
		}
		r, err := b.s.reader()
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range b.s.set.Files() {
			if x.Path() != f {
				continue
			}
			x.ChunksInPlace(func(d object.Digest, l pack.Loc) bool {
				raw, err := r.ReadLoc(d, l)
				if err == nil {
					err = p.Add(pack.Raw, []pack.Piece{{ID: d, Len: len(raw)}}, len(raw), raw)
				}
				if err != nil {
					t.Fatal(err)
				}
				return true
			})
		}
		if _, _, err := p.Close(b.s.packs()); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range packs {
		x, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for i := 16 + 8; i < len(x)-600; i += 40 {
			x[i] ^= 1
		}
		os.Chmod(f, 0o644)
		if err := os.WriteFile(f, x, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b.reopen()
	to := filepath.Join(b.dir, "to")
	b.mustCheckout(root, to)
	same(t, "restored", listing(t, to), want)
}

// Trees and recipes are chunks: damage of one that a pack delivers is found by its digest. This parses them without that
// net: never a panic, and what still parses is another encoding of something else.
func TestDamagedObjects(t *testing.T) {
	r := rand.New(rand.NewPCG(61, 62))
	tree := appendTree(nil, []treeEntry{{Name: "a", Kind: 1, Size: 5, Sum: object.Sum([]byte("1"))}, {Name: "b\n", Kind: 2, Size: 1 << 40, Sum: object.Sum([]byte("2")), Recipe: object.Sum([]byte("3"))}})
	for what, damaged := range damages(tree) {
		if list, err := parseTree(damaged); err == nil && !bytes.Equal(appendTree(nil, list), damaged) {
			t.Errorf("tree, %s: parsed, but encodes as other bytes", what)
		} else if err != nil && fault.KindOf(err) != fault.Integrity {
			t.Errorf("tree: %v", err)
		}
	}
	rec := appendRecipe(nil, 0, 100_000, []row{{object.Sum([]byte("1")), 99_000, r.Uint64() >> lenBits}, {object.Sum([]byte("2")), 1000, 7}})
	for what, damaged := range damages(rec) {
		if level, size, rows, err := parseRecipe(damaged); err == nil && !bytes.Equal(appendRecipe(nil, level, size, rows), damaged) {
			t.Errorf("recipe, %s: parsed, but encodes as other bytes", what)
		} else if err != nil && fault.KindOf(err) != fault.Integrity {
			t.Errorf("recipe: %v", err)
		}
	}
	p := Pointer{Root: object.Sum(nil), Summary: Summary{Kind: Directory, Files: 12, Bytes: 345}}.Encode()
	for what, damaged := range damages(p) {
		if q, err := ParsePointer(damaged); err == nil && !bytes.Equal(q.Encode(), damaged) {
			t.Errorf("pointer, %s: parsed %+v, but encodes as other bytes", what, q)
		} else if k := fault.KindOf(err); err != nil && k != fault.Usage && k != fault.Conflict {
			t.Errorf("pointer: %v", err)
		}
	}
}

// parseRecipe parses the whole encoding of one recipe.
func parseRecipe(b []byte) (level int, size int64, rows []row, err error) {
	p := rowParser{below: maxLevel + 1}
	if err = p.feed(b, func(w row) bool { rows = append(rows, w); return true }); err == nil {
		err = p.end()
	}
	if err != nil {
		return 0, 0, nil, err
	}
	return p.head.Level, p.head.Size, append(rows, p.upper...), nil
}

// The files beside the packs are derived or rebuilt, or name themselves when they are damaged.
func TestDamagedSmallFiles(t *testing.T) {
	b, root, _ := small(t)
	b.mustCheckout(root, b.data)
	release, err := b.s.publish(root)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	b.write("d/more", []byte("edited, not saved"))
	status := b.status(root)
	index := b.s.indexPath(b.data)
	journal := index + journalSuffix
	if err := os.WriteFile(journal, []byte(root.Hex()+"\n"+root.Hex()+"\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	each := func(path string, check func(what string)) {
		t.Helper()
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for what, damaged := range damages(whole) {
			if err := os.WriteFile(path, damaged, 0o644); err != nil {
				t.Fatal(err)
			}
			if check(what); t.Failed() {
				t.Fatalf("%s of %s to %q", what, path, damaged)
			}
		}
		if err := os.WriteFile(path, whole, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{index, index + seenSuffix} {
		each(path, func(string) { same(t, "status", b.status(root), status) })
	}
	each(journal, func(string) { // the edit is kept, whatever the journal says
		if _, err := b.checkout(root, b.data, CheckoutOptions{}); fault.KindOf(err) != fault.Conflict {
			t.Errorf("%v", err)
		}
		if got, _ := os.ReadFile(filepath.Join(b.data, "d/more")); string(got) != "edited, not saved" {
			t.Errorf("the edit is gone: %q", got)
		}
	})
	each(filepath.Join(b.s.roots(), b.s.o.Clone.ID, "clone.json"), func(what string) {
		list, err := b.s.Clones()
		if err != nil && (fault.KindOf(err) != fault.Integrity || !strings.Contains(err.Error(), b.s.o.Clone.ID)) || err == nil && (len(list) != 1 || list[0].Dir == "") {
			t.Errorf("%s: %+v, %v", what, list, err)
		}
	})
	each(filepath.Join(b.dir, "store/format"), func(string) {
		b.reopen()
		if _, err := b.s.Stat(context.Background(), root); fault.KindOf(err) != fault.Conflict {
			t.Errorf("%v", err)
		}
	})
	b.reopen()
	pending, _ := filepath.Glob(filepath.Join(b.s.roots(), "*", "*"+pendingSuffix))
	if len(pending) != 1 {
		t.Fatal(pending)
	}
	for _, content := range []string{"", "x", strings.Repeat("y", 1<<16)} { // its name says it all
		if err := os.WriteFile(pending[0], []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if list, err := b.s.pending(); err != nil || !slices.Equal(list, []object.Digest{root}) {
			t.Errorf("%v, %v", list, err)
		}
	}
}

// Whatever becomes of a condemnation, no pack is deleted before its grace is over.
func TestDamagedCondemnation(t *testing.T) {
	b, root, _ := small(t)
	none := func(func(Root, error) bool) {}
	plan := func() *GCPlan {
		p, err := b.s.PlanGC(context.Background(), none)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if err := b.s.ApplyGC(context.Background(), plan()); err != nil {
		t.Fatal(err)
	}
	marks, _ := filepath.Glob(filepath.Join(b.s.condemned(), "*"))
	if len(marks) != 2 {
		t.Fatal(marks)
	}
	whole, err := os.ReadFile(marks[0])
	if err != nil {
		t.Fatal(err)
	}
	for what, damaged := range damages(whole) {
		if err := os.WriteFile(marks[0], damaged, 0o644); err != nil {
			t.Fatal(err)
		}
		for _, p := range plan().Packs {
			if p.Do != waitPack {
				t.Fatalf("%s to %q: %+v", what, damaged, p)
			}
		}
	}
	if ok, err := b.s.Has(context.Background(), root); !ok || err != nil {
		t.Error(ok, err)
	}
}

// A missing store is an empty one, and a missing version an answer.
func TestMissing(t *testing.T) {
	b := memoryBench(t)
	if ok, err := b.s.Has(context.Background(), object.Sum(nil)); ok || err != nil {
		t.Error(ok, err)
	}
	if list, err := b.s.Clones(); len(list) > 0 || err != nil {
		t.Error(list, err)
	}
	if rep, err := b.s.Verify(context.Background(), nil, false, nil); err != nil || len(rep.Damage) > 0 {
		t.Error(rep, err)
	}
	if err := b.s.ForgetClone("0123"); fault.KindOf(err) != fault.NotFound {
		t.Error(err)
	}
	if _, err := b.s.FS(context.Background(), object.Sum(nil)); !errors.Is(err, fs.ErrNotExist) && fault.KindOf(err) != fault.NotFound {
		t.Error(err)
	}
}

// A clone that was killed before it wrote its name does not stop gc, and one that cannot be read can be forgotten.
func TestForgetDamagedClone(t *testing.T) {
	b, _, _ := small(t)
	bad := strings.Repeat("77", 16)
	if err := os.Mkdir(filepath.Join(b.s.roots(), bad), 0o777); err != nil {
		t.Fatal(err)
	}
	if list, err := b.s.Clones(); err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	if err := os.WriteFile(filepath.Join(b.s.roots(), bad, "clone.json"), []byte("{"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := b.s.Clones(); fault.KindOf(err) != fault.Integrity || len(fault.Hints(err)) == 0 {
		t.Fatal(err)
	}
	if err := b.s.ForgetClone("7777"); err != nil {
		t.Fatal(err)
	}
	if list, err := b.s.Clones(); err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
}

package snapshot

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// mutate changes a random tree on disk.
func (b *bench) mutate(r *rand.Rand) {
	names := []string{"a", "b.csv", "sub", "sub/x", "sub/deep/y", "sub/deep", "ü", "new\nline", "z\xff", strings.Repeat("n", 255), "d/e/f/g"}
	for range 1 + r.IntN(4) {
		name := names[r.IntN(len(names))]
		path := filepath.Join(b.data, name)
		os.RemoveAll(path)
		for p := filepath.Dir(path); p != b.data && len(p) > len(b.data); p = filepath.Dir(p) {
			if st, err := os.Lstat(p); err == nil && !st.IsDir() {
				os.Remove(p)
			}
		}
		os.MkdirAll(filepath.Dir(path), 0o777)
		switch r.IntN(6) {
		case 0: // stays removed
		case 1:
			os.MkdirAll(path, 0o777)
		case 2:
			os.Symlink("a", path)
		case 3:
			os.WriteFile(path, bytesOf(r, r.IntN(3<<20)), 0o777)
		default:
			os.WriteFile(path, bytesOf(r, r.IntN(100<<10)), 0o666)
		}
	}
}

// Any sequence of trees can be saved, listed as it is, and restored over any other, from any state.
func TestSaveAndCheckoutAnyTree(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	b := newBench(t)
	if err := os.MkdirAll(b.data, 0o777); err != nil {
		t.Fatal(err)
	}
	var roots []object.Digest
	var lists [][]string
	var last object.Digest
	for range 25 {
		b.mutate(r)
		v := b.save(last)
		last = v.Root
		roots, lists = append(roots, v.Root), append(lists, listing(t, b.data))
		same(t, "status after save", b.status(last), nil)
	}
	other := filepath.Join(b.dir, "other")
	for range 40 {
		k := r.IntN(len(roots))
		if r.IntN(4) == 0 {
			b.reopen()
		}
		b.mustCheckout(roots[k], b.data)
		same(t, "checkout over another version", listing(t, b.data), lists[k])
		same(t, "status after checkout", b.status(roots[k]), nil)
		if again := b.mustCheckout(roots[k], b.data); again.Written != 0 || again.Removed != 0 {
			t.Fatalf("a second checkout did something: %+v", again)
		}
	}
	b.mustCheckout(roots[7], other)
	same(t, "checkout into nothing", listing(t, other), lists[7])
	if rep, err := b.s.Verify(context.Background(), roots, false, nil); err != nil || len(rep.Damage) > 0 || rep.Packs == 0 {
		t.Fatalf("verify: %+v, %v", rep, err)
	}
}

// Saving the same bytes gives the same root, whatever was saved before and by however many workers.
func TestRootIsAFunctionOfTheBytes(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	one, two := newBench(t), newBench(t)
	var first object.Digest
	for _, b := range []*bench{one, two} {
		r := rand.New(rand.NewPCG(r.Uint64()*0+9, 9))
		if b == two {
			b.write("old", []byte("other things first"))
			b.save(object.Digest{})
			os.RemoveAll(b.data)
			b.s.o.Jobs = 1
		}
		b.write("big", bytesOf(r, 5<<20))
		b.write("s/small", []byte("x"))
		v := b.save(object.Digest{})
		if b == one {
			first = v.Root
		} else if v.Root != first {
			t.Fatalf("root %s, want %s", v.Root, first)
		}
	}
}

func TestStatusSaysWhatChanged(t *testing.T) {
	b := newBench(t)
	b.write("keep", []byte("same"))
	b.write("edit", []byte("before"))
	b.write("gone/x", []byte("1"))
	v := b.save(object.Digest{})
	b.write("edit", []byte("after it"))
	b.write("new", []byte("123"))
	os.RemoveAll(filepath.Join(b.data, "gone"))
	os.Mkdir(filepath.Join(b.data, "void"), 0o777)
	want := []string{"changed edit +2", "removed gone/x -1", "added new +3", "added void +0"}
	same(t, "status", b.status(v.Root), want)
	same(t, "status, remembered", b.status(v.Root), want)
	os.RemoveAll(filepath.Join(b.dir, "index"))
	same(t, "status without an index", b.status(v.Root), want)
	later := time.Now().Add(time.Hour)
	os.Chtimes(filepath.Join(b.data, "keep"), later, later)
	same(t, "status after a touch", b.status(v.Root), want)
}

// A file that is changed without a change of size in the tick of the save is still seen (racy-clean).
func TestRacyChange(t *testing.T) {
	b := newBench(t)
	for i := range 30 {
		b.write("f", []byte(fmt.Sprintf("%08d", i)))
		v := b.save(object.Digest{})
		b.write("f", []byte(fmt.Sprintf("%08d", i+1000)))
		if got := b.status(v.Root); len(got) != 1 {
			t.Fatalf("round %d: the change was missed: %v", i, got)
		}
	}
}

func TestUnsavedChangeIsKept(t *testing.T) {
	b := newBench(t)
	b.write("f", []byte("one"))
	one := b.save(object.Digest{})
	b.write("f", []byte("two"))
	two := b.save(one.Root)
	b.write("f", []byte("three"))
	b.write("mine", []byte("own file"))
	_, err := b.checkout(one.Root, b.data, CheckoutOptions{})
	if fault.KindOf(err) != fault.Conflict || !strings.Contains(err.Error(), "f was changed and is in no snapshot") {
		t.Fatalf("error %v", err)
	}
	if got, _ := os.ReadFile(filepath.Join(b.data, "f")); string(got) != "three" {
		t.Fatalf("the change is gone: %q", got)
	}
	b.write("f", []byte("two")) // as saved: nothing to lose
	b.mustCheckout(one.Root, b.data)
	if got, _ := os.ReadFile(filepath.Join(b.data, "mine")); string(got) != "own file" {
		t.Fatal("a file of nobody's version was removed")
	}
	b.write("f", []byte("four"))
	if _, err := b.checkout(two.Root, b.data, CheckoutOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	same(t, "after --force", b.status(two.Root), nil)
}

// A table with one row in a hundred changed costs about one hundredth.
func TestDelta(t *testing.T) {
	b := newBench(t)
	r := rand.New(rand.NewPCG(7, 8))
	rows := make([]string, 200_000)
	for i := range rows {
		rows[i] = fmt.Sprintf("%d,u%07d,%.6f,%.6f,%d\n", i, r.IntN(2_000_000), r.NormFloat64(), r.Float64(), r.IntN(9))
	}
	b.write("table.csv", []byte(strings.Join(rows, "")))
	one := b.save(object.Digest{})
	for i := range rows {
		if r.IntN(100) == 0 {
			rows[i] = fmt.Sprintf("%d,u%07d,%.2f,%.6f,%d\n", i, r.IntN(2_000_000), r.NormFloat64(), r.Float64(), r.IntN(9))
		}
	}
	content := strings.Join(rows, "")
	b.write("table.csv", []byte(content))
	two := b.save(one.Root)
	if share := float64(two.Stored) / float64(one.Stored); share > 0.05 {
		t.Errorf("1 %% of the rows changed, the store grew by %.1f %% (%d of %d)", 100*share, two.Stored, one.Stored)
	}
	os.RemoveAll(b.data)
	b.mustCheckout(two.Root, b.data)
	if got, err := os.ReadFile(filepath.Join(b.data, "table.csv")); err != nil || string(got) != content {
		t.Fatalf("restored %d bytes, %v", len(got), err)
	}
}

func TestDiff(t *testing.T) {
	b := newBench(t)
	b.write("a/x", []byte("1"))
	b.write("a/y", []byte("22"))
	one := b.save(object.Digest{})
	os.Remove(filepath.Join(b.data, "a/x"))
	b.write("a/y", []byte("333"))
	b.write("b", []byte("4444"))
	two := b.save(one.Root)
	var got []string
	for c, err := range b.s.Diff(context.Background(), one.Root, two.Root) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(c.Action, " ", c.Path, " ", c.BytesDelta))
	}
	same(t, "diff", got, []string{"removed a/x -1", "changed a/y 1", "added b 4"})
}

func TestFS(t *testing.T) {
	b := newBench(t)
	r := rand.New(rand.NewPCG(1, 9))
	b.write("a/x.csv", bytesOf(r, 1<<20))
	b.write("b", []byte("hello"))
	v := b.save(object.Digest{})
	f, err := b.s.FS(context.Background(), v.Root)
	if err != nil {
		t.Fatal(err)
	}
	if err := fstest.TestFS(f, "a/x.csv", "b"); err != nil {
		t.Fatal(err)
	}
	h, err := f.Open("a/x.csv")
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(h)
	want, _ := os.ReadFile(filepath.Join(b.data, "a/x.csv"))
	if err != nil || string(got) != string(want) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	sum, err := b.s.FileDigest(context.Background(), v.Root, "a/x.csv")
	if err != nil || sum != object.Sum(want) {
		t.Fatalf("digest %s, %v: sha256sum would not agree", sum, err)
	}
}

func TestSingleFile(t *testing.T) {
	b := newBench(t)
	path := filepath.Join(b.dir, "model.pkl")
	os.WriteFile(path, []byte("weights"), 0o666)
	v, err := b.s.Save(context.Background(), SaveOptions{Path: path})
	if err != nil || v.Summary != (Summary{Kind: File, Files: 1, Bytes: 7}) {
		t.Fatalf("%+v, %v", v, err)
	}
	os.Rename(path, path+"2") // the pointer was renamed with it
	os.WriteFile(path+"2", []byte("weights"), 0o666)
	if _, err := b.checkout(v.Root, path+"2", CheckoutOptions{Kind: File}); err != nil {
		t.Fatal(err)
	}
	os.Remove(path + "2")
	if _, err := b.checkout(v.Root, path+"2", CheckoutOptions{Kind: File}); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(path + "2"); string(got) != "weights" {
		t.Fatalf("restored %q", got)
	}
}

func TestGitFolderIsRefused(t *testing.T) {
	b := newBench(t)
	b.write(".git/config", []byte("x"))
	if _, err := b.s.Save(context.Background(), SaveOptions{Path: b.data}); err == nil || !strings.Contains(err.Error(), ".git") {
		t.Fatalf("error %v", err)
	}
}

func TestExternalSymlinkNeedsTheFlag(t *testing.T) {
	b := newBench(t)
	b.write("sub/f", []byte("x"))
	os.Symlink("../f", filepath.Join(b.data, "sub/in"))
	inner := b.save(object.Digest{})
	os.Symlink("../../etc/passwd", filepath.Join(b.data, "sub/out"))
	outer := b.save(inner.Root)
	other := filepath.Join(b.dir, "other")
	b.mustCheckout(inner.Root, other)
	if _, err := b.checkout(outer.Root, other, CheckoutOptions{}); fault.KindOf(err) != fault.Denied {
		t.Fatalf("error %v", err)
	}
	if _, err := b.checkout(outer.Root, other, CheckoutOptions{ExternalLinks: true}); err != nil {
		t.Fatal(err)
	}
}

func TestLinkCache(t *testing.T) {
	b := newBench(t)
	b.write("f", []byte(strings.Repeat("content ", 9000)))
	v := b.save(object.Digest{})
	want := listing(t, b.data)
	os.RemoveAll(b.data)
	if _, err := b.checkout(v.Root, b.data, CheckoutOptions{Link: true}); err != nil {
		t.Fatal(err)
	}
	same(t, "linked checkout", listing(t, b.data), want)
	same(t, "status of linked files", b.status(v.Root), nil)
	two := filepath.Join(b.dir, "two")
	if _, err := b.checkout(v.Root, two, CheckoutOptions{Link: true}); err != nil {
		t.Fatal(err)
	}
	same(t, "status after a second link", b.status(v.Root), nil) // its ctime changed, its content did not
}

func TestPointer(t *testing.T) {
	p := Pointer{Root: object.Sum([]byte("x")), Summary: Summary{Kind: Directory, Files: 3, Bytes: 99}}
	got, err := ParsePointer(p.Encode())
	if err != nil || got != p {
		t.Fatalf("%+v, %v", got, err)
	}
	if _, err := ParsePointer([]byte("<<<<<<< HEAD\n" + string(p.Encode()))); fault.KindOf(err) != fault.Conflict {
		t.Errorf("merge conflict: %v", err)
	}
	for _, bad := range []string{"", "x", string(p.Encode()) + "more\n", strings.Repeat("a", 1<<20), "mlx pointer 1\nroot sha256:00\nkind directory\nfiles 1\nbytes 1\n"} {
		if _, err := ParsePointer([]byte(bad)); fault.KindOf(err) != fault.Usage {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
}

func TestMissingVersion(t *testing.T) {
	b := newBench(t)
	_, err := b.checkout(object.Sum([]byte("nowhere")), b.data, CheckoutOptions{})
	if fault.KindOf(err) != fault.NotFound {
		t.Fatalf("error %v", err)
	}
	if _, err := os.Stat(b.data); !os.IsNotExist(err) {
		t.Error("a failed checkout left something behind")
	}
	if _, err := b.s.Save(context.Background(), SaveOptions{Path: filepath.Join(b.dir, "no")}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("save of nothing: %v", err)
	}
}

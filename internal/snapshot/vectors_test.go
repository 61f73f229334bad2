package snapshot

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot/internal/pack"
)

// vectors were written once and are never regenerated: code that does not read them is wrong.
const vectors = "../../testdata/format/v1/store"

func openVectors(t *testing.T) *Store {
	t.Helper()
	s, err := Open(Options{Dir: filepath.Join(vectors, "good"), Index: filepath.Join(t.TempDir(), "index"), Clone: Clone{ID: strings.Repeat("ab", 16), Dir: t.TempDir()}, Now: time.Now, Jobs: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// manifest describes a version: a line a path, with its kind, size and SHA-256, as no code of the store computes them.
func manifest(t *testing.T, version fs.FS) string {
	t.Helper()
	var out strings.Builder
	err := fs.WalkDir(version, ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == "." {
			return err
		}
		kind, size, sum := "folder", int64(0), ""
		switch {
		case e.Type() == fs.ModeSymlink:
			to, err := fs.ReadLink(version, path)
			if err != nil {
				return err
			}
			kind, size, sum = "symlink", int64(len(to)), fmt.Sprintf("%x", sha256.Sum256([]byte(to)))
		case e.Type().IsRegular():
			f, err := version.Open(path)
			if err != nil {
				return err
			}
			defer f.Close()
			st, err := f.Stat()
			if err != nil {
				return err
			}
			if kind = "file"; st.Mode()&0o100 != 0 {
				kind = "executable"
			}
			h := sha256.New()
			if size, err = io.Copy(h, f); err != nil {
				return err
			}
			sum = fmt.Sprintf("%x", h.Sum(nil))
		}
		fmt.Fprintf(&out, "%s %d %s %q\n", kind, size, sum, path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// The stored versions are read as they were, and saving what they hold gives the same roots: cuts, recipes and trees
// are frozen.
func TestVectors(t *testing.T) {
	s := openVectors(t)
	names, err := filepath.Glob(filepath.Join(vectors, "good", "*.mlx"))
	if err != nil || len(names) != 4 {
		t.Fatalf("%v, %v", names, err)
	}
	codecs := map[pack.Codec]bool{}
	var roots []object.Digest
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		p, err := ParsePointer(text)
		if err != nil || string(p.Encode()) != string(text) {
			t.Fatalf("%s: %v", name, err)
		}
		roots = append(roots, p.Root)
		version, err := s.FS(context.Background(), p.Root)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(strings.TrimSuffix(name, Suffix) + ".manifest")
		if err != nil {
			t.Fatal(err)
		}
		if got := manifest(t, version); got != string(want) {
			t.Errorf("%s:\n%s\nwant:\n%s", name, got, want)
		}
		resave(t, s, p)
	}
	for _, f := range s.set.Files() {
		f.Chunks(func(_ object.Digest, _, _ int, c pack.Codec) bool { codecs[c] = true; return true })
	}
	if len(codecs) != 3 {
		t.Errorf("codecs %v", codecs)
	}
	if rep, err := s.Verify(context.Background(), roots, false, nil); err != nil || len(rep.Damage) > 0 || rep.Packs != 3 {
		t.Errorf("verify: %+v, %v", rep, err)
	}
}

func resave(t *testing.T, s *Store, p Pointer) {
	t.Helper()
	b := memoryBench(t)
	if p.Kind == File {
		b.data = filepath.Join(b.dir, "weights.bin")
	}
	if _, err := s.Checkout(context.Background(), CheckoutOptions{Path: b.data, To: p.Root, Kind: p.Kind}); err != nil {
		t.Fatal(err)
	}
	v := b.save(object.Digest{})
	if v.Root != p.Root || v.Summary != p.Summary {
		t.Errorf("saved again: %s %+v, want %s %+v", v.Root, v.Summary, p.Root, p.Summary)
	}
}

// A long folder is cut like a file, and its root is a recipe; a very long recipe has a recipe of its own.
func TestLongVectors(t *testing.T) {
	s := openVectors(t)
	text, err := os.ReadFile(filepath.Join(vectors, "good", "wide.mlx"))
	if err != nil {
		t.Fatal(err)
	}
	wide, err := ParsePointer(text)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.reader()
	if err != nil {
		t.Fatal(err)
	}
	if b, err := r.Read(wide.Root); err != nil || !strings.HasPrefix(string(b), recipeMagic) {
		t.Errorf("the root of the long folder is no recipe: %v", err)
	}
	levels := map[int]int{}
	for _, f := range s.set.Files() {
		f.Chunks(func(d object.Digest, _, _ int, _ pack.Codec) bool {
			if b, err := r.Read(d); err == nil && strings.HasPrefix(string(b), recipeMagic) {
				if h, err := parseRecipeHead(b); err == nil {
					levels[h.Level]++
				}
			}
			return true
		})
	}
	if levels[0] < 3 || levels[1] != 1 {
		t.Errorf("recipes by level: %v", levels)
	}
}

// Every hostile object is refused, by what its name says of it.
func TestHostileVectors(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(vectors, "hostile", "*.*"))
	if err != nil || len(files) < 20 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		switch filepath.Ext(name) {
		case ".tree":
			_, err = parseTree(b)
		case ".recipe":
			_, _, _, err = parseRecipe(b)
		case ".pointer":
			_, err = ParsePointer(b)
		case ".pack":
			err = hostilePack(t, name, b)
		}
		if k := fault.KindOf(err); k != fault.Integrity && k != fault.Usage && k != fault.Conflict {
			t.Errorf("%s: %v", filepath.Base(name), err)
		}
	}
}

// hostilePack opens a pack under the name that its index has, and reads it.
func hostilePack(t *testing.T, file string, b []byte) error {
	t.Helper()
	dir := t.TempDir()
	hex, _, ok := strings.Cut(filepath.Base(file), "-")
	name, err := object.ParseDigest(hex)
	if err != nil || !ok {
		t.Fatalf("%s: %v", file, err)
	}
	path := filepath.Join(dir, pack.FileName(name))
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
	set := pack.NewSet(dir)
	if err := set.Refresh(); err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	for _, err := range set.Damaged() {
		return err
	}
	r, err := set.NewReader()
	if err != nil {
		t.Fatal(err)
	}
	var found error
	set.Files()[0].Check(func(f pack.Frame, _ []object.Digest, payload []byte) ([]byte, error) {
		return r.Decode(f, payload, nil)
	},
		func(_ []object.Digest, err error) { found = err })
	if fault.KindOf(found) == fault.NotFound {
		found = fault.New(fault.Integrity, "%w", found)
	}
	return found
}

package snapshot

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// TestReadAt reads parts of files of all sizes on several goroutines: they are those of the whole.
func TestReadAt(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(Options{Dir: filepath.Join(dir, "store"), Index: filepath.Join(dir, "index"), Now: func() time.Time { return time.Unix(1, 0) }, Clone: Clone{ID: "c10e", Dir: dir}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r := rand.New(rand.NewPCG(1, 2))
	whole := map[string][]byte{"empty": nil, "one": {7}, "long": make([]byte, 3<<20)}
	for i := range whole["long"] {
		whole["long"][i] = byte(r.Uint32())
	}
	tree := filepath.Join(dir, "tree")
	if err := os.Mkdir(tree, 0o777); err != nil {
		t.Fatal(err)
	}
	for name, b := range whole {
		if err := os.WriteFile(filepath.Join(tree, name), b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	saved, err := s.Save(t.Context(), SaveOptions{Path: tree, Once: true})
	if err != nil {
		t.Fatal(err)
	}
	fsys, err := s.FS(t.Context(), saved.Root)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range whole {
		if here, err := s.HasFile(t.Context(), saved.Root, name); !here || err != nil {
			t.Errorf("%s is here: %v, %v", name, here, err)
		}
		f, err := fsys.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		at, ok := f.(io.ReaderAt)
		if !ok {
			t.Fatal("no io.ReaderAt")
		}
		var group sync.WaitGroup
		for g := range 4 {
			group.Go(func() {
				r := rand.New(rand.NewPCG(3, uint64(g)))
				for range 100 {
					off := r.Int64N(int64(len(b)) + 10)
					buf := make([]byte, r.IntN(200_000))
					n, err := at.ReadAt(buf, off)
					want := b[min(off, int64(len(b))):min(off+int64(len(buf)), int64(len(b)))]
					if !bytes.Equal(buf[:n], want) || (n < len(buf)) != errors.Is(err, io.EOF) {
						t.Errorf("%s at %d: %d bytes of %d, %v", name, off, n, len(want), err)
					}
				}
			})
		}
		group.Wait()
		if _, err := at.ReadAt(make([]byte, 1), -1); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%s before its start: %v", name, err)
		}
		f.Close()
	}
	if _, err := s.HasFile(t.Context(), saved.Root, "none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("none: %v", err)
	}
}

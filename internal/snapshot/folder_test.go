package snapshot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"mlx/internal/object"
)

// TestFolder: a folder inside a version is a version by itself, the one that saving just that folder makes.
func TestFolder(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(Options{Dir: filepath.Join(dir, "store"), Index: filepath.Join(dir, "index"), Now: func() time.Time { return time.Unix(1, 0) }, Clone: Clone{ID: "c10e", Dir: dir}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	tree := filepath.Join(dir, "tree")
	for i := range 3000 { // a list of names that is long enough for a recipe
		p := filepath.Join(tree, "many", fmt.Sprintf("%s%04d", "a-name-that-is-as-long-as-names-of-files-can-well-be-", i))
		if err := os.MkdirAll(filepath.Dir(p), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte{byte(i)}, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	save := func(path string) object.Digest {
		t.Helper()
		saved, err := s.Save(t.Context(), SaveOptions{Path: path, Once: true})
		if err == nil {
			err = saved.Release()
		}
		if err != nil {
			t.Fatal(err)
		}
		return saved.Root
	}
	root, many := save(tree), save(filepath.Join(tree, "many"))
	if got, err := s.Folder(t.Context(), root, "many"); err != nil || got != many {
		t.Errorf("got %s, %v; saved apart it is %s", got.Short(), err, many.Short())
	}
	if got, err := s.Folder(t.Context(), root, "."); err != nil || got != root {
		t.Errorf("got %s, %v", got.Short(), err)
	}
	for _, name := range []string{"none", "many/none", "many/a-name-that-is-as-long-as-names-of-files-can-well-be-0001"} {
		if _, err := s.Folder(t.Context(), root, name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

package repo

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mlx/internal/fault"
)

// TestTreeAt reads a folder as it was committed: with modes and links, whatever lies in the work tree and however git would check it out.
func TestTreeAt(t *testing.T) {
	r := newProject(t)
	write := func(name, text string, mode os.FileMode) {
		at := filepath.Join(r.Root, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), mode); err != nil { //nolint:gosec // an executable is what is tested
			t.Fatal(err)
		}
	}
	write("serve/app.py", "print()\n", 0o600)
	write("serve/start.sh", "exec\n", 0o755)
	write("other.txt", "x", 0o600)
	if err := os.Symlink("app.py", filepath.Join(r.Root, "serve", "main.py")); err != nil {
		t.Fatal(err)
	}
	id := commit(t, r, "code")
	if _, err := r.git(t.Context(), "config", "core.autocrlf", "true"); err != nil {
		t.Fatal(err)
	}
	write("serve/app.py", "changed since", 0o600)
	tree, err := r.TreeAt(t.Context(), "HEAD", "serve")
	if err != nil {
		t.Fatal(err)
	}
	text, err := fs.ReadFile(tree.Files, "app.py")
	if err != nil || string(text) != "print()\n" || tree.Commit != id || len(tree.ID) != 40 {
		t.Errorf("%q %+v: %v", text, tree, err)
	}
	if info, err := fs.Stat(tree.Files, "start.sh"); err != nil || info.Mode().Perm()&0o100 == 0 {
		t.Errorf("%v: %v", info, err)
	}
	if to, err := fs.ReadLink(tree.Files, "main.py"); err != nil || to != "app.py" {
		t.Errorf("%q: %v", to, err)
	}
	if all, err := r.TreeAt(t.Context(), id, "."); err != nil || all.ID == tree.ID {
		t.Errorf("%+v: %v", all, err)
	} else if _, err := fs.Stat(all.Files, "other.txt"); err != nil {
		t.Error(err)
	}
	for _, c := range [][2]string{{"HEAD", "nowhere"}, {"HEAD", "other.txt"}, {"no-branch", "serve"}} {
		if _, err := r.TreeAt(t.Context(), c[0], c[1]); fault.KindOf(err) != fault.NotFound {
			t.Errorf("%s: %v", strings.Join(c[:], ":"), err)
		}
	}
}

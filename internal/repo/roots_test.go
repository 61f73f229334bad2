package repo

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mlx/internal/fault"
)

// TestPointerRoots puts one pointer into every place from which git can bring it back and looks for all of them.
func TestPointerRoots(t *testing.T) {
	r := newProject(t)
	if _, err := r.CloneID(); err != nil {
		t.Fatal(err)
	}
	pointer := filepath.Join(r.Root, "d.mlx")
	put := func(text string) { writePointer(t, pointer, text) }
	put("first commit")
	writeFile(t, filepath.Join(r.Root, "copy.txt"), pointerHead+"same bytes under two names")
	writePointer(t, filepath.Join(r.Root, "sub/copy.mlx"), "same bytes under two names")
	commit(t, r, "one")

	put("only in the reflog")
	commit(t, r, "lost")
	gitIn(t, r.Root, "reset", "-q", "--hard", "HEAD~1")

	put("only in a stash")
	gitIn(t, r.Root, "stash", "-q")

	gitIn(t, r.Root, "checkout", "-q", "-b", "side")
	put("only on another branch")
	commit(t, r, "side")
	gitIn(t, r.Root, "checkout", "-q", "main")

	put("only behind a tag")
	commit(t, r, "tagged")
	gitIn(t, r.Root, "tag", "-a", "-m", "x", "v1")
	gitIn(t, r.Root, "tag", "tree", gitIn(t, r.Root, "rev-parse", "v1^{tree}"))
	gitIn(t, r.Root, "reset", "-q", "--hard", "HEAD~1")

	second := filepath.Join(tempDir(t), "second")
	gitIn(t, r.Root, "worktree", "add", "-q", "--detach", second)
	writePointer(t, filepath.Join(second, "d.mlx"), "only in the index of a worktree")
	gitIn(t, second, "add", "d.mlx")
	writePointer(t, filepath.Join(second, "d.mlx"), "only in a file of a worktree")
	writeFile(t, filepath.Join(second, ".gitignore"), "ignored/\n")
	writePointer(t, filepath.Join(second, "ignored/new.mlx"), "only in an ignored folder")

	put("only in a file")
	writeFile(t, filepath.Join(r.Root, "inner/mlx.yaml"), "ledger: 00000000000000aa\n")
	writePointer(t, filepath.Join(r.Root, "inner/e.mlx"), "of another project")

	want := []string{"first commit", "of another project", "only behind a tag", "only in a file", "only in a file of a worktree", "only in a stash", "only in an ignored folder",
		"only in the index of a worktree", "only in the reflog", "only on another branch", "same bytes under two names"}
	if diff := cmp.Diff(want, roots(t, r)); diff != "" {
		t.Error(diff)
	}
	other, err := CloneAt(r.Home, r.CommonDir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, roots(t, other)); diff != "" {
		t.Error("asked from outside: " + diff)
	}
	if diff := cmp.Diff(want, roots(t, findRepo(t, filepath.Join(r.Root, "inner")))); diff != "" {
		t.Error("asked by another project: " + diff)
	}
	if err := os.RemoveAll(second); err != nil {
		t.Fatal(err)
	}
	if got := roots(t, r); !slices.Contains(got, "only in the index of a worktree") {
		t.Errorf("the index of a worktree whose folder is gone: %q", got)
	}
}

func TestPointerRootsOfAMerge(t *testing.T) {
	r := newProject(t)
	pointer := filepath.Join(r.Root, "d.mlx")
	writePointer(t, pointer, "base\n")
	commit(t, r, "one")
	gitIn(t, r.Root, "checkout", "-q", "-b", "side")
	writePointer(t, pointer, "theirs\n")
	commit(t, r, "side")
	gitIn(t, r.Root, "checkout", "-q", "main")
	writePointer(t, pointer, "ours\n")
	commit(t, r, "ours")
	cmd := gitCommand(t.Context(), r.Root, "-c", "user.name=a", "-c", "user.email=a@example.org", "merge", "side")
	if err := cmd.Run(); err == nil {
		t.Fatal("the merge has no conflict")
	}
	gitIn(t, r.Root, "branch", "-q", "-D", "side")
	if err := os.RemoveAll(filepath.Join(r.GitDir, "logs")); err != nil {
		t.Fatal(err)
	}
	got := roots(t, r)
	for _, text := range []string{"base\n", "ours\n", "theirs\n"} {
		if !slices.Contains(got, text) {
			t.Errorf("%q is missing in %q", text, got)
		}
	}
	if !slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, "<<<<<<<") }) {
		t.Errorf("the conflict itself is missing in %q", got)
	}
	if p := pointers(t, r); !slices.Equal(p, []string{"d"}) {
		t.Errorf("a pointer in conflict is still tracked: %q", p)
	}
}

func TestPointerRootsRefusesToGuess(t *testing.T) {
	r := newProject(t)
	writePointer(t, filepath.Join(r.Root, "d.mlx"), "one")
	commit(t, r, "one")
	blob := gitIn(t, r.Root, "rev-parse", "HEAD:d.mlx")
	if err := os.Remove(filepath.Join(r.GitDir, "objects", blob[:2], blob[2:])); err != nil {
		t.Fatal(err)
	}
	var failed error
	for _, err := range r.PointerRoots(t.Context()) {
		failed = err
	}
	if fault.KindOf(failed) != fault.Integrity {
		t.Errorf("a missing object: %v", failed)
	}
	gone := filepath.Join(tempDir(t), "gone")
	if _, err := CloneAt(gone, gone); fault.KindOf(err) != fault.NotFound {
		t.Errorf("a clone that is gone: %v", err)
	}
}

func TestLockedWorktree(t *testing.T) {
	r := newProject(t)
	commit(t, r, "one")
	second := filepath.Join(tempDir(t), "second")
	gitIn(t, r.Root, "worktree", "add", "-q", second)
	gitIn(t, r.Root, "worktree", "lock", second)
	if err := os.RemoveAll(second); err != nil {
		t.Fatal(err)
	}
	var failed error
	for _, err := range r.PointerRoots(t.Context()) {
		failed = err
	}
	if fault.KindOf(failed) != fault.Unavailable {
		t.Errorf("a worktree on a disk that is not there: %v", failed)
	}
}

func TestPointers(t *testing.T) {
	r := newProject(t)
	for _, file := range []string{"a.mlx", "deep/er/b.mlx", "data/owned.mlx", "data/owned/inside.mlx", "ignored/lost.mlx", "ignored/committed.mlx", "gone.mlx",
		"project/mlx.yaml", "project/c.mlx", "project/deep/c.mlx", ".mlx/x.mlx", "sub/owned.mlx", "sub/.gitignore", "sub/private/p.mlx"} {
		writePointer(t, filepath.Join(r.Root, file), "pointer")
	}
	writeFile(t, filepath.Join(r.Root, "live.mlx"), "PK\x03\x04 of another program")
	writeFile(t, filepath.Join(r.Root, "damaged.mlx"), "")
	writeFile(t, filepath.Join(r.Root, "damaged"), "data")
	writePointer(t, filepath.Join(r.Root, "long.mlx"), strings.Repeat("x", maxPointerBlob+1))
	writeFile(t, filepath.Join(r.Root, "project/mlx.yaml"), "ledger: 00000000000000aa\n")
	writeFile(t, filepath.Join(r.Root, ".gitignore"), "ignored/\n")
	writeFile(t, filepath.Join(r.Root, "sub/.gitignore"), "/private\n")
	if err := os.RemoveAll(filepath.Join(r.Root, ".mlx")); err != nil {
		t.Fatal(err)
	}
	gitIn(t, r.Root, "add", "-f", "ignored/committed.mlx", "gone.mlx", "project/deep/c.mlx", "data/owned/inside.mlx")
	if err := os.Remove(filepath.Join(r.Root, "gone.mlx")); err != nil {
		t.Fatal(err)
	}
	want := []string{"a", "damaged", "data/owned", "deep/er/b", "ignored/committed", "long", "sub/owned"}
	if diff := cmp.Diff(want, pointers(t, r)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"c", "deep/c"}, pointers(t, findRepo(t, filepath.Join(r.Root, "project")))); diff != "" {
		t.Error(diff)
	}
}

// TestPointersEnterNoData puts a pointer into data folders: a walk that finds one has read the folder.
func TestPointersEnterNoData(t *testing.T) {
	r := newProject(t)
	for _, dir := range []string{"tracked", "ignored", "other"} {
		writePointer(t, filepath.Join(r.Root, dir, "p.mlx"), "data")
	}
	writePointer(t, filepath.Join(r.Root, "tracked.mlx"), "pointer")
	writeFile(t, filepath.Join(r.Root, ".gitignore"), "/ignored\n")
	w := pointerWalk{ctx: t.Context(), root: r.Root}
	if err := w.walk("", nil); err != nil {
		t.Fatal(err)
	}
	slices.Sort(w.found)
	if diff := cmp.Diff([]string{"other/p.mlx", "tracked.mlx"}, w.found); diff != "" {
		t.Error(diff)
	}
}

package repo

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mlx/internal/fault"
)

func pointers(t *testing.T, r *Repo) []string {
	t.Helper()
	all, err := r.Pointers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// roots returns the distinct contents that PointerRoots yields.
func roots(t *testing.T, r *Repo) []string {
	t.Helper()
	all := map[string]bool{}
	for seen, err := range r.PointerRoots(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimPrefix(string(seen.Data), pointerHead)] = true
	}
	return slices.Sorted(maps.Keys(all))
}

func commit(t *testing.T, r *Repo, message string) string {
	t.Helper()
	gitIn(t, r.Root, "add", "-A", "-f")
	gitIn(t, r.Root, "commit", "-q", "--allow-empty", "-m", message)
	return gitIn(t, r.Root, "rev-parse", "HEAD")
}

func TestHead(t *testing.T) {
	r := newProject(t)
	if head, err := r.Head(t.Context()); err != nil || head.Branch != "main" || head.Commit != "" {
		t.Errorf("before the first commit: %+v %v", head, err)
	}
	id := commit(t, r, "one")
	want := GitState{Branch: "main", Commit: id}
	if head, err := r.Head(t.Context()); err != nil || head != want {
		t.Errorf("%+v %v", head, err)
	}
	gitIn(t, r.Root, "pack-refs", "--all")
	gitIn(t, r.Root, "config", "core.repositoryFormatVersion", "1")
	gitIn(t, r.Root, "config", "extensions.worktreeConfig", "true")
	if head, err := r.Head(t.Context()); err != nil || head != want {
		t.Errorf("with an extension that go-git does not know: %+v %v", head, err)
	}
	gitIn(t, r.Root, "checkout", "-q", "--detach")
	want = GitState{Commit: id, Detached: true}
	if head, err := r.Head(t.Context()); err != nil || head != want {
		t.Errorf("detached: %+v %v", head, err)
	}
}

func TestShallowClone(t *testing.T) {
	origin := newProject(t)
	old := commit(t, origin, "one")
	writePointer(t, filepath.Join(origin.Root, "d.mlx"), "two")
	commit(t, origin, "two")
	dir := filepath.Join(tempDir(t), "clone")
	gitIn(t, origin.Root, "clone", "-q", "--depth", "1", "file://"+origin.Root, dir)
	r := findRepo(t, dir)
	if head, err := r.Head(t.Context()); err != nil || !head.Shallow {
		t.Errorf("%+v %v", head, err)
	}
	if got := roots(t, r); len(got) != 1 {
		t.Errorf("roots are %q", got)
	}
	_, err := r.Resolve(t.Context(), old)
	if fault.KindOf(err) != fault.NotFound || len(fault.Hints(err)) != 1 {
		t.Errorf("%v %q", err, fault.Hints(err))
	}
}

func TestDirtyAndPatch(t *testing.T) {
	r := newProject(t)
	writeFile(t, filepath.Join(r.Root, "train.py"), "print(1)\n")
	gitIn(t, r.Root, "add", ".")
	patch, err := r.Patch(t.Context())
	if err != nil || !strings.Contains(string(patch.Text), "+print(1)") {
		t.Errorf("before the first commit: %s %v", patch.Text, err)
	}
	writePointer(t, filepath.Join(r.Root, "d.mlx"), "one")
	commit(t, r, "one")
	writePointer(t, filepath.Join(r.Root, "d.mlx"), "two")
	writeFile(t, filepath.Join(r.Root, "new.py"), "print(3)\n")
	if dirty, err := r.Dirty(t.Context()); err != nil || dirty {
		t.Errorf("a pointer is no code: %v %v", dirty, err)
	}
	if got, err := r.Untracked(t.Context()); err != nil || !slices.Equal(got, []string{"new.py"}) {
		t.Errorf("untracked %q %v", got, err)
	}
	writeFile(t, filepath.Join(r.Root, "train.py"), "print(2)\n")
	gitIn(t, r.Root, "add", "train.py")
	if dirty, err := r.Dirty(t.Context()); err != nil || !dirty {
		t.Errorf("staged code: %v %v", dirty, err)
	}
	patch, err = r.Patch(t.Context())
	if err != nil || !strings.Contains(string(patch.Text), "+print(2)") || strings.Contains(string(patch.Text), "d.mlx") {
		t.Errorf("%s %v", patch.Text, err)
	}
}

func TestCommits(t *testing.T) {
	r := newProject(t)
	writePointer(t, filepath.Join(r.Root, "data/d.mlx"), "one")
	writeFile(t, filepath.Join(r.Root, "live.mlx"), "PK\x03\x04 of another program")
	writeFile(t, filepath.Join(r.Root, "inner/mlx.yaml"), "ledger: 00000000000000aa\n")
	writePointer(t, filepath.Join(r.Root, "inner/e.mlx"), "inner")
	first := commit(t, r, "one")
	gitIn(t, r.Root, "tag", "v1")
	writePointer(t, filepath.Join(r.Root, "data/d.mlx"), "two")
	commit(t, r, "two")
	for _, rev := range []string{"v1", "HEAD~1", first, first[:10], "main^"} {
		if got, err := r.Resolve(t.Context(), rev); err != nil || got != first {
			t.Errorf("%s: %s %v", rev, got, err)
		}
	}
	for _, rev := range []string{"nope", "--all", "HEAD:mlx.yaml", ""} {
		if _, err := r.Resolve(t.Context(), rev); fault.KindOf(err) != fault.NotFound {
			t.Errorf("%q: %v", rev, err)
		}
	}
	inner := findRepo(t, filepath.Join(r.Root, "inner"))
	check := func(name string) {
		if data, err := r.FileAt(t.Context(), first, "data/d.mlx"); err != nil || string(data) != pointerHead+"one" {
			t.Errorf("%s: %q %v", name, data, err)
		}
		if _, err := r.FileAt(t.Context(), first, "data/none"); fault.KindOf(err) != fault.NotFound {
			t.Errorf("%s: %v", name, err)
		}
		if got := filesAt(t, r, first); !cmp.Equal(got, map[string]string{"data/d.mlx": "one"}) {
			t.Errorf("%s: %v", name, got)
		}
		if got := filesAt(t, inner, first); !cmp.Equal(got, map[string]string{"e.mlx": "inner"}) {
			t.Errorf("%s: %v", name, got)
		}
	}
	check("go-git")
	gitIn(t, r.Root, "config", "core.repositoryFormatVersion", "1")
	gitIn(t, r.Root, "config", "extensions.worktreeConfig", "true")
	if _, err := r.open(); err == nil {
		t.Fatal("go-git opens what it must not: the next check would prove nothing")
	}
	check("git program")
}

func filesAt(t *testing.T, r *Repo, commit string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for f, err := range r.FilesAt(t.Context(), commit) {
		if err != nil {
			t.Fatal(err)
		}
		all[f.Path] = strings.TrimPrefix(string(f.Data), pointerHead)
	}
	return all
}

func TestRefusedByGit(t *testing.T) {
	r := newProject(t)
	commit(t, r, "one")
	t.Setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	_, err := r.Dirty(t.Context())
	want := "git config --global --add safe.directory " + r.Root
	if h := fault.Hints(err); fault.KindOf(err) != fault.Denied || len(h) != 1 || h[0] != want {
		t.Errorf("%v %q", err, h)
	}
	if head, err := r.Head(t.Context()); err != nil || head.Branch != "main" {
		t.Errorf("reading in process: %+v %v", head, err)
	}
}

func TestHookEnvironmentIsIgnored(t *testing.T) {
	r := newProject(t)
	commit(t, r, "one")
	t.Setenv("GIT_DIR", filepath.Join(tempDir(t), "elsewhere"))
	if _, err := r.Dirty(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestGitMissing(t *testing.T) {
	r := newProject(t)
	id := commit(t, r, "one")
	t.Setenv("PATH", "")
	_, err := r.Dirty(t.Context())
	if fault.KindOf(err) != fault.NotFound || len(fault.Hints(err)) != 1 {
		t.Errorf("%v", err)
	}
	if got, err := r.Resolve(t.Context(), "main"); err != nil || got != id {
		t.Errorf("%s %v", got, err)
	}
}

func TestTracked(t *testing.T) {
	r := newProject(t)
	writeFile(t, filepath.Join(r.Root, "plain/a.csv"), "1\n")
	writeFile(t, filepath.Join(r.Root, "plain/b.csv"), "2\n")
	writeFile(t, filepath.Join(r.Root, "plainer.csv"), "3\n")
	writeFile(t, filepath.Join(r.Root, "big/a.bin"), lfsHead+"v1\noid sha256:00\nsize 5\n")
	commit(t, r, "one")
	for path, want := range map[string]Tracked{"plain": {Files: 2}, "plain/a.csv": {Files: 1}, "big": {Files: 1, LFS: true}, "none": {}, "plain/a": {}} {
		if got, err := r.IsTracked(t.Context(), path); err != nil || got != want {
			t.Errorf("%s: %+v %v", path, got, err)
		}
	}
}

package repo

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mlx/internal/fault"
)

const someConfig = "ledger: 0123456789abcdef\n"

// newProject makes a git repository with a project at its root.
func newProject(t *testing.T) *Repo {
	t.Helper()
	dir := tempDir(t)
	gitIn(t, dir, "init", "-q")
	writeFile(t, filepath.Join(dir, ConfigName), someConfig)
	return findRepo(t, dir)
}

func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func findRepo(t *testing.T, dir string) *Repo {
	t.Helper()
	r, err := Find(dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestFind(t *testing.T) {
	r := newProject(t)
	sub := filepath.Join(r.Root, "a/b")
	if err := os.MkdirAll(sub, 0o777); err != nil {
		t.Fatal(err)
	}
	if from := findRepo(t, sub); from.Root != r.Root || from.Home != filepath.Join(r.Root, ".git/mlx") || from.Ledger() != filepath.Join(r.Root, ".git/mlx/ledger") {
		t.Errorf("from below: %+v", from)
	}
	link := filepath.Join(tempDir(t), "link")
	if err := os.Symlink(sub, link); err != nil {
		t.Fatal(err)
	}
	if from := findRepo(t, link); from.Root != r.Root {
		t.Errorf("through a link: %+v", from)
	}
}

func TestFindNothing(t *testing.T) {
	dir := tempDir(t)
	_, err := Find(dir)
	if want := "cannot find a repository: no mlx.yaml in " + dir + " or above it"; err == nil || err.Error() != want {
		t.Errorf("error is %v, must be %s", err, want)
	}
	if h := fault.Hints(err); len(h) != 1 || h[0] != "mlx init" || fault.KindOf(err) != fault.NotFound {
		t.Errorf("kind %v, hints %q", fault.KindOf(err), h)
	}
	writeFile(t, filepath.Join(dir, ConfigName), someConfig)
	if _, err := Find(dir); err == nil || !strings.Contains(err.Error(), "in no git repository") {
		t.Errorf("outside git: %v", err)
	}
	outer := newProject(t)
	inner := filepath.Join(outer.Root, "inner")
	if err := os.Mkdir(inner, 0o777); err != nil {
		t.Fatal(err)
	}
	gitIn(t, inner, "init", "-q")
	if _, err := Find(inner); fault.KindOf(err) != fault.NotFound {
		t.Errorf("the search crossed the root of a git work tree: %v", err)
	}
}

func TestWorktreesShareTheirState(t *testing.T) {
	r := newProject(t)
	gitIn(t, r.Root, "add", ".")
	gitIn(t, r.Root, "commit", "-qm", "one")
	second := filepath.Join(tempDir(t), "second")
	gitIn(t, r.Root, "worktree", "add", "-q", second)
	w := findRepo(t, second)
	if w.Home != r.Home || w.Store(nil) != r.Store(nil) || w.CommonDir != r.CommonDir {
		t.Errorf("home %s, must be %s", w.Home, r.Home)
	}
	if w.WorkspaceIndex() == r.WorkspaceIndex() {
		t.Error("two worktrees share a workspace index")
	}
	a, err := r.CloneID()
	if err != nil {
		t.Fatal(err)
	}
	if b, err := w.CloneID(); err != nil || a != b || len(a) != 32 {
		t.Errorf("clone ids %s and %s: %v", a, b, err)
	}
	head, err := w.Head(t.Context())
	if err != nil || head.Branch != "second" || len(head.Commit) != 40 {
		t.Errorf("head %+v %v", head, err)
	}
}

func TestMonorepoSharesBytesOnly(t *testing.T) {
	r := newProject(t)
	writeFile(t, filepath.Join(r.Root, "team/mlx.yaml"), "# comment\nledger: 'fedcba9876543210' # x\nbroken: [\n")
	inner := findRepo(t, filepath.Join(r.Root, "team"))
	if inner.Ledger() == r.Ledger() || inner.Store(nil) != r.Store(nil) || !strings.HasSuffix(inner.Home, "projects/fedcba9876543210") {
		t.Errorf("inner project: %+v", inner)
	}
	writeFile(t, filepath.Join(r.Root, "other/mlx.yaml"), "gates: {}\n")
	if _, err := Find(filepath.Join(r.Root, "other")); fault.KindOf(err) != fault.NotFound {
		t.Errorf("without a ledger: %v", err)
	}
	gitIn(t, r.Root, "add", ".")
	all, err := Projects(t.Context(), inner.Root)
	if err == nil || len(all) != 0 {
		t.Errorf("projects with a broken one: %v %v", all, err)
	}
	writeFile(t, filepath.Join(r.Root, "other/mlx.yaml"), "ledger: 0000000000000001\n")
	if all, err := Projects(t.Context(), inner.Root); err != nil || len(all) != 3 {
		t.Errorf("projects: %v %v", all, err)
	}
}

func TestSubmodule(t *testing.T) {
	inner := newProject(t)
	gitIn(t, inner.Root, "add", ".")
	gitIn(t, inner.Root, "commit", "-qm", "one")
	outer := newProject(t)
	gitIn(t, outer.Root, "submodule", "--quiet", "add", inner.Root, "sub")
	writePointer(t, filepath.Join(outer.Root, "sub/x.mlx"), "pointer of the submodule")
	writePointer(t, filepath.Join(outer.Root, "y.mlx"), "pointer of the outer one")
	sub := findRepo(t, filepath.Join(outer.Root, "sub"))
	if sub.CommonDir != filepath.Join(outer.Root, ".git/modules/sub") {
		t.Errorf("common folder is %s", sub.CommonDir)
	}
	if got := pointers(t, outer); len(got) != 1 || got[0] != "y" {
		t.Errorf("outer pointers are %q", got)
	}
	if got := pointers(t, sub); len(got) != 1 || got[0] != "x" {
		t.Errorf("inner pointers are %q", got)
	}
	if got := roots(t, sub); len(got) != 1 {
		t.Errorf("inner roots are %q", got)
	}
	if _, err := sub.CloneID(); err != nil {
		t.Fatal(err)
	}
	other, err := CloneAt(sub.Home, sub.CommonDir)
	if err != nil {
		t.Fatal(err)
	}
	if got := roots(t, other); len(got) != 1 {
		t.Errorf("inner roots from outside are %q", got)
	}
}

func TestNoGit(t *testing.T) {
	dir := tempDir(t)
	r, made, err := Init(t.Context(), dir, InitOptions{NoGit: true})
	if err != nil || !made.Config || !made.Home || !r.NoGit || r.Home != filepath.Join(dir, ".mlx") {
		t.Fatalf("%+v %+v %v", r, made, err)
	}
	writePointer(t, filepath.Join(dir, "data.mlx"), "pointer")
	writePointer(t, filepath.Join(dir, "data/inside.mlx"), "data")
	r = findRepo(t, filepath.Join(dir, "data"))
	if got := pointers(t, r); len(got) != 1 || got[0] != "data" {
		t.Errorf("pointers are %q", got)
	}
	if got := roots(t, r); len(got) != 1 {
		t.Errorf("roots are %q", got)
	}
	if head, err := r.Head(t.Context()); err != nil || head != (GitState{}) {
		t.Errorf("head %+v %v", head, err)
	}
	if changed, err := r.IgnoreData("data"); changed || err != nil {
		t.Errorf("an ignore file outside git: %v", err)
	}
	if again, made, err := Init(t.Context(), dir, InitOptions{NoGit: true}); err != nil || made.Config || made.Home || again.Root != dir {
		t.Errorf("again: %+v %v", made, err)
	}
	other, err := CloneAt(r.Home, r.CommonDir)
	if err != nil {
		t.Fatal(err)
	}
	if got := roots(t, other); len(got) != 1 {
		t.Errorf("roots from outside are %q", got)
	}
}

func TestRel(t *testing.T) {
	r := newProject(t)
	t.Chdir(r.Root)
	for path, want := range map[string]string{"a": "a", "./a/../b": "b", "a/b/": "a/b", r.Root + "/x": "x", ".": "."} {
		if got, err := r.Rel(path); err != nil || got != want {
			t.Errorf("%s: %s %v", path, got, err)
		}
	}
	for _, path := range []string{"..", "../x", "/"} {
		if _, err := r.Rel(path); fault.KindOf(err) != fault.Usage {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestWriteFile(t *testing.T) {
	file := filepath.Join(tempDir(t), "f")
	if err := WriteFile(file, []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(file, []byte("two"), 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	info, _ := os.Stat(file)
	if err != nil || string(text) != "two" || info.Mode().Perm() != 0o640 {
		t.Errorf("%q %v %v", text, info.Mode(), err)
	}
	if names, _ := os.ReadDir(filepath.Dir(file)); len(names) != 1 {
		t.Errorf("left behind: %v", names)
	}
}

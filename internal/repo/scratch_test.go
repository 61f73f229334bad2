package repo

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mlx/internal/fault"
)

// scratchRepo is a git repository with one commit of mlx.yaml and a.txt.
func scratchRepo(t *testing.T) (*Repo, string) {
	t.Helper()
	dir := t.TempDir()
	gitOut(t, dir, "init", "-q")
	write(t, filepath.Join(dir, "mlx.yaml"), "ledger: 0123456789abcdef\n")
	write(t, filepath.Join(dir, "a.txt"), "one\n")
	gitOut(t, dir, "add", "-A")
	gitOut(t, dir, "commit", "-qm", "first")
	r, err := Find(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(r.Tmp(), 0o777); err != nil {
		t.Fatal(err)
	}
	return r, strings.TrimSpace(gitOut(t, dir, "rev-parse", "HEAD"))
}

func gitOut(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=Ana", "-c", "user.email=ana@example.com", "-c", "protocol.file.allow=always"}, args...)...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return string(out)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func scratchIn(t *testing.T, r *Repo, commit string) *ScratchTree {
	t.Helper()
	dir, err := os.MkdirTemp(r.Tmp(), "rerun-*")
	if err != nil {
		t.Fatal(err)
	}
	s, err := r.AddScratch(context.Background(), dir, commit)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestScratchTreeIsCleanAndGoes(t *testing.T) {
	r, commit := scratchRepo(t)
	hook := filepath.Join(r.CommonDir, "hooks", "post-checkout")
	if err := os.MkdirAll(filepath.Dir(hook), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, hook, "#!/bin/sh\ntouch hooked\n")
	if err := os.Chmod(hook, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(r.Root, "a.txt"), "two\n")
	patch, err := r.Patch(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	s := scratchIn(t, r, commit)
	if got := fileText(t, filepath.Join(s.Dir, "a.txt")); got != "one\n" {
		t.Errorf("the work tree has %q, not what was committed", got)
	}
	if _, err := os.Lstat(filepath.Join(s.Dir, "hooked")); err == nil {
		t.Error("a hook ran")
	}
	if err := s.Apply(context.Background(), patch.Text); err != nil || fileText(t, filepath.Join(s.Dir, "a.txt")) != "two\n" {
		t.Errorf("the change was not applied: %v", err)
	}
	if s.Repo.Home != r.Home || s.Repo.WorkspaceIndex() == r.WorkspaceIndex() {
		t.Error("it must share records and have an index of its own")
	}
	locked := filepath.Join(s.Dir, "locked")
	if err := os.Mkdir(locked, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(locked, "x"), "")
	if err := os.Chmod(locked, 0o500); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(); err != nil {
		t.Fatal(err)
	}
	if list := gitOut(t, r.Root, "worktree", "list"); strings.Count(list, "\n") != 1 {
		t.Errorf("git still lists it:\n%s", list)
	}
	if left, err := os.ReadDir(filepath.Join(r.CommonDir, "worktrees")); err != nil || len(left) != 0 {
		t.Errorf("the folder of worktrees, which another git may be about to use, must stay: %v %v", left, err)
	}
}

func fileText(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestSweepScratchLeavesTheLiving(t *testing.T) {
	r, commit := scratchRepo(t)
	dead, alive := scratchIn(t, r, commit), scratchIn(t, r, commit)
	if err := os.Remove(filepath.Join(dead.Dir, ".git")); err != nil { // what ran in it did
		t.Fatal(err)
	}
	err := r.SweepScratch("rerun-", func(name string, _ fs.FileInfo) bool { return name == filepath.Base(dead.Dir) })
	if err != nil {
		t.Fatal(err)
	}
	list := gitOut(t, r.Root, "worktree", "list")
	if strings.Contains(list, filepath.Base(dead.Dir)) || !strings.Contains(list, filepath.Base(alive.Dir)) || isDir(dead.Dir) {
		t.Errorf("swept the wrong one:\n%s", list)
	}
}

func TestScratchTreeRefuses(t *testing.T) {
	r, commit := scratchRepo(t)
	for _, bad := range []string{"HEAD", "--help", commit[:12], strings.Repeat("0", 40), strings.Repeat("z", 40)} {
		dir := filepath.Join(r.Tmp(), "rerun-bad")
		if s, err := r.AddScratch(context.Background(), dir, bad); err == nil {
			t.Errorf("made a work tree of %q in %s", bad, s.Dir)
		}
		if isDir(dir) {
			t.Errorf("%q left a folder", bad)
		}
		if has, err := r.HasCommit(context.Background(), bad); has || err != nil {
			t.Errorf("%q is here: %v", bad, err)
		}
	}
	if has, err := r.HasCommit(context.Background(), commit); !has || err != nil {
		t.Errorf("the commit is not here: %v", err)
	}
	s := scratchIn(t, r, commit)
	defer s.Remove()
	escape := "diff --git a/../../../out b/../../../out\nnew file mode 100644\n--- /dev/null\n+++ b/../../../out\n@@ -0,0 +1 @@\n+x\n"
	if err := s.Apply(context.Background(), []byte(escape)); fault.KindOf(err) != fault.Conflict {
		t.Errorf("a patch left the work tree: %v", err)
	}
	link := "diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+" + t.TempDir() + "\n\\ No newline at end of file\n" +
		"diff --git a/l/out b/l/out\nnew file mode 100644\n--- /dev/null\n+++ b/l/out\n@@ -0,0 +1 @@\n+x\n"
	if err := s.Apply(context.Background(), []byte(link)); fault.KindOf(err) != fault.Conflict {
		t.Errorf("a patch wrote through a link: %v", err)
	}
}

func TestScratchSubmodule(t *testing.T) {
	r, _ := scratchRepo(t)
	other, _ := scratchRepo(t)
	gitOut(t, r.Root, "submodule", "--quiet", "add", other.Root, "lib")
	gitOut(t, r.Root, "commit", "-qm", "with a submodule")
	commit := strings.TrimSpace(gitOut(t, r.Root, "rev-parse", "HEAD"))
	subs, err := r.Submodules(context.Background(), commit)
	if err != nil || len(subs) != 1 || subs[0].Path != "lib" {
		t.Fatalf("submodules are %v: %v", subs, err)
	}
	if !r.HasSubmodule(context.Background(), subs[0]) {
		t.Error("the submodule is not here")
	}
	absent := Submodule{Path: "lib", Commit: strings.Repeat("1", 40)}
	if r.HasSubmodule(context.Background(), absent) {
		t.Error("a commit that nobody has is here")
	}
	s := scratchIn(t, r, commit)
	defer s.Remove()
	if err := s.AddSubmodule(context.Background(), r, subs[0]); err != nil {
		t.Fatal(err)
	}
	if got := fileText(t, filepath.Join(s.Dir, "lib", "a.txt")); got != "one\n" {
		t.Errorf("the submodule has %q", got)
	}
	if out := gitOut(t, filepath.Join(r.Root, "lib"), "status", "--porcelain"); out != "" {
		t.Errorf("the submodule of the work tree changed:\n%s", out)
	}
}

func TestWhyGitFailsIsSaid(t *testing.T) {
	for said, want := range map[string]string{
		"Preparing worktree (detached HEAD 500e7de)\nfatal: could not create directory of 'x': No such file or directory\n": "could not create directory of 'x': No such file or directory",
		"error: pathspec 'x' did not match\n": "pathspec 'x' did not match",
		"something else\nmore\n":              "something else",
		"":                                    "",
	} {
		if got := gitReason(said, "fatal: ", "error: "); got != want {
			t.Errorf("%q: %q, want %q", said, got, want)
		}
	}
}

package repo

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// TestCompareCode compares commits, changes on top of them and files that git does not know, from a project below the top
// of the work tree.
func TestCompareCode(t *testing.T) {
	ctx := t.Context()
	top := tempDir(t)
	gitIn(t, top, "init", "-q")
	writeFile(t, filepath.Join(top, "proj", ConfigName), someConfig)
	r := findRepo(t, filepath.Join(top, "proj"))
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(r.Root, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("train.py", "a\nb\nc\n")
	write("data.mlx", "1\n")
	gitIn(t, top, "add", "-A")
	gitIn(t, top, "commit", "-qm", "one")
	one, err := r.Head(ctx)
	if err != nil {
		t.Fatal(err)
	}
	write("train.py", "a\nB\nc\nd\n")
	write("data.mlx", "2\n")
	patch, err := r.Patch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	gitIn(t, top, "commit", "-qam", "two")
	two, err := r.Head(ctx)
	if err != nil {
		t.Fatal(err)
	}
	base, changed := CodeVersion{Commit: one.Commit}, CodeVersion{Commit: one.Commit, Patch: patch}
	extra := CodeVersion{Commit: two.Commit, Files: fstest.MapFS{"lib/new.py": {Data: []byte("x\ny\n"), Mode: 0o644}}}
	train := FileChange{"train.py", 2, 1}
	for name, c := range map[string]struct {
		a, b CodeVersion
		o    CompareOptions
		want []FileChange
	}{
		"commits":               {base, CodeVersion{Commit: two.Commit}, CompareOptions{}, []FileChange{train}},
		"a change on top":       {base, changed, CompareOptions{}, []FileChange{train}},
		"the change, committed": {changed, CodeVersion{Commit: two.Commit}, CompareOptions{}, nil},
		"a new file":            {base, extra, CompareOptions{}, []FileChange{{"lib/new.py", 2, 0}, train}},
		"one path":              {base, extra, CompareOptions{Paths: []string{"lib"}}, []FileChange{{"lib/new.py", 2, 0}}},
	} {
		c.o.Scratch, c.o.Text = filepath.Join(t.TempDir(), "tmp"), true
		got, err := r.CompareCode(ctx, c.a, c.b, c.o)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !slices.Equal(got.Files, c.want) {
			t.Errorf("%s: got %v, want %v", name, got.Files, c.want)
		}
		if text := string(got.Text); len(c.want) > 0 && !strings.Contains(text, "+++ b/"+c.want[0].Path) || strings.Contains(text, "data.mlx") {
			t.Errorf("%s: got\n%s", name, text)
		}
	}
	if _, err := r.CompareCode(ctx, base, CodeVersion{Commit: "--output=x"}, CompareOptions{Scratch: t.TempDir()}); err == nil {
		t.Error("an option was taken for a commit")
	}
	before := len(names(t, filepath.Join(r.CommonDir, "objects")))
	write("train.py", "z\n")
	other, err := r.Patch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.CompareCode(ctx, CodeVersion{Commit: two.Commit, Patch: other}, extra, CompareOptions{Scratch: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	if after := len(names(t, filepath.Join(r.CommonDir, "objects"))); after != before {
		t.Errorf("the repository had %d folders of objects, now %d", before, after)
	}
}

func names(t *testing.T, dir string) []os.DirEntry {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

package repo

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"mlx/internal/fault"
)

func TestInit(t *testing.T) {
	dir := tempDir(t)
	if _, _, err := Init(t.Context(), dir, InitOptions{}); fault.KindOf(err) != fault.NotFound || len(fault.Hints(err)) != 2 {
		t.Errorf("outside git: %v", err)
	}
	gitIn(t, dir, "init", "-q")
	r, made, err := Init(t.Context(), dir, InitOptions{})
	if err != nil || !made.Config || !made.Home {
		t.Fatalf("%+v %v", made, err)
	}
	c, err := r.Config()
	if err != nil || !validLedgerID(c.Ledger) {
		t.Errorf("%+v %v", c, err)
	}
	_, made, err = Init(t.Context(), dir, InitOptions{})
	if again, _ := r.Config(); err != nil || made.Config || made.Home || again.Ledger != c.Ledger {
		t.Errorf("again: %+v %v", made, err)
	}
	sub := filepath.Join(dir, "sub")
	writeFile(t, filepath.Join(sub, ConfigName), "# mine\ngates: {}\n")
	inner, made, err := Init(t.Context(), sub, InitOptions{})
	text, _ := os.ReadFile(filepath.Join(sub, ConfigName))
	if err != nil || !made.Config || inner.Home == r.Home || !strings.HasSuffix(string(text), "# mine\ngates: {}\n") {
		t.Errorf("a project in a project: %+v %q %v", made, text, err)
	}
	writeFile(t, filepath.Join(sub, ConfigName), "gats: {}\n")
	if _, _, err := Init(t.Context(), sub, InitOptions{}); fault.KindOf(err) != fault.Usage {
		t.Errorf("a broken mlx.yaml: %v", err)
	}
}

func TestHooks(t *testing.T) {
	r := newProject(t)
	writeFile(t, filepath.Join(r.GitDir, "hooks/post-checkout"), "#!/bin/sh\necho before $3 >>../log\n")
	if err := os.Chmod(filepath.Join(r.GitDir, "hooks/post-checkout"), 0o755); err != nil {
		t.Fatal(err)
	}
	written, err := r.InstallHooks(t.Context())
	if want := []string{"post-checkout", "post-merge", "post-rewrite"}; err != nil || !slices.Equal(written, want) {
		t.Fatalf("%q %v", written, err)
	}
	if again, err := r.InstallHooks(t.Context()); err != nil || again != nil {
		t.Errorf("again: %q %v", again, err)
	}
	bin := tempDir(t)
	writeFile(t, filepath.Join(bin, "mlx"), "#!/bin/sh\necho mlx \"$@\" >>../log\n")
	if err := os.Chmod(filepath.Join(bin, "mlx"), 0o755); err != nil {
		t.Fatal(err)
	}
	commit(t, r, "one")
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	gitIn(t, r.Root, "checkout", "-q", "-b", "side")
	log, _ := os.ReadFile(filepath.Join(filepath.Dir(r.Root), "log"))
	if got := strings.Fields(string(log)); len(got) != 8 || strings.Join(got[:4], " ") != "before 1 mlx hook" || got[4] != "post-checkout" {
		t.Errorf("the hooks printed %q", log)
	}
}

func TestHooksPath(t *testing.T) {
	r := newProject(t)
	gitIn(t, r.Root, "config", "core.hooksPath", "my hooks")
	if _, err := r.InstallHooks(t.Context()); err != nil || !isFile(filepath.Join(r.Root, "my hooks/post-merge")) {
		t.Errorf("a folder of its own: %v", err)
	}
	gitIn(t, r.Root, "config", "core.hooksPath", tempDir(t))
	if _, err := r.InstallHooks(t.Context()); fault.KindOf(err) != fault.Conflict {
		t.Errorf("a folder that others share: %v", err)
	}
}

func TestIgnoreData(t *testing.T) {
	r := newProject(t)
	file := filepath.Join(r.Root, ".gitignore")
	steps := []struct{ path, want string }{
		{"data/flights", "*.log\r\n\r\n# data kept by mlx\r\n/data/flights\r\n"},
		{"data/flights", "*.log\r\n\r\n# data kept by mlx\r\n/data/flights\r\n"},
		{"data/a", "*.log\r\n\r\n# data kept by mlx\r\n/data/a\r\n/data/flights\r\n"},
		{"x.log", "*.log\r\n\r\n# data kept by mlx\r\n/data/a\r\n/data/flights\r\n"},
	}
	writeFile(t, file, "*.log\r\n")
	for _, s := range steps {
		if _, err := r.IgnoreData(s.path); err != nil {
			t.Fatal(err)
		}
		if text, _ := os.ReadFile(file); string(text) != s.want {
			t.Errorf("after %s: %q", s.path, text)
		}
	}
	for _, odd := range []string{"[a]*?", "#x", "!x", "end  ", `back\slash`, "a b"} {
		if _, err := r.IgnoreData(odd); err != nil {
			t.Fatal(err)
		}
		if got := gitIgnored(t, r.Root, []string{odd, odd + ".mlx"}); !got[odd] || got[odd+".mlx"] {
			t.Errorf("%q: git ignores %v", odd, got)
		}
		if changed, err := r.IgnoreData(odd); err != nil || changed {
			t.Errorf("%q twice: %v", odd, err)
		}
	}
	for path, want := range map[string]bool{"data/flights": false, "data/flights/x": true, "x": false} {
		if got, err := r.PointerIgnored(path); err != nil || got != want {
			t.Errorf("pointer of %s: %v %v", path, got, err)
		}
	}
}

func TestIgnoreDataAtOnce(t *testing.T) {
	r := newProject(t)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			if _, err := r.IgnoreData(fmt.Sprintf("d%d", i)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	text, _ := os.ReadFile(filepath.Join(r.Root, ".gitignore"))
	if n := strings.Count(string(text), "\n"); n != 9 {
		t.Errorf("lines were lost: %q", text)
	}
}

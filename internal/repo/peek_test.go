package repo

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mlx/internal/fault"
)

func TestPeek(t *testing.T) {
	dir := t.TempDir()
	git := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-c", "user.name=Ana", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"}, args...)...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v: %s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	write := func(name, text string) {
		t.Helper()
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	git("init", "-q")
	write("mlx.yaml", "ledger: 0123456789abcdef\n")
	write("sub/mlx.yaml", "ledger: fedcba9876543210\n")
	write("data/a.mlx", "one")
	write("sub/data/b.mlx", "two")
	write(".mlx", "no name")
	git("add", "-A")
	git("commit", "-qm", "one")
	git("tag", "v1")
	first := git("rev-parse", "HEAD")
	write("data/a.mlx", "three")
	git("commit", "-qam", "two")
	second := git("rev-parse", "HEAD")

	for rev, want := range map[string][2]string{
		"HEAD": {second, "three"}, "v1": {first, "one"}, "main": {second, "three"}, "HEAD~1": {first, "one"}, first: {first, "one"},
		first[:10]: {first, "one"}, "main~1": {first, "one"},
	} {
		p, err := OpenPeek(t.Context(), t.TempDir(), dir, rev)
		if err != nil {
			t.Errorf("%s: %v", rev, err)
			continue
		}
		if text, err := p.Read(t.Context(), "data/a.mlx"); err != nil || string(text) != want[1] || p.Commit != want[0] {
			t.Errorf("%s: got %q at %s, %v", rev, text, p.Commit, err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	p, err := OpenPeek(t.Context(), t.TempDir(), dir, "HEAD")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if got, err := p.Pointers(t.Context(), ""); err != nil || !slices.Equal(got, []string{"data/a", "sub/data/b"}) {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := p.Pointers(t.Context(), "sub"); err != nil || !slices.Equal(got, []string{"sub/data/b"}) {
		t.Errorf("got %v, %v", got, err)
	}
	for name, want := range map[string]string{"data/a": "0123456789abcdef", "sub/data/b": "fedcba9876543210"} {
		if c, err := p.Config(t.Context(), name); err != nil || c.Ledger != want {
			t.Errorf("%s: got %+v, %v", name, c, err)
		}
	}
	for _, name := range []string{"data", "data/none.mlx", "data/*.mlx", "../mlx.yaml"} {
		if _, err := p.Read(t.Context(), name); !errors.Is(err, fs.ErrNotExist) && fault.KindOf(err) == fault.Internal {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestPeekIsCareful: what is typed is never a flag of git or a program that git starts, and no folder is left behind.
func TestPeekIsCareful(t *testing.T) {
	tmp := t.TempDir()
	for _, c := range [][2]string{
		{"--upload-pack=touch hacked", "HEAD"}, {"ext::sh -c touch% hacked", "HEAD"}, {tmp, "--all"}, {tmp, "a b"}, {tmp, "HEAD:x"},
		{filepath.Join(tmp, "none"), "HEAD"}, {tmp, "HEAD"},
	} {
		if _, err := OpenPeek(t.Context(), tmp, c[0], c[1]); err == nil || fault.KindOf(err) == fault.Internal {
			t.Errorf("%q %q: got %v", c[0], c[1], err)
		}
	}
	if list, err := os.ReadDir(tmp); err != nil || len(list) != 0 {
		t.Errorf("left behind: %v, %v", list, err)
	}
	if got := PlainURL("https://ana:topsecret@git.example/x"); strings.Contains(got, "topsecret") {
		t.Errorf("got %s", got)
	}
}

func TestAllowedAnywhere(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, "mlx", "trusted")
	if err := os.MkdirAll(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	text := `{"v":1,"root":"/x","allowed":[{"kind":"remote","name":"team","value":"s3://acme"},{"kind":"stage","name":"a","value":"s3://run"}]}`
	if err := os.WriteFile(filepath.Join(folder, "0123456789abcdef-1.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for value, want := range map[string]bool{"s3://acme": true, "s3://acme/": false, "s3://run": false, "": false} {
		if got, err := AllowedAnywhere(dir, TrustRemote, value); err != nil || got != want {
			t.Errorf("%q: got %v, %v", value, got, err)
		}
	}
	if got, err := AllowedAnywhere("", TrustRemote, "s3://acme"); err != nil || got {
		t.Errorf("without a home folder: got %v, %v", got, err)
	}
}

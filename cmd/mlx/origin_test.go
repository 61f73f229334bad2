package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"mlx/internal/cli"
	"mlx/internal/fault"
)

func TestSplitPattern(t *testing.T) {
	for typed, want := range map[string][2]string{
		"":                         {"", ""},
		"data/flights":             {"data/flights", ""},
		"data/flights/*.csv":       {"data/flights", "*.csv"},
		"**":                       {"", "**"},
		"*/x":                      {"", "*/x"},
		"HEAD~1:data/**/x":         {"HEAD~1:data", "**/x"},
		"v1.2:*":                   {"v1.2:", "*"},
		"data/flights/2013-0[12]*": {"data/flights", "2013-0[12]*"},
	} {
		if word, pattern := splitPattern(typed); word != want[0] || pattern != want[1] {
			t.Errorf("%q: got %q, %q", typed, word, pattern)
		}
	}
}

func TestBelowData(t *testing.T) {
	for _, c := range []struct {
		pattern, at, inner string
		ok                 bool
	}{
		{"", "data/flights", "", true},
		{"data/*", "data/flights", "", true},
		{"data/*/x.csv", "data/flights", "x.csv", true},
		{"other/*", "data/flights", "", false},
		{"data", "data/flights", "", false},
		{"**", "data/flights", "**", true},
		{"data/**/x", "data/flights", "**/x", true},
	} {
		if inner, ok := belowData(c.pattern, c.at); inner != c.inner || ok != c.ok {
			t.Errorf("%s at %s: got %q, %v", c.pattern, c.at, inner, ok)
		}
	}
}

// TestSourceOf: what a SOURCE is shows in its scheme, or in the folder.
func TestSourceOf(t *testing.T) {
	dir := t.TempDir()
	make := func(files ...string) {
		for _, f := range files {
			p := filepath.Join(dir, f)
			if err := os.MkdirAll(filepath.Dir(p), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(p, []byte("ledger: 0123456789abcdef\n"), 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	make("share/log/0000000000000000", "repository/mlx.yaml", "repository/.mlx/x", "plain/file")
	for _, args := range [][]string{{"init", "-q", "--bare", "bare.git"}, {"init", "-q", "work"}} {
		cmd := exec.Command("git", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	a := newApp(nil, cli.Discard())
	a.at = dir
	for typed, want := range map[string]sourceKind{
		"s3://b/p": sourceBucket, "gs://b": sourceBucket, "azblob://c/p?domain=x": sourceBucket, "share": sourceBucket,
		"file://" + dir + "/share": sourceBucket, "https://git.example/acme/flights": sourceGit, "git@git.example:acme/flights": sourceGit,
		"ssh://git@git.example/x": sourceGit, "bare.git": sourceGit, "file://" + dir + "/bare.git": sourceGit, "work": sourceGit,
		"repository": sourceRepository, "./repository": sourceRepository, dir + "/repository": sourceRepository,
	} {
		if s, err := a.sourceOf(typed); err != nil || s.kind != want {
			t.Errorf("%s: got %v, %v", typed, s.kind, err)
		}
	}
	for typed, want := range map[string]fault.Kind{
		"plain": fault.NotFound, "nowhere": fault.NotFound, "share/log/0000000000000000": fault.NotFound, "file://host/share": fault.Usage,
	} {
		if _, err := a.sourceOf(typed); fault.KindOf(err) != want {
			t.Errorf("%s: got %v", typed, err)
		}
	}
}

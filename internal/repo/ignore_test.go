package repo

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestIgnoreAgreesWithGit compares our reading of ignore files with git's own on patterns and paths made at random.
func TestIgnoreAgreesWithGit(t *testing.T) {
	dir := t.TempDir()
	gitIn(t, dir, "init", "-q")
	rnd := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"a", "b", "ab", "*", "?", "**", "a*", "*b", "[ab]", "[!a]", "[^b]", "[a-c]", "\\*", "\\a", "a**b", "[[:alpha:]]", "[]]", "*.c", "x.c", "a\\ ", "-", "#", "!"}
	names := []string{"a", "b", "c", "ab", "aab", "*", "x.c", "]", "a ", "-", "ba", "#", "!"}
	for round := range 60 {
		var lines []string
		for range 1 + rnd.IntN(4) {
			var line strings.Builder
			line.WriteString([]string{"", "", "", "/", "!"}[rnd.IntN(5)])
			for i := range 1 + rnd.IntN(3) {
				if i > 0 {
					line.WriteString("/")
				}
				line.WriteString(pieces[rnd.IntN(len(pieces))])
			}
			line.WriteString([]string{"", "", "/", "  ", "\r"}[rnd.IntN(5)])
			lines = append(lines, line.String())
		}
		text := strings.Join(lines, "\n") + "\n"
		writeFile(t, filepath.Join(dir, ".gitignore"), text)
		var paths []string
		for range 60 {
			parts := make([]string, 1+rnd.IntN(3))
			for i := range parts {
				parts[i] = names[rnd.IntN(len(names))]
			}
			paths = append(paths, strings.Join(parts, "/"))
		}
		rules := parseIgnore("", []byte(text))
		for path, want := range gitIgnored(t, dir, paths) {
			if got := ignoredWithParents(rules, path); got != want {
				t.Errorf("round %d: %q by %q: git says %v, we say %v", round, path, lines, want, got)
			}
		}
	}
}

func ignoredWithParents(rules ignoreRules, path string) bool {
	for i, c := range path {
		if c == '/' && rules.ignored(path[:i], true) {
			return true
		}
	}
	return rules.ignored(path, false)
}

func gitIgnored(t *testing.T, dir string, paths []string) map[string]bool {
	t.Helper()
	cmd := exec.Command("git", "-C", dir, "check-ignore", "--no-index", "-z", "--stdin")
	cmd.Stdin = strings.NewReader(strings.Join(paths, "\x00"))
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState.ExitCode() != 1 {
		t.Fatalf("git check-ignore: %v %s", err, errs.String())
	}
	result := map[string]bool{}
	for _, p := range paths {
		result[p] = false
	}
	for p := range strings.SplitSeq(out.String(), "\x00") {
		if p != "" {
			result[p] = true
		}
	}
	return result
}

func TestMatcher(t *testing.T) {
	root := t.TempDir()
	r := &Repo{Root: root}
	if m, err := r.Matcher("data/x"); m != nil || err != nil {
		t.Fatalf("without ignore files: %v", err)
	}
	writeFile(t, filepath.Join(root, ".mlxignore"), "*.tmp\n/data/x/cache/\n!keep.tmp\n")
	writeFile(t, filepath.Join(root, "data/x/.mlxignore"), "/logs\n!b.tmp\n")
	m, err := r.Matcher("data/x")
	if err != nil {
		t.Fatal(err)
	}
	far := t.TempDir()
	writeFile(t, filepath.Join(far, ".mlxignore"), "/logs\n!b.tmp\n")
	other := &Repo{Root: t.TempDir()}
	writeFile(t, filepath.Join(other.Root, ".mlxignore"), "*.tmp\n/data/x/cache/\n!keep.tmp\n")
	there, err := other.MatcherAt("data/x", far)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		rel   string
		isDir bool
		want  bool
	}{{"a.tmp", false, true}, {"deep/a.tmp", false, true}, {"keep.tmp", false, false}, {"b.tmp", false, false}, {"cache", true, true},
		{"cache", false, false}, {"sub/cache", true, false}, {"logs", true, true}, {"sub/logs", true, false}, {"a.csv", false, false}} {
		if got := m(c.rel, c.isDir); got != c.want {
			t.Errorf("%s: %v", c.rel, got)
		}
		if got := there(c.rel, c.isDir); got != c.want {
			t.Errorf("%s of a folder that lies elsewhere: %v", c.rel, got)
		}
	}
}

func TestMatchHasNoBlowUp(t *testing.T) {
	pattern := strings.Repeat("**/a*a*a*a*a*a*/", 20) + "z"
	if Match(pattern, strings.Repeat(strings.Repeat("a", 60)+"/", 60)+"y") {
		t.Error("matched")
	}
	if Match("[", "[") || Match("[a", "a") || Match("\\", "\\") {
		t.Error("a broken pattern matched")
	}
	if !Match("data/**/*.csv", "data/a/b/c.csv") || !Match("data/**/*.csv", "data/c.csv") || Match("data/*.csv", "data/a/c.csv") {
		t.Error("** and *")
	}
}

func FuzzIgnore(f *testing.F) {
	f.Add([]byte("a/**/[!b-d]*\n!x\\ \n"), "a/b/c")
	f.Fuzz(func(t *testing.T, text []byte, path string) { parseIgnore("", text).ignored(path, false) })
}

// pointerHead begins the pointer files of the tests; what follows tells them apart.
const pointerHead = "mlx pointer 1\n"

func writePointer(t *testing.T, path, text string) {
	t.Helper()
	writeFile(t, path, pointerHead+text)
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

// gitIn runs git with a fixed author and without any configuration of this machine.
func gitIn(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.org",
		"GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.org", "GIT_TERMINAL_PROMPT=0",
		"GIT_CONFIG_COUNT=2", "GIT_CONFIG_KEY_0=init.defaultBranch", "GIT_CONFIG_VALUE_0=main", "GIT_CONFIG_KEY_1=protocol.file.allow", "GIT_CONFIG_VALUE_1=always")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSuffix(string(out), "\n")
}

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/pipeline"
	"mlx/internal/repo"
)

func git(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", append([]string{"-c", "user.name=ana", "-c", "user.email=ana@example.com"}, args...)...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// inGit makes a project in a git repository and enters it, with configuration folders of its own.
func inGit(t *testing.T, files map[string]string) string {
	t.Helper()
	dir, home := t.TempDir(), t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", home)
	t.Setenv("HOME", home)
	git(t, dir, "init", "-q")
	write(t, dir, files)
	git(t, dir, "add", "-A")
	git(t, dir, "commit", "-qm", "one")
	t.Chdir(dir)
	return dir
}

const trainYAML = "ledger: 7f3a90c2d15e4b68\nstages:\n  train: {cmd: python train.py}\n"

// may says which of the stages here may run, each asked by a new process.
func may(t *testing.T) string {
	t.Helper()
	a := newApp(nil, cli.Discard())
	all, err := a.stages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, s := range all {
		err := a.mayRunStage(t.Context(), s)
		switch {
		case err == nil:
			words = append(words, s.Name)
		case fault.KindOf(err) != fault.Denied:
			t.Fatal(err)
		}
	}
	return strings.Join(words, " ")
}

func TestOwnStagesMayRun(t *testing.T) {
	origin := inGit(t, map[string]string{"mlx.yaml": trainYAML, "dvc.yaml": "stages:\n  eval:\n    cmd: python eval.py\n"})
	if got := may(t); got != "train eval" {
		t.Errorf("in a repository that never met another: %q", got)
	}
	clone := filepath.Join(t.TempDir(), "clone")
	git(t, origin, "clone", "-q", origin, clone)
	t.Chdir(clone)
	if got := may(t); got != "" {
		t.Errorf("in a clone: %q", got)
	}
	err := newApp(nil, cli.Discard()).mayRunStage(t.Context(), pipeline.Stage{Name: "eval"})
	if want := `cannot run stage eval: dvc.yaml says "python eval.py", which you have not allowed here`; err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
	git(t, clone, "remote", "remove", "origin")
	if got := may(t); got != "" {
		t.Errorf("a clone that forgot where it came from: %q", got)
	}
	// What is typed here may run, also after the commit; what came with the clone still may not.
	write(t, clone, map[string]string{"mlx.yaml": trainYAML + "  report: {cmd: python report.py}\n"})
	if got := may(t); got != "report" {
		t.Errorf("typed here: %q", got)
	}
	git(t, clone, "commit", "-qam", "report")
	if got := may(t); got != "report" {
		t.Errorf("after the commit: %q", got)
	}
	// One more word in a command that came with the clone is a command that was typed here.
	write(t, clone, map[string]string{"dvc.yaml": "stages:\n  eval:\n    cmd: python eval.py --fast\n"})
	if got := may(t); got != "report eval" {
		t.Errorf("edited: %q", got)
	}
	write(t, clone, map[string]string{"mlx.yaml": trainYAML + "  other: {cmd: other}\n", ".git/MERGE_HEAD": ""})
	if got := may(t); got != "eval" {
		t.Errorf("in the middle of a merge: %q", got)
	}
	if err := trustRun(t.Context(), newApp(nil, cli.Discard()), trustOptions{yes: true}); err != nil {
		t.Fatal(err)
	}
	if got := may(t); got != "train other eval" {
		t.Errorf("after mlx trust: %q", got)
	}
}

func TestOutsideGitNothingIsOwn(t *testing.T) {
	inProject(t, trainYAML)
	if got := may(t); got != "" {
		t.Errorf("%q may run", got)
	}
}

func TestStagesOfTheProject(t *testing.T) {
	inGit(t, map[string]string{
		"mlx.yaml": "ledger: 7f3a90c2d15e4b68\nstages:\n  train:\n    cmd: x ${depth}\n    matrix: {depth: [4, 6]}\n    outs: [\"m/${depth}\"]\n" +
			"    params: [b, a]\n    timeout: 90s\n    retries: 2\n    env: {X: 1}\n    register: {}\n",
		"params.yaml":      "a: 1\nb: [x]\n",
		"sub/dvc.yaml":     "stages:\n  use:\n    cmd: y\n    deps: [../m/4, in.csv]\n",
		"sub/in.csv":       "",
		"other/mlx.yaml":   "ledger: 7f3a90c2d15e4b69\n",
		"other/dvc.yaml":   "stages: [not ours]\n",
		".gitignore":       "ignored\n",
		"ignored/dvc.yaml": "stages: [not ours]\n",
	})
	a := newApp(nil, cli.Discard())
	all, err := a.stages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []pipeline.Stage{
		{Name: "train@depth=4", Group: "train", Cmd: "x 4", Folder: ".", Outs: []pipeline.Out{{Path: "m/4"}}},
		{Name: "train@depth=6", Group: "train", Cmd: "x 6", Folder: ".", Outs: []pipeline.Out{{Path: "m/6"}}},
		{Name: "sub/dvc.yaml:use", Group: "sub/dvc.yaml:use", Cmd: "y", Folder: "sub", Deps: []string{"m/4", "sub/in.csv"}, At: fault.Position{File: "sub/dvc.yaml", Line: 2, Column: 3}},
	}
	for i := range want[:2] {
		s := &want[i]
		s.Params = []pipeline.Param{{File: "params.yaml", Key: "a", Value: int64(1)}, {File: "params.yaml", Key: "b", Value: []any{"x"}}}
		s.Timeout, s.Retries, s.Env, s.At = 90*time.Second, 2, map[string]string{"X": "1"}, fault.Position{File: "mlx.yaml", Line: 4, Column: 5}
	}
	if diff := cmp.Diff(want, all); diff != "" {
		t.Error(diff)
	}
	if err := a.missingDeps(t.Context(), all, nil); err != nil {
		t.Error(err)
	}
	for _, c := range []struct{ words, names string }{
		{"", "train@depth=4 train@depth=6 sub/dvc.yaml:use"}, {"train", "train@depth=4 train@depth=6"}, {"train@depth=6", "train@depth=6"},
		{"train@*", "train@depth=4 train@depth=6"}, {"*use", "sub/dvc.yaml:use"}, {"m/6", "train@depth=6"}, {"m/6/x.pkl", "train@depth=6"},
		{"stage:train@depth=4 sub/dvc.yaml:use", "train@depth=4 sub/dvc.yaml:use"},
	} {
		found, err := selectStages(all, strings.Fields(c.words))
		if err != nil {
			t.Errorf("%s: %v", c.words, err)
		}
		var names []string
		for _, s := range found {
			names = append(names, s.Name)
		}
		if got := strings.Join(names, " "); got != c.names {
			t.Errorf("%s: %s", c.words, got)
		}
	}
	_, err = selectStages(all, []string{"trian"})
	if err == nil || err.Error() != `cannot find stage "trian"` || !slices.Equal(fault.Hints(err), []string{`did you mean "train"?`}) {
		t.Errorf("%v %q", err, fault.Hints(err))
	}
	_, err = selectStages(all, []string{"zzzzzz"})
	if !slices.Equal(fault.Hints(err), []string{"stages are train, sub/dvc.yaml:use"}) {
		t.Errorf("%v %q", err, fault.Hints(err))
	}
}

func TestMissingDeps(t *testing.T) {
	for _, c := range []struct {
		name, dep string
		files     map[string]string
		message   string
		hint      string
	}{
		{"neighbour", "data/flihgts.csv", map[string]string{"data/flights.csv": ""}, "cannot read mlx.yaml: line 3, column 22: stage a reads data/flihgts.csv, which does not exist and no stage makes",
			`did you mean "data/flights.csv"?`},
		{"tracked", "data/x.csv", map[string]string{"data.mlx": ""}, "cannot read mlx.yaml: line 3, column 22: stage a reads data/x.csv, which does not exist and no stage makes",
			"mlx checkout data   # it is tracked; after mlx pull where this clone lacks the data"},
		{"of dvc", "data.xml", map[string]string{"data.xml.dvc": ""}, "cannot read mlx.yaml: line 3, column 22: stage a reads data.xml, which does not exist and no stage makes",
			"mlx import dvc:. data.xml   # dvc tracks it; or: dvc pull data.xml"},
		{"nowhere", "q", nil, "cannot read mlx.yaml: line 3, column 22: stage a reads q, which does not exist and no stage makes", "edit mlx.yaml   # or make q"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := map[string]string{"mlx.yaml": "ledger: 7f3a90c2d15e4b68\nstages:\n  a: {cmd: x, deps: [" + c.dep + "]}\n"}
			for name, text := range c.files {
				files[name] = text
			}
			inGit(t, files)
			a := newApp(nil, cli.Discard())
			all, err := a.stages(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := a.missingDeps(t.Context(), all, func(string) bool { return true }); err != nil {
				t.Errorf("it can be fetched: %v", err)
			}
			err = a.missingDeps(t.Context(), all, nil)
			if err == nil || err.Error() != c.message || fault.KindOf(err) != fault.Usage || strings.Join(fault.Hints(err), "\n") != c.hint {
				t.Errorf("%v\n%q", err, fault.Hints(err))
			}
		})
	}
}

// TestHostileNamesInPictures holds that no name ends a string of Mermaid or DOT.
func TestHostileNamesInPictures(t *testing.T) {
	g := newGraph()
	for i, name := range []string{`a"]; evil`, "b\\", "c\"\n--> d", "#quot;", "<script>`x`", "\x1b[31m\x00\xff", `\"`} {
		g.node(node{ID: fmt.Sprint(i), Kind: "stage", Name: name, Text: name})
		g.edge(fmt.Sprint(i), "0", name)
	}
	dot := regexp.MustCompile(`^  (n\d+|n\d+ -> n\d+) \[label="([^"\\]|\\.)*"\];$`)
	mermaid := regexp.MustCompile("^  (n\\d+\\[\"[^\"`]*\"\\]|n\\d+ -- \"[^\"`]*\" --> n\\d+)$")
	for form, line := range map[string]*regexp.Regexp{"dot": dot, "mermaid": mermaid} {
		n := 0
		for text := range strings.Lines(g.drawn(form)) {
			if text = strings.TrimSuffix(text, "\n"); strings.Contains(text, "n0") || strings.Contains(text, "label=") && !strings.HasPrefix(text, "  rankdir") {
				n++
				if !line.MatchString(text) || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == '�' }) {
					t.Errorf("%s: %q", form, text)
				}
			}
		}
		if n < 8 {
			t.Errorf("%s: only %d lines", form, n)
		}
	}
}

func TestDrawManyStages(t *testing.T) {
	dir := inGit(t, map[string]string{"mlx.yaml": "ledger: 7f3a90c2d15e4b68\nstages:\n  train: {cmd: 'x ${i}', matrix: {i: [1, 2, 3, 4, 5]}, deps: ['in/${i}', all], outs: ['out/${i}']}\n" +
		"  report: {cmd: y, deps: [out]}\n"})
	r, err := repo.Find(dir)
	if err != nil {
		t.Fatal(err)
	}
	c, err := r.Config()
	if err != nil {
		t.Fatal(err)
	}
	p, err := r.Pipeline(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	g := drawPipeline(p, false)
	want := []edge{{"stage:train", "paths:stage:train", "reads"}, {"stage:train", "path:all", "reads"}, {"stage:report", "stage:train", "out"}}
	if diff := cmp.Diff(want, g.Edges); diff != "" {
		t.Error(diff)
	}
	if n := g.byID["stage:train"]; n.Stages != 5 || n.title() != "train@… (5 stages)" || n.Text != "x ${i}" || !slices.Equal(g.Roots, []string{"stage:report"}) {
		t.Errorf("%+v %q", n, g.Roots)
	}
	if whole := drawPipeline(p, true); len(whole.Edges) != 15 || len(whole.Nodes) != 12 {
		t.Errorf("%d edges, %d nodes", len(whole.Edges), len(whole.Nodes))
	}
}

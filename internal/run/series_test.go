//go:build unix

package run

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/snapshot"
)

// shell runs a script as the command of a run.
func (b *bench) shell(t *testing.T, script string) *Result {
	t.Helper()
	return b.run(t, Spec{Command: []string{"sh", "-c", script}, Dir: b.dir, Folder: ".", Worktree: "main"})
}

func TestSeriesOfARun(t *testing.T) {
	b := newBench(t)
	script := `for i in 0 1 2; do echo '{"step":'$i', "time": 1795447679.5, "loss": 0.'$i', "val": {"auc": NaN}}'; done >$MLX_METRICS
echo '{"once": 1, "loss": 9, "step": -5}' >>$MLX_METRICS
for i in 1 2 3; do echo '{"time": 179544767'$i', "system/cpu_percent": 5'$i'}'; done >${MLX_METRICS%metrics.json}resources.jsonl`
	result := b.shell(t, script)
	v := result.View
	if len(result.Troubles) > 0 || v.Metrics["loss"] != 0.2 || v.Metrics["once"] != 1 || len(v.Metrics) != 3 {
		t.Fatalf("%v %v", v.Metrics, result.Troubles)
	}
	if v.Series == nil || v.Series.Names < 3 || v.Series.Points < 10 { // a slow run has samples of its own
		t.Fatalf("series %+v", v.Series)
	}
	curves, err := ReadSeries(context.Background(), b.runner.Store, v.Series)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"loss", "system/cpu_percent", "val.auc"} {
		if !slices.Contains(curves.Names(), name) {
			t.Errorf("no %s in %v", name, curves.Names())
		}
	}
	loss, err := curves.Column("loss")
	if err != nil || fmt.Sprint(loss.Steps, loss.Times, loss.Values) != "[0 1 2 -5] [1795447679500 1795447679500 1795447679500 0] [0 0.1 0.2 9]" {
		t.Errorf("loss %+v %v", loss, err)
	}
	auc, err := curves.Column("val.auc")
	if err != nil || auc.Len() != 3 || !math.IsNaN(auc.Values[0]) {
		t.Errorf("auc %+v %v", auc, err)
	}
	if _, err := curves.Column("once"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("a single point is no series: %v", err)
	}
	if none, err := ReadSeries(context.Background(), b.runner.Store, nil); none != nil || err != nil {
		t.Errorf("%v %v", none, err)
	}
	if left, err := os.ReadDir(b.runner.Tmp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// Whatever comes of the end of a file, what stands before it is recorded.
func TestMetricsThatEndBadly(t *testing.T) {
	half := `yes '{"loss": 0.5}' | head -c 1000003 >$MLX_METRICS; `
	tests := []struct {
		name, script string
		points       int
		state        State
		status       int
		trouble      string
	}{
		{"killed while writing", half + "kill -9 $$", 71428, Killed, 137, ""},
		{"failed while writing", half + "exit 3", 71428, Failed, 3, ""},
		{"half a line of success", half, 71428, Succeeded, 125, "line 71429 of "},
		{"text in between", `printf '{"a":1}\n{"a":2}\nepoch 3\n{"a":4}\n' >$MLX_METRICS; kill -9 $$`, 2, Killed, 137, "line 3 of "},
		{"a word as a value", `printf '{"a":1}\n{"a":"x"}\n{"a":3}\n' >$MLX_METRICS`, 2, Succeeded, 125, `line 2 of`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			result := b.shell(t, tt.script)
			v := result.View
			curves, err := ReadSeries(context.Background(), b.runner.Store, v.Series)
			if err != nil || curves == nil {
				t.Fatal(curves, err)
			}
			if points := max(curves.Len("loss"), curves.Len("a")); v.State != tt.state || result.Status != tt.status || points != tt.points {
				t.Errorf("%s, status %d, %d points", v.State, result.Status, points)
			}
			if (tt.trouble == "") != (len(result.Troubles) == 0) {
				t.Fatalf("troubles %v", result.Troubles)
			}
			if tt.trouble != "" && (!strings.Contains(result.Troubles[0].Error(), tt.trouble) || len(fault.Hints(result.Troubles[0])) == 0) {
				t.Errorf("trouble %v", result.Troubles[0])
			}
		})
	}
}

func TestLiveSeries(t *testing.T) {
	dir := t.TempDir()
	curves, values, err := LiveSeries(dir)
	if err != nil || len(curves.Names())+len(values) > 0 {
		t.Errorf("an empty folder: %v %v %v", curves.Names(), values, err)
	}
	if err := os.WriteFile(filepath.Join(dir, metricsName), []byte("{\"a\":1}\n{\"a\":2}\n{\"a\""), 0o666); err != nil {
		t.Fatal(err)
	}
	curves, values, err = LiveSeries(dir)
	if err != nil || values["a"] != 2 || curves.Len("a") != 2 {
		t.Errorf("%v %v", values, err)
	}
}

// Many processes record at once: each line is whole, and of a parameter one value wins.
func TestRecordAtOnce(t *testing.T) {
	dir := t.TempDir()
	metrics := filepath.Join(dir, metricsName)
	at := time.UnixMilli(1795447679137)
	var done sync.WaitGroup
	errs := make([]error, 40)
	for i := range errs {
		step := int64(i)
		done.Go(func() {
			noted := Record(dir, metrics, at, Recording{Metrics: map[string]Number{"loss": Number(i), strings.Repeat("n", 200): Number(math.NaN())}, Step: &step})
			if noted != nil {
				t.Error(noted)
			}
			errs[i] = Record(dir, metrics, at, Recording{Params: map[string]any{"winner": float64(i), "same": "x"}, Outs: []string{"plots"}})
		})
	}
	done.Wait()
	refused := 0
	for _, err := range errs {
		if err != nil && fault.KindOf(err) == fault.Conflict && len(fault.Hints(err)) > 0 {
			refused++
		}
	}
	curves, values, err := LiveSeries(dir)
	if err != nil {
		t.Fatal(err)
	}
	loss, err := curves.Column("loss")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(loss.Steps)
	if refused != len(errs)-1 || len(slices.Compact(loss.Steps)) != len(errs) || loss.Times[0] != at.UnixMilli() || len(values) != 2 {
		t.Errorf("%d refused, %d points, %v", refused, loss.Len(), values)
	}
	was, err := readRecorded(dir)
	if err != nil || was.Params["same"] != "x" || len(was.Outs) != 1 {
		t.Errorf("%+v %v", was, err)
	}
	winner, ok := was.Params["winner"].(float64)
	if !ok || errs[int(winner)] != nil {
		t.Errorf("winner %v: %v", was.Params["winner"], errs[int(winner)])
	}
}

// What stands in the folder is the command's to write: nothing in it may break the record or leave the repository.
func TestRecordedIsHostile(t *testing.T) {
	b := newBench(t)
	outside := filepath.Join(filepath.Dir(b.dir), "outside")
	lines := []string{`{"out":"../outside"}`, `{"out":"/etc/passwd"}`, `{"out":""}`, `{"params":{"a":null,"b":[1],"c":{"d":1},"e":1e999}}`, `nonsense`,
		`{"params":{"n":9007199254740993,"ok":true,"zero":-0.0}}`, `{"params":{"n":7}}`, `{"out":"model"}`, `{"params":{"half":1`}
	if err := os.WriteFile(filepath.Join(b.dir, "lines"), []byte(strings.Join(lines, "\n")), 0o666); err != nil {
		t.Fatal(err)
	}
	result := b.shell(t, `echo hi >model; cp lines ${MLX_METRICS%metrics.json}recorded.jsonl`)
	v := result.View
	if v.State != Succeeded || len(result.Troubles) > 0 || len(v.Outputs) != 1 || v.Outputs[0].Path != "model" {
		t.Errorf("%s %v %+v, not %s", v.State, result.Troubles, v.Outputs, outside)
	}
	if got := fmt.Sprint(v.Params); got != "map[n:9.007199254740992e+15 ok:true zero:0]" {
		t.Errorf("params %s", got)
	}
	result = b.shell(t, `i=0; while [ $i -lt 200 ]; do echo '{"out":"f'$i'"}'; i=$((i+1)); done >${MLX_METRICS%metrics.json}recorded.jsonl`)
	if len(result.Troubles) != 1 || !strings.Contains(result.Troubles[0].Error(), "more than 128 outputs") {
		t.Errorf("%v", result.Troubles)
	}
}

// An output that the command has put into the store itself is one of the run's; what only claims to be there is none.
func TestRecordedStored(t *testing.T) {
	b := newBench(t)
	dir := filepath.Join(b.dir, "elsewhere")
	if err := os.MkdirAll(filepath.Join(dir, "sub"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "sub/x"), []byte("12345"), 0o666); err != nil {
		t.Fatal(err)
	}
	saved, err := b.runner.Store.Save(context.Background(), snapshot.SaveOptions{Path: dir})
	if err != nil {
		t.Fatal(err)
	}
	say := func(root object.Digest) *Result {
		line, err := json.Marshal(recordedLine{Stored: &Stored{"data/part", root}})
		if err != nil {
			t.Fatal(err)
		}
		return b.shell(t, "echo '"+string(line)+"' >${MLX_METRICS%metrics.json}recorded.jsonl")
	}
	result := say(saved.Root)
	if outs := result.View.Outputs; len(result.Troubles) > 0 || len(outs) != 1 || outs[0].Path != "data/part" || outs[0].Snapshot != saved.Root.Hex() || outs[0].Files != 1 || outs[0].Bytes != 5 {
		t.Errorf("%v %+v", result.Troubles, outs)
	}
	result = say(object.Sum([]byte("nothing")))
	if len(result.Troubles) != 1 || result.View.State != Failed || len(result.View.Outputs) > 0 {
		t.Errorf("%v %s %+v", result.Troubles, result.View.State, result.View.Outputs)
	}
}

// Of a run whose end nobody saw, what it said is kept, and no file is taken for its output.
func TestRecordedByALostRun(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, recordedName), []byte(`{"params":{"a":1}}`+"\n"+`{"out":"model"}`), 0o666); err != nil {
		t.Fatal(err)
	}
	var body Body
	outs, err := collectRecorded(Spec{}, &body, dir)
	if err != nil || len(outs) > 0 || fmt.Sprint(body.Params, body.Outs) != "map[a:1] [model]" {
		t.Errorf("%v %v %v %v", outs, body.Params, body.Outs, err)
	}
}

func TestRecordLater(t *testing.T) {
	b := newBench(t)
	ctx := context.Background()
	first := b.shell(t, `echo '{"auc": 0.7}' >$MLX_METRICS`).View
	file := filepath.Join(b.dir, "report")
	if err := os.WriteFile(file, []byte("good"), 0o666); err != nil {
		t.Fatal(err)
	}
	v, changed, err := b.runner.RecordLater(ctx, first.RunID, "li", Recording{Metrics: map[string]Number{"late": Number(math.Inf(1)), "auc": 0.7}},
		[]Out{{Path: "report", Abs: file}})
	if err != nil || !changed || len(v.Added) != 1 || v.Added[0].By != "li" || fmt.Sprint(v.Added[0].Metrics, v.Added[0].Outputs) != "[late] [report]" {
		t.Fatalf("%+v %v", v.Added, err)
	}
	got, err := b.history.Get(ctx, first.RunID)
	if err != nil || got.Record != v.Record || !math.IsInf(float64(got.Metrics["late"]), 1) || got.Metrics["auc"] != 0.7 || len(got.Outputs) != 1 || len(got.Prev) > 0 {
		t.Errorf("%+v %v", got, err)
	}
	if _, changed, err = b.runner.RecordLater(ctx, first.RunID, "li", Recording{Metrics: map[string]Number{"late": Number(math.Inf(1))}}, nil); err != nil || changed {
		t.Errorf("the same again: %v %v", changed, err)
	}
	if _, _, err = b.runner.RecordLater(ctx, first.RunID, "li", Recording{Metrics: map[string]Number{"auc": 0.8}}, nil); fault.KindOf(err) != fault.Conflict {
		t.Errorf("another value: %v", err)
	}
	n := 0
	for _, err := range b.history.Views(ctx, lineage.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 1 {
		t.Errorf("%d runs are listed, want 1", n)
	}
	if _, _, err := b.runner.RecordLater(ctx, object.Sum([]byte("no run")), "li", Recording{}, nil); err == nil {
		t.Error("a run that does not exist was added to")
	}
}

// Two who add at the same moment lose nothing: their records become one again.
func TestRecordLaterAtOnce(t *testing.T) {
	b := newBench(t)
	ctx := context.Background()
	id := b.shell(t, `echo '{"auc": 0.7}' >$MLX_METRICS`).View.RunID
	heads, err := b.runner.heads(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"one", "two"} {
		body, err := merged(heads)
		if err != nil {
			t.Fatal(err)
		}
		body.setMetric(name, float64(i))
		body.Added = append(body.Added, Addition{By: name, At: b.runner.Now().UTC(), Metrics: []string{name}})
		if _, err := b.runner.follow(ctx, body, heads); err != nil {
			t.Fatal(err)
		}
	}
	v, _, err := b.runner.RecordLater(ctx, id, "three", Recording{Metrics: map[string]Number{"three": 3}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := b.history.Get(ctx, id)
	if err != nil || got.Record != v.Record || fmt.Sprint(got.Metrics) != "map[auc:0.7 one:0 three:3 two:1]" || len(got.Added) != 3 {
		t.Errorf("%v %+v %v", got.Metrics, got.Added, err)
	}
	if heads, err = b.runner.heads(ctx, id); err != nil || len(heads) != 1 {
		t.Errorf("%d heads, %v", len(heads), err)
	}
}

func TestMetricWords(t *testing.T) {
	for text, want := range map[string]string{"a=0.5": "0.5", "a=nan": "NaN", "a=-inf": "-Inf", "a=1e3": "1000", "a=.5": "0.5", "val.auc=1": "1"} {
		if _, n, err := Metric(text); err != nil || fmt.Sprint(float64(n)) != want {
			t.Errorf("%s: %v %v", text, n, err)
		}
	}
	for _, text := range []string{"a", "=1", "a=", "a=x", "a=0x10", "a=1_0", "a=1e999", "step=3", "time=1", "system/cpu=1", strings.Repeat("a", 251) + "=1"} {
		if _, _, err := Metric(text); fault.KindOf(err) != fault.Usage {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestKept(t *testing.T) {
	root := object.Sum([]byte("x"))
	body := Body{Series: &Series{Root: root}, Log: &Log{Root: root}, Code: Code{Patch: &root, Files: &root},
		Environment: &Environment{Python: &Python{List: root}}}
	if n := len(body.Kept()); n != 5 {
		t.Errorf("%d versions", n)
	}
	job := Body{Job: &Job{Resume: &root, Checkpoint: &root, Attempts: []Attempt{{N: 1, Log: &root}, {N: 2}}}}
	if n := len(job.Kept()); n != 3 {
		t.Errorf("%d versions of a job", n)
	}
	if n := len((Body{Environment: &Environment{Python: &Python{}}}).Kept()); n != 0 {
		t.Errorf("%d versions of nothing", n)
	}
	doc, err := json.Marshal(Body{})
	if err != nil || strings.Contains(string(doc), "added") {
		t.Errorf("%s %v", doc, err)
	}
}

//go:build unix

package run

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/snapshot"
)

const host = "lap-12"

// bench is a place to run in: an empty ledger, an empty store and a clock.
type bench struct {
	dir     string
	runner  Runner
	history History
}

func newBench(t testing.TB) *bench {
	t.Helper()
	dir := t.TempDir()
	clock := time.Date(2026, 11, 23, 16, 0, 0, 0, time.UTC)
	now := func() time.Time { clock = clock.Add(100 * time.Millisecond); return clock }
	ledger, err := lineage.Open(lineage.Options{Dir: filepath.Join(dir, "ledger"), Now: now, By: "ana", Host: host, PID: os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	store, err := snapshot.Open(snapshot.Options{
		Dir: filepath.Join(dir, "store"), Index: filepath.Join(dir, "index"), Now: time.Now,
		Clone: snapshot.Clone{ID: strings.Repeat("0", 32), Dir: dir},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &bench{dir, Runner{
		Ledger: ledger, Store: store, Now: now, Host: host, Tmp: filepath.Join(dir, "tmp"), Runs: filepath.Join(dir, "runs"), Grace: time.Minute,
		Environ: append(os.Environ(), "RUN_TEST_ROLE=write", "MLX_RUN_ID=outer", "MLX_METRICS=outer"),
	}, History{Ledger: ledger, Host: host, Now: now}}
}

func (b *bench) spec(args ...string) Spec {
	return Spec{Command: append([]string{os.Args[0]}, args...), Dir: b.dir, Folder: ".", Worktree: "main"}
}

func (b *bench) run(t *testing.T, s Spec) *Result {
	t.Helper()
	result, err := b.runner.Run(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func TestRunRecords(t *testing.T) {
	b := newBench(t)
	model := filepath.Join(b.dir, "model.pkl")
	s := b.spec("$MLX_METRICS={\"auc\": 0.741, \"loss\": NaN}", model+"=weights", filepath.Join(b.dir, "env")+"=$MLX_RUN_ID $MLX_ATTEMPT",
		filepath.Join(b.dir, "where")+"=$MLX_PARAMS")
	s.Name, s.Params, s.Patch = "baseline", map[string]any{"depth": 6.0, "zone": "EWR"}, []byte("--- a\n+++ b\n")
	s.Code = Code{Commit: "4c1e9aa", Branch: "main", Dirty: true}
	s.Data = []Data{{Path: "data/flights", Root: object.Sum([]byte("data"))}}
	s.Outs = []Out{{Path: "model.pkl", Abs: model}}
	result := b.run(t, s)
	v := result.View
	if v.State != Succeeded || result.Status != 0 || len(result.Troubles) > 0 || v.ExitStatus == nil || *v.ExitStatus != 0 {
		t.Fatalf("%+v", result)
	}
	if v.Metrics["auc"] != 0.741 || v.Metrics["loss"].Finite() || v.Params["depth"] != 6.0 {
		t.Errorf("metrics %v, params %v", v.Metrics, v.Params)
	}
	if o := v.Outputs[0]; o.Path != "model.pkl" || o.Digest != object.Sum([]byte("weights")).Hex() || o.Bytes != 7 || o.Kind != "file" {
		t.Errorf("output %+v", o)
	}
	if got, err := os.ReadFile(filepath.Join(b.dir, "env")); err != nil || string(got) != v.ID+" 1" {
		t.Errorf("the command saw %q %v", got, err)
	}
	b.checkPatch(t, v, "--- a\n+++ b\n")
	for _, folder := range []string{b.runner.Tmp, b.runner.Runs} {
		if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v %v", left, err)
		}
	}
	b.checkReadBack(t, v)
	doc, err := json.Marshal(v)
	if err != nil || !strings.Contains(string(doc), `"metrics":{"auc":0.741,"loss":null}`) || !strings.Contains(string(doc), `"job":null`) {
		t.Errorf("JSON %s %v", doc, err)
	}
}

func (b *bench) checkPatch(t *testing.T, v View, want string) {
	t.Helper()
	root, err := object.ParseDigest(*v.Patch)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := b.runner.Store.FS(context.Background(), root)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := fs.ReadFile(tree, patchName); err != nil || string(text) != want {
		t.Errorf("patch %q %v", text, err)
	}
}

// checkReadBack asks the ledger for the run in every way.
func (b *bench) checkReadBack(t *testing.T, want View) {
	t.Helper()
	ctx := context.Background()
	for _, id := range []object.Digest{want.RunID, want.Record} {
		got, err := b.history.Get(ctx, id)
		if err != nil || got.ID != want.ID || got.State != want.State || got.Record != want.Record {
			t.Errorf("Get(%s) = %+v %v", id.Short(), got, err)
		}
	}
	if got, err := b.history.Last(ctx, "main", 0); err != nil || got.ID != want.ID {
		t.Errorf("Last: %+v %v", got, err)
	}
	if _, err := b.history.Last(ctx, "other", 0); fault.KindOf(err) != fault.NotFound {
		t.Errorf("Last in another worktree: %v", err)
	}
	n := 0
	for v, err := range b.history.Views(ctx, lineage.Query{Where: "params.depth == 6 and metrics.auc > 0.7"}) {
		if err != nil || v.ID != want.ID {
			t.Errorf("Views: %+v %v", v, err)
		}
		n++
	}
	if n != 1 {
		t.Errorf("%d views of one run", n)
	}
}

func TestRunTroubles(t *testing.T) {
	b := newBench(t)
	out := []Out{{Path: "model.pkl", Abs: filepath.Join(b.dir, "model.pkl")}}
	tests := []struct {
		name    string
		args    []string
		outs    []Out
		state   State
		status  int
		trouble string
	}{
		{"fails", []string{"exit=4"}, nil, Failed, 4, ""},
		{"no output", nil, out, Failed, 125, "cannot save output model.pkl: the command did not write it"},
		{"fails without output", []string{"exit=4"}, out, Failed, 4, "cannot save output model.pkl"},
		{"no metrics", []string{"$MLX_METRICS=oops"}, nil, Succeeded, 125, "line 1 of "},
		{"fails without metrics", []string{"$MLX_METRICS=oops", "exit=4"}, nil, Failed, 4, "line 1 of "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := b.spec(tt.args...)
			s.Outs = tt.outs
			r := b.run(t, s)
			if r.View.State != tt.state || r.Status != tt.status || r.View.Cause == nil {
				t.Errorf("%s, status %d, cause %v", r.View.State, r.Status, r.View.Cause)
			}
			if err := errors.Join(r.Troubles...); tt.trouble == "" && err != nil || tt.trouble != "" && (err == nil || !strings.Contains(err.Error(), tt.trouble)) {
				t.Errorf("troubles %v", r.Troubles)
			}
		})
	}
	if _, err := b.runner.Run(context.Background(), Spec{Command: []string{"no-such-program"}}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("no such program: %v", err)
	}
}

// What no record can hold is refused before anything runs; names that are not UTF-8 are kept readable.
func TestRunFits(t *testing.T) {
	b := newBench(t)
	s := b.spec("exit=0")
	s.Params = map[string]any{"big": strings.Repeat("x", 1<<20)}
	if _, err := b.runner.Run(context.Background(), s); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "more than the") {
		t.Errorf("too much: %v", err)
	}
	s = b.spec("exit=\xff")
	s.Params, s.Name = map[string]any{"\xfe": "\xfd"}, "\xfc"
	v := b.run(t, s).View
	if v.Command[1] != "exit=\ufffd" || v.Params["\ufffd"] != "\ufffd" || *v.Name != "\ufffd" {
		t.Errorf("%q %q %q", v.Command, v.Params, *v.Name)
	}
}

// Records of a kind that only a later version knows do not disturb a list.
func TestViewsSkipLaterKinds(t *testing.T) {
	b := newBench(t)
	b.run(t, b.spec())
	later := lineage.Define[map[string]string]("run.noted/v1")
	rec, err := later.Append(context.Background(), b.runner.Ledger, lineage.Entry[map[string]string]{Body: map[string]string{"note": "x"}})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, err := range b.history.Views(context.Background(), lineage.Query{}) {
		if err != nil {
			t.Error(err)
		}
		n++
	}
	if n != 1 {
		t.Errorf("%d runs", n)
	}
	if _, err := b.history.Get(context.Background(), rec.ID); err == nil {
		t.Error("a note was taken for a run")
	}
}

// A run without an end is running while its process lives, and lost after.
func TestUnfinished(t *testing.T) {
	b := newBench(t)
	ctx := context.Background()
	self := Self(host, os.Getpid())
	gone := self
	gone.Start = "1"
	elsewhere := self
	elsewhere.Host = "node-7"
	day := 24 * time.Hour
	tests := []struct {
		name    string
		process Process
		age     time.Duration
		timeout float64
		want    State
	}{
		{"alive", self, time.Hour, 0, Running},
		{"gone", gone, time.Second, 0, Lost},
		{"elsewhere, young", elsewhere, day, 0, Running},
		{"elsewhere, old", elsewhere, 15 * day, 0, Lost},
		{"elsewhere, within its limit", elsewhere, 30 * time.Minute, 60, Running},
		{"elsewhere, beyond its limit", elsewhere, 2 * time.Hour, 60, Lost},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body := Body{State: Running, Command: []string{"train"}, StartedAt: b.history.Now().Add(-tt.age), Process: tt.process,
				TimeoutS: tt.timeout, Worktree: "main", Attempt: 1}
			rec, err := Started.Append(ctx, b.runner.Ledger, lineage.Entry[Body]{Body: body})
			if err != nil {
				t.Fatal(err)
			}
			v, err := b.history.Get(ctx, rec.ID)
			if err != nil || v.State != tt.want || (v.State == Lost) != (v.Cause != nil) {
				t.Errorf("%s %v %v", v.State, v.Cause, err)
			}
		})
	}
}

package run

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mlx/internal/lineage"
)

func TestParseChildren(t *testing.T) {
	good := `{"name": "trial-0", "params": {"x": 1.5, "net": {"layers": 2}}, "metrics": {"value": NaN, "auc": 0.7}, "started": 1795447679.5}

{"name": "trial-1", "state": "cancelled", "cause": "pruned", "metrics": {"value": "inf"}}
`
	all, err := parseChildren("f", []byte(good))
	if err != nil || len(all) != 2 {
		t.Fatalf("%+v %v", all, err)
	}
	a, b := all[0], all[1]
	if a.Name != "trial-0" || a.State != Succeeded || a.Params["net.layers"] != 2.0 || !math.IsNaN(float64(a.numbers["value"])) || a.numbers["auc"] != 0.7 {
		t.Errorf("%+v", a)
	}
	if b.State != Cancelled || b.Cause != "pruned" || !math.IsInf(float64(b.numbers["value"]), 1) {
		t.Errorf("%+v", b)
	}
	for _, tt := range []struct{ line, want string }{
		{`{"name": 3}`, "line 2 of f"},
		{`{"nam": "x"}`, `unknown field "nam"`},
		{`{"state": "running"}`, `state "running" is none of`},
		{`{"metrics": {"auc": true}}`, `metric "auc" is not a number`},
		{"{\"name\": \"\xff\"}", "not UTF-8"},
		{`{"name": "` + strings.Repeat("x", maxChildBytes) + `"}`, "more than"},
		{`[]`, "line 2"},
	} {
		all, err := parseChildren("f", []byte(`{"name": "first"}`+"\n"+tt.line))
		if err == nil || !strings.Contains(err.Error(), tt.want) || len(all) != 1 {
			t.Errorf("%.40s: %v, %d before it", tt.line, err, len(all))
		}
	}
}

func FuzzParseChildren(f *testing.F) {
	f.Add([]byte(`{"name": "trial-0", "params": {"x": [1, null]}, "metrics": {"value": NaN}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		all, err := parseChildren("f", text)
		if err == nil && len(all) > 1+strings.Count(string(text), "\n") {
			t.Errorf("%d children of %q", len(all), text)
		}
	})
}

// What a command tells of runs inside it becomes runs, whose parent is the run itself.
func TestChildrenAreRuns(t *testing.T) {
	b := newBench(t)
	r := b.run(t, b.spec(`$MLX_CHILDREN={"name": "t0", "params": {"x": 1}, "metrics": {"v": 3}, "started": 1795447679, "ended": 1795447680.5}`+"\n"+
		`{"name": "t1", "state": "failed", "cause": "diverged"}`+"\n"))
	if len(r.Troubles) > 0 || r.View.State != Succeeded {
		t.Fatalf("%v %s", r.Troubles, r.View.State)
	}
	got := make(map[string]View)
	for v, err := range b.history.Views(context.Background(), lineage.Query{Where: `parent == "` + r.View.ID + `"`}) {
		if err != nil {
			t.Fatal(err)
		}
		got[*v.Name] = v
	}
	t0, t1 := got["t0"], got["t1"]
	if len(got) != 2 || t0.State != Succeeded || t0.Params["x"] != 1.0 || t0.Metrics["v"] != 3 || *t0.DurationS != 1.5 || !t0.StartedAt.Equal(time.Unix(1795447679, 0)) {
		t.Errorf("%d children, %+v", len(got), t0)
	}
	if t1.State != Failed || *t1.Cause != "diverged" {
		t.Errorf("%+v", t1)
	}
	bad := b.run(t, b.spec("$MLX_CHILDREN=oops"))
	if bad.Status != 125 || bad.View.State != Succeeded || len(bad.Troubles) != 1 || !strings.Contains(bad.Troubles[0].Error(), "line 1 of ") {
		t.Errorf("status %d, %s, %v", bad.Status, bad.View.State, bad.Troubles)
	}
	if _, err := os.Stat(filepath.Join(b.dir, childrenName)); err == nil {
		t.Error("the file is in the work tree")
	}
}

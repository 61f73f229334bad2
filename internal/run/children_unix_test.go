//go:build unix

package run

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mlx/internal/lineage"
)

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

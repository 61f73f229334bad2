package lineage

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"mlx/internal/object"
)

type runBody struct {
	Name    string             `json:"name"`
	Params  map[string]any     `json:"params"`
	Metrics map[string]float64 `json:"metrics"`
	Tags    []string           `json:"tags,omitempty"`
	Root    object.Digest      `json:"root,omitzero"`
}

// clock returns a clock that advances one millisecond each time it is read.
func clock() func() time.Time {
	t := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	return func() time.Time { t = t.Add(time.Millisecond); return t }
}

func open(t testing.TB, dir string) *Ledger {
	t.Helper()
	l, err := Open(Options{Dir: dir, Now: clock(), By: "ana", Host: "lap-12", PID: 7})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func fresh(t testing.TB) *Ledger { return open(t, filepath.Join(t.TempDir(), "ledger")) }

func runKind() Kind[runBody] { return Define[runBody]("run.ended/v1") }

func addRuns(t testing.TB, l *Ledger, n int) []Record {
	t.Helper()
	var out []Record
	for i := range n {
		r, err := runKind().Append(t.Context(), l, Entry[runBody]{Body: runBody{
			Name:    fmt.Sprintf("run-%d", i),
			Params:  map[string]any{"depth": i % 10, "learning-rate": 0.1 * float64(i%7), "opt": []string{"adam", "sgd"}[i%2]},
			Metrics: map[string]float64{"auc": 0.5 + float64(i)/1e4},
		}})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

func selected(t testing.TB, l *Ledger, q Query) []Record {
	t.Helper()
	var out []Record
	for r, err := range l.Select(context.Background(), q) {
		if err != nil {
			t.Fatalf("select %+v: %v", q, err)
		}
		out = append(out, r)
	}
	return out
}

func TestAppendAndSelect(t *testing.T) {
	l := fresh(t)
	if got := selected(t, l, Query{}); len(got) != 0 {
		t.Fatalf("a missing folder holds %d records", len(got))
	}
	recs := addRuns(t, l, 30)
	check := func(when string) {
		t.Helper()
		got := selected(t, l, Query{Where: `metrics.auc > 0.5009 and params.depth == 6`, Sort: "-metrics.auc", Limit: 2})
		if len(got) != 2 || got[0].ID != recs[26].ID || got[1].ID != recs[16].ID {
			t.Fatalf("%s: got %v", when, got)
		}
		all := selected(t, l, Query{})
		if len(all) != 30 || all[0].ID != recs[29].ID || all[29].ID != recs[0].ID {
			t.Fatalf("%s: %d records, newest first expected", when, len(all))
		}
		r, err := l.Get(t.Context(), recs[3].ID)
		if err != nil || string(r.Raw) != string(recs[3].Raw) {
			t.Fatalf("%s: get: %v", when, err)
		}
	}
	check("unsealed")
	if err := l.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	check("sealed")
	l = open(t, l.opts.Dir)
	check("opened again")
}

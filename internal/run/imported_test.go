//go:build unix

package run

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mlx/internal/lineage"
)

func pointsOf(all ...ForeignPoint) iter.Seq2[ForeignPoint, error] {
	return func(yield func(ForeignPoint, error) bool) {
		for _, p := range all {
			if !yield(p, nil) {
				return
			}
		}
	}
}

func foreign(id string) Foreign {
	began := time.Date(2021, 3, 4, 5, 6, 7, 123456789, time.UTC)
	ended := began.Add(90 * time.Second)
	return Foreign{Body: Body{State: Succeeded, Name: "old " + id, Experiment: "flights", Folder: ".", StartedAt: began, EndedAt: &ended,
		Params: map[string]any{"depth": 6.0}, Imported: &Imported{From: "mlflow", Source: "mlruns", ID: id},
		Tracking: &Tracking{User: "ben", Status: "FINISHED", Tags: map[string]string{"a": "b\xff"}}}}
}

func importer(t *testing.T, b *bench) *Importer {
	t.Helper()
	if err := os.MkdirAll(b.runner.Tmp, 0o755); err != nil {
		t.Fatal(err)
	}
	i, err := b.runner.Importer(context.Background(), "mlflow")
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func TestImport(t *testing.T) {
	ctx, b := context.Background(), newBench(t)
	dir := t.TempDir()
	for name, content := range map[string]string{"art/plots/roc.png": "png", "model/MLmodel": "flavors", "out.log": "trained\n", "model.pkl": "weights"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	i := importer(t, b)
	f := foreign("one")
	f.Points = pointsOf(ForeignPoint{"acc", 0, 5, 0.9}, ForeignPoint{"loss", 2, 30, math.Inf(1)}, ForeignPoint{"loss", 0, 10, 3}, ForeignPoint{"loss", 1, 20, math.NaN()},
		ForeignPoint{"system/cpu_percent", 0, 1, 50}, ForeignPoint{"late", 7, 0, 1}, ForeignPoint{strings.Repeat("n", 251), 0, 0, 1})
	f.Artifacts, f.Output = filepath.Join(dir, "art"), filepath.Join(dir, "out.log")
	f.Outs = []Out{{Path: "model.pkl", Abs: filepath.Join(dir, "model.pkl")}, {Path: "gone", Abs: filepath.Join(dir, "gone")}}
	f.Models = []ForeignModel{{LoggedModel{ID: "m-1", Name: "forest"}, filepath.Join(dir, "model")}, {LoggedModel{ID: "m-2", Name: "away"}, ""}}
	var left []string
	i.Left = func(there string, why error) { left = append(left, there+": "+why.Error()) }
	isNew, err := i.Add(ctx, f)
	if err := errors.Join(err, i.Flush(ctx)); err != nil || !isNew || i.Brought != (Brought{Runs: 1, Points: 6, Files: 3, Bytes: 17}) || len(left) != 2 {
		t.Fatalf("%v %+v, %q, %v", isNew, i.Brought, left, err)
	}
	id, ok := i.ID("one")
	if !ok || !i.Done("one") {
		t.Fatal("it is not known")
	}
	child := foreign("two")
	child.Body.Parent, child.Body.State, child.Body.EndedAt = id.Hex(), Lost, nil
	if _, err := i.Add(ctx, child); err != nil {
		t.Fatal(err)
	}
	if err := i.Close(ctx); err != nil {
		t.Fatal(err)
	}
	v, err := b.history.Get(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	rec, err := b.runner.Ledger.Get(ctx, v.Record)
	if err != nil {
		t.Fatal(err)
	}
	body, err := Ended.Decode(rec)
	if err != nil {
		t.Fatal(err)
	}
	if v.State != Succeeded || *v.DurationS != 90 || !math.IsInf(float64(v.Metrics["loss"]), 1) || v.Metrics["acc"] != 0.9 || len(v.Metrics) != 3 || v.By != "ana" {
		t.Errorf("%+v", v)
	}
	if diff := cmp.Diff(map[string]Point{"acc": {0, 5}, "loss": {2, 30}, "late": {7, 0}}, body.Tracking.Latest); diff != "" {
		t.Error(diff)
	}
	if body.Tracking.Tags["a"] != "b\ufffd" || body.Tracking.Artifacts.Files != 1 || body.Log.Bytes != 8 || len(body.Outputs) != 1 ||
		body.Models[0].Files != 1 || !body.Models[1].Root.IsZero() || body.Imported.ID != "one" {
		t.Errorf("%+v", body)
	}
	curves, err := ReadSeries(ctx, b.runner.Store, body.Series)
	if err != nil {
		t.Fatal(err)
	}
	loss, err := curves.Column("loss")
	if err != nil || !slices.Equal(loss.Steps, []int64{2, 0, 1}) || !slices.Equal(loss.Times, []int64{30, 10, 20}) || !math.IsNaN(loss.Values[2]) {
		t.Errorf("%+v, %v", loss, err)
	}
	second := importer(t, b)
	for _, name := range []string{"one", "two"} {
		if got, err := second.Add(ctx, foreign(name)); err != nil || got {
			t.Errorf("%s again: %+v, %v", name, got, err)
		}
	}
	if n := count(t, b); n != 2 {
		t.Errorf("%d runs", n)
	}
}

func count(t *testing.T, b *bench) int {
	t.Helper()
	n, err := b.runner.Ledger.Count(context.Background(), lineage.Query{Nouns: []string{"run"}})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestImportCutOff kills an import between the two groups of records, and holds that the next one completes what it left.
func TestImportCutOff(t *testing.T) {
	ctx, b := context.Background(), newBench(t)
	i := importer(t, b)
	for n := range 3 {
		f := foreign(fmt.Sprint(n))
		if _, err := i.Add(ctx, f); err != nil {
			t.Fatal(err)
		}
	}
	if err := i.start(ctx, i.waiting[:2]); err != nil {
		t.Fatal(err)
	}
	first, _ := i.ID("0")
	next := importer(t, b)
	for n := range 3 {
		if got, err := next.Add(ctx, foreign(fmt.Sprint(n))); err != nil || !got {
			t.Errorf("%d: %+v, %v", n, got, err)
		}
	}
	if err := next.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if id, _ := next.ID("0"); id != first || count(t, b) != 3 {
		t.Errorf("%v became %v; %d runs", first, id, count(t, b))
	}
	unfinished, err := b.history.Unfinished(ctx)
	if err != nil || len(unfinished) != 0 {
		t.Errorf("%v, %v", unfinished, err)
	}
}

// TestImportLong holds that what is too long for a record is kept beside it, and that a run which cannot fit is refused alone.
func TestImportLong(t *testing.T) {
	ctx, b := context.Background(), newBench(t)
	i := importer(t, b)
	f := foreign("long")
	f.Points = pointsOf(ForeignPoint{"loss", 0, 0, 0.5})
	f.Body.Tracking.Datasets = []Dataset{{Name: "d", Schema: strings.Repeat("s", 1<<20)}}
	f.Body.Tracking.Tags["short"] = "stays"
	f.Points = pointsOf(ForeignPoint{"loss", 3, 5, 0.5})
	if _, err := i.Add(ctx, f); err != nil {
		t.Fatal(err)
	}
	more := i.waiting[0].body.Tracking
	if more.More == nil || more.Tags["short"] != "stays" || more.Datasets[0].Schema != "" || len(f.Body.Tracking.Datasets[0].Schema) == 0 {
		t.Errorf("%+v", more)
	}
	whole := i.waiting[0].body
	if err := Unfold(ctx, b.runner.Store, &whole); err != nil || whole.Params["depth"] != 6.0 || whole.Metrics["loss"] != 0.5 ||
		len(whole.Tracking.Datasets[0].Schema) != 1<<20 {
		t.Errorf("%v: %v, %v", err, whole.Params, whole.Metrics)
	}
	f = foreign("never")
	f.Body.Params["x"] = strings.Repeat("x", 1<<20)
	if _, err := i.Add(ctx, f); err == nil {
		t.Error("a parameter of a megabyte was imported")
	}
	f = foreign("broken")
	f.Points = func(yield func(ForeignPoint, error) bool) { yield(ForeignPoint{}, errors.New("line 3 is bad")) }
	if _, err := i.Add(ctx, f); err == nil || !strings.Contains(err.Error(), "cannot import run broken: line 3 is bad") {
		t.Error(err)
	}
	if err := i.Close(ctx); err != nil || count(t, b) != 1 {
		t.Errorf("%d runs, %v", count(t, b), err)
	}
	id, _ := i.ID("long")
	got, told := b.recorded(t, id), foreign("long").Body.Tracking
	told.Tags = map[string]string{"a": "b\ufffd", "short": "stays"}
	told.Datasets = []Dataset{{Name: "d", Schema: strings.Repeat("s", 1<<20)}}
	told.Latest = map[string]Point{"loss": {Step: 3, MS: 5}}
	if diff := cmp.Diff(told, got.Tracking); diff != "" || got.Params["depth"] != 6.0 || got.Metrics["loss"] != 0.5 {
		t.Errorf("params %v, metrics %v, %.500s", got.Params, got.Metrics, diff)
	}
}

func BenchmarkImport(b *testing.B) {
	for _, points := range []int{1, 20} {
		b.Run(fmt.Sprint(points), func(b *testing.B) {
			place := newBench(b)
			if err := os.MkdirAll(place.runner.Tmp, 0o755); err != nil {
				b.Fatal(err)
			}
			i, err := place.runner.Importer(context.Background(), "mlflow")
			if err != nil {
				b.Fatal(err)
			}
			for n := 0; b.Loop(); n++ {
				f := foreign(fmt.Sprint(n))
				f.Points = func(yield func(ForeignPoint, error) bool) {
					for p := range points {
						for m := range 5 {
							if !yield(ForeignPoint{fmt.Sprint("m", m), int64(p), int64(n), float64(n+p) / 7}, nil) {
								return
							}
						}
					}
				}
				if _, err := i.Add(context.Background(), f); err != nil {
					b.Fatal(err)
				}
			}
			if err := i.Close(context.Background()); err != nil {
				b.Fatal(err)
			}
		})
	}
}

package history

import (
	"context"
	"encoding/json"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mlx/internal/fault"
)

// expectation is what the client of MLflow read from a store, as testdata/mlflow_make.py wrote it.
type expectation struct {
	Runs map[string]struct {
		Name       string            `json:"name"`
		Experiment string            `json:"experiment"`
		Status     string            `json:"status"`
		Stage      string            `json:"stage"`
		User       string            `json:"user"`
		Start      int64             `json:"start"`
		End        *int64            `json:"end"`
		Params     map[string]string `json:"params"`
		Tags       map[string]string `json:"tags"`
		Metrics    map[string][][]any
		Artifacts  map[string]int64 `json:"artifacts"`
		Datasets   []struct {
			Name       string            `json:"name"`
			Digest     string            `json:"digest"`
			SourceType string            `json:"source_type"`
			Tags       map[string]string `json:"tags"`
		} `json:"datasets"`
	} `json:"runs"`
	Experiments map[string]struct {
		Tags  map[string]string `json:"tags"`
		Stage string            `json:"stage"`
	} `json:"experiments"`
	Models map[string]struct {
		Description string            `json:"description"`
		Tags        map[string]string `json:"tags"`
		Aliases     map[string]string `json:"aliases"`
		Versions    map[string]struct {
			Stage       string            `json:"stage"`
			Description string            `json:"description"`
			Tags        map[string]string `json:"tags"`
			RunID       string            `json:"run_id"`
		} `json:"versions"`
	} `json:"models"`
}

func expect(t *testing.T, dir string) expectation {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	var e expectation
	if err := json.Unmarshal(b, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

// pythonRepr is a float as Python writes it.
func pythonRepr(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return s
}

// sqlInfinity is what MLflow's database gives back for an infinite value.
func sqlInfinity(s string) string {
	return strings.Replace(s, "1.7976931348623157e+308", "inf", 1)
}

// compareStore holds that a store is read as the client of MLflow reads it.
func compareStore(t *testing.T, place, dir string) {
	t.Helper()
	want := expect(t, dir)
	h, err := OpenMLflow(t.Context(), place, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if len(h.Runs) != len(want.Runs) || h.Changed() {
		t.Errorf("%d runs, not %d", len(h.Runs), len(want.Runs))
	}
	seen := map[string]bool{}
	for _, ref := range h.Runs {
		if ref.Parent != "" && !seen[ref.Parent] {
			t.Errorf("run %s comes before its parent", ref.ID)
		}
		seen[ref.ID] = true
		r, err := h.Read(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		w := want.Runs[ref.ID]
		if r.Name != w.Name || r.Experiment != w.Experiment || r.Status != w.Status || (r.Deleted != nil) != (w.Stage == "deleted") || r.Started.UnixMilli() != w.Start ||
			(w.End == nil) != r.Ended.IsZero() || w.End != nil && r.Ended.UnixMilli() != *w.End || ref.Parent != w.Tags["mlflow.parentRunId"] {
			t.Errorf("%+v is not %+v", r, w)
		}
		if diff := cmp.Diff(w.Params, some(r.Params)); diff != "" {
			t.Errorf("parameters of %s: %s", w.Name, diff)
		}
		if diff := cmp.Diff(w.Tags, some(r.Tags)); diff != "" {
			t.Errorf("tags of %s: %s", w.Name, diff)
		}
		compareMetrics(t, r, w.Metrics, w.Stage == "active")
		if len(r.Datasets) != len(w.Datasets) {
			t.Errorf("%d datasets of %s, not %d", len(r.Datasets), w.Name, len(w.Datasets))
		}
		for i, d := range w.Datasets {
			got := r.Datasets[i]
			if got.Name != d.Name || got.Digest != d.Digest || got.SourceType != d.SourceType || !cmp.Equal(got.Tags, d.Tags) {
				t.Errorf("%+v is not %+v", got, d)
			}
		}
		compareArtifacts(t, r, w.Artifacts)
	}
	compareModels(t, h, want)
}

func some(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

func compareMetrics(t *testing.T, r *Run, want map[string][][]any, active bool) {
	t.Helper()
	got := map[string][]string{}
	for p, err := range r.Points {
		if err != nil {
			t.Fatal(err)
		}
		got[p.Name] = append(got[p.Name], strconv.FormatInt(p.Step, 10)+" "+strconv.FormatInt(p.MS, 10)+" "+pythonRepr(p.Value))
	}
	if !active {
		return
	}
	all := map[string][]string{}
	for name, points := range want {
		for _, p := range points {
			all[name] = append(all[name], strconv.FormatFloat(p[0].(float64), 'f', 0, 64)+" "+strconv.FormatFloat(p[1].(float64), 'f', 0, 64)+" "+sqlInfinity(p[2].(string)))
		}
	}
	sorted := cmp.Transformer("sort", func(in []string) map[string]int { // a database has no order that the client promises
		out := map[string]int{}
		for _, s := range in {
			out[s]++
		}
		return out
	})
	if diff := cmp.Diff(all, got, sorted); diff != "" {
		t.Errorf("metrics of %s: %s", r.Name, diff)
	}
}

func compareArtifacts(t *testing.T, r *Run, want map[string]int64) {
	t.Helper()
	got := map[string]int64{}
	top := r.Artifacts
	for _, m := range r.Models {
		if m.Dir == "" || m.Format != "python_function" || m.Status != "LOGGED_MODEL_READY" {
			t.Errorf("%+v", m)
		}
	}
	if top != "" {
		err := filepath.WalkDir(top, func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			info, err := d.Info()
			rel, _ := filepath.Rel(top, p)
			got[filepath.ToSlash(rel)] = info.Size()
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for name := range want { // the client lists the files of logged models as well
		if strings.HasPrefix(name, "model/") && len(r.Models) > 0 {
			delete(want, name)
		}
	}
	if want == nil {
		want = map[string]int64{}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("artifacts of %s: %s", r.Name, diff)
	}
}

func compareModels(t *testing.T, h *History, want expectation) {
	t.Helper()
	for _, e := range h.Experiments {
		w := want.Experiments[e.Name]
		own := some(e.Tags)
		for key := range w.Tags {
			if strings.HasPrefix(key, "mlflow.") {
				delete(w.Tags, key) // the client of MLflow 3 computes some
				delete(own, key)
			}
		}
		if e.Deleted != (w.Stage == "deleted") || !cmp.Equal(w.Tags, own) {
			t.Errorf("%+v is not %+v", e, w)
		}
	}
	if len(h.Models) != len(want.Models) {
		t.Errorf("%d models, not %d", len(h.Models), len(want.Models))
	}
	for _, m := range h.Models {
		w := want.Models[m.Name]
		if m.Description != w.Description || !cmp.Equal(some(w.Tags), some(m.Tags)) || len(m.Aliases) != len(w.Aliases) || len(m.Versions) != len(w.Versions) {
			t.Errorf("%+v is not %+v", m, w)
		}
		for alias, number := range w.Aliases {
			if strconv.Itoa(m.Aliases[alias]) != number {
				t.Errorf("alias %s of %s is %d, not %s", alias, m.Name, m.Aliases[alias], number)
			}
		}
		for _, v := range m.Versions {
			w := w.Versions[strconv.Itoa(v.Version)]
			if v.Stage != w.Stage || v.Description != w.Description || v.RunID != w.RunID || !cmp.Equal(some(w.Tags), some(v.Tags)) || v.Dir == "" || v.Type != "python_function" {
				t.Errorf("%+v is not %+v", v, w)
			}
		}
	}
}

// TestStores reads stores that MLflow 3.17 and 2.22 made, which were moved since.
func TestStores(t *testing.T) {
	for _, place := range []string{"testdata/mlflow3/mlflow.db", "testdata/mlflow3", "testdata/mlflow2/mlruns", "testdata/mlflow2"} {
		t.Run(place, func(t *testing.T) {
			abs, err := filepath.Abs(place)
			if err != nil {
				t.Fatal(err)
			}
			dir := abs
			for !isRegular(filepath.Join(dir, "expected.json")) {
				dir = filepath.Dir(dir)
			}
			compareStore(t, abs, dir)
		})
	}
}

func TestPlaces(t *testing.T) {
	top := t.TempDir()
	store, other := filepath.Join(top, "store"), filepath.Join(top, "other")
	for _, dir := range []string{"store/mlruns/1/aa/artifacts", "store/mlartifacts/1/bb/artifacts", "other/1/cc/artifacts", "secret/1/dd/artifacts"} {
		if err := os.MkdirAll(filepath.Join(top, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(top, "secret", "1"), filepath.Join(store, "mlruns", "2")); err != nil {
		t.Skip(err)
	}
	p, err := newPlaces(store, Options{})
	if err != nil {
		t.Fatal(err)
	}
	more, err := newPlaces(store, Options{Artifacts: []string{other}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		p              places
		location, want string // below top
		why            string
	}{
		{p, "mlruns/1/aa/artifacts", "store/mlruns/1/aa/artifacts", ""},
		{p, "./mlruns/1/aa/artifacts", "store/mlruns/1/aa/artifacts", ""},
		{p, "/gone/mlruns/1/aa/artifacts", "store/mlruns/1/aa/artifacts", ""},
		{p, "file:///gone/mlruns/1/aa/artifacts", "store/mlruns/1/aa/artifacts", ""},
		{p, `C:\work\mlruns\1\aa\artifacts`, "store/mlruns/1/aa/artifacts", ""},
		{p, "mlflow-artifacts:/1/bb/artifacts", "store/mlartifacts/1/bb/artifacts", ""},
		{p, filepath.Join(other, "1/cc/artifacts"), "", outside},
		{more, filepath.Join(other, "1/cc/artifacts"), "other/1/cc/artifacts", ""},
		{more, "/mnt/bucket/1/cc/artifacts", "other/1/cc/artifacts", ""},
		{p, "mlruns/2/dd/artifacts", "", outside},
		{p, "mlruns/../../secret/1/dd/artifacts", "", outside},
		{p, "/etc", "", outside},
		{p, "..", "", outside},
		{p, "/gone/1/zz/artifacts", "", notHere},
		{p, "s3://bucket/1/aa/artifacts", "", "the files are at s3://"},
		{p, "a\x00b", "", noAddress},
		{p, "", "", ""},
	} {
		want := c.want
		if want != "" {
			want = filepath.Join(top, c.want)
			if want, err = filepath.EvalSymlinks(want); err != nil {
				t.Fatal(err)
			}
		}
		if dir, why := c.p.find(c.location); dir != want || why != c.why {
			t.Errorf("%q: %q, %q", c.location, dir, why)
		}
	}
}

func TestOrder(t *testing.T) {
	h := &History{Runs: []Ref{{ID: "c", Parent: "b", MS: 1}, {ID: "a", MS: 3}, {ID: "b", Parent: "a", MS: 2}, {ID: "x", Parent: "y", MS: 0}, {ID: "y", Parent: "x", MS: 0},
		{ID: "o", Parent: "gone", MS: 9}, {ID: "a", MS: 4}, {ID: "self", Parent: "self", MS: 8}}}
	h.order()
	var got []string
	at := map[string]int{}
	for i, r := range h.Runs {
		got = append(got, r.ID)
		at[r.ID] = i
	}
	for _, r := range h.Runs {
		if r.Parent != "" && at[r.Parent] > at[r.ID] {
			t.Errorf("%s comes before its parent: %v", r.ID, got)
		}
	}
	if len(got) != 7 || len(h.Left.List) != 1 || h.Left.List[0].Count != 3 {
		t.Errorf("%v %+v", got, h.Left.List)
	}
}

func TestRefusedStores(t *testing.T) {
	for place, kind := range map[string]fault.Kind{"http://localhost:5000": fault.Usage, "postgresql://u:secret@h/db": fault.Usage, "testdata/absent": fault.NotFound,
		"testdata/wandb": fault.NotFound, "testdata/wandb_make.py": fault.Usage} {
		if _, err := OpenMLflow(context.Background(), place, Options{}); fault.KindOf(err) != kind || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", place, err)
		}
	}
}

func TestMetricLines(t *testing.T) {
	for line, want := range map[string]Point{"1795667621338 0.5 3": {Step: 3, MS: 1795667621338, Value: 0.5}, "1795667621 7": {MS: 1795667621000, Value: 7},
		"5 -inf -2": {Step: -2, MS: 5, Value: math.Inf(-1)}, "5 1e-3 2 data abc": {Step: 2, MS: 5, Value: 1e-3}} {
		if got, ok := parseMetricLine(line); !ok || got != want {
			t.Errorf("%q: %+v, %v", line, got, ok)
		}
	}
	for _, line := range []string{"", "5", "5 x", "x 5", "5 0x10", "5 1_0", "5 1 2 3", "5 1 1.5", "99999999999999999999 1", "1 2 3 4 5 6"} {
		if got, ok := parseMetricLine(line); ok {
			t.Errorf("%q: %+v", line, got)
		}
	}
}

func FuzzYAML(f *testing.F) {
	for _, text := range []string{"a: 1\nb: 'x'\nc:\n- d\n- {e: f}\n", "a: |\n  x\n  y\n", "a: &x 1\nb: *x\n", "{{{{", "? a\n: b\n", "a: !!str 1e5\n", strings.Repeat("[", 600)} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(_ *testing.T, b []byte) {
		if len(b) < 1<<16 {
			_, _ = parseYAML(b)
		}
	})
}

func FuzzLocation(f *testing.F) {
	f.Add("file:///a/../b")
	f.Add(`C:\x\y`)
	p, err := newPlaces(f.TempDir(), Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, location string) {
		if dir, _ := p.find(location); dir != "" {
			t.Errorf("%q is %q", location, dir)
		}
		p.none(location, notHere)
	})
}

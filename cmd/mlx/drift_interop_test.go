//go:build interop

package main

import (
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"mlx/internal/drift"
	"mlx/internal/gate"
)

// prometheusScript prints what both parsers of prometheus_client read in two files: each sample with its labels and its family's type
// and unit.
const prometheusScript = `
import json, math, sys
from prometheus_client.parser import text_fd_to_metric_families as text
from prometheus_client.openmetrics.parser import text_fd_to_metric_families as openmetrics
out = []
for parse, name in ((text, sys.argv[1]), (openmetrics, sys.argv[2])):
    found = []
    with open(name, encoding="utf-8", newline="\n") as f:
        for family in parse(f):
            for s in family.samples:
                value = repr(s.value) if not math.isfinite(s.value) else s.value
                found.append({"family": family.name, "type": family.type, "unit": family.unit, "help": family.documentation,
                              "name": s.name, "labels": s.labels, "value": value})
    out.append(found)
json.dump(out, sys.stdout)
`

// readSample is a sample as Python read it.
type readSample struct {
	Family, Type, Unit, Help, Name string
	Labels                         map[string]string
	Value                          any
}

// TestInteropPrometheus: the real parsers read what is exported, in both forms the same samples, with names that need every escape.
func TestInteropPrometheus(t *testing.T) {
	python := interopPython(t, "MLX_TEST_PROMETHEUS", "cmd/mlx/testdata/python/prometheus.txt")
	evil := "a\"quo\\ted\nname\\n ü \u202e\t{x=\"1\"} # EOF"
	d := flightsTold()
	d.Answer.Columns[0].Name = evil
	d.Answer.Columns = append(d.Answer.Columns, d.Answer.Columns[0]) // two with one name
	d.Answer.Columns[1].Value = ptr(math.MaxFloat64)
	d.Answer.Checks = []gate.Finding{{Name: evil, Verdict: gate.Inconclusive, Value: ptr(-1.5e-300), Slice: map[string]string{"origin": evil}}}
	d.Actions = []actionView{{What: evil, State: drift.ActionOverBudget}}
	never := driftTold{Answer: drift.Answer{Monitor: evil}}
	dir := t.TempDir()
	files := []string{filepath.Join(dir, "x.prom"), filepath.Join(dir, "x.om")}
	for i, file := range files {
		if err := os.WriteFile(file, driftExposition([]driftTold{d, never}, i == 1), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command(python, "-c", prometheusScript, files[0], files[1]).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var read [2][]readSample
	if err := json.Unmarshal(out, &read); err != nil {
		t.Fatal(err)
	}
	if len(read[0]) == 0 || len(read[0]) != len(read[1]) {
		t.Fatalf("%d samples of text, %d of OpenMetrics", len(read[0]), len(read[1]))
	}
	find := func(form int, name string, labels map[string]string) any {
		for _, s := range read[form] {
			if s.Name == name && sameLabels(s.Labels, labels) {
				if s.Type != "gauge" || s.Help == "" {
					t.Errorf("%s is a %q with the help %q", name, s.Type, s.Help)
				}
				return s.Value
			}
		}
		t.Errorf("form %d has no %s %v", form, name, labels)
		return nil
	}
	for form := range read {
		for _, c := range []struct {
			name   string
			labels map[string]string
			want   any
		}{
			{"mlx_drift_verdict", map[string]string{"monitor": "flights-daily", "verdict": "fail"}, 1.0},
			{"mlx_drift_check_timestamp_seconds", map[string]string{"monitor": evil}, 0.0},
			{"mlx_drift_column_effect", map[string]string{"monitor": "flights-daily", "column": evil, "method": "psi"}, 0.004},
			{"mlx_drift_column_effect", map[string]string{"monitor": "flights-daily", "column": "dest", "method": "psi"}, math.MaxFloat64},
			{"mlx_drift_column_drifted", map[string]string{"monitor": "flights-daily", "column": "precip"}, "nan"},
			{"mlx_drift_check_value", map[string]string{"monitor": "flights-daily", "check": evil, "slice": "origin=" + evil}, -1.5e-300},
			{"mlx_drift_action_state", map[string]string{"monitor": "flights-daily", "what": evil, "state": "over_budget"}, 1.0},
		} {
			if got := find(form, c.name, c.labels); got != c.want {
				t.Errorf("form %d: %s is %v, want %v", form, c.name, got, c.want)
			}
		}
	}
	for _, s := range read[1] {
		if s.Name == "mlx_drift_drifted_ratio" && s.Unit != "ratio" || s.Name == "mlx_drift_window_end_timestamp_seconds" && s.Unit != "seconds" {
			t.Errorf("%s has the unit %q", s.Name, s.Unit)
		}
	}
}

func sameLabels(a, b map[string]string) bool {
	for k, v := range b {
		if a[k] != v {
			return false
		}
	}
	return len(a) == len(b)
}

package run

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// ran is the view of a run that succeeded, with metrics and outputs given as path and digest in turn.
func ran(metrics map[string]Number, outputs ...string) View {
	v := View{State: Succeeded, Metrics: metrics}
	for i := 0; i < len(outputs); i += 2 {
		v.Outputs = append(v.Outputs, ViewOutput{Path: outputs[i], Digest: outputs[i+1]})
	}
	return v
}

func TestCompareResult(t *testing.T) {
	nan, inf := Number(math.NaN()), Number(math.Inf(1))
	m := func(auc Number) map[string]Number { return map[string]Number{"auc": auc} }
	failed := View{State: Failed}
	tests := []struct {
		name     string
		original View
		repeats  []View
		words    []string
		want     Sameness
	}{
		{"all the same", ran(m(0.75), "a", "1"), []View{ran(m(0.75), "a", "1")}, nil, Identical},
		{"metrics decide over bytes", ran(m(0.75), "a", "1"), []View{ran(m(0.75), "a", "2")}, nil, Equal},
		{"within the default", ran(m(0.75)), []View{ran(m(0.7500003))}, nil, Equal},
		{"relative for large numbers", ran(m(1e9)), []View{ran(m(1e9 + 100))}, nil, Equal},
		{"beyond the default", ran(m(0.75)), []View{ran(m(0.75001))}, nil, Different},
		{"a share", ran(m(0.75)), []View{ran(m(0.757))}, []string{"1%"}, Equal},
		{"beyond a share", ran(m(0.75)), []View{ran(m(0.758))}, []string{"1%"}, Different},
		{"a share of nothing", ran(m(0)), []View{ran(m(1e-9))}, []string{"1%"}, Different},
		{"of one metric, in its unit", ran(m(1000)), []View{ran(m(1000.5))}, []string{"auc=0.01"}, Different},
		{"left out", ran(m(1)), []View{ran(m(nan))}, []string{"auc=inf"}, Equal},
		{"NaN is NaN", ran(m(nan)), []View{ran(m(nan))}, nil, Identical},
		{"NaN is no number", ran(m(nan)), []View{ran(m(0.5))}, nil, Different},
		{"infinities", ran(m(inf)), []View{ran(m(-inf))}, nil, Different},
		{"exact", ran(m(0.75)), []View{ran(m(0.75))}, []string{"0"}, Identical},
		{"exact differs", ran(m(0.75)), []View{ran(m(Number(math.Nextafter(0.75, 1))))}, []string{"0"}, Different},
		{"a metric is missing", ran(m(0.75)), []View{ran(nil)}, nil, Different},
		{"a metric is new", ran(nil, "a", "1"), []View{ran(m(0.75), "a", "1")}, nil, Different},
		{"an output is missing", ran(m(0.75), "a", "1"), []View{ran(m(0.75))}, nil, Different},
		{"outputs decide alone", ran(nil, "a", "1"), []View{ran(nil, "a", "2")}, nil, Different},
		{"outputs alone are the same", ran(nil, "a", "1"), []View{ran(nil, "a", "1")}, nil, Identical},
		{"use of the machine is no result", ran(map[string]Number{"system/cpu_percent": 1}), []View{ran(map[string]Number{"system/cpu_percent": 2})}, nil, Unknown},
		{"nothing", ran(nil), []View{ran(nil)}, nil, Unknown},
		{"repeats scatter", ran(m(0.75)), []View{ran(m(0.75)), ran(m(0.76))}, nil, Unstable},
		{"repeats agree on another", ran(m(0.75)), []View{ran(m(0.76)), ran(m(0.76))}, nil, Different},
		{"one misses a metric", ran(m(0.75)), []View{ran(m(0.75)), ran(nil)}, nil, Unstable},
		{"bytes scatter, metrics do not", ran(m(0.75), "a", "1"), []View{ran(m(0.75), "a", "2"), ran(m(0.75), "a", "3")}, nil, Equal},
		{"bytes alone scatter", ran(nil, "a", "1"), []View{ran(nil, "a", "2"), ran(nil, "a", "3")}, nil, Unstable},
		{"the repeat failed", ran(m(0.75)), []View{failed}, nil, Different},
		{"one of the repeats failed", ran(m(0.75)), []View{ran(m(0.75)), failed}, nil, Unstable},
		{"the original failed", failed, []View{ran(m(0.75))}, nil, Unknown},
	}
	for _, tt := range tests {
		tolerance, err := ParseTolerance(tt.words)
		if err != nil {
			t.Fatal(err)
		}
		if got := Compare(tt.original, tt.repeats, tolerance, nil); got.Result != tt.want || got.Verdict != tt.want.Verdict() {
			t.Errorf("%s: %s %s, want %s\n%+v", tt.name, got.Result, got.Verdict, tt.want, got)
		}
	}
}

func TestCompareRows(t *testing.T) {
	original := ran(map[string]Number{"auc": 0.75, "old": 1, "same": Number(math.NaN())}, "gone", "1", "model.pkl", "2")
	repeats := []View{
		ran(map[string]Number{"auc": 0.75, "new": 2, "same": Number(math.NaN())}, "model.pkl", "3"),
		ran(map[string]Number{"auc": 0.5, "new": 2, "same": Number(math.NaN())}, "model.pkl", "3"),
	}
	got := Compare(original, repeats, Tolerance{Default: "0.01"}, nil)
	want := Comparison{
		Result: Unstable, Verdict: VerdictInconclusive,
		Outputs: []ComparedOutput{{Path: "gone", Result: Different, A: "1"}, {Path: "model.pkl", Result: Different, A: "2", B: "3"}},
		Metrics: []ComparedMetric{
			{Key: "auc", Result: Unstable, A: 0.75, B: 0.5, Low: 0.5, High: 0.75, Difference: -0.25, Tolerance: 0.01},
			{Key: "new", Result: Different, B: 2.0},
			{Key: "old", Result: Different, A: 1.0, Tolerance: 0.01},
			{Key: "same", Result: Identical, A: "NaN", B: "NaN", Tolerance: 0.01},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseTolerance(t *testing.T) {
	got, err := ParseTolerance([]string{"1%", "a=b=0.5", "auc=inf"})
	want := Tolerance{Default: "1%", Of: map[string]Limit{"a=b": "0.5", "auc": "inf"}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	for _, bad := range []string{"", "x", "-1", "NaN", "=1", "auc=", "auc=1x", "1%%", "auc"} {
		if _, err := ParseTolerance([]string{bad}); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestFirstSteps(t *testing.T) {
	curve := func(steps []int64, values ...float64) Curve { return Curve{Name: "loss", Steps: steps, Values: values} }
	steps := []int64{10, 20, 30}
	base := curve(steps, 3, 2, 1)
	tests := []struct {
		name  string
		b     Curve
		want  Step
		found bool
	}{
		{"the same", curve(steps, 3, 2, 1), Step{}, false},
		{"beyond", curve(steps, 3, 2.5, 1), Step{20, Different}, true},
		{"within", curve(steps, 3, 2.0000001, 1.0000001), Step{20, Equal}, true},
		{"within, then beyond", curve(steps, 3.0000001, 2, 7), Step{30, Different}, true},
		{"it ends early", curve(steps[:2], 3, 2), Step{30, Different}, true},
		{"it goes on", curve([]int64{10, 20, 30, 40}, 3, 2, 1, 0), Step{40, Different}, true},
		{"other steps", curve([]int64{10, 21, 30}, 3, 2, 1), Step{20, Different}, true},
		{"NaN", curve(steps, 3, math.NaN(), 1), Step{20, Different}, true},
	}
	for _, tt := range tests {
		got, found := firstStep(base, tt.b, Tolerance{Default: DefaultTolerance})
		if got != tt.want || found != tt.found {
			t.Errorf("%s: %+v %v, want %+v %v", tt.name, got, found, tt.want, tt.found)
		}
	}
	one := func(v Number) View { return ran(map[string]Number{"loss": v}) }
	got := Compare(one(1), []View{one(1)}, Tolerance{Default: "0"}, map[string]Step{"loss": {20, Different}})
	if got.Result != Different || *got.Metrics[0].Step != 20 {
		t.Errorf("the last value hides what went before: %+v", got)
	}
}

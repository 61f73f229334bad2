package gate

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

func bound(v float64, text string) *Bound { return &Bound{Value: v, Text: text} }

func at(line int) fault.Position { return fault.Position{File: "mlx.yaml", Line: line} }

func metric(name string, line int, low, high *Bound) Rule {
	return Rule{Kind: "metric", Name: name, Min: low, Max: high, At: at(line)}
}

func subject(metrics map[string]float64) func(context.Context, Spec) (Subject, error) {
	return func(context.Context, Spec) (Subject, error) {
		run := Ref{Kind: "run", ID: object.Sum([]byte("run"))}
		return Subject{For: run, Data: []Ref{{Kind: "snapshot", ID: object.Sum([]byte("data")), Name: "data"}}, Metrics: metrics}, nil
	}
}

func judge(t *testing.T, metrics map[string]float64, specs ...Spec) Report {
	t.Helper()
	answer, troubles := Job{Specs: specs, Subject: subject(metrics), Version: "test"}.Judge(context.Background())
	if len(troubles) > 0 {
		t.Fatalf("cannot judge: %v", errors.Join(troubles...))
	}
	return answer.Report
}

func TestThreshold(t *testing.T) {
	low, high := bound(0.72, "0.72"), bound(0.9, "0.9")
	tests := []struct {
		name         string
		value        float64
		min, max     *Bound
		want         Verdict
		shown, needs string
	}{
		{"above the minimum", 0.741, low, nil, Pass, "0.741", "at least 0.72"},
		{"on the minimum", 0.72, low, nil, Pass, "0.720", "at least 0.72"},
		{"just below the minimum", 0.7199999, low, nil, Fail, "0.7199999", "at least 0.72"},
		{"just above the maximum", 0.90001, nil, high, Fail, "0.90001", "at most 0.9"},
		{"between", 0.8, low, high, Pass, "0.800", "0.72 to 0.9"},
		{"a whole number", 41, nil, bound(40, "40"), Fail, "41", "at most 40"},
		{"small", 0.00012345, nil, bound(1, "1"), Pass, "0.000123", "at most 1"},
		{"not a number", math.NaN(), low, nil, Inconclusive, "NaN", "at least 0.72"},
		{"infinity breaks a maximum", math.Inf(1), nil, high, Fail, "+Inf", "at most 0.9"},
		{"infinity keeps no minimum", math.Inf(1), low, nil, Inconclusive, "+Inf", "at least 0.72"},
		{"negative infinity", math.Inf(-1), low, nil, Fail, "-Inf", "at least 0.72"},
		{"negative zero", math.Copysign(0, -1), bound(0, "0"), nil, Pass, "0", "at least 0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := judge(t, map[string]float64{"m": tt.value}, Spec{Name: "g", Rules: []Rule{metric("m", 3, tt.min, tt.max)}})
			f := r.Gates[0].Checks[0]
			if f.Verdict != tt.want || f.Shown != tt.shown || f.Needs != tt.needs {
				t.Errorf("got %s %q %q, want %s %q %q", f.Verdict, f.Shown, f.Needs, tt.want, tt.shown, tt.needs)
			}
			if finite := !math.IsNaN(tt.value) && !math.IsInf(tt.value, 0); finite != (f.Value != nil) {
				t.Errorf("value is %v", f.Value)
			}
			if _, err := object.Encode(r); err != nil {
				t.Errorf("the report cannot be recorded: %v", err)
			}
		})
	}
}

func TestFold(t *testing.T) {
	verdicts := map[string]Finding{
		"pass": {Verdict: Pass}, "fail": {Verdict: Fail}, "unclear": {Verdict: Inconclusive},
		"warn": {Verdict: Fail, Severity: SeverityWarn}, "dim": {Verdict: Inconclusive, Severity: SeverityWarn},
		"new word": {Verdict: "skipped"},
	}
	tests := []struct {
		findings string
		want     Verdict
	}{
		{"", Pass}, {"pass", Pass}, {"pass,warn", Pass}, {"pass,dim", Pass}, {"pass,unclear", Inconclusive},
		{"unclear,fail", Fail}, {"fail,pass", Fail}, {"pass,new word", Inconclusive},
	}
	for _, tt := range tests {
		var all []Finding
		for name := range strings.SplitSeq(tt.findings, ",") {
			if f, ok := verdicts[name]; ok {
				all = append(all, f)
			}
		}
		if got := fold(all); got != tt.want {
			t.Errorf("fold(%s) = %s, want %s", tt.findings, got, tt.want)
		}
	}
}

// A record that says that nobody may judge without it, of a kind that this version does not know, decides alone: even
// a check that would fail might not count.
func TestUnknownCritical(t *testing.T) {
	rec := lineage.Record{ID: object.Sum([]byte("rec")), Kind: "waiver.granted/v9", Crit: true}
	of := func(ctx context.Context, s Spec) (Subject, error) {
		about, err := subject(map[string]float64{"auc": 0.1})(ctx, s)
		about.Unknown = []lineage.Record{rec}
		return about, err
	}
	spec := Spec{Name: "g", Rules: []Rule{metric("auc", 3, bound(0.7, "0.7"), nil)}, At: at(2)}
	answer, troubles := Job{Specs: []Spec{spec}, Subject: of, Version: "test"}.Judge(t.Context())
	r := answer.Report
	if len(troubles) > 0 || r.Verdict != Inconclusive || r.Counts != (Counts{Inconclusive: 1}) {
		t.Errorf("%+v %v", r, troubles)
	}
	if c := r.Gates[0].Checks; len(c) != 1 || c[0].Name != rec.Kind || !strings.Contains(c[0].Text(), rec.ID.Short()) {
		t.Errorf("%+v", c)
	}
	if r.Inputs == judge(t, map[string]float64{"auc": 0.1}, spec).Inputs {
		t.Error("a verdict from before that record still counts")
	}
}

func TestSeveralGates(t *testing.T) {
	one, two := bound(1, "1"), bound(2, "2")
	r := judge(t, map[string]float64{"a": 1.5, "b": math.NaN()},
		Spec{Name: "first", Rules: []Rule{metric("a", 1, one, two), {Kind: "metric", Name: "a", Min: two, Severity: SeverityWarn, At: at(2)}}},
		Spec{Name: "second", Rules: []Rule{metric("b", 3, one, nil)}})
	if r.Verdict != Inconclusive || r.Gates[0].Verdict != Pass || r.Gates[1].Verdict != Inconclusive {
		t.Errorf("verdicts %s %s %s", r.Verdict, r.Gates[0].Verdict, r.Gates[1].Verdict)
	}
	if want := (Counts{Pass: 1, Warn: 1, Inconclusive: 1}); r.Counts != want {
		t.Errorf("counts %+v, want %+v", r.Counts, want)
	}
	if len(r.Data) != 1 {
		t.Errorf("data %v", r.Data)
	}
}

// What cannot be judged is refused by name and line, and takes the whole report with it.
func TestTroubles(t *testing.T) {
	low := bound(0.7, "0.7")
	good := metric("auc", 2, low, nil)
	tests := []struct {
		name string
		spec Spec
		kind fault.Kind
		want string
		hint string
	}{
		{"unknown metric", Spec{Name: "q", Rules: []Rule{good, metric("acu", 45, low, nil)}}, fault.NotFound,
			`cannot judge q: run ` + object.Sum([]byte("run")).Short() + ` has no metric "acu" (mlx.yaml line 45)`,
			`did you mean "auc"? The run has auc and log_loss`},
		{"nothing near", Spec{Name: "q", Rules: []Rule{metric("throughput", 4, low, nil)}}, fault.NotFound,
			`has no metric "throughput" (mlx.yaml line 4)`, `the run has auc and log_loss`},
		{"unknown measure", Spec{Name: "q", Rules: []Rule{good, {Kind: "measure", Name: "speed of light", Min: low, At: at(9)}}}, fault.Usage,
			`cannot judge q: there is no measure "speed of light" (mlx.yaml line 9)`, "mlx help gate"},
		{"an option", Spec{Name: "q", Rules: []Rule{{Kind: "metric", Name: "auc", Min: low, Slices: []string{"a"}, At: at(9)}}}, fault.Usage,
			"slices: has no meaning for metric auc", "it takes min, max"},
		{"no checks", Spec{Name: "q", At: at(7)}, fault.Usage, "cannot judge q: it has no checks (mlx.yaml line 7)", ""},
		{"no limit", Spec{Name: "q", Rules: []Rule{metric("auc", 3, nil, nil)}}, fault.Usage, `metric "auc" has no limit (mlx.yaml line 3)`, ""},
		{"impossible", Spec{Name: "q", Rules: []Rule{metric("auc", 3, bound(2, "2"), bound(1, "1"))}}, fault.Usage,
			"can never be at least 2 and at most 1", ""},
		{"severity", Spec{Name: "q", Rules: []Rule{{Kind: "metric", Name: "auc", Min: low, Severity: "info", At: at(3)}}}, fault.Usage,
			`severity of metric "auc" is "info"`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fine := Spec{Name: "fine", Rules: []Rule{good}}
			job := Job{Specs: []Spec{fine, tt.spec}, Subject: subject(map[string]float64{"auc": 0.74, "log_loss": 0.43})}
			answer, troubles := job.Judge(context.Background())
			if len(troubles) != 1 || len(answer.Report.Gates) != 0 {
				t.Fatalf("report %v, troubles %v", answer.Report, troubles)
			}
			err := troubles[0]
			if fault.KindOf(err) != tt.kind || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %s: %v", fault.KindOf(err), err)
			}
			if p := fault.At(err); p == nil || p.Line == 0 {
				t.Errorf("position %v", p)
			}
			if hints := strings.Join(fault.Hints(err), "\n"); !strings.Contains(hints, tt.hint) {
				t.Errorf("hints %q", hints)
			}
		})
	}
}

func TestChoose(t *testing.T) {
	specs := []Spec{{Name: "data"}, {Name: "quality"}}
	got, err := Choose(specs, []string{"quality", "quality"})
	if err != nil || len(got) != 1 || got[0].Name != "quality" {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err = Choose(specs, nil); err != nil || len(got) != 2 {
		t.Errorf("got %v, %v", got, err)
	}
	_, err = Choose(specs, []string{"qualty"})
	if fault.KindOf(err) != fault.NotFound || !strings.Contains(fault.Hints(err)[0], `did you mean "quality"`) {
		t.Errorf("got %v %v", err, fault.Hints(err))
	}
	if _, err = Choose(nil, nil); fault.KindOf(err) != fault.NotFound {
		t.Errorf("no gates: %v", err)
	}
}

// The digest of a configuration is that of what it demands.
func TestConfigDigest(t *testing.T) {
	a := []Spec{{Name: "g", Rules: []Rule{metric("auc", 3, bound(0.72, "0.72"), nil)}}}
	same := []Spec{{Name: "g", At: at(9), Rules: []Rule{metric("auc", 30, bound(0.72, "0.720"), nil)}}}
	other := []Spec{{Name: "g", Rules: []Rule{metric("auc", 3, nil, bound(0.72, "0.72"))}}}
	da, err1 := ConfigOf(a)
	ds, err2 := ConfigOf(same)
	do, err3 := ConfigOf(other)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	if da != ds || da == do {
		t.Errorf("digests %s %s %s", da, ds, do)
	}
}

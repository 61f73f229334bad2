package run

import (
	"maps"
	"math"
	"slices"
	"strings"
)

// Sameness says how two results compare.
type Sameness string

// The answers, from the best. What a later version says beside them must be read as not the same.
const (
	Identical Sameness = "identical" // byte for byte, digit for digit
	Equal     Sameness = "equal"     // within the tolerance
	Different Sameness = "different"
	Unstable  Sameness = "unstable" // repeats of one run differ among themselves
	Unknown   Sameness = "unknown"  // there is nothing to compare
)

// The verdicts of a comparison.
const (
	VerdictPass         = "pass"
	VerdictFail         = "fail"
	VerdictInconclusive = "inconclusive"
)

// Verdict is yes for what is the same, no for what differs, and cannot tell for the rest.
func (s Sameness) Verdict() string {
	switch s {
	case Identical, Equal:
		return VerdictPass
	case Different:
		return VerdictFail
	case Unstable, Unknown:
	}
	return VerdictInconclusive
}

// Comparison is how repeats of a run compare with it.
type Comparison struct {
	Result  Sameness         `json:"result"`
	Verdict string           `json:"verdict"`
	Why     string           `json:"why,omitempty"` // in words, where the rows do not say it
	Outputs []ComparedOutput `json:"outputs,omitempty"`
	Metrics []ComparedMetric `json:"metrics,omitempty"`
}

// ComparedOutput is one output. A and B are digests as 64 hex digits, empty where there is no such output; B is that of
// the first repeat which differs most.
type ComparedOutput struct {
	Path   string   `json:"path"`
	Result Sameness `json:"result"`
	A      string   `json:"a,omitempty"`
	B      string   `json:"b,omitempty"`
}

// ComparedMetric is one metric. Numbers are float64, or "NaN", "Infinity", "-Infinity"; absent where there is none.
type ComparedMetric struct {
	Key        string   `json:"key"`
	Result     Sameness `json:"result"`
	A          any      `json:"a,omitempty"`
	B          any      `json:"b,omitempty"`
	Low        any      `json:"low,omitempty"`        // of all repeats, where these differ
	High       any      `json:"high,omitempty"`       // of all repeats, where these differ
	Difference any      `json:"difference,omitempty"` // b - a, of finite numbers
	Tolerance  any      `json:"tolerance,omitempty"`  // largest difference that counts as equal
	Step       *int64   `json:"step,omitempty"`       // first step at which the series differ
}

// systemMetric reports whether a metric tells how the machine was used, which is no result.
func systemMetric(name string) bool { return strings.HasPrefix(name, "system/") }

// Compare compares repeats of a run with it; there must be one repeat at least. Where there are metrics these decide and
// bytes of outputs are only told, because many formats hold times and addresses; but an output that is missing on one
// side always counts. A metric whose last value is the same differs if its series does: steps says where that of the first
// repeat does, as FirstSteps found it.
func Compare(original View, repeats []View, t Tolerance, steps map[string]Step) Comparison {
	c := Comparison{Outputs: compareOutputs(original, repeats), Metrics: compareMetrics(original, repeats, t)}
	for i, m := range c.Metrics {
		if step, differs := steps[m.Key]; differs {
			c.Metrics[i].Step = &step.At
			c.Metrics[i].Result = worstOf([]Sameness{m.Result, step.Result})
		}
	}
	c.Result, c.Why = c.judge(original, repeats)
	c.Verdict = c.Result.Verdict()
	return c
}

func (c Comparison) judge(original View, repeats []View) (Sameness, string) {
	if original.State != Succeeded {
		return Unknown, "the original run " + ended(original) + ", so nothing tells what it should give"
	}
	if failed := slices.IndexFunc(repeats, func(v View) bool { return v.State != Succeeded }); failed >= 0 {
		if slices.ContainsFunc(repeats, func(v View) bool { return v.State == Succeeded }) {
			return Unstable, "one repeat " + ended(repeats[failed]) + ", another succeeded"
		}
		return Different, "the repeat " + ended(repeats[failed])
	}
	deciding := make([]Sameness, 0, len(c.Metrics)+len(c.Outputs))
	all := make([]Sameness, 0, len(c.Metrics)+len(c.Outputs))
	for _, m := range c.Metrics {
		deciding = append(deciding, m.Result)
	}
	for _, o := range c.Outputs {
		all = append(all, o.Result)
		if len(c.Metrics) == 0 || o.A == "" || o.B == "" {
			deciding = append(deciding, o.Result)
		}
	}
	result := worstOf(deciding)
	if result == Identical && worstOf(append(all, deciding...)) != Identical {
		result = Equal
	}
	if result == Unknown {
		return result, "the run wrote no metrics and no outputs"
	}
	return result, ""
}

// ended says in words what became of a run.
func ended(v View) string {
	words := string(v.State)
	switch v.State {
	case Killed, Cancelled, Lost:
		words = "was " + words
	case Running, Succeeded, Failed, Pending, Unobserved:
	}
	if v.Cause != nil {
		words += " (" + *v.Cause + ")"
	}
	return words
}

// worstOf is Unknown for none.
func worstOf(all []Sameness) Sameness {
	order := []Sameness{Unstable, Different, Equal, Identical}
	for _, s := range order {
		if slices.Contains(all, s) {
			return s
		}
	}
	return Unknown
}

func compareOutputs(original View, repeats []View) []ComparedOutput {
	before := digests(original)
	paths := maps.Clone(before)
	after := make([]map[string]string, len(repeats))
	for i, r := range repeats {
		after[i] = digests(r)
		maps.Copy(paths, after[i])
	}
	var out []ComparedOutput
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		o := ComparedOutput{Path: path, Result: Identical, A: before[path], B: after[0][path]}
		for _, digest := range after {
			if digest[path] != after[0][path] {
				o.Result = Unstable
			} else if digest[path] != o.A && o.Result == Identical {
				o.Result = Different
			}
		}
		out = append(out, o)
	}
	return out
}

func digests(v View) map[string]string {
	all := make(map[string]string, len(v.Outputs))
	for _, o := range v.Outputs {
		all[o.Path] = o.Digest
	}
	return all
}

func compareMetrics(original View, repeats []View, t Tolerance) []ComparedMetric {
	names := maps.Clone(original.Metrics)
	if names == nil {
		names = make(map[string]Number)
	}
	for _, r := range repeats {
		maps.Copy(names, r.Metrics)
	}
	var out []ComparedMetric
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if !systemMetric(name) {
			out = append(out, compareMetric(name, original, repeats, t))
		}
	}
	return out
}

func compareMetric(name string, original View, repeats []View, t Tolerance) ComparedMetric {
	a, inA := original.Metrics[name]
	m := ComparedMetric{Key: name, Result: Identical}
	if inA {
		m.A = a.stored()
		m.Tolerance = Number(t.allows(name, float64(a))).stored()
	}
	first, inFirst := repeats[0].Metrics[name]
	for _, r := range repeats {
		b, inB := r.Metrics[name]
		same := sameNumber(t.allows(name, float64(a)), maybe{a, inA}, maybe{b, inB})
		if worst := worstOf([]Sameness{m.Result, same}); worst != m.Result || m.B == nil {
			m.Result, m.B = worst, stored(b, inB)
			m.Difference = gap(maybe{a, inA}, maybe{b, inB})
		}
	}
	for _, r := range repeats[1:] {
		b, inB := r.Metrics[name]
		if sameNumber(t.allows(name, float64(first)), maybe{first, inFirst}, maybe{b, inB}) == Different {
			m.Result = Unstable
		}
	}
	if m.Result == Unstable {
		m.Low, m.High = spread(name, repeats)
	}
	return m
}

// maybe is a number that may be missing.
type maybe struct {
	n  Number
	is bool
}

func stored(n Number, is bool) any {
	if !is {
		return nil
	}
	return n.stored()
}

func sameNumber(allowed float64, a, b maybe) Sameness {
	x, y := float64(a.n), float64(b.n)
	switch {
	case a.is != b.is:
		return Different
	case !a.is, x == y, math.IsNaN(x) && math.IsNaN(y):
		return Identical
	case a.n.Finite() && b.n.Finite() && math.Abs(x-y) <= allowed, math.IsInf(allowed, 1):
		return Equal
	}
	return Different
}

func gap(a, b maybe) any {
	if !a.is || !b.is || !a.n.Finite() || !b.n.Finite() {
		return nil
	}
	return Number(b.n - a.n).stored()
}

// spread is the least and the greatest finite value that repeats gave a metric.
func spread(name string, repeats []View) (low, high any) {
	var all []float64
	for _, r := range repeats {
		if n, ok := r.Metrics[name]; ok && n.Finite() {
			all = append(all, float64(n))
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	return Number(slices.Min(all)).stored(), Number(slices.Max(all)).stored()
}

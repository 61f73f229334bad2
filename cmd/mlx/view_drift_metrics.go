package main

import (
	"bytes"
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"mlx/internal/drift"
	"mlx/internal/gate"
)

// exposition is a set of metrics as Prometheus reads them, from a file or by OpenMetrics. Names and labels are the same in both.
type exposition struct {
	families []*metricFamily
	open     bool // OpenMetrics
}

// metricFamily is a metric with its samples.
type metricFamily struct {
	name, unit, help string
	samples          []metricSample
	seen             map[string]bool
}

type metricSample struct {
	labels string
	value  float64
}

// family begins a metric. The unit, if there is one, ends its name.
func (e *exposition) family(name, unit, help string) *metricFamily {
	f := &metricFamily{name: name, unit: unit, help: help, seen: make(map[string]bool)}
	e.families = append(e.families, f)
	return f
}

// add adds a sample. Of two with the same labels, which no reader takes, the first counts.
func (f *metricFamily) add(value float64, labels ...string) {
	var b strings.Builder
	for i := 0; i+1 < len(labels); i += 2 {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(labels[i] + `="` + labelValue(labels[i+1]) + `"`)
	}
	if key := b.String(); !f.seen[key] {
		f.seen[key] = true
		f.samples = append(f.samples, metricSample{key, value})
	}
}

// addKnown adds a number that is known.
func (f *metricFamily) addKnown(value *float64, labels ...string) {
	if value != nil {
		f.add(*value, labels...)
	}
}

// labelValue is text as a label may have it.
func labelValue(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(strings.ToValidUTF8(s, "\ufffd"))
}

// text writes the metrics that have samples.
func (e *exposition) text() []byte {
	var b bytes.Buffer
	for _, f := range e.families {
		if len(f.samples) == 0 {
			continue
		}
		b.WriteString("# HELP " + f.name + " " + f.help + "\n# TYPE " + f.name + " gauge\n")
		if e.open && f.unit != "" {
			b.WriteString("# UNIT " + f.name + " " + f.unit + "\n")
		}
		for _, s := range f.samples {
			b.WriteString(f.name + "{" + s.labels + "} " + sampleValue(s.value) + "\n")
		}
	}
	if e.open {
		b.WriteString("# EOF\n")
	}
	return b.Bytes()
}

func sampleValue(v float64) string {
	switch {
	case math.IsInf(v, 1):
		return "+Inf"
	case math.IsInf(v, -1):
		return "-Inf"
	}
	return strconv.FormatFloat(v, 'g', -1, 64) // NaN is written so
}

// driftExposition is the newest answer of each monitor as metrics, in the order of their names. A monitor without an answer has been
// checked in 1970.
func driftExposition(told []driftTold, open bool) []byte {
	e := &exposition{open: open}
	all := newestOfEach(told)
	driftMonitorMetrics(e, all)
	driftColumnMetrics(e, all)
	driftCheckMetrics(e, all)
	return e.text()
}

// newestOfEach keeps of each monitor the answer for the latest window.
func newestOfEach(told []driftTold) []driftTold {
	all := slices.Clone(told)
	slices.SortStableFunc(all, func(a, b driftTold) int {
		return cmp.Or(strings.Compare(a.title(), b.title()), b.Answer.AsOf.Compare(a.Answer.AsOf))
	})
	return slices.CompactFunc(all, func(a, b driftTold) bool { return a.title() == b.title() })
}

func driftMonitorMetrics(e *exposition, all []driftTold) {
	verdict := e.family("mlx_drift_verdict", "", "Verdict of the last answer: 1 for the one that holds; fail is drift, inconclusive is cannot tell.")
	checked := e.family("mlx_drift_check_timestamp_seconds", "seconds", "When the last answer was recorded; 0 without one.")
	start := e.family("mlx_drift_window_start_timestamp_seconds", "seconds", "Begin of the window of the last answer.")
	end := e.family("mlx_drift_window_end_timestamp_seconds", "seconds", "End of the window of the last answer.")
	rows := e.family("mlx_drift_rows", "", "Rows that were compared.")
	columns := e.family("mlx_drift_columns", "", "Columns by verdict.")
	share := e.family("mlx_drift_drifted_ratio", "ratio", "Share of the columns, by weight, that drifted.")
	limit := e.family("mlx_drift_limit_ratio", "ratio", "Share of the columns that may drift.")
	action := e.family("mlx_drift_action_state", "", "What the last answer started: 1 for the state that holds.")
	for _, d := range all {
		r, name := d.Answer, d.title()
		counts := map[drift.Verdict]int{}
		for _, c := range r.Columns {
			counts[c.Verdict]++
		}
		for _, v := range []drift.Verdict{drift.Stable, drift.Drift, drift.CannotTell} {
			verdict.add(oneIf(r.Verdict == v), "monitor", name, "verdict", string(v))
		}
		if r.Verdict == "" {
			checked.add(0, "monitor", name)
			continue
		}
		checked.add(unixSeconds(cmp.Or(d.At, r.AsOf)), "monitor", name)
		if r.Window.From != nil {
			start.add(unixSeconds(*r.Window.From), "monitor", name)
		}
		if r.Window.To != nil {
			end.add(unixSeconds(*r.Window.To), "monitor", name)
		}
		rows.add(float64(r.Window.Rows), "monitor", name, "side", "current")
		rows.add(float64(r.ReferenceN), "monitor", name, "side", "reference")
		for _, v := range []drift.Verdict{drift.Stable, drift.Drift, drift.CannotTell} {
			columns.add(float64(counts[v]), "monitor", name, "verdict", string(v))
		}
		share.addKnown(r.DriftedShare, "monitor", name)
		limit.add(r.LimitShare, "monitor", name)
		for _, a := range d.Actions {
			action.add(1, "monitor", name, "what", a.What, "state", string(a.State))
		}
	}
}

func driftColumnMetrics(e *exposition, all []driftTold) {
	drifted := e.family("mlx_drift_column_drifted", "", "1 for a column that drifted, 0 for one that did not, NaN for one that cannot be judged.")
	effect := e.family("mlx_drift_column_effect", "", "How far the column is from its reference, by the method that decided.")
	threshold := e.family("mlx_drift_column_threshold", "", "Effect from which the column counts as drifted.")
	p := e.family("mlx_drift_column_p_value", "", "How likely such a difference is without drift.")
	adjusted := e.family("mlx_drift_column_p_adjusted", "", "The same, corrected for the other columns.")
	rows := e.family("mlx_drift_column_rows", "", "Rows of the column in the window.")
	missing := e.family("mlx_drift_column_missing_ratio", "ratio", "Share of values that are missing, NaN or infinite.")
	for _, d := range all {
		columns := slices.Clone(d.Answer.Columns)
		slices.SortStableFunc(columns, func(a, b drift.Column) int { return strings.Compare(a.Name, b.Name) })
		for _, c := range columns {
			labels := []string{"monitor", d.title(), "column", c.Name}
			withMethod := append(slices.Clone(labels), "method", string(c.Method))
			drifted.add(verdictNumber(c.Verdict), labels...)
			effect.addKnown(c.Value, withMethod...)
			threshold.addKnown(c.Threshold, withMethod...)
			p.addKnown(c.P, withMethod...)
			adjusted.addKnown(c.PAdjusted, withMethod...)
			rows.add(float64(c.Rows), labels...)
			missing.add(c.MissingShare, append(slices.Clone(labels), "side", "current")...)
			missing.add(c.ReferenceMissing, append(slices.Clone(labels), "side", "reference")...)
		}
	}
}

func driftCheckMetrics(e *exposition, all []driftTold) {
	failed := e.family("mlx_drift_check_failed", "", "1 for a check that failed, 0 for one that passed, NaN for one that cannot tell.")
	value := e.family("mlx_drift_check_value", "", "Value that the check judged.")
	for _, d := range all {
		for _, f := range d.Answer.Checks {
			labels := []string{"monitor", d.title(), "check", f.Name, "slice", sliceWords(f)}
			failed.add(verdictNumber(f.Verdict), labels...)
			value.addKnown(f.Value, labels...)
		}
	}
}

// sliceWords is the slice of a finding in one label: labels of a metric have fixed names.
func sliceWords(f gate.Finding) string {
	var words []string
	for _, k := range sortedKeys(f.Slice) {
		words = append(words, k+"="+f.Slice[k])
	}
	return strings.Join(words, ",")
}

func verdictNumber(v drift.Verdict) float64 {
	switch v {
	case drift.Drift:
		return 1
	case drift.Stable:
		return 0
	case drift.CannotTell:
	}
	return math.NaN()
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

func unixSeconds(at time.Time) float64 { return float64(at.UnixMilli()) / 1000 }

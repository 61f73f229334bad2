// Package gate hides how a judgement is reached: what each kind of check computes, how findings fold into a verdict,
// when an earlier verdict still counts, and how a report reads in each place that shows one.
//
// "Cannot tell" is a verdict of its own and never a pass. An error means that something could not be judged at all:
// then there is no report either.
package gate

import (
	"context"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// Judged is the kind of record that keeps a report.
var Judged = lineage.Define[Report]("gate.judged/v1")

// Verdict is the answer of a check, a gate or a whole report.
type Verdict string

// The verdicts.
const (
	Pass         Verdict = "pass"
	Fail         Verdict = "fail"
	Inconclusive Verdict = "inconclusive"
)

// Severity says whether a failing check fails its gate.
type Severity string

// The severities. What only warns is shown and never changes a verdict.
const (
	SeverityFail Severity = "fail"
	SeverityWarn Severity = "warn"
)

// Check judges one thing, and with slices the same thing in several places. An error means that it could not be judged; it is never a
// verdict.
type Check interface {
	Check(ctx context.Context, s Subject) ([]Finding, error)
}

// Ref names a thing in a record, where digests keep their scheme.
type Ref struct {
	Kind string        `json:"kind"`
	ID   object.Digest `json:"id"`
	Name string        `json:"name,omitempty"`
}

// Finding is what one check found. A number that is unknown, NaN or infinite is absent.
type Finding struct {
	Name       string            `json:"name"`
	Subject    string            `json:"subject"` // metric, measure, column, expr, command
	Verdict    Verdict           `json:"verdict"`
	Severity   Severity          `json:"severity"`
	Value      *float64          `json:"value,omitempty"`
	Baseline   *float64          `json:"baseline,omitempty"`
	Difference *float64          `json:"difference,omitempty"` // value minus baseline
	Interval   *[2]float64       `json:"interval,omitempty"`   // of the difference; without a baseline of the value
	Level      float64           `json:"level,omitempty"`      // confidence of the interval; 0.95 when absent
	Unit       string            `json:"unit,omitempty"`       // of the numbers: "bytes", "s", "share"; empty for plain ones
	Limit      Limit             `json:"limit"`
	Rows       *int64            `json:"rows,omitempty"`        // that were judged
	RowsNeeded *int64            `json:"rows_needed,omitempty"` // to decide, when it is inconclusive
	Detectable *float64          `json:"detectable,omitempty"`  // smallest difference that the rows can show
	Slice      map[string]string `json:"slice,omitempty"`
	Waiver     *Waiver           `json:"waiver,omitempty"` // that is in force: the failure does not count
	Failing    *Failing          `json:"failing,omitempty"`
	Plot       *Plot             `json:"plot,omitempty"`
	Shown      string            `json:"shown"`          // the value in words: "0.741", "NaN", "0.731 against 0.752"
	Needs      string            `json:"needs"`          // the limit in words: "at least 0.72"
	Note       string            `json:"note,omitempty"` // what else to know: "rows are assumed independent"
	At         fault.Position    `json:"at"`             // where the check is written
}

// Limit is what a value must keep.
type Limit struct {
	Min    *float64 `json:"min,omitempty"`
	Max    *float64 `json:"max,omitempty"`
	Margin *float64 `json:"margin,omitempty"`
}

// Failing are the rows that break a check: how many, where the first stand, and what some of them hold.
type Failing struct {
	Count  int64      `json:"count"`
	Rows   []RowAt    `json:"rows,omitempty"`   // the first, at most 20
	Header []string   `json:"header,omitempty"` // of Sample
	Sample [][]string `json:"sample,omitempty"` // the first, at most 5; values cut to 80 characters, those of private columns masked
}

// RowAt is the place of a row.
type RowAt struct {
	File string `json:"file"`
	Row  int64  `json:"row"` // from 1, the header not counted
}

// Plot is a small picture of what was found: lines over one axis.
type Plot struct {
	Kind   string      `json:"kind"` // "calibration", "roc", "pr", "latency", "histogram", ...
	XLabel string      `json:"x_label"`
	YLabel string      `json:"y_label"`
	Lines  []PlotLine  `json:"lines"`
	Guide  *[4]float64 `json:"guide,omitempty"` // a reference line from x, y to x, y
}

// PlotLine is one line of a plot, at most 200 points.
type PlotLine struct {
	Name string    `json:"name"`
	X    []float64 `json:"x"`
	Y    []float64 `json:"y"`
}

// Text says in words what was found and what was needed.
func (f Finding) Text() string { return f.Shown + "  " + f.Needed() }

// Needed says in words what was needed, and whether it matters.
func (f Finding) Needed() string {
	if f.Severity == SeverityWarn && f.Verdict != Pass {
		return f.Needs + "  (warning only)"
	}
	return f.Needs
}

// Word is the verdict as it is shown: a failing check that cannot fail its gate warns.
func (f Finding) Word() string {
	if f.Verdict == Fail && f.Waiver != nil {
		return "waived"
	}
	if f.Verdict == Fail && f.Severity == SeverityWarn {
		return "warn"
	}
	return string(f.Verdict)
}

// Result is the answer of one gate.
type Result struct {
	Name    string    `json:"name"`
	Verdict Verdict   `json:"verdict"`
	For     Ref       `json:"for"`
	Against *Ref      `json:"against,omitempty"`
	As      string    `json:"against_as,omitempty"` // what the baseline was called: "flights@production"
	Checks  []Finding `json:"checks"`
}

// Report is the answer of one judgement, as recorded.
type Report struct {
	Verdict    Verdict       `json:"verdict"`
	Gates      []Result      `json:"gates"`
	For        Ref           `json:"for"` // of the first gate
	Against    *Ref          `json:"against,omitempty"`
	Data       []Ref         `json:"data,omitempty"` // what the judged runs read
	Config     object.Digest `json:"config"`         // of the gates as judged, wherever they are written
	Inputs     object.Digest `json:"inputs"`         // of everything that goes into the verdict; zero when mlx cannot name all of it
	Code       string        `json:"code,omitempty"` // commit of the project, with + when files differ from it
	Counts     Counts        `json:"counts"`
	MlxVersion string        `json:"mlx_version"`
}

// Counts counts findings. A failing check that only warns, or whose failure is waived, counts as Warn.
type Counts struct {
	Pass         int `json:"pass"`
	Fail         int `json:"fail"`
	Warn         int `json:"warn"`
	Inconclusive int `json:"inconclusive"`
}

// fold is the verdict of a gate: no beats cannot tell, which beats yes. What only warns or is waived has no say.
func fold(findings []Finding) Verdict {
	verdicts := make([]Verdict, 0, len(findings))
	for _, f := range findings {
		if f.Severity != SeverityWarn && f.Word() != "waived" {
			verdicts = append(verdicts, f.Verdict)
		}
	}
	return worst(verdicts)
}

func worst(verdicts []Verdict) Verdict {
	all := Pass
	for _, v := range verdicts {
		switch {
		case v == Fail:
			return Fail
		case v != Pass: // a word that is not known is not yes
			all = Inconclusive
		}
	}
	return all
}

func count(results []Result) Counts {
	var c Counts
	for _, r := range results {
		for _, f := range r.Checks {
			switch f.Word() {
			case "pass":
				c.Pass++
			case "fail":
				c.Fail++
			case "warn", "waived":
				c.Warn++
			default:
				c.Inconclusive++
			}
		}
	}
	return c
}

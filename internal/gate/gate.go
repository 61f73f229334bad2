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

// Check judges one thing. An error means that it could not be judged; it is never a verdict.
type Check interface {
	Check(ctx context.Context, s Subject) (Finding, error)
}

// Subject is what is judged.
type Subject struct {
	For     Ref
	Data    []Ref              // what the run read
	Metrics map[string]float64 // NaN and infinities among them
	Unknown []lineage.Record   // about it, of kinds that are not known and without which nobody may judge
}

// Ref names a thing in a record, where digests keep their scheme.
type Ref struct {
	Kind string        `json:"kind"`
	ID   object.Digest `json:"id"`
	Name string        `json:"name,omitempty"`
}

// Finding is what one check found. A number that is unknown, NaN or infinite is absent.
type Finding struct {
	Name     string         `json:"name"`
	Subject  string         `json:"subject"` // "metric"
	Verdict  Verdict        `json:"verdict"`
	Severity Severity       `json:"severity"`
	Value    *float64       `json:"value,omitempty"`
	Limit    Limit          `json:"limit"`
	Shown    string         `json:"shown"` // the value in words: "0.741", "NaN"
	Needs    string         `json:"needs"` // the limit in words: "at least 0.72"
	At       fault.Position `json:"at"`    // where the check is written
}

// Limit is what a value must keep.
type Limit struct {
	Min *float64 `json:"min,omitempty"`
	Max *float64 `json:"max,omitempty"`
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
	Checks  []Finding `json:"checks"`
}

// Report is the answer of one judgement, as recorded.
type Report struct {
	Verdict    Verdict       `json:"verdict"`
	Gates      []Result      `json:"gates"`
	For        Ref           `json:"for"`            // of the first gate
	Data       []Ref         `json:"data,omitempty"` // what the judged runs read
	Config     object.Digest `json:"config"`         // of the gates as judged, wherever they are written
	Counts     Counts        `json:"counts"`
	MlxVersion string        `json:"mlx_version"`
}

// Counts counts findings. A failing check that only warns counts as Warn.
type Counts struct {
	Pass         int `json:"pass"`
	Fail         int `json:"fail"`
	Warn         int `json:"warn"`
	Inconclusive int `json:"inconclusive"`
}

// fold is the verdict of a gate: no beats cannot tell, which beats yes. What only warns has no say.
func fold(findings []Finding) Verdict {
	verdicts := make([]Verdict, 0, len(findings))
	for _, f := range findings {
		if f.Severity != SeverityWarn {
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
			case "warn":
				c.Warn++
			default:
				c.Inconclusive++
			}
		}
	}
	return c
}

package deploy

import (
	"slices"
	"strings"
	"time"

	"mlx/internal/fault"
	"mlx/internal/gate"
)

// The measures, which come from what the target counts.
const (
	MeasureErrors       = "errors"         // share of the requests that failed
	MeasureSchema       = "schema"         // share of the answers that do not fit the schema of the model
	MeasureFallbacks    = "fallbacks"      // share of the requests that stable answered because the candidate's connection broke
	MeasureDisagreement = "disagreement"   // share of the copies that were answered otherwise
	MeasurePSI          = "prediction_psi" // how far the predictions are from those of stable
	MeasureBudget       = "error_budget"   // share of the error budget of the service that is left
	measureLatency      = "latency_"       // and a quantile
)

// quantiles are those of the latency that can be measured.
func quantiles() map[string]float64 {
	return map[string]float64{"latency_p50": 0.5, "latency_p90": 0.9, "latency_p95": 0.95, "latency_p99": 0.99, "latency_p999": 0.999}
}

// Measures are the names of all measures.
func Measures() []string {
	all := []string{MeasureErrors, MeasureSchema, MeasureFallbacks, MeasureDisagreement, MeasurePSI, MeasureBudget}
	for name := range quantiles() {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// Rule is one check of a rollout as somebody wrote it. Numbers are shares from 0 to 1 and seconds.
type Rule struct {
	Kind string `json:"kind"` // measure, command, query, expr, label
	Name string `json:"name"` // of the measure, or the command itself
	// Monitor has the outcomes that are joined to predictions: of label.
	Monitor string   `json:"monitor,omitempty"`
	Title   string   `json:"title,omitempty"` // what it is called instead
	Min     *float64 `json:"min,omitempty"`
	Max     *float64 `json:"max,omitempty"`
	Margin  *float64 `json:"margin,omitempty"` // how much worse than stable it may be, in its own unit
	Ratio   *float64 `json:"ratio,omitempty"`  // how many times that of stable it may be
	// MinSamples is how many answers it needs; 0: what the measure needs.
	MinSamples int64          `json:"min_samples,omitempty"`
	Severity   gate.Severity  `json:"severity,omitempty"` // empty: it fails the rollout
	Timeout    time.Duration  `json:"timeout_ns,omitempty"`
	At         fault.Position `json:"-"`
}

// The subjects of a rule.
const KindMeasure = "measure"

// Called is what the check is called.
func (r Rule) Called() string {
	if r.Title != "" {
		return r.Title
	}
	return r.Name
}

// check refuses what cannot be judged.
func (r Rule) check() error {
	bad := func(format string, args ...any) *fault.Error {
		return fault.New(fault.Usage, "cannot judge by "+r.Called()+": "+format, args...).In(r.At)
	}
	limits := 0
	for _, v := range []*float64{r.Min, r.Max, r.Margin, r.Ratio} {
		if v == nil {
			continue
		}
		if limits++; *v-*v != 0 || *v < 0 && r.Kind == KindMeasure {
			return bad("a limit is a number from 0 up")
		}
	}
	if r.MinSamples < 0 || r.Timeout < 0 || r.Timeout > longest {
		return bad("samples and time-outs are not below zero")
	}
	switch {
	case r.Kind == KindMeasure:
	case r.Name == "":
		return bad("nothing is said of what is asked")
	case r.Kind == "label" && limits == 0:
		return bad("it has no limit").Hint("{measure: %s, monitor: %s, min: …}", r.Name, r.Monitor)
	default:
		return nil
	}
	return r.checkMeasure(limits, bad)
}

// checkMeasure refuses limits that a measure cannot have.
func (r Rule) checkMeasure(limits int, bad func(string, ...any) *fault.Error) error {
	if !slices.Contains(Measures(), r.Name) {
		e := bad("there is no such measure")
		if near := fault.Nearest(r.Name, Measures()); near != "" {
			return e.Hint("measure: %s", near)
		}
		return e.Hint("measures: %s", strings.Join(Measures(), ", "))
	}
	isLatency := strings.HasPrefix(r.Name, measureLatency)
	switch {
	case r.Name == MeasureBudget && (r.Max != nil || r.Margin != nil || r.Ratio != nil):
		return bad("an error budget has a min, the share that must be left")
	case r.Name != MeasureBudget && r.Min != nil:
		return bad("less is better: its limits are max and margin")
	case (r.Name == MeasurePSI || r.Name == MeasureDisagreement) && (r.Margin != nil || r.Ratio != nil):
		return bad("it compares with stable already: its limit is max")
	case r.Ratio != nil && !isLatency:
		return bad("only latencies are limited by a ratio")
	case r.Ratio != nil && *r.Ratio == 0 || isLatency && r.Max != nil && *r.Max == 0:
		return bad("a limit of 0 is never kept")
	case !isLatency && r.Name != MeasurePSI && r.Max != nil && *r.Max >= 1:
		return bad("a share below 100%% is needed")
	case limits == 0 && (isLatency || r.Name == MeasureErrors || r.Name == MeasureFallbacks || r.Name == MeasureDisagreement):
		return bad("it has no limit").Hint("{measure: %s, max: …}", r.Name)
	}
	return nil
}

// UsualRules are what a rollout is judged by when nothing is said: it may not fail a hundredth of the requests more than what it replaces.
func UsualRules() []Rule {
	margin := 0.01
	return []Rule{{Kind: KindMeasure, Name: MeasureErrors, Margin: &margin}}
}

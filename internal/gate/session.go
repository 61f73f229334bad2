package gate

import (
	"fmt"
	"slices"
	"strings"

	"mlx/internal/fault"
)

// session is one gate while it is judged. What several of its checks share, such as one pass over a table, stands here.
type session struct {
	spec    Spec
	passes  map[[2]string]*dataPass // of the data checks, by table
	quality goldenShared
	asking  asking
}

// family is a group of measures that are computed alike.
type family struct {
	names []string
	check func(s *session, r Rule) (Check, error)
}

// families are all measures that mlx computes.
func families() []family {
	return []family{
		{dataMeasures(), (*session).dataMeasure},
		{leakMeasures(), (*session).leak},
		qualityFamily(),
		{names: []string{"changed"}, check: (*session).robust},
		{names: loadMeasures(), check: (*session).load},
		{names: []string{"size"}, check: (*session).size},
		{names: []string{"cost"}, check: (*session).cost},
		{names: []string{"scan"}, check: (*session).scan},
	}
}

// Measures are the names of all measures.
func Measures() []string {
	var all []string
	for _, f := range families() {
		all = append(all, f.names...)
	}
	return all
}

// Check refuses a gate that could not be judged as it is written. It looks at nothing that the gate names.
func (s Spec) Check() error {
	_, err := (&session{spec: s}).compile()
	return err
}

// compile makes the checks of a gate. What cannot be judged is refused by name: a check that is passed over would be a check that
// passes.
func (s *session) compile() ([]Check, error) {
	if len(s.spec.Rules) == 0 {
		return nil, fault.New(fault.Usage, "cannot judge %s: it has no checks (%s)", s.spec.Name, place(s.spec.At)).In(s.spec.At)
	}
	checks := make([]Check, 0, len(s.spec.Rules))
	for _, r := range s.spec.Rules {
		if err := s.sound(r); err != nil {
			return nil, err
		}
		check, err := s.check(r)
		if err != nil {
			return nil, err
		}
		checks = append(checks, check)
	}
	return checks, nil
}

func (s *session) check(r Rule) (Check, error) {
	switch r.Kind {
	case "metric":
		return s.threshold(r)
	case "command":
		return s.command(r)
	case "measure":
		if r.Under != nil {
			return s.robust(r)
		}
		return s.measure(r)
	case "column":
		return s.column(r)
	case "expr":
		return s.expression(r)
	}
	return nil, s.wrong(r, "there is no check of %s", r.subject())
}

// measure finds the family of a measure.
func (s *session) measure(r Rule) (Check, error) {
	for _, f := range families() {
		if slices.Contains(f.names, r.Name) {
			return f.check(s, r)
		}
	}
	err := s.wrong(r, "there is no measure %q", r.Name)
	if near := fault.Nearest(r.Name, Measures()); near != "" {
		return nil, err.Hint("did you mean %q?", near)
	}
	return nil, err.Hint("mlx help gate   # lists the measures")
}

// sound refuses what makes no sense for any subject.
func (s *session) sound(r Rule) error {
	switch r.Severity {
	case "", SeverityFail, SeverityWarn:
	default:
		return s.wrong(r, "severity of %s is %q, neither fail nor warn", r.quoted(), r.Severity)
	}
	if r.Min != nil && r.Max != nil && r.Min.Value > r.Max.Value {
		return s.wrong(r, "%s can never be at least %s and at most %s", r.quoted(), r.Min.Text, r.Max.Text)
	}
	return nil
}

// wrong is the error for a rule that cannot be judged as it is written.
func (s *session) wrong(r Rule, format string, args ...any) *fault.Error {
	why := fmt.Sprintf(format, args...)
	if at := place(r.At); at != "" { // an expression that stands in no file has none
		why += " (" + at + ")"
	}
	return fault.New(fault.Usage, "cannot judge %s: %s", s.spec.Name, why).In(r.At)
}

// quoted names the rule's subject in a sentence: `metric "auc"`.
func (r Rule) quoted() string { return fmt.Sprintf("%s %q", r.Kind, r.Name) }

// threshold holds a metric that the run recorded against fixed limits.
func (s *session) threshold(r Rule) (Check, error) {
	if err := s.only(r, "min", "max"); err != nil {
		return nil, err
	}
	if r.Min == nil && r.Max == nil {
		return nil, s.wrong(r, "%s has no limit", r.quoted())
	}
	return threshold{gate: s.spec.Name, at: s.spec.At, rule: r}, nil
}

// TakesTable says whether a rule judges a table: the one that it names, else the one that its gate is for.
func TakesTable(r Rule) bool {
	return r.Kind == "column" || r.Kind == "expr" && !r.onRun() || r.Kind == "measure" && slices.Contains(dataMeasures(), r.Name)
}

// onRun says whether a rule is an expression about a run: about its metrics or parameters.
func (r Rule) onRun() bool {
	return r.Kind == "expr" && (strings.Contains(r.Name, "metrics.") || strings.Contains(r.Name, "params."))
}

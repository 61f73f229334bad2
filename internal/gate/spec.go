package gate

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// Spec is one gate as somebody wrote it.
type Spec struct {
	Name  string
	For   string // what is judged when the command names nothing
	Rules []Rule
	More  []string // keys of the gate beyond these: "include", "predictions", ...
	At    fault.Position
}

// Rule is one check as somebody wrote it.
type Rule struct {
	Kind     string // subject: "metric", "measure", "column", "expr", "command"
	Name     string // which one
	Min, Max *Bound
	Severity Severity // empty: it fails its gate
	More     []string // keys of the check beyond these: "margin", "slices", ...
	At       fault.Position
}

// Bound is a limit as a number and as it was written.
type Bound struct {
	Value float64
	Text  string
}

// compile makes the checks of a gate. What this version cannot judge is refused by name: a check that is passed over
// would be a check that passes.
func (s Spec) compile() ([]Check, error) {
	if len(s.More) > 0 {
		return nil, s.refuse(s.At, s.More[0]+": in a gate")
	}
	if len(s.Rules) == 0 {
		return nil, fault.New(fault.Usage, "cannot judge %s: it has no checks (%s)", s.Name, place(s.At)).In(s.At)
	}
	checks := make([]Check, 0, len(s.Rules))
	for _, r := range s.Rules {
		switch {
		case r.Kind != "metric":
			return nil, s.refuse(r.At, "checks of kind "+r.Kind)
		case len(r.More) > 0:
			return nil, s.refuse(r.At, r.More[0]+": on a metric")
		}
		check, err := s.threshold(r)
		if err != nil {
			return nil, err
		}
		checks = append(checks, check)
	}
	return checks, nil
}

func (s Spec) refuse(at fault.Position, what string) error {
	return fault.New(fault.Usage, "cannot judge %s: this version of mlx does not judge %s yet (%s)", s.Name, what, place(at)).
		In(at).Hint("mlx gate GATE   # name the gates whose checks are all on metrics")
}

func (s Spec) threshold(r Rule) (Check, error) {
	wrong := func(format string, args ...any) error {
		return fault.New(fault.Usage, "cannot judge %s: %s (%s)", s.Name, fmt.Sprintf(format, args...), place(r.At)).In(r.At)
	}
	switch {
	case r.Min == nil && r.Max == nil:
		return nil, wrong("metric %q has no limit", r.Name)
	case r.Min != nil && r.Max != nil && r.Min.Value > r.Max.Value:
		return nil, wrong("metric %q can never be at least %s and at most %s", r.Name, r.Min.Text, r.Max.Text)
	}
	severity := r.Severity
	switch severity {
	case "":
		severity = SeverityFail
	case SeverityFail, SeverityWarn:
	default:
		return nil, wrong("severity of metric %q is %q, neither fail nor warn", r.Name, severity)
	}
	return threshold{gate: s.Name, metric: r.Name, min: r.Min, max: r.Max, severity: severity, at: r.At}, nil
}

// ConfigOf is what Report.Config is of a judgement by these gates, in this order.
func ConfigOf(specs []Spec) (object.Digest, error) { return digest(specs) }

// digest names the gates by what they demand: comments, order of keys and place in the file do not matter.
func digest(specs []Spec) (object.Digest, error) {
	type rule struct {
		Kind     string   `json:"kind"`
		Name     string   `json:"name"`
		Min      *float64 `json:"min,omitempty"`
		Max      *float64 `json:"max,omitempty"`
		Severity Severity `json:"severity,omitempty"`
	}
	type gate struct {
		Name  string `json:"name"`
		Rules []rule `json:"rules"`
	}
	all := make([]gate, 0, len(specs))
	for _, s := range specs {
		g := gate{Name: s.Name, Rules: []rule{}}
		for _, r := range s.Rules {
			g.Rules = append(g.Rules, rule{r.Kind, r.Name, r.Min.value(), r.Max.value(), r.Severity})
		}
		all = append(all, g)
	}
	canonical, err := object.Encode(all)
	if err != nil {
		return object.Digest{}, fault.New(fault.Usage, "cannot judge: %w", err)
	}
	return object.Sum(canonical), nil
}

func (b *Bound) value() *float64 {
	if b == nil {
		return nil
	}
	v := b.Value
	if v == 0 {
		v = 0 // a negative zero has no place in a record
	}
	return &v
}

// Choose returns the gates called names, in that order; a name may be a pattern. Without names it is all of them.
func Choose(specs []Spec, names []string) ([]Spec, error) {
	if len(specs) == 0 {
		return nil, fault.New(fault.NotFound, "cannot judge: mlx.yaml has no gates").
			Hint("mlx help gate   # shows how one is written")
	}
	if len(names) == 0 {
		return specs, nil
	}
	known := make([]string, len(specs))
	for i, s := range specs {
		known[i] = s.Name
	}
	var chosen []Spec
	for _, name := range names {
		fits := slices.DeleteFunc(slices.Clone(specs), func(s Spec) bool { return !fits(name, s.Name) })
		if len(fits) == 0 {
			err := fault.New(fault.NotFound, "cannot judge %s: there is no gate of that name", name)
			near := fault.Nearest(name, known)
			switch {
			case near == "" && len(known) == 1:
				return nil, err.Hint("the only gate is %s", known[0])
			case near == "":
				return nil, err.Hint("there are %s", list(known))
			case len(known) == 1:
				return nil, err.Hint("did you mean %q?", near)
			}
			return nil, err.Hint("did you mean %q? There are %s", near, list(known))
		}
		for _, fit := range fits {
			if !slices.ContainsFunc(chosen, func(s Spec) bool { return s.Name == fit.Name }) {
				chosen = append(chosen, fit)
			}
		}
	}
	return chosen, nil
}

// fits says whether a gate is meant by a word: its name, or a pattern such as 'prod-*'.
func fits(word, name string) bool {
	ok, err := path.Match(word, name)
	return word == name || err == nil && ok
}

// list writes names as a person does: "auc, brier and log_loss", at most eight of them.
func list(names []string) string {
	const most = 8
	switch n := len(names); {
	case n == 1:
		return names[0]
	case n > most:
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", n-most)
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

func place(p fault.Position) string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s line %d", p.File, p.Line)
}

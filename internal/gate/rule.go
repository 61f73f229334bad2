package gate

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// Spec is one gate as somebody wrote it, those that it includes put in. The JSON form is what Report.Config digests: what the gate
// demands, not where it is written.
type Spec struct {
	Name            string            `json:"name"`
	For             string            `json:"for,omitempty"` // what is judged when the command names nothing
	Table           string            `json:"table,omitempty"`
	Predictions     string            `json:"predictions,omitempty"`
	Labels          string            `json:"labels,omitempty"`
	Columns         map[string]string `json:"columns,omitempty"` // role to column
	Positive        any               `json:"positive,omitempty"`
	Threshold       *float64          `json:"threshold,omitempty"`
	Logits          bool              `json:"logits,omitempty"`
	Cluster         string            `json:"cluster,omitempty"`
	Time            string            `json:"time,omitempty"`
	TimeZone        string            `json:"time_zone,omitempty"`
	Against         string            `json:"against,omitempty"`
	WithoutBaseline Verdict           `json:"without_baseline,omitempty"`
	Train           string            `json:"train,omitempty"`
	Features        []string          `json:"features,omitempty"`
	FeaturesFile    string            `json:"features_file,omitempty"`
	Model           *Model            `json:"model,omitempty"`
	Level           float64           `json:"level,omitempty"`      // of confidence; 0 is 0.95
	Correction      string            `json:"correction,omitempty"` // empty is holm
	Seed            int64             `json:"seed,omitempty"`
	Rules           []Rule            `json:"rules"`

	Meanings map[string]Meaning `json:"meanings,omitempty"` // what is said of the columns of the tables that it names

	At fault.Position `json:"-"`
}

// Rule is one check as somebody wrote it: one subject, its limits, and options. A key that is absent is the zero value.
type Rule struct {
	Kind  string `json:"kind"`            // subject: metric, measure, column, expr, command
	Name  string `json:"name"`            // which one
	Title string `json:"title,omitempty"` // what it is called instead, in reports
	From  string `json:"from,omitempty"`  // gate that it was included from

	Pinned string `json:"pinned,omitempty"` // of a rule of another repository: what its user allows to run its commands

	Min        *Bound   `json:"min,omitempty"`
	Max        *Bound   `json:"max,omitempty"`
	Margin     *Bound   `json:"margin,omitempty"`
	Nulls      *float64 `json:"nulls,omitempty"`
	In         []any    `json:"in,omitempty"` // string, int64, float64, bool or nil
	NotIn      []any    `json:"not_in,omitempty"`
	Type       string   `json:"type,omitempty"`
	Regex      string   `json:"regex,omitempty"`
	NotRegex   string   `json:"not_regex,omitempty"`
	MinLength  *Bound   `json:"min_length,omitempty"`
	MaxLength  *Bound   `json:"max_length,omitempty"`
	Unique     bool     `json:"unique,omitempty"`
	Order      string   `json:"order,omitempty"`
	References string   `json:"references,omitempty"` // TABLE:COLUMN
	Schema     string   `json:"schema,omitempty"`
	Mostly     *float64 `json:"mostly,omitempty"`

	Stat       string        `json:"stat,omitempty"`
	Reference  string        `json:"reference,omitempty"`
	Columns    []string      `json:"columns,omitempty"`
	Table      string        `json:"table,omitempty"`
	Where      string        `json:"where,omitempty"`
	Slices     []string      `json:"slices,omitempty"`
	MinRows    int64         `json:"min_rows,omitempty"`
	Average    string        `json:"average,omitempty"`
	Group      string        `json:"group,omitempty"`
	K          int           `json:"k,omitempty"`
	Quantile   float64       `json:"quantile,omitempty"`
	Bins       int           `json:"bins,omitempty"`
	Under      *Under        `json:"under,omitempty"`
	Load       *Load         `json:"load,omitempty"`
	Rows       int           `json:"rows,omitempty"`
	MinSamples int64         `json:"min_samples,omitempty"`
	Severity   Severity      `json:"severity,omitempty"` // empty: it fails its gate
	Timeout    time.Duration `json:"timeout,omitempty"`
	Waiver     *Waiver       `json:"waiver,omitempty"`

	At fault.Position `json:"-"`
}

// Bound is a limit as a number and as it was written.
type Bound struct {
	Value float64 `json:"value"`
	Unit  string  `json:"unit,omitempty"` // "bytes", "s", "share", "time": seconds since 1970
	Text  string  `json:"-"`
}

// Model says how the model is asked for predictions: one of Command, Serve and URL.
type Model struct {
	Command  string        `json:"command,omitempty"`
	Serve    string        `json:"serve,omitempty"`
	URL      string        `json:"url,omitempty"`
	Protocol string        `json:"protocol,omitempty"` // v2, mlflow, json; empty is json
	Name     string        `json:"name,omitempty"`
	Ready    string        `json:"ready,omitempty"`
	Batch    int           `json:"batch,omitempty"`
	Timeout  time.Duration `json:"timeout,omitempty"`
	Price    *Bound        `json:"price,omitempty"` // of one CPU for an hour; its unit is the currency
}

// Under says how rows are disturbed before the model is asked.
type Under struct {
	Noise   float64  `json:"noise,omitempty"`   // standard deviations of the column
	Missing float64  `json:"missing,omitempty"` // share of the values
	Typos   float64  `json:"typos,omitempty"`   // share of the characters
	Swap    string   `json:"swap,omitempty"`
	Values  []any    `json:"values,omitempty"`
	Attack  string   `json:"attack,omitempty"`
	Columns []string `json:"columns,omitempty"`
}

// Load is a load under which a served model is measured.
type Load struct {
	Rate  float64       `json:"rate,omitempty"` // requests per second; 0 is as fast as it goes
	Time  time.Duration `json:"time,omitempty"`
	Batch []int         `json:"batch,omitempty"`
}

// Waiver accepts a failure until the end of a day.
type Waiver struct {
	Owner  string `json:"owner"`
	Reason string `json:"reason"`
	Until  string `json:"until"` // 2026-12-31
}

// keys are the limits and options that the rule sets, as they are written.
func (r Rule) keys() []string {
	type key struct {
		name string
		set  bool
	}
	all := []key{
		{"min", r.Min != nil}, {"max", r.Max != nil}, {"margin", r.Margin != nil}, {"nulls", r.Nulls != nil}, {"in", r.In != nil},
		{"not_in", r.NotIn != nil}, {"type", r.Type != ""}, {"regex", r.Regex != ""}, {"not_regex", r.NotRegex != ""},
		{"min_length", r.MinLength != nil}, {"max_length", r.MaxLength != nil}, {"unique", r.Unique}, {"order", r.Order != ""},
		{"references", r.References != ""}, {"schema", r.Schema != ""}, {"mostly", r.Mostly != nil}, {"stat", r.Stat != ""},
		{"reference", r.Reference != ""}, {"columns", r.Columns != nil}, {"table", r.Table != ""}, {"where", r.Where != ""},
		{"slices", r.Slices != nil}, {"min_rows", r.MinRows != 0}, {"average", r.Average != ""}, {"group", r.Group != ""}, {"k", r.K != 0},
		{"quantile", r.Quantile != 0}, {"bins", r.Bins != 0}, {"under", r.Under != nil}, {"load", r.Load != nil}, {"rows", r.Rows != 0},
		{"min_samples", r.MinSamples != 0}, {"timeout", r.Timeout != 0},
	}
	var set []string
	for _, k := range all {
		if k.set {
			set = append(set, k.name)
		}
	}
	return set
}

// only refuses a rule that sets a key which its subject has no use for: a limit that is passed over would be one that holds.
// Severity, waiver and name go with every subject.
func (s *session) only(r Rule, allowed ...string) error {
	for _, key := range r.keys() {
		if !slices.Contains(allowed, key) {
			return s.wrong(r, "%s: has no meaning for %s", key, r.subject()).
				Hint("it takes %s", strings.Join(allowed, ", "))
		}
	}
	return nil
}

// subject names what the rule is about: `measure rows`.
func (r Rule) subject() string { return r.Kind + " " + r.Name }

// Called is what the check is called in reports.
func (r Rule) Called() string {
	switch {
	case r.Title != "":
		return r.Title
	case r.From != "":
		return r.From + ": " + r.Name
	}
	return r.Name
}

// finding begins the finding of a rule: everything but what was found.
func (r Rule) finding() Finding {
	f := Finding{
		Name: r.Called(), Subject: r.Kind, Severity: r.Severity, At: r.At, Waiver: r.Waiver,
		Limit: Limit{Min: r.Min.value(), Max: r.Max.value(), Margin: r.Margin.value()},
	}
	if f.Severity == "" {
		f.Severity = SeverityFail
	}
	for _, b := range []*Bound{r.Min, r.Max, r.Margin} {
		if b != nil {
			f.Unit = cmp.Or(f.Unit, b.Unit)
		}
	}
	return f
}

// Reads are the tables that the gate names, each once: what they hold goes into the verdict.
func (s Spec) Reads() []string {
	var all []string
	add := func(names ...string) {
		for _, n := range names {
			if n != "" && !slices.Contains(all, n) {
				all = append(all, n)
			}
		}
	}
	add(s.Table, s.Predictions, s.Labels, s.Train, s.FeaturesFile)
	for _, r := range s.Rules {
		table, _ := r.referenced()
		add(r.Table, r.Reference, table, r.Schema)
	}
	return all
}

// referenced parts `references: TABLE:COLUMN`.
func (r Rule) referenced() (table, column string) {
	from := 0
	if _, rest, ok := strings.Cut(r.References, "://"); ok { // of a URL only a colon in its path counts: the host may have a port
		host, _, _ := strings.Cut(rest, "/")
		from = len(r.References) - len(rest) + len(host)
	}
	if i := strings.LastIndexByte(r.References[from:], ':'); i >= 0 {
		return r.References[:from+i], r.References[from+i+1:]
	}
	return r.References, r.Name
}

// volatile says whether the verdict depends on what mlx cannot name by digest: the answers of commands and servers, or the clock.
func (s Spec) volatile() bool {
	return s.Model != nil || slices.ContainsFunc(s.Rules, func(r Rule) bool {
		return r.Kind == "command" || r.Load != nil || r.Under != nil || r.Name == "freshness" && r.Kind == "measure" || r.Stat == "freshness"
	})
}

// ConfigOf is what Report.Config is of a judgement by these gates, in this order.
func ConfigOf(specs []Spec) (object.Digest, error) {
	canonical, err := object.Encode(specs)
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

// Package drift hides how it is decided that data, predictions or the quality of a model are no longer what they were: what is measured
// of each column, when an effect counts, which rows are independent, which window is due, and when a finding starts something.
//
// "Cannot tell" is a verdict of its own: too few rows, an empty or constant column, too few days. It never hides the other columns and is
// never "no drift".
package drift

import (
	"time"

	"mlx/internal/dataset"
	"mlx/internal/gate"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// Checked is the kind of record that keeps the answer for one window.
var Checked = lineage.Define[Answer]("drift.checked/v1")

// Verdicts are those of gates: fail is drift, inconclusive "cannot tell".
type Verdict = gate.Verdict

// The verdicts.
const (
	Stable     = gate.Pass
	Drift      = gate.Fail
	CannotTell = gate.Inconclusive
)

// Kind is how the values of a column are compared.
type Kind string

// The kinds.
const (
	Numbers    Kind = "numbers"
	Categories Kind = "categories"
)

// Method measures how far two distributions are apart, or how unlikely it is that they are one.
type Method string

// The methods: of numbers, of categories, of both.
const (
	PSI           Method = "psi"
	KS            Method = "ks"          // numbers: D
	Wasserstein   Method = "wasserstein" // numbers: W1 / max(standard deviation of the reference, 0.001)
	JensenShannon Method = "js"          // square root of the divergence
	Hellinger     Method = "hellinger"
	Chi2          Method = "chi2" // categories: Cramér's V of the 2xK table as the effect
	TVD           Method = "tvd"
	LInfinity     Method = "linf"
	Missing       Method = "missing" // difference of the shares that are missing, NaN or infinite
	Unseen        Method = "unseen"  // share of values that the reference does not have
	Unit          Method = "unit"    // the values are those of another unit or type
)

// Binning is how numbers become bins.
type Binning string

// The binnings. All edges are of the reference alone, but those of Sturges.
const (
	Atoms    Binning = "atoms"    // the default: deciles, and a bin of its own for each value that would fill one; see docs/drift.md
	Quantile Binning = "quantile" // interior edges are the different linear quantiles; bins [e,e'), ends open
	Width    Binning = "width"    // of equal width over the range of the reference, ends open
	Sturges  Binning = "sturges"  // over both sides, as Evidently 0.7
	Doane    Binning = "doane"    // over the reference, and one bin for what lies outside, as NannyML 0.13
)

// Spec is how two tables are compared. The zero value of a field is its default; Complete fills it in.
type Spec struct {
	Columns    []string          `json:"columns,omitempty"`    // names and patterns; empty: all that both sides have
	Ignore     []string          `json:"ignore,omitempty"`     // names and patterns
	Categories []string          `json:"categories,omitempty"` // columns of numbers whose values are names
	Methods    map[string]Method `json:"methods,omitempty"`    // by name or pattern of columns; "numbers" and "categories" for all of a kind; PSI where nothing is said

	Threshold  *float64           `json:"threshold,omitempty"`  // of the effect; nil: that of the method
	Thresholds map[string]float64 `json:"thresholds,omitempty"` // by name or pattern
	Learn      *Learn             `json:"learn,omitempty"`      // thresholds are learnt from the reference instead
	Judge      string             `json:"judge,omitempty"`      // both (default): effect and significance; effect; p
	Level      float64            `json:"level,omitempty"`      // 0.05
	Correction string             `json:"correction,omitempty"` // bh (default), holm, bonferroni, none

	Binning  Binning `json:"binning,omitempty"`
	Bins     int     `json:"bins,omitempty"`      // 10
	Floor    float64 `json:"floor,omitempty"`     // of shares, for PSI; 1e-4
	Base     float64 `json:"base,omitempty"`      // of the logarithm of Jensen-Shannon; 2. math.E: in nats
	NullBin  bool    `json:"null_bin,omitempty"`  // missing, NaN and infinite values are one more bin
	KSP      string  `json:"ks_p,omitempty"`      // auto (default: exact up to 10,000 rows, else asymptotic), exact, asymptotic, limit
	Yates    bool    `json:"yates,omitempty"`     // correct chi-square with one degree of freedom
	MaxTexts int     `json:"max_texts,omitempty"` // different categories of a column that can be judged; 10,000

	Cluster  string `json:"cluster,omitempty"` // column: rows with one value of it belong together
	Time     string `json:"time,omitempty"`    // column: rows of one day belong together
	TimeZone string `json:"time_zone,omitempty"`
	Seed     int64  `json:"seed,omitempty"`

	MinRows    int64              `json:"min_rows,omitempty"`    // of either side; fewer cannot be judged; 30
	MaxDrifted float64            `json:"max_drifted,omitempty"` // share of the (weighted) columns that may drift; 0: none
	Weights    map[string]float64 `json:"weights,omitempty"`     // of columns in that share; 1 where nothing is said
	WeightsOf  string             `json:"weights_of,omitempty"`  // where they come from, in words: "importance of flights@v6"

	MissingLimit float64  `json:"missing,omitempty"`    // difference of missing shares that counts; 0.05
	UnseenLimit  float64  `json:"unseen,omitempty"`     // share of unseen values that counts; 0.01
	Volume       *float64 `json:"volume,omitempty"`     // relative difference of the number of rows (per day, with windows) that counts; nil: not judged
	Duplicates   *float64 `json:"duplicates,omitempty"` // share of duplicate rows that counts; nil: not judged
	Freshness    float64  `json:"freshness,omitempty"`  // seconds that the newest row may be old; 0: not judged
	Schema       string   `json:"schema,omitempty"`     // fail (default): a changed schema is drift; warn; ignore
	Key          []string `json:"key,omitempty"`        // columns that name a row, for duplicates; none: whole rows
	Private      []string `json:"-"`                    // columns of which no value is shown

	Classifier *Classifier `json:"classifier,omitempty"` // multivariate; nil: not judged
}

// Learn is how thresholds are learnt: the mean and the standard deviation of the effect between chunks of the reference and the rest of it.
type Learn struct {
	Chunks     int     `json:"chunks"`     // 10; with Time or Cluster no day or cluster is cut
	Deviations float64 `json:"deviations"` // 3
}

// Classifier is a domain classifier: how well rows of the two sides can be told apart.
type Classifier struct {
	MaxAUC float64 `json:"max_auc"` // 0.65: cross-validated; drift when the lower bound of the interval is above it
	Rows   int     `json:"rows"`    // drawn of each side, 10,000
}

// Source is one side of a comparison: a table, of which the rows can be restricted, or a profile.
type Source struct {
	Name    string // as it was typed, or in words: "training data of flights@v6"
	Ref     gate.Ref
	Table   *dataset.Table
	Profile *dataset.Profile // one of the two is nil
	Rows    Rows
}

// Rows says which rows of a table count. The zero value is all of them.
type Rows struct {
	Time     string // column; a row counts when From <= time < To
	From, To time.Time
	Zone     *time.Location // of naive times
	Skip     int64          // rows at the beginning that do not count
	Limit    int64          // and at most so many after them; 0: all
}

// Window is the rows that one answer is about.
type Window struct {
	From *time.Time `json:"from,omitempty"`
	To   *time.Time `json:"to,omitempty"` // exclusive
	Rows int64      `json:"rows"`
}

// Answer is what was found of one window: the body of a record.
type Answer struct {
	Monitor    string        `json:"monitor,omitempty"` // empty: two tables that somebody named
	Verdict    Verdict       `json:"verdict"`
	Window     Window        `json:"window"`
	AsOf       time.Time     `json:"as_of"`
	Reference  gate.Ref      `json:"reference"`
	Current    gate.Ref      `json:"current"`
	ReferenceN int64         `json:"reference_rows"`
	Config     object.Digest `json:"config"` // of Spec and of the monitor
	Inputs     object.Digest `json:"inputs"` // of everything that the answer depends on: the same inputs are not judged again

	Columns      []Column       `json:"columns"`
	Checks       []gate.Finding `json:"checks,omitempty"` // of the table as a whole, and of the quality of predictions
	DriftedShare *float64       `json:"drifted_share,omitempty"`
	LimitShare   float64        `json:"limit_share"`
	Grouped      string         `json:"grouped,omitempty"`  // "day" or the column of the clusters; empty: rows are assumed to be independent
	Clusters     [2]int64       `json:"clusters"`           // of the reference and of the window
	KSError      float64        `json:"ks_error,omitempty"` // bound of the error of D, when a side is a profile
	Notes        []string       `json:"notes,omitempty"`
	Why          string         `json:"why,omitempty"` // the table cannot be judged as a whole: in words
	MlxVersion   string         `json:"mlx_version"`
}

// Column is what was found of one column.
type Column struct {
	Name      string   `json:"name"`
	Kind      Kind     `json:"kind,omitempty"`
	Verdict   Verdict  `json:"verdict"`
	Method    Method   `json:"method"` // what decided
	Value     *float64 `json:"value,omitempty"`
	Threshold *float64 `json:"threshold,omitempty"`
	P         *float64 `json:"p,omitempty"`
	PAdjusted *float64 `json:"p_adjusted,omitempty"`
	Direction string   `json:"direction,omitempty"` // "up", "down", "wider", "narrower", "other"
	Weight    float64  `json:"weight"`

	Rows             int64   `json:"rows"`
	MissingShare     float64 `json:"missing_share"` // missing, NaN and infinite
	ReferenceMissing float64 `json:"reference_missing_share"`

	Reference Summary   `json:"reference"`
	Current   Summary   `json:"current"`
	Bins      Bins      `json:"bins"`
	Measures  []Measure `json:"measures,omitempty"` // everything that was computed, the deciding one first
	Text      string    `json:"text"`               // "median 8 -> 4, PSI 0.41"
	Why       string    `json:"why,omitempty"`      // of "cannot tell", in words
}

// Measure is one method on one column. Numbers that are not known are absent.
type Measure struct {
	Method    Method   `json:"method"`
	Value     *float64 `json:"value,omitempty"`
	Threshold *float64 `json:"threshold,omitempty"`
	P         *float64 `json:"p,omitempty"`
	PAdjusted *float64 `json:"p_adjusted,omitempty"`
	Verdict   Verdict  `json:"verdict,omitempty"` // empty: shown, not judged
}

// Summary describes one side of a column. Numbers that are not known are absent.
type Summary struct {
	Rows     int64    `json:"rows"`
	Missing  int64    `json:"missing"`
	NaN      int64    `json:"nan"`
	PlusInf  int64    `json:"plus_inf"`
	MinusInf int64    `json:"minus_inf"`
	Type     string   `json:"type,omitempty"` // empty: the side lacks the column
	Distinct *int64   `json:"distinct,omitempty"`
	Mean     *float64 `json:"mean,omitempty"`
	Std      *float64 `json:"std,omitempty"` // divides by n
	Min      *float64 `json:"min,omitempty"`
	Median   *float64 `json:"median,omitempty"`
	Max      *float64 `json:"max,omitempty"`
	Top      string   `json:"top,omitempty"` // the most frequent category; empty of a private column
}

// Bins are counts of both sides over the same bins, or over the same categories: the most frequent 30 of either side, and the others together.
type Bins struct {
	Edges      []float64 `json:"edges,omitempty"` // interior edges: one fewer than counts
	Atoms      []bool    `json:"atoms,omitempty"` // bins that hold a single value, their lower edge
	Categories []string  `json:"categories,omitempty"`
	Others     bool      `json:"others,omitempty"`  // the last bin, but for missing values, is everything else
	Missing    bool      `json:"missing,omitempty"` // the last bin holds missing, NaN and infinite values
	Reference  []int64   `json:"reference,omitempty"`
	Current    []int64   `json:"current,omitempty"`
}

// Measured is what the engine found of one column, before anything is judged.
type Measured struct {
	Column
	Unseen    int64             // values of Categories of the current side that the reference does not have
	New       []string          // some of them
	Distances map[Method]Effect // of every method that Spec names for the column; PSI always
	Clustered *Clustered        // nil: rows are independent
	Learnt    []float64         // effect of the first method between chunks of the reference and the rest, with Spec.Learn
	Full      Bins              // all categories, where Bins has the most frequent ones
	KSError   float64
}

// Effect is one method: its value and, where it has one, its p of independent rows. NaN: not defined.
type Effect struct{ Value, P float64 }

// Clustered are counts over bins by cluster: a row a cluster. The last bin holds missing, NaN and infinite values.
type Clustered struct{ Reference, Current [][]uint32 }

// Compared is everything that was measured of two tables.
type Compared struct {
	Columns    []Measured
	Rows       [2]int64 // of the reference and of the current side
	Clusters   [2]int64
	Schema     []SchemaChange
	Duplicates [2]int64      // rows that stood there before; -1: not counted
	Span       [2][2]float64 // first and last time, seconds since 1970; NaN: no time column
	Exact      bool
	KSError    float64
	Classified *gate.Finding // of the domain classifier
}

// SchemaChange is a column that is not what it was.
type SchemaChange struct {
	Column  string // of the reference; empty: the column is new
	Now     string // as the current side calls it; empty: it is gone
	A, B    string // types
	Renamed bool   // Now is likely Column under another name
	Same    bool   // it is compared all the same
	At      string // "line 42 of b.csv": what made B the type, if a single value did; empty: not known
}

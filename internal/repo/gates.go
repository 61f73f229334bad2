package repo

import (
	"reflect"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"mlx/internal/fault"
)

// Gate is a named list of checks.
type Gate struct {
	For             string       `yaml:"for" doc:"What is judged when the command names nothing: a path, stage:NAME, a reference."`
	Include         []Include    `yaml:"include" doc:"Gates whose checks belong to this one: names, or gates of another repository, pinned."`
	Table           string       `yaml:"table" doc:"Table of the checks on columns and rows, when it is not what is judged."`
	Predictions     string       `yaml:"predictions" doc:"Table with the columns id, label, score, in the outputs of what is judged, else here."`
	Labels          string       `yaml:"labels" doc:"Table with the columns id and label, when they do not stand beside the scores."`
	Columns         Map[string]  `yaml:"columns" doc:"Name of the column for a role: id, label, score, class, weight, query."`
	Positive        Scalar       `yaml:"positive" doc:"Label of the positive class; 1, true or the greater one when absent."`
	Threshold       Limit        `yaml:"threshold" doc:"Score from which a row counts as positive; 0.5 when absent."`
	Logits          bool         `yaml:"logits" doc:"Scores are log-odds, not probabilities."`
	Cluster         string       `yaml:"cluster" doc:"Column whose rows belong together, such as a user: intervals are made over clusters."`
	Time            string       `yaml:"time" doc:"Column with the time of a row: intervals are made over days."`
	TimeZone        string       `yaml:"time_zone" doc:"Zone in which days begin."`
	Against         string       `yaml:"against" doc:"Reference to compare with."`
	WithoutBaseline string       `yaml:"without_baseline" enum:"pass fail inconclusive" doc:"Verdict of a comparison while there is nothing to compare with."`
	Train           string       `yaml:"train" doc:"Table that the model was trained on, for checks of leakage."`
	Features        FileOrList   `yaml:"features" doc:"Columns that the model reads: a list, or a file that lists them. What the model says of itself when absent."`
	Model           ModelCall    `yaml:"model" doc:"How the model is asked, for checks of robustness and of serving."`
	Level           Share        `yaml:"level" doc:"Confidence of intervals; 95% when absent."`
	Correction      string       `yaml:"correction" enum:"holm bh bonferroni none" doc:"Correction for many slices; holm when absent."`
	Seed            int          `yaml:"seed" doc:"Of everything that is drawn at random."`
	Checks          []Check      `yaml:"checks" doc:"What must hold."`
	Waivers         []WaiverRule `yaml:"waivers" doc:"Failures of included checks that are accepted for a while."`

	At fault.Position `yaml:"-"`
}

// Include names gates whose checks belong to another: a gate of this file, or one of another repository. A bare text is a name.
type Include struct {
	Gate   string `yaml:"gate" doc:"Name of the gate." need:"true"`
	From   string `yaml:"from" doc:"Repository that holds it; this one when absent."`
	File   string `yaml:"file" doc:"REF:PATH of the file that holds it; mlx.yaml when absent."`
	Digest string `yaml:"digest" doc:"sha256 of the file; needed for what another repository holds."`

	At fault.Position `yaml:"-"`
}

// TrustValue is what a user allows of it: the address, the file and its digest.
func (i Include) TrustValue() string {
	if i.From == "" {
		return ""
	}
	return strings.TrimSpace(i.From + " " + i.File + " " + i.Digest)
}

// ModelCall says how a model is asked for predictions. It has one of Command and URL.
type ModelCall struct {
	Command  string   `yaml:"command" doc:"Reads a CSV with a header from stdin and writes one with a column score or class, row by row."`
	Serve    string   `yaml:"serve" doc:"Command that serves the model on $PORT while the gate judges."`
	URL      string   `yaml:"url" doc:"Address of a model that is served already."`
	Protocol string   `yaml:"protocol" enum:"v2 mlflow json" doc:"Open Inference Protocol v2, MLflow scoring, or plain JSON; json when absent."`
	Name     string   `yaml:"name" doc:"Name of the model in protocol v2."`
	Ready    string   `yaml:"ready" doc:"Path that answers 200 when the server can work."`
	Batch    int      `yaml:"batch" doc:"Rows of one request; 256 when absent."`
	Timeout  Duration `yaml:"timeout" doc:"Longest time of one request, or of the command."`
	Price    Limit    `yaml:"price" doc:"What one CPU costs for an hour, such as 0.05 EUR: for measure cost."`

	At fault.Position `yaml:"-"`
}

// Check is one condition. It has exactly one subject: Metric, Measure, Column, Expr or Command.
type Check struct {
	Metric  string `yaml:"metric" group:"Subjects" doc:"A metric that the run recorded."`
	Measure string `yaml:"measure" group:"Subjects" doc:"A value that mlx computes: rows, size, roc_auc, errors, latency_p99, ..."`
	Column  string `yaml:"column" group:"Subjects" doc:"A column of the table, or a pattern of names."`
	Expr    string `yaml:"expr" group:"Subjects" doc:"An expression that must be true: of every row, or of the metrics of a run."`
	Command string `yaml:"command" group:"Subjects" doc:"A command whose exit status is the verdict: 0 pass, 1 fail, 3 inconclusive; or that prints JSON."`
	Query   string `yaml:"query" group:"Subjects" doc:"PromQL whose value is judged; in rollouts."`

	Min        Limit    `yaml:"min" group:"Limits" doc:"At least."`
	Max        Limit    `yaml:"max" group:"Limits" doc:"At most."`
	Margin     Limit    `yaml:"margin" group:"Limits" doc:"How much worse than the baseline is allowed, in the subject's own unit."`
	Nulls      Share    `yaml:"nulls" group:"Limits" doc:"At most this share is missing."`
	In         []Scalar `yaml:"in" group:"Limits" doc:"Allowed values."`
	NotIn      []Scalar `yaml:"not_in" group:"Limits" doc:"Values that must not appear."`
	Type       string   `yaml:"type" group:"Limits" doc:"Type of the column: bool, int, float, decimal, date, time, text, ..."`
	Regex      string   `yaml:"regex" group:"Limits" doc:"Pattern that every value matches as a whole."`
	NotRegex   string   `yaml:"not_regex" group:"Limits" doc:"Pattern that no value contains."`
	MinLength  Limit    `yaml:"min_length" group:"Limits" doc:"Fewest characters of a value."`
	MaxLength  Limit    `yaml:"max_length" group:"Limits" doc:"Most characters of a value."`
	Unique     bool     `yaml:"unique" group:"Limits" doc:"No value, or combination of columns, appears twice."`
	Order      string   `yaml:"order" group:"Limits" enum:"increasing decreasing strictly_increasing strictly_decreasing" doc:"Order of the rows."`
	References string   `yaml:"references" group:"Limits" doc:"TABLE:COLUMN in which every value must appear."`
	Schema     string   `yaml:"schema" group:"Limits" doc:"Table or schema file whose columns and types this one must have."`
	Mostly     Share    `yaml:"mostly" group:"Limits" doc:"The share of rows that must keep the limits; all when absent."`

	Stat       string    `yaml:"stat" group:"Options" doc:"Statistic of the column that min and max bound: mean, median, std, sum, distinct, q0.95, psi, ks, ..."`
	Reference  string    `yaml:"reference" group:"Options" doc:"Table that psi, ks and other distances compare with."`
	Columns    []string  `yaml:"columns" group:"Options" doc:"More columns: of a key, of a measure."`
	Table      string    `yaml:"table" group:"Options" doc:"Table of this check, when it is not the gate's."`
	Where      string    `yaml:"where" group:"Options" doc:"Expression that says which rows are judged."`
	Slices     []string  `yaml:"slices" group:"Options" doc:"Columns whose every value is judged on its own as well; a+b for combinations."`
	MinRows    int       `yaml:"min_rows" group:"Options" doc:"Fewer rows than this are inconclusive."`
	Average    string    `yaml:"average" group:"Options" enum:"binary macro micro weighted" doc:"How a measure of several classes becomes one."`
	Group      string    `yaml:"group" group:"Options" doc:"Column of the groups that fairness compares."`
	K          int       `yaml:"k" group:"Options" doc:"How many of the first rows ndcg, map and the like count; 10 when absent."`
	Quantile   float64   `yaml:"quantile" group:"Options" doc:"Of the quantile loss."`
	Bins       int       `yaml:"bins" group:"Options" doc:"Of ece, psi and the like."`
	Under      Under     `yaml:"under" group:"Options" doc:"How the rows are disturbed before the model is asked."`
	Load       CheckLoad `yaml:"load" group:"Options" doc:"Load under which latency and errors are measured."`
	Rows       int       `yaml:"rows" group:"Options" doc:"How many rows are drawn for checks that ask the model; 1000 when absent."`
	Name       string    `yaml:"name" group:"Options" doc:"What the check is called in reports."`
	Monitor    string    `yaml:"monitor" group:"Options" doc:"Monitor whose labels are joined to the predictions that measure is computed of; in rollouts."`
	MinSamples int       `yaml:"min_samples" group:"Options" doc:"Fewer answers than this are inconclusive."`
	Severity   string    `yaml:"severity" group:"Options" enum:"fail warn" doc:"warn is shown and never fails a gate."`
	Timeout    Duration  `yaml:"timeout" group:"Options" doc:"Longest time of a command."`
	Waiver     Waiver    `yaml:"waiver" group:"Options" doc:"Why a failure is accepted for now, by whom and until when."`

	At fault.Position `yaml:"-"`
}

// Under says how rows are disturbed before the model is asked.
type Under struct {
	Noise   float64  `yaml:"noise" doc:"Gaussian noise, in standard deviations of each numeric column."`
	Missing Share    `yaml:"missing" doc:"Share of the values that is taken away."`
	Typos   Share    `yaml:"typos" doc:"Share of the characters of texts that is mistyped."`
	Swap    string   `yaml:"swap" doc:"Column whose value is replaced by other values of it: same applicant, other zip code."`
	Values  []Scalar `yaml:"values" doc:"Values that swap puts in; all that appear when absent."`
	Attack  string   `yaml:"attack" doc:"Command that attacks the model and prints JSON with accuracy and attacked_accuracy."`
	Columns []string `yaml:"columns" doc:"Columns that are disturbed; all features when absent."`

	At fault.Position `yaml:"-"`
}

// CheckLoad is a load under which a served model is measured.
type CheckLoad struct {
	Rate  Rate     `yaml:"rate" doc:"Requests per second, sent at this rate whatever the server does; as fast as it goes when absent."`
	Time  Duration `yaml:"time" doc:"How long; 10s when absent."`
	Batch []int    `yaml:"batch" doc:"Rows of one request; every size is measured. 1 when absent."`

	At fault.Position `yaml:"-"`
}

// Waiver accepts a failure for a while.
type Waiver struct {
	Owner  string `yaml:"owner" doc:"Who accepts it." need:"true"`
	Reason string `yaml:"reason" doc:"Why." need:"true"`
	Until  string `yaml:"until" doc:"Last day on which it counts, such as 2026-12-31." need:"true"`

	At fault.Position `yaml:"-"`
}

// WaiverRule is a waiver of a check that stands elsewhere, by the name of the check as reports have it.
type WaiverRule struct {
	Check  string `yaml:"check" doc:"Name of the check, as in reports." need:"true"`
	Owner  string `yaml:"owner" doc:"Who accepts it." need:"true"`
	Reason string `yaml:"reason" doc:"Why." need:"true"`
	Until  string `yaml:"until" doc:"Last day on which it counts, such as 2026-12-31." need:"true"`

	At fault.Position `yaml:"-"`
}

// TableMeaning says what the columns of a table mean. A schema file holds one.
type TableMeaning struct {
	Time        string             `yaml:"time" doc:"Column with the time of the event of a row."`
	TimeZone    string             `yaml:"time_zone" doc:"Zone in which naive times are read and days begin."`
	PredictedAt string             `yaml:"predicted_at" doc:"When a prediction is made: a span relative to time, such as -2h, or a column of times."`
	Key         []string           `yaml:"key" doc:"Columns that identify a row."`
	Exact       bool               `yaml:"exact" doc:"The table has no other columns."`
	Columns     Map[ColumnMeaning] `yaml:"columns" doc:"The columns."`

	At fault.Position `yaml:"-"`
}

// ColumnMeaning says what a column means.
type ColumnMeaning struct {
	Type        string `yaml:"type" doc:"bool, int, float, decimal, date, time, clock, text, ...; inferred when absent."`
	Scale       int    `yaml:"scale" doc:"Digits after the point of a decimal."`
	AvailableAt string `yaml:"available_at" doc:"When the value is known: a span relative to time, such as 3h, or a column of times."`
	Private     bool   `yaml:"private" doc:"Its values are never shown."`
	Doc         string `yaml:"doc" doc:"What it is."`

	At fault.Position `yaml:"-"`
}

// FileOrList is a list of words, or the file that holds one. Only one of the two is set.
type FileOrList struct {
	File string
	List []string
}

func (f *FileOrList) setNode(d *decoder, n ast.Node) error {
	if _, ok := n.(*ast.SequenceNode); !ok {
		s, err := scalarOf(n)
		f.File = s.text
		return err
	}
	return d.value(n, reflect.ValueOf(&f.List).Elem())
}

func (f *FileOrList) schema() members {
	return members{{"oneOf", []members{{{"type", "string"}}, {{"type", "array"}, {"items", members{{"type", "string"}}}}}}}
}

// includeKeys is Include without its own decoding.
type includeKeys Include

func (i *Include) setNode(d *decoder, n ast.Node) error {
	if s, err := scalarOf(n); err == nil {
		i.Gate, i.At = s.text, positionOf(n)
		return nil
	}
	return d.value(n, reflect.ValueOf((*includeKeys)(i)).Elem())
}

func (i *Include) schema() members {
	return members{{"oneOf", []members{{{"type", "string"}}, structSchema(reflect.TypeFor[includeKeys]())}}}
}

package repo

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"mlx/internal/fault"
)

// Monitor watches data in use, and the predictions that were made of it.
type Monitor struct {
	Current    string   `yaml:"current" doc:"Table of the window: a path, a pattern, a URL or a reference; {date} becomes each day of the window, {year}, {month} and {day} its parts. Not needed beside predictions."`
	Window     Span     `yaml:"window" doc:"Length of the window: 7d, or a number of rows such as 10000 rows; all of the table when absent."`
	Step       Duration `yaml:"step" doc:"From one window to the next: 1d when absent, of shorter windows their length."`
	Lag        Duration `yaml:"lag" doc:"A window is judged this long after its end: for data that comes late."`
	Reference  string   `yaml:"reference" doc:"What the window is compared with: a table, a profile, a reference; model: the training data of the model of the predictions; NAME@STAGE: that of this model; \"-365d\": the same data that long before." need:"true"`
	Model      string   `yaml:"model" doc:"Model whose predictions are watched, which is retired and whose importances are weights, such as flights@production."`
	Columns    []string `yaml:"columns" doc:"Columns that are compared: names and patterns; all when absent."`
	Ignore     []string `yaml:"ignore" doc:"Columns that are not compared: names and patterns."`
	Categories []string `yaml:"categories" doc:"Columns of numbers whose values are names, such as a code."`

	Method      string      `yaml:"method" enum:"psi ks wasserstein js hellinger chi2 tvd linf" doc:"How columns are compared; psi when absent."`
	Methods     Map[string] `yaml:"methods" doc:"The same by column: names, patterns, numbers or categories for all of a kind."`
	Threshold   Limit       `yaml:"threshold" doc:"Effect from which a column has drifted; that of the method when absent."`
	Thresholds  Map[Limit]  `yaml:"thresholds" doc:"The same by column: names and patterns."`
	Learn       DriftLearn  `yaml:"learn" doc:"Thresholds are learnt from chunks of the reference."`
	Judge       string      `yaml:"judge" enum:"both effect p" doc:"What makes drift: effect and significance (both), or one of them."`
	Level       Share       `yaml:"level" doc:"Share of false alarms that is accepted; 5% when absent."`
	Correction  string      `yaml:"correction" enum:"bh holm bonferroni none" doc:"For many columns; bh (Benjamini-Hochberg) when absent."`
	Binning     string      `yaml:"binning" enum:"atoms quantile width sturges doane" doc:"How numbers become bins; atoms when absent."`
	Bins        int         `yaml:"bins" doc:"How many; 10 when absent."`
	Floor       float64     `yaml:"floor" doc:"Smallest share that psi divides by; 0.0001 when absent."`
	NullBin     bool        `yaml:"null_bin" doc:"Missing values are one more bin."`
	MaxTexts    int         `yaml:"max_texts" doc:"Columns with more different texts are inconclusive; 10000 when absent."`
	Base        LogBase     `yaml:"base" doc:"Base of the logarithm of js: a number above 1, or e; 2 when absent."`
	KSP         string      `yaml:"ks_p" enum:"auto asymptotic limit" doc:"Where p of K-S comes from: exact up to 10000 rows and asymptotic above (auto), asymptotic, or the limit of Kolmogorov; auto when absent."`
	Yates       bool        `yaml:"yates" doc:"Chi-square of two categories is corrected for continuity."`
	Cluster     string      `yaml:"cluster" doc:"Column whose rows belong together, such as a user or a day: they are not independent."`
	Time        string      `yaml:"time" doc:"Column that holds the time of a row: rows of one day are not independent, and windows are cut by it."`
	TimeZone    string      `yaml:"time_zone" doc:"Zone in which days begin; UTC when absent."`
	Seed        int         `yaml:"seed" doc:"Of everything that is drawn at random."`
	MinRows     int         `yaml:"min_rows" doc:"Fewer rows than this are inconclusive; 30 when absent."`
	MaxDrifted  Share       `yaml:"max_drifted" doc:"Share of the columns that may drift; none when absent."`
	Weights     Weights     `yaml:"weights" doc:"Weights of columns in that share, or importance: those of the model."`
	Missing     Share       `yaml:"missing" doc:"Change of a column's share of missing values that counts; 5% when absent."`
	Unseen      Share       `yaml:"unseen" doc:"Share of values that the reference does not have that counts; 1% when absent."`
	Volume      Share       `yaml:"volume" doc:"Change of the number of rows of a day that counts; not judged when absent."`
	Duplicates  Share       `yaml:"duplicates" doc:"Share of rows that stood there before that counts; not judged when absent."`
	Key         []string    `yaml:"key" doc:"Columns that name a row, for duplicates; whole rows when absent."`
	Freshness   Duration    `yaml:"freshness" doc:"How old the newest row may be; not judged when absent."`
	Schema      string      `yaml:"schema" enum:"fail warn ignore" doc:"What a changed schema is; fail when absent."`
	Classifier  Classifier  `yaml:"classifier" doc:"Whether a classifier can tell the two sides apart: drift that no single column shows."`
	Predictions Predictions `yaml:"predictions" doc:"Predictions that were made: a table, or more about it."`
	Labels      string      `yaml:"labels" doc:"Table of true outcomes by id, beside those of mlx label add."`
	Quality     []Check     `yaml:"quality" doc:"What must hold of the labelled predictions of the window: checks on measures, as in gates."`
	Stream      Stream      `yaml:"stream" doc:"A detector that follows the errors row by row."`
	Unlabelled  bool        `yaml:"unlabelled" doc:"Estimate accuracy, AUC and Brier score without labels, from calibrated scores (CBPE)."`
	Golden      Golden      `yaml:"golden" doc:"Rows with certain labels by which a model is retired."`
	Retire      string      `yaml:"retire" doc:"When the model is withdrawn, such as golden < 0.9 for 3 days."`
	Schedule    string      `yaml:"schedule" doc:"Five fields of cron, for mlx export; mlx has no daemon."`
	OnDrift     OnDrift     `yaml:"on_drift" doc:"What drift starts."`

	At fault.Position `yaml:"-"`
}

// OnDrift is what drift starts. It has one of Repro, Run, Command, Webhook and GitHubIssue, or several.
type OnDrift struct {
	Repro       string   `yaml:"repro" doc:"Stage to bring up to date."`
	Run         string   `yaml:"run" doc:"Command that is run and recorded, as mlx run does."`
	Command     string   `yaml:"command" doc:"Command that is called with the answer as JSON on stdin."`
	Webhook     string   `yaml:"webhook" doc:"Address that the answer is posted to, as JSON."`
	GitHubIssue string   `yaml:"github_issue" doc:"OWNER/REPO in which an issue is opened; the token is $GITHUB_TOKEN."`
	Cooldown    Duration `yaml:"cooldown" doc:"Not again within this time."`
	MaxCost     Money    `yaml:"max_cost" doc:"Not when the estimate is above this, or the sum of the last 30 days would be."`

	At fault.Position `yaml:"-"`
}

// DriftLearn says how thresholds are learnt.
type DriftLearn struct {
	Chunks     int     `yaml:"chunks" doc:"Parts of the reference; 10 when absent."`
	Deviations float64 `yaml:"deviations" doc:"Standard deviations above the mean effect between parts; 3 when absent."`

	At fault.Position `yaml:"-"`
}

// Classifier says how well the two sides may be told apart.
type Classifier struct {
	MaxAUC float64 `yaml:"max_auc" doc:"Drift when the AUC is certainly above it; 0.65 when absent."`
	Rows   int     `yaml:"rows" doc:"Drawn of each side; 10000 when absent."`

	At fault.Position `yaml:"-"`
}

// Predictions is a table of predictions. A bare text is the table.
type Predictions struct {
	Table     string `yaml:"table" doc:"Path, pattern or URL, with {date} as in current; service:NAME for the log of a service." need:"true"`
	ID        string `yaml:"id" doc:"Column that names a prediction; id when absent."`
	Score     string `yaml:"score" doc:"Column of the score; score when absent."`
	Class     string `yaml:"class" doc:"Column of the predicted class; class when absent."`
	Label     string `yaml:"label" doc:"Column of the outcome, where it stands beside the score; label when absent."`
	Model     string `yaml:"model" doc:"Column that names the version that made it."`
	Positive  Scalar `yaml:"positive" doc:"Label of the positive class; 1, true or the greater one when absent."`
	Reference string `yaml:"reference" doc:"Table of predictions of a time when the model was good, with their outcomes; when absent those by which a gate judged the model, those of a season earlier, or the reference itself."`
	Threshold Limit  `yaml:"threshold" doc:"Score from which a row counts as positive; 0.5 when absent."`

	At fault.Position `yaml:"-"`
}

// Stream is a detector of change in the sequence of errors.
type Stream struct {
	Method string  `yaml:"method" enum:"ddm adwin page_hinkley" doc:"Which one." need:"true"`
	Of     string  `yaml:"of" enum:"error absolute_error squared_error score" doc:"What it follows; error when absent."`
	Delta  float64 `yaml:"delta" doc:"Of adwin and page_hinkley: 0.002 and 0.005 when absent."`
	Lambda float64 `yaml:"lambda" doc:"Threshold of page_hinkley; 50 when absent."`
	Warmup int     `yaml:"warmup" doc:"Rows before anything is told; 30 when absent."`

	At fault.Position `yaml:"-"`
}

// Golden are rows with certain labels, newly labelled all the time.
type Golden struct {
	Table   string    `yaml:"table" doc:"Rows with features and label; {date} as in current." need:"true"`
	ID      string    `yaml:"id" doc:"Column that names a row; id when absent."`
	Label   string    `yaml:"label" doc:"Column of the label; label when absent."`
	Measure string    `yaml:"measure" doc:"Measure as in gates; accuracy when absent."`
	MinRows int       `yaml:"min_rows" doc:"A day with fewer rows counts for nothing; 30 when absent."`
	Model   ModelCall `yaml:"model" doc:"How the model and the one to return to are asked; MLX_MODEL is the folder of either."`

	At fault.Position `yaml:"-"`
}

// Span is a length of time, or a number of rows.
type Span struct {
	Duration
	Rows int64
}

func (s *Span) setScalar(v scalar) error {
	number, ok := strings.CutSuffix(v.text, " rows")
	if !ok {
		return s.Duration.setScalar(v)
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 1 {
		return fmt.Errorf("%q is no number of rows such as 10000 rows", v.text)
	}
	s.Rows = n
	return nil
}

// LogBase is the base of a logarithm: a number above 1, or the letter e. 0 when absent.
type LogBase float64

func (b *LogBase) setNode(_ *decoder, n ast.Node) error {
	s, err := scalarOf(n)
	if err != nil {
		return err
	}
	v, err := strconv.ParseFloat(s.text, 64)
	switch {
	case s.text == "e":
		v = math.E
	case err != nil || !(v > 1) || math.IsInf(v, 0):
		return failAt(n, "%q is no base of logarithms: a number above 1, or e", s.text)
	}
	*b = LogBase(v)
	return nil
}

func (*LogBase) schema() members {
	return members{{"oneOf", []members{{{"const", "e"}}, {{"type", "number"}, {"exclusiveMinimum", 1}}}}}
}

// Weights are those of columns, or the word importance: those that the model has.
type Weights struct {
	Importance bool
	Of         Map[Limit]
}

func (w *Weights) setNode(d *decoder, n ast.Node) error {
	s, err := scalarOf(n)
	switch {
	case err != nil:
		return d.value(n, reflect.ValueOf(&w.Of).Elem())
	case s.text != "importance":
		return failAt(n, "%q is neither importance nor a mapping of columns to weights", s.text)
	}
	w.Importance = true
	return nil
}

func (w *Weights) schema() members {
	return members{{"oneOf", []members{{{"const", "importance"}}, {{"type", "object"}, {"additionalProperties", members{{"type", "number"}}}}}}}
}

// predictionsKeys is Predictions without its own decoding.
type predictionsKeys Predictions

func (p *Predictions) setNode(d *decoder, n ast.Node) error {
	if s, err := scalarOf(n); err == nil {
		p.Table, p.At = s.text, positionOf(n)
		return nil
	}
	return d.value(n, reflect.ValueOf((*predictionsKeys)(p)).Elem())
}

func (p *Predictions) schema() members {
	return members{{"oneOf", []members{{{"type", "string"}}, structSchema(reflect.TypeFor[predictionsKeys]())}}}
}

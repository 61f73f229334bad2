package run

import (
	"time"

	"mlx/internal/object"
)

// Tracking is what a client of the MLflow dialect told of a run, beside parameters, metrics and its name. It says what the client
// said; State and ExitStatus of the run say what happened.
type Tracking struct {
	User      string            `json:"user,omitempty"`
	Status    string            `json:"status,omitempty"` // RUNNING FINISHED FAILED KILLED SCHEDULED
	Tags      map[string]string `json:"tags,omitempty"`
	Deleted   *time.Time        `json:"deleted,omitempty"` // when the client put it into the bin
	Latest    map[string]Point  `json:"latest,omitempty"`  // where the value in Metrics stands in its series, of those for which it is not step 0
	Datasets  []Dataset         `json:"datasets,omitempty"`
	Artifacts *Output           `json:"artifacts,omitempty"` // all files that it logged, one snapshot
	More      *object.Digest    `json:"more,omitempty"`      // snapshot of one JSON file: what is too long for a record

	EndedAt  *time.Time       `json:"ended_at,omitempty"` // as the client said
	Refused  []ChangedParam   `json:"refused,omitempty"`  // values that parameters were to have after they had one, at most 100
	Measured []Measured       `json:"measured,omitempty"` // metrics of logged models, the newest of each
	Inputs   []TrackedModelIO `json:"inputs,omitempty"`   // logged models that it read
	Outputs  []TrackedModelIO `json:"outputs,omitempty"`  // logged models that it says to have written
}

// Measured is a metric of a logged model. Without one it is of the machine, as clients name what it did: no result of the run.
type Measured struct {
	Key     string `json:"key"`
	Value   any    `json:"value"` // as in Body.Metrics
	MS      int64  `json:"ms,omitempty"`
	Step    int64  `json:"step,omitempty"`
	Model   string `json:"model"`
	Dataset string `json:"dataset,omitempty"`
	Digest  string `json:"digest,omitempty"`
}

// Point is a place in a series.
type Point struct {
	Step int64 `json:"step,omitempty"`
	MS   int64 `json:"ms,omitempty"` // milliseconds since 1970
}

// Dataset is data as an MLflow client describes it: a name and a short hash of a sample, which is no proof of anything.
type Dataset struct {
	Name       string            `json:"name"`
	Digest     string            `json:"digest"`
	SourceType string            `json:"source_type,omitempty"`
	Source     string            `json:"source,omitempty"`
	Schema     string            `json:"schema,omitempty"`
	Profile    string            `json:"profile,omitempty"`
	Tags       map[string]string `json:"tags,omitempty"`
}

// LoggedModel is a model that a run wrote as a whole, apart from its files: one folder in the format of its framework.
type LoggedModel struct {
	ID     string        `json:"id"` // "m-" and 32 hex digits
	Name   string        `json:"name"`
	Step   int64         `json:"step,omitempty"`
	Root   object.Digest `json:"root"` // snapshot of its folder; zero when its bytes never came
	Files  int64         `json:"files,omitempty"`
	Bytes  int64         `json:"bytes,omitempty"`
	Format string        `json:"format,omitempty"` // sklearn, xgboost, …
}

// UsedModel is a version of a registered model that a run read.
type UsedModel struct {
	Model   string        `json:"model"`
	Version int           `json:"version"`
	Record  object.Digest `json:"record"` // that registered it
	Root    object.Digest `json:"root"`   // snapshot
}

// Imported says where the history of a run was read that happened outside mlx.
type Imported struct {
	From   string `json:"from"`   // mlflow wandb dvc
	Source string `json:"source"` // folder, file or repository, without credentials
	ID     string `json:"id"`     // of the run there
}

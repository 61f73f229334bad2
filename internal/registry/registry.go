// Package registry hides how models, versions, stages and evidence come out of records: there is no state beside the ledger, so
// that two clones which know the same records see the same registry, and what they did at the same time shows as a conflict
// instead of being lost.
//
// A model is its name. A version is bytes under a number that counts up. An alias, and the stages staging and production, point
// at versions; who moves one names what stood there before, so that a pointer with two newest records is a conflict.
package registry

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"mlx/internal/lineage"
	"mlx/internal/object"
)

// The kinds of record.
var (
	Registered = lineage.Define[Registration]("model.registered/v1")
	Described  = lineage.Define[Description]("model.described/v1")
	Aliased    = lineage.Define[Alias]("model.aliased/v1")
	Logged     = lineage.Define[LoggedModel]("model.logged/v1")
	Scanned    = lineage.Define[Scan]("model.scanned/v1")
	Moved      = lineage.Define[Move]("stage.moved/v1")
	Signed     = lineage.Define[SignOff]("sign-off.signed/v1")
)

// Stage is how far a version has come.
type Stage string

// The stages. Staging and Production are held by one version unless somebody wanted it otherwise.
const (
	Experimenting Stage = "experimenting"
	Staging       Stage = "staging"
	Production    Stage = "production"
	Archived      Stage = "archived"
)

// Stages lists them in the order of a life.
func Stages() []Stage { return []Stage{Experimenting, Staging, Production, Archived} }

// held says whether the stage is a pointer at one version.
func (s Stage) held() bool { return s == Staging || s == Production }

// Registration is the body of model.registered/v1: bytes become a version of a model.
type Registration struct {
	Model   string        `json:"model"`
	Version int           `json:"version"` // counts from 1
	Root    object.Digest `json:"root"`    // snapshot; zero when the bytes are not here, as of prompts
	Digest  object.Digest `json:"digest"`  // of a file its SHA-256, of a folder its root: what evidence is bound to
	Kind    string        `json:"kind"`    // file, directory, prompt, or elsewhere for bytes that mlx does not have
	Path    string        `json:"path,omitempty"`
	Files   int64         `json:"files,omitempty"`
	Bytes   int64         `json:"bytes,omitempty"`

	Run       *object.Digest    `json:"run,omitempty"`          // that wrote it
	Logged    string            `json:"logged_model,omitempty"` // "m-…", when an MLflow client logged it
	Source    string            `json:"source,omitempty"`       // as an MLflow client named it
	RunLink   string            `json:"run_link,omitempty"`
	From      []Parent          `json:"from,omitempty"` // versions that it was derived from
	Format    string            `json:"format,omitempty"`
	Signature json.RawMessage   `json:"signature,omitempty"` // inputs and outputs, as the format of the model states them
	Message   string            `json:"message,omitempty"`
	Tags      map[string]string `json:"tags,omitempty"`

	Imported *Imported `json:"imported,omitempty"` // it was registered elsewhere first
}

// Imported says where a version was registered before it was registered here.
type Imported struct {
	From string `json:"from"`         // mlflow
	ID   string `json:"id"`           // its name and number there, and when it was made
	By   string `json:"by,omitempty"` // who made it there
	MS   int64  `json:"ms,omitempty"` // when, in milliseconds since 1970
}

// Name is the version as a person types it, under the name that it was registered with.
func (b Registration) Name() string { return b.Model + "@v" + strconv.Itoa(b.Version) }

// Parent is a version that another was derived from.
type Parent struct {
	Model   string        `json:"model"`
	Version int           `json:"version"`
	Digest  object.Digest `json:"digest"`
	Record  object.Digest `json:"record"` // that registered it
}

// Description is the body of model.described/v1: something said of a model, or of one version when Version is not 0. What is nil is
// left as it was.
type Description struct {
	Model   string             `json:"model"`
	Version int                `json:"version,omitempty"`
	Text    *string            `json:"text,omitempty"`
	Tags    map[string]*string `json:"tags,omitempty"` // null takes a tag away
	Created bool               `json:"created,omitempty"`
	Deleted bool               `json:"deleted,omitempty"`
	Renamed string             `json:"renamed,omitempty"` // the name from here on
}

// Alias is the body of model.aliased/v1. Version 0 takes the alias away.
type Alias struct {
	Model   string `json:"model"`
	Alias   string `json:"alias"`
	Version int    `json:"version"`
	Why     string `json:"why,omitempty"`
}

// Move is the body of stage.moved/v1.
type Move struct {
	Model    string          `json:"model"`
	Version  int             `json:"version"`
	Digest   object.Digest   `json:"digest"`
	From     Stage           `json:"from"`
	To       Stage           `json:"to"`
	Why      string          `json:"why,omitempty"`
	Beside   []object.Digest `json:"beside,omitempty"`  // records of versions that knowingly stay in the stage
	Retired  bool            `json:"retired,omitempty"` // services are asked to leave it
	Evidence []Evidence      `json:"evidence,omitempty"`
}

// Evidence is a record that a move rested on.
type Evidence struct {
	What   string        `json:"what"` // "gate release", "scan", "sign-off security"
	Record object.Digest `json:"record"`
}

// Scan is the body of model.scanned/v1: what was found in exactly these bytes.
type Scan struct {
	Digest   object.Digest `json:"digest"`
	Root     object.Digest `json:"root"`
	Model    string        `json:"model,omitempty"`
	Version  int           `json:"version,omitempty"`
	Verdict  string        `json:"verdict"` // pass, fail or inconclusive
	Rules    string        `json:"rules"`   // version of what was looked for
	Files    int64         `json:"files"`
	Formats  []string      `json:"formats,omitempty"`
	Count    int           `json:"count"`              // of findings
	Findings []Finding     `json:"findings,omitempty"` // the first 50
}

// Finding is one thing that a scan found.
type Finding struct {
	Severity string `json:"severity"` // block or warn
	File     string `json:"file"`
	Offset   int64  `json:"offset,omitempty"`
	What     string `json:"what"`
}

// SignOff is the body of sign-off.signed/v1: somebody stands for exactly these bytes. The signed text is Text.
type SignOff struct {
	Kind        string        `json:"kind"` // security, ethics, legal, …
	Digest      object.Digest `json:"digest"`
	Root        object.Digest `json:"root"`
	Model       string        `json:"model,omitempty"`
	Version     int           `json:"version,omitempty"`
	SignedAt    time.Time     `json:"signed_at"`
	Message     string        `json:"message,omitempty"`
	Fingerprint string        `json:"fingerprint"`
	Signature   string        `json:"signature"`           // armored, as ssh-keygen -Y sign writes it
	Withdrawn   bool          `json:"withdrawn,omitempty"` // it takes back the sign-offs that it follows
}

// LoggedModel is the body of model.logged/v1: a model as an MLflow client logs it, with a life of its own beside its run. Each record
// replaces the one before.
type LoggedModel struct {
	ID         string            `json:"logged_model"` // "m-" and 32 hex digits; called like the field of a registration, so that both are found by it
	Name       string            `json:"name"`
	Experiment string            `json:"experiment"` // id
	Run        *object.Digest    `json:"run,omitempty"`
	Status     string            `json:"status"` // LOGGED_MODEL_READY and so on
	Type       string            `json:"type,omitempty"`
	Params     map[string]string `json:"params,omitempty"`
	Tags       map[string]string `json:"tags,omitempty"`
	CreatedMS  int64             `json:"created_ms"`
	UpdatedMS  int64             `json:"updated_ms"`
	Root       object.Digest     `json:"root"` // snapshot of its folder; zero before its bytes came
	Files      int64             `json:"files,omitempty"`
	Bytes      int64             `json:"bytes,omitempty"`
	Format     string            `json:"format,omitempty"`
	Deleted    bool              `json:"deleted,omitempty"`
}

// Registry reads and writes records of models.
type Registry struct {
	Ledger *lineage.Ledger
	Now    func() time.Time

	// Lock keeps other processes of this clone from changing the model of a name until release is called, so that what they do one
	// after the other is no conflict. nil: nobody else is there.
	Lock func(ctx context.Context, model string) (release func(), err error)
}

// alone is Lock where there is one.
func (r Registry) alone(ctx context.Context, model string) (release func(), err error) {
	if r.Lock == nil {
		return func() {}, nil
	}
	return r.Lock(ctx, model)
}

package deploy

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// The ways in which the stages of a release make one answer.
const (
	CombineCascade  = "cascade" // one after the other: the first one that is sure decides
	CombineMean     = "mean"    // all at once: the mean of their predictions
	CombineVote     = "vote"    // what most of them say
	CombineWeighted = "weighted"
)

// What becomes of a request whose stage fails.
const (
	OnErrorSkip  = "skip"  // as if the stage were not there
	OnErrorFail  = "fail"  // an error
	OnErrorReply = "reply" // the answer that stands in Reply
)

// ReleaseStage is one of several models, or a list of hashes, that a release answers by: exactly these bytes, asked in exactly this way.
type ReleaseStage struct {
	Name    string        `json:"name"`
	Model   string        `json:"model,omitempty"` // its name in the registry; empty: a list of hashes
	Version int           `json:"version,omitempty"`
	Record  object.Digest `json:"record,omitzero"`
	Digest  object.Digest `json:"digest,omitzero"`
	Image   string        `json:"image,omitempty"`
	Run     object.Digest `json:"run,omitzero"`
	Data    []string      `json:"data,omitempty"`
	Commit  string        `json:"commit,omitempty"`
	Serve   *Serve        `json:"serve,omitempty"`
	List    *ReleaseList  `json:"list,omitempty"`

	Path     string          `json:"path,omitempty"`   // where it is asked; empty: where the request goes
	Answer   string          `json:"answer,omitempty"` // JSON pointer to its prediction
	Next     string          `json:"next,omitempty"`   // expression: the next stage is asked
	Weight   float64         `json:"weight,omitempty"`
	Deadline time.Duration   `json:"deadline_ns"`
	OnError  string          `json:"on_error"`
	Reply    json.RawMessage `json:"reply,omitempty"`
}

// ReleaseList is a list of hashes.
type ReleaseList struct {
	Path     string        `json:"path"`          // of its file in the repository
	Root     object.Digest `json:"root,omitzero"` // snapshot of it; none: it belongs to the code
	Of       string        `json:"of,omitempty"`  // JSON pointer into the request
	Encoding string        `json:"encoding"`      // text, base64 or hex
}

// Combine is how the stages of a release make one answer.
type Combine struct {
	By     string `json:"by"`
	Quorum int    `json:"quorum,omitempty"`
}

// Parts are the releases of one model each that a release consists of: itself, or its stages that have a model.
func (r Release) Parts() []Release {
	if len(r.Stages) == 0 {
		return []Release{r}
	}
	var all []Release
	for _, s := range r.Stages {
		if s.Model == "" || s.Serve == nil { // the latter is no release that mlx has made: see Sound
			continue
		}
		all = append(all, Release{Key: r.Key, Model: s.Model, Version: s.Version, Record: s.Record, Digest: s.Digest, Image: s.Image, Run: s.Run,
			Data: s.Data, Commit: s.Commit, Code: r.Code, Serve: *s.Serve})
	}
	return all
}

// Sound refuses a release that no mlx has made, as a record of somebody else may have it: its key and the names of its stages become names of
// folders on the machine that serves it.
func (r Release) Sound() error {
	bad := func(format string, args ...any) error {
		return fault.New(fault.Integrity, "cannot serve %s: "+format, append([]any{r.Name()}, args...)...)
	}
	if _, err := object.ParseDigest(r.Key); err != nil {
		return bad("its key %.80q is none", r.Key)
	}
	if (len(r.Stages) > 0) != (r.Combine != nil) {
		return bad("it combines stages that it does not have, or does not say how")
	}
	seen := map[string]bool{}
	for _, s := range r.Stages {
		switch {
		case !filepath.IsLocal(s.Name) || strings.ContainsAny(s.Name, `/\`) || s.Name == "." || seen[s.Name]:
			return bad("a stage is called %.80q", s.Name)
		case (s.Model == "") != (s.Serve == nil) || (s.Model == "") != (s.List != nil):
			return bad("stage %s has neither a model nor a list, or both", s.Name)
		case s.List != nil && !filepath.IsLocal(filepath.FromSlash(s.List.Path)):
			return bad("the list of stage %s lies outside the repository: %.200q", s.Name, s.List.Path)
		}
		seen[s.Name] = true
	}
	return nil
}

// Versions says which versions a release serves where its models are known from what stands around it: v7; of stages small@v3+large@v2.
func (r Release) Versions() string {
	if len(r.Stages) == 0 {
		return "v" + strconv.Itoa(r.Version)
	}
	var names []string
	for _, p := range r.Parts() {
		if name := p.Name(); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, "+")
}

// Stage finds one by its name.
func (r Release) Stage(name string) (ReleaseStage, bool) {
	i := slices.IndexFunc(r.Stages, func(s ReleaseStage) bool { return s.Name == name })
	if i < 0 {
		return ReleaseStage{}, false
	}
	return r.Stages[i], true
}

// SeenStage is what is known of a stage of a release: of all its servers together.
type SeenStage struct {
	Name     string `json:"name"`
	Ready    int    `json:"ready"`
	Restarts int    `json:"restarts"`
	Trouble  string `json:"trouble,omitempty"`

	Requests int64     `json:"requests"` // that it was asked
	Decided  int64     `json:"decided"`  // of these: its answer went back, or was one of those that did together
	Passed   int64     `json:"passed"`   // of these: the next stage was asked, because it was not sure or did not know
	Errors   int64     `json:"errors"`   // of these: it failed
	Late     int64     `json:"late"`     // of Errors: its deadline was over
	Latency  Histogram `json:"latency"`  // in microseconds
}

// And is what both count together.
func (s SeenStage) And(o SeenStage) SeenStage {
	if s.Trouble == "" {
		s.Trouble = o.Trouble
	}
	s.Ready, s.Restarts = s.Ready+o.Ready, s.Restarts+o.Restarts
	s.Requests, s.Decided, s.Passed, s.Errors, s.Late = s.Requests+o.Requests, s.Decided+o.Decided, s.Passed+o.Passed, s.Errors+o.Errors, s.Late+o.Late
	s.Latency = s.Latency.And(o.Latency)
	return s
}

// AddStages adds what one server says of its stages to what others said.
func AddStages(all, more []SeenStage) []SeenStage {
	for _, one := range more {
		if i := slices.IndexFunc(all, func(s SeenStage) bool { return s.Name == one.Name }); i >= 0 {
			all[i] = all[i].And(one)
		} else {
			all = append(all, one)
		}
	}
	return all
}

package registry

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
)

// Card is card/v1: what is known of one version, for people and for other tools. Nothing in it depends on when it is written: the same
// records give the same card. What nobody recorded is named in Unknown, so that silence is not read as "none".
type Card struct {
	Kind        string            `json:"kind"`
	Model       string            `json:"model"`
	Version     int               `json:"version"`
	Name        string            `json:"name"` // as a person types it
	Record      string            `json:"record"`
	Stage       string            `json:"stage"`
	StageSince  time.Time         `json:"stage_since"`
	Aliases     []string          `json:"aliases"`
	Digest      *string           `json:"digest"` // what evidence is bound to: of a file its SHA-256, of a folder its root
	Snapshot    *string           `json:"snapshot"`
	Type        string            `json:"type"` // file, directory, …
	Format      *string           `json:"format"`
	Files       []CardFile        `json:"files"`
	Description *string           `json:"description"` // of the model: what it is for
	Message     *string           `json:"message"`     // of the version
	Licence     *string           `json:"licence"`
	Task        *string           `json:"task"`
	Tags        map[string]string `json:"tags"`
	Inputs      []CardField       `json:"inputs"`
	Outputs     []CardField       `json:"outputs"`
	Registered  time.Time         `json:"registered_at"`
	By          string            `json:"by"`
	Run         *CardRun          `json:"run"`
	Params      map[string]any    `json:"params"`
	Metrics     []CardMetric      `json:"metrics"`
	Data        []CardData        `json:"data"`
	Environment *CardEnvironment  `json:"environment"`
	Derived     *string           `json:"derived"` // how it differs from the version that it came from, in a sentence
	Parents     []CardParent      `json:"parents"`
	Gates       []CardVerdict     `json:"gates"`
	Scan        *CardScan         `json:"scan"`
	SignOffs    []CardSignOff     `json:"sign_offs"` // those that count, and those that do not
	Unknown     []string          `json:"unknown"`
	Reproduce   []string          `json:"reproduce"` // commands
	Mlx         string            `json:"mlx_version"`
}

// CardFile is one file of the model. Its digest was compared with its bytes when the card was written.
type CardFile struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
	Bytes  int64  `json:"bytes"`
}

// CardField is one column that the model takes or gives.
type CardField struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// CardRun is the run that made the version.
type CardRun struct {
	ID       string     `json:"id"`
	Command  []string   `json:"command"`
	Commit   *string    `json:"commit"`
	Branch   *string    `json:"branch"`
	Dirty    bool       `json:"dirty"`
	Remote   *string    `json:"remote"` // where its repository is fetched from
	Started  *time.Time `json:"started_at"`
	Ended    *time.Time `json:"ended_at"`
	Duration *float64   `json:"duration_s"`
	Machine  string     `json:"machine"`
}

// CardMetric is a number that the run recorded.
type CardMetric struct {
	Name  string   `json:"name"`
	Value *float64 `json:"value"` // null: not a number, or infinite
	Text  string   `json:"text"`
}

// CardData is a version of data that the run read.
type CardData struct {
	Path     string  `json:"path"`
	Snapshot *string `json:"snapshot"` // null of data that only a client of the run described
	Type     string  `json:"type"`
	Source   *string `json:"source"`
}

// CardEnvironment is what the run ran in.
type CardEnvironment struct {
	Python   *string       `json:"python"`
	Packages []CardPackage `json:"packages"`
	Complete bool          `json:"complete"` // the list is all that was installed
	GPUs     []string      `json:"gpus"`
}

// CardPackage is an installed package.
type CardPackage struct {
	Name    string  `json:"name"`
	Version string  `json:"version"`
	Source  *string `json:"source"` // null: the usual index
	Conda   bool    `json:"conda"`
}

// CardParent is a version that this one was derived from.
type CardParent struct {
	Name   string `json:"name"`
	Digest string `json:"digest"`
}

// CardVerdict is what a gate said.
type CardVerdict struct {
	Gate    string    `json:"gate"`
	Verdict string    `json:"verdict"`
	At      time.Time `json:"at"`
	Record  string    `json:"record"`
}

// CardScan is what the newest scan found.
type CardScan struct {
	Verdict  string    `json:"verdict"`
	Findings int       `json:"findings"`
	Rules    string    `json:"rules"`
	At       time.Time `json:"at"`
	Record   string    `json:"record"`
}

// CardSignOff is one sign-off, and whether it counts for those who trust what this clone trusts.
type CardSignOff struct {
	Kind        string    `json:"kind"`
	By          string    `json:"by"`
	Fingerprint string    `json:"fingerprint"`
	SignedAt    time.Time `json:"signed_at"`
	Message     *string   `json:"message"`
	Counts      bool      `json:"counts"`
	Why         *string   `json:"why"` // not
	Record      string    `json:"record"`
}

// NewCard starts the card of a version with what the registry and the evidence say.
func NewCard(m *Model, v *Version, p Proof) Card {
	c := Card{Kind: "card/v1", Model: v.Model, Version: v.Version, Name: v.Name(), Record: v.Record.Hex(), Stage: string(v.Stage), StageSince: v.StageSince.UTC(),
		Aliases: append([]string{}, v.Aliases...), Type: v.Kind, Format: textOrNil(v.Format), Files: []CardFile{}, Description: textOrNil(m.Description),
		Message: textOrNil(v.Description), Tags: map[string]string{}, Registered: v.At.UTC(), By: v.By, Params: map[string]any{}, Metrics: []CardMetric{},
		Data: []CardData{}, Parents: []CardParent{}, Gates: []CardVerdict{}, SignOffs: []CardSignOff{}, Unknown: []string{}, Reproduce: []string{}}
	for _, tags := range []map[string]string{m.Tags, v.Tags} {
		maps.Copy(c.Tags, tags)
	}
	c.Licence, c.Task = c.tagged("licence", "license", "mlflow.license"), c.tagged("task")
	if !v.Digest.IsZero() {
		hex := v.Digest.Hex()
		c.Digest = &hex
	}
	if !v.Root.IsZero() {
		hex := v.Root.Hex()
		c.Snapshot = &hex
	}
	c.Inputs, c.Outputs = signatureFields(v.Signature)
	for _, parent := range v.From {
		c.Parents = append(c.Parents, CardParent{Name: (&Version{Registration: Registration{Model: parent.Model, Version: parent.Version}}).Name(), Digest: parent.Digest.Hex()})
	}
	c.evidence(p)
	return c
}

// tagged is the value of the first of some tags, compared without case.
func (c *Card) tagged(names ...string) *string {
	for _, name := range names {
		for _, key := range slices.Sorted(maps.Keys(c.Tags)) {
			if value := c.Tags[key]; strings.EqualFold(key, name) && value != "" {
				return &value
			}
		}
	}
	return nil
}

func (c *Card) evidence(p Proof) {
	seen := map[string]bool{}
	for _, g := range p.Gates { // newest first: of each gate the verdict that stands
		if !seen[g.Gate+" "+g.Subject] {
			seen[g.Gate+" "+g.Subject] = true
			c.Gates = append(c.Gates, CardVerdict{g.Gate, string(g.Verdict), g.At.UTC(), g.Record.Hex()})
		}
	}
	if len(p.Scans) > 0 {
		s := p.Scans[0]
		c.Scan = &CardScan{s.Verdict, s.Count, s.Rules, s.At.UTC(), s.Record.Hex()}
	}
	for _, s := range p.SignOffs {
		if s.Withdrawn {
			continue
		}
		out := CardSignOff{Kind: s.Kind, By: p.NameOf(s.Fingerprint), Fingerprint: s.Fingerprint, SignedAt: s.SignedAt.UTC(), Message: textOrNil(s.Message),
			Record: s.Record.Hex()}
		allowed, _ := p.signers("")
		a, _ := p.weigh(s, allowed, Need{SignOff: s.Kind}, s.SignedAt) // a card does not know the time, so nothing is too old
		if out.Counts = a.Verdict == Pass; !out.Counts {
			out.Why = textOrNil(strings.TrimSpace(a.Said + " " + a.More))
		}
		c.SignOffs = append(c.SignOffs, out)
	}
}

func textOrNil(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// maxFields bounds the columns that a card names.
const maxFields = 1000

// signatureFields reads the columns of a model as MLflow states them: a list of {name, type}, or the text of one.
func signatureFields(text json.RawMessage) (inputs, outputs []CardField) {
	var s struct {
		Inputs  json.RawMessage `json:"inputs"`
		Outputs json.RawMessage `json:"outputs"`
	}
	inputs, outputs = []CardField{}, []CardField{}
	if json.Unmarshal(text, &s) != nil {
		return inputs, outputs
	}
	read := func(raw json.RawMessage) []CardField {
		var inner string
		if json.Unmarshal(raw, &inner) == nil {
			raw = json.RawMessage(inner)
		}
		var list []map[string]any
		fields := []CardField{}
		if json.Unmarshal(raw, &list) != nil {
			return fields
		}
		for _, item := range list[:min(len(list), maxFields)] {
			name, _ := item["name"].(string)
			kind, _ := item["type"].(string)
			fields = append(fields, CardField{name, kind})
		}
		return fields
	}
	return read(s.Inputs), read(s.Outputs)
}

// Finish names what is not known. It is called once everything else is filled in.
func (c *Card) Finish() {
	missing := func(is bool, what string) {
		if is {
			c.Unknown = append(c.Unknown, what)
		}
	}
	missing(c.Description == nil, "intended use: nobody described the model")
	missing(c.Licence == nil, "licence: no tag licence")
	missing(c.Task == nil, "task: no tag task")
	missing(c.Format == nil, "format of the files")
	missing(len(c.Inputs) == 0, "inputs: the model states no columns")
	missing(len(c.Outputs) == 0, "outputs: the model states no columns")
	missing(len(c.Files) == 0, "the bytes of the model")
	missing(c.Run == nil, "what made it: no run is recorded, and so neither data, code, parameters nor environment")
	if c.Run != nil {
		missing(len(c.Data) == 0, "training data: the run declared none")
		missing(len(c.Params) == 0, "parameters: the run recorded none")
		missing(len(c.Metrics) == 0, "metrics: the run recorded none")
		missing(c.Run.Commit == nil, "code: it ran outside git")
		missing(c.Run.Dirty, "code: it was not as committed when it ran; mlx rerun uses what was kept of the changes")
		missing(c.Environment == nil || c.Environment.Python == nil, "environment: no Python was recorded")
		missing(c.Environment != nil && c.Environment.Python != nil && !c.Environment.Complete, "packages: their list is not on this machine")
	}
	missing(len(c.Parents) == 0, "models that it was derived from: none is recorded")
	missing(len(c.Gates) == 0, "verdicts: no gate judged it")
	missing(c.Scan == nil, "scan: nobody looked for code that would run on loading")
	missing(!slices.ContainsFunc(c.SignOffs, func(s CardSignOff) bool { return s.Counts }), "sign-offs: none that counts")
	c.Unknown = append(c.Unknown, "ethics, fairness and environmental cost, beyond what sign-offs and metrics say")
}

// newest is the time of the newest thing that the card tells of.
func (c Card) newest() time.Time {
	at := c.Registered
	later := func(t time.Time) {
		if t.After(at) {
			at = t
		}
	}
	later(c.StageSince)
	for _, g := range c.Gates {
		later(g.At)
	}
	for _, s := range c.SignOffs {
		later(s.SignedAt)
	}
	if c.Scan != nil {
		later(c.Scan.At)
	}
	return at.UTC()
}

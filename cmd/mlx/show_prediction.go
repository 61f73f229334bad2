package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"mlx/internal/audit"
	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/object"
)

// refPrediction is what stands before the id of a request that a service has answered, or of one instance of it: prediction:ID.
const refPrediction = "prediction"

// predictedView is predicted/v1: an answer of a service, and what made it.
type predictedView struct {
	Kind       string      `json:"kind"`
	ID         string      `json:"id"` // of the request
	Service    string      `json:"service"`
	At         time.Time   `json:"at"`
	Role       string      `json:"role"`
	Status     int         `json:"status"` // of HTTP; 0: the client went before
	Latency    *float64    `json:"latency_s"`
	Cost       *float64    `json:"cost"`
	Currency   *string     `json:"currency"`
	Generation uint64      `json:"generation"`
	Bucket     *int        `json:"bucket"`
	Word       *string     `json:"word"` // keyed hash
	Retried    *string     `json:"retried_from"`
	Stage      *string     `json:"stage"`
	Schema     *string     `json:"schema"`
	SchemaWhy  *string     `json:"schema_why"`
	Model      *fault.Ref  `json:"model"` // null: the router itself has answered
	Release    *string     `json:"release"`
	Digest     *string     `json:"digest"` // of the bytes of the model
	Image      *string     `json:"image"`
	Run        *fault.Ref  `json:"run"`
	Data       []fault.Ref `json:"data"` // that the run has read
	Commit     *string     `json:"commit"`

	Request   *bodyView      `json:"request"`
	Answer    *bodyView      `json:"answer"`
	Instances []instanceView `json:"instances"`
	Segment   *segmentView   `json:"segment"` // null: it is not sealed yet
}

type bodyView struct {
	Bytes  int64   `json:"bytes"`
	Type   *string `json:"type"`
	Digest *string `json:"digest"`
}

type instanceView struct {
	ID          string          `json:"id"`
	Features    json.RawMessage `json:"features"`
	Score       json.RawMessage `json:"score"`
	Class       json.RawMessage `json:"class"`
	Outputs     json.RawMessage `json:"outputs"`
	Output      json.RawMessage `json:"output"`
	Explanation json.RawMessage `json:"explanation"`
}

// segmentView is where an answer is kept.
type segmentView struct {
	Record string `json:"record"`
	Kept   string `json:"kept"`
	Rows   int64  `json:"rows"`
}

// showPrediction shows an answer of a service. word is its id, or SERVICE/ID where several services have answered to it.
func (a *app) showPrediction(ctx context.Context, word string, o showOptions) error {
	if o.format != "" || len(o.outs) > 0 || o.rows > 0 || len(o.columns) > 0 {
		return fault.New(fault.Usage, "cannot print prediction %s as a report", word).Hint("mlx show %s --json", shellWord(o.ref))
	}
	rows, err := a.predictionNamed(ctx, word)
	if err != nil {
		return err
	}
	v, err := a.viewOfPredicted(ctx, rows)
	if err != nil {
		return err
	}
	return a.streams.Emit(v, func(t *cli.Text) { v.text(t) })
}

// predictionNamed finds the rows of a prediction in the log of the one service that has it.
func (a *app) predictionNamed(ctx context.Context, word string) ([]audit.Row, error) {
	services, err := a.loggingServices(ctx)
	if err != nil {
		return nil, err
	}
	var found []audit.Row
	var in []string
	for _, s := range services {
		for _, id := range []string{word, strings.TrimPrefix(word, s+"/")} {
			rows, err := a.findPrediction(ctx, s, id)
			if err != nil {
				return nil, err
			}
			if len(rows) > 0 {
				found, in = rows, append(in, s)
				break
			}
			if id != word {
				break
			}
		}
	}
	switch {
	case word == "" || len(in) == 0:
		return nil, fault.New(fault.NotFound, "cannot find prediction %q: no log has it; what was erased, or is kept no longer, is not found", word).
			Hint("mlx log -k prediction   # which times are in the logs")
	case len(in) > 1:
		return nil, fault.New(fault.Usage, "cannot tell which prediction %q is: services %s have answered to it", word, strings.Join(in, ", ")).
			Hint("mlx show %s", shellWord(refPrediction+":"+in[0]+"/"+word))
	}
	return found, nil
}

// findPrediction finds the rows of an id in the log of a service; none is no error.
func (a *app) findPrediction(ctx context.Context, service, id string) (rows []audit.Row, err error) {
	log, closes, err := a.predictionLog(service)
	if err != nil {
		return nil, err
	}
	defer func() { a.free([]func() error{closes.Close}) }()
	if rows, err = log.Find(ctx, id); errors.Is(err, audit.ErrNoPrediction) {
		return nil, nil
	}
	return rows, err
}

// loggingServices are those that have a log, or are to have one.
func (a *app) loggingServices(ctx context.Context) ([]string, error) {
	cfg, err := a.config()
	if err != nil {
		return nil, err
	}
	l, err := a.ledger()
	if err != nil {
		return nil, err
	}
	names := servicesEverywhere(cfg)
	entries, err := audit.Entries(ctx, l, "")
	for _, e := range entries {
		if !slices.Contains(names, e.Service) {
			names = append(names, e.Service)
		}
	}
	return names, err
}

// viewOfPredicted joins the rows of one request.
func (a *app) viewOfPredicted(ctx context.Context, rows []audit.Row) (predictedView, error) {
	first, err := rows[0].Told()
	if err != nil {
		return predictedView{}, err
	}
	v := predictedView{Kind: "predicted/v1", ID: rows[0].Request, Service: first.Service, At: rows[0].At.UTC(), Role: first.Role, Status: first.Status,
		Cost: first.Cost, Currency: some(first.Currency), Generation: first.Generation, Bucket: first.Bucket, Word: some(first.Word), Retried: some(first.Retried), Stage: some(first.Stage),
		Schema: some(first.Schema), SchemaWhy: some(first.SchemaWhy), Release: some(first.Key), Image: some(first.Image), Commit: some(first.Commit),
		Data: []fault.Ref{}, Request: viewOfBody(first.Request), Answer: viewOfBody(first.Answer), Instances: []instanceView{}}
	if first.LatencyUS != nil {
		v.Latency = numeric(float64(*first.LatencyUS) / 1e6)
	}
	if first.Model != "" {
		model := refOf(refModel, a.recordOf(ctx, first.Model, first.Digest), first.Model+"@v"+numberWord(first.Version))
		digest := first.Digest.Hex()
		v.Model, v.Digest = &model, &digest
	}
	if !first.Run.IsZero() {
		r := refOf(refRun, first.Run.Hex(), "")
		v.Run = &r
	}
	for _, d := range first.Data {
		v.Data = append(v.Data, refOf(refSnapshot, strings.TrimPrefix(d, "sha256:"), ""))
	}
	if e := rows[0].In; e != nil {
		v.Segment = &segmentView{Record: e.ID.Hex(), Kept: e.Kept.Hex(), Rows: e.Rows}
	}
	for _, row := range rows {
		told, err := row.Told()
		if err != nil {
			return v, err
		}
		v.Instances = append(v.Instances, instanceView{ID: row.ID, Features: told.Features, Score: told.Score, Class: told.Class, Outputs: told.Outputs,
			Output: told.Output, Explanation: told.Explanation})
	}
	return v, nil
}

// recordOf is the record that registered the bytes of a model, as far as it is known here.
func (a *app) recordOf(ctx context.Context, model string, digest object.Digest) string {
	reg, err := a.registry()
	if err != nil {
		return ""
	}
	m, err := reg.Model(ctx, model)
	if err != nil {
		a.streams.Why("%v", err)
		return ""
	}
	for _, v := range m.Versions {
		if v.Digest == digest {
			return v.Record.Hex()
		}
	}
	return ""
}

func viewOfBody(b *audit.ToldBody) *bodyView {
	if b == nil {
		return nil
	}
	v := &bodyView{Bytes: b.Bytes, Type: some(b.Type)}
	if b.Digest != nil {
		digest := b.Digest.Hex()
		v.Digest = &digest
	}
	return v
}

// text shows what was said first, then what made it.
func (v predictedView) text(t *cli.Text) {
	t.Line(cli.Fmt("prediction %s", cli.Str(v.ID)), cli.Time(v.At), cli.Fmt("of %s", cli.Str(v.Service)))
	for _, i := range v.Instances {
		i.text(t, len(v.Instances) > 1)
	}
	v.answered(t)
	if v.Model != nil {
		t.KeyValue(2, "model", cli.Str(v.Model.Name), cli.Hex(*v.Digest, 12))
	}
	if v.Stage != nil {
		t.KeyValue(2, "stage", cli.Str(*v.Stage))
	}
	if v.Release != nil {
		t.KeyValue(2, "release", cli.Hex(*v.Release, 12))
	}
	if v.Image != nil {
		t.KeyValue(2, "image", imageCell(*v.Image))
	}
	if v.Run != nil {
		t.KeyValue(2, "run", cli.Hex(v.Run.ID, 12))
	}
	for _, d := range v.Data {
		t.KeyValue(2, "data", cli.Hex(d.ID, 12))
	}
	if v.Commit != nil {
		t.KeyValue(2, "commit", cli.Hex(*v.Commit, 7))
	}
	if v.Segment == nil {
		t.KeyValue(2, "segment", cli.Str("not sealed yet"))
		return
	}
	t.KeyValue(2, "segment", cli.Hex(v.Segment.Record, 12), cli.Num(v.Segment.Rows, "prediction"), cli.Fmt("kept %s", cli.Hex(v.Segment.Kept, 12)))
}

// answered is how the request went.
func (v predictedView) answered(t *cli.Text) {
	status := []cli.Cell{cli.None()}
	if v.Status > 0 {
		status[0] = cli.Count(int64(v.Status))
	}
	if v.Latency != nil {
		status = append(status, cli.Duration(seconds(*v.Latency)))
	}
	if v.Cost != nil {
		amount := strconv.FormatFloat(*v.Cost, 'g', 3, 64)
		if v.Currency != nil {
			amount += " " + *v.Currency
		}
		status = append(status, cli.Str("cost "+amount))
	}
	t.KeyValue(2, "status", status...)
	role := []cli.Cell{cli.Str(v.Role), cli.Fmt("generation %s", cli.Count(int64(v.Generation)))}
	if v.Bucket != nil {
		role = append(role, cli.Fmt("bucket %s", cli.Count(int64(*v.Bucket))))
	}
	if v.Retried != nil {
		role = append(role, cli.Fmt("after release %s broke", cli.Hex(*v.Retried, 12)))
	}
	t.KeyValue(2, "arm", role...)
	if v.Schema != nil {
		schema := []cli.Cell{cli.Str(*v.Schema)}
		if v.SchemaWhy != nil {
			schema = append(schema, cli.Str(*v.SchemaWhy))
		}
		t.KeyValue(2, "schema", schema...)
	}
	for i, b := range []*bodyView{v.Request, v.Answer} {
		key := []string{"request", "answer"}[i]
		if b == nil || b.Type == nil {
			continue // it could be read
		}
		cells := []cli.Cell{cli.Bytes(b.Bytes), cli.Str(*b.Type)}
		if b.Digest != nil {
			cells = append(cells, cli.Hex(*b.Digest, 12))
		}
		t.KeyValue(2, key, cells...)
	}
}

// text shows an instance; named says that there are others.
func (i instanceView) text(t *cli.Text, named bool) {
	indent := 2
	if named {
		t.Indented(indent, cli.Str(i.ID))
		indent = 4
	}
	for _, said := range []struct {
		key  string
		text json.RawMessage
	}{{"score", i.Score}, {"class", i.Class}, {"output", i.Output}, {"explanation", i.Explanation}} {
		if len(said.text) > 0 {
			t.KeyValue(indent, said.key, plainJSON(said.text))
		}
	}
	for _, of := range []struct {
		prefix string
		object json.RawMessage
	}{{"output ", i.Outputs}, {"feature ", i.Features}} {
		for _, f := range fieldsOf(of.object) {
			t.KeyValue(indent, of.prefix+f.name, plainJSON(f.value))
		}
	}
}

// plainJSON is a value as a person reads it: a text without its quotes.
func plainJSON(text json.RawMessage) cli.Cell {
	var s string
	if json.Unmarshal(text, &s) == nil && len(text) > 0 && text[0] == '"' {
		return cli.Str(s)
	}
	return cli.Str(string(text))
}

type namedJSON struct {
	name  string
	value json.RawMessage
}

// fieldsOf are the fields of an object in the order in which they stand.
func fieldsOf(object json.RawMessage) []namedJSON {
	d := json.NewDecoder(bytes.NewReader(object))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return nil
	}
	var all []namedJSON
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return all
		}
		f := namedJSON{}
		f.name, _ = name.(string)
		if err := d.Decode(&f.value); err != nil {
			return all
		}
		all = append(all, f)
	}
	return all
}

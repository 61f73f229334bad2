package main

import (
	"encoding/json"
	"strings"
	"time"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/registry"
)

// modelRow is what happened to a model as a row of log. Its kind is that of the record: model.registered/v1, stage.moved/v1 and so on.
type modelRow struct {
	row
	Model   fault.Ref       `json:"model"` // the version, or the model where no version is meant
	Until   *time.Time      `json:"until"` // when the version left the stage that this put it into; null while it is there
	HeldS   *float64        `json:"held_s"`
	Next    *fault.Ref      `json:"next"` // the version that took its place
	Clashes bool            `json:"conflict"`
	Body    json.RawMessage `json:"body"`
}

// moments is what is known of the moves and aliases of models beside what each record says.
type moments struct {
	tenures map[object.Digest]registry.Tenure
	next    map[object.Digest]fault.Ref // the version that took the place, by the record of the move that it ended
	clashes map[object.Digest]bool      // records that contradict each other
	now     time.Time
}

// momentsOf collects the times that versions spent in stages.
func momentsOf(m *registry.Model, now time.Time) *moments {
	k := &moments{tenures: map[object.Digest]registry.Tenure{}, next: map[object.Digest]fault.Ref{}, clashes: map[object.Digest]bool{}, now: now}
	for _, t := range m.Tenures() {
		k.tenures[t.Record] = t
		if t.Next != 0 {
			k.next[t.Record] = refOfNumber(m, t.Next)
		}
	}
	live := m.Live()
	for i, v := range live {
		if i > 0 && live[i-1].Version == v.Version {
			k.clashes[v.Record], k.clashes[live[i-1].Record] = true, true
		}
	}
	for _, p := range m.Conflicts() {
		for _, id := range p.Records {
			k.clashes[id] = true
		}
	}
	return k
}

// ofRegistry reports whether a record tells of a model and has words here.
func ofRegistry(rec lineage.Record) bool {
	return registry.Registered.Is(rec) || registry.Described.Is(rec) || registry.Aliased.Is(rec) || registry.Moved.Is(rec) || registry.Scanned.Is(rec) ||
		registry.Logged.Is(rec)
}

// model tells what happened to a model.
func (t *teller) model(e *event) error {
	r := modelRow{Body: e.rec.Body}
	var err error
	switch {
	case registry.Registered.Is(e.rec):
		err = r.registered(e)
	case registry.Described.Is(e.rec):
		err = r.described(e)
	case registry.Aliased.Is(e.rec):
		err = r.aliased(e)
	case registry.Moved.Is(e.rec):
		err = r.moved(e, t.moments)
	case registry.Scanned.Is(e.rec):
		err = r.scanned(e)
	case registry.Logged.Is(e.rec):
		err = r.logged(e)
	}
	if err != nil {
		return err
	}
	if t.moments != nil && t.moments.clashes[e.rec.ID] {
		r.Clashes = true
		e.what = append(e.what, cli.Word(cli.RoleFail, "conflict"))
	}
	e.text = cli.Sentence(e.what...)
	r.row = e.row(e.rec.Kind)
	e.value = r
	return nil
}

func (r *modelRow) registered(e *event) error {
	b, err := registry.Registered.Decode(e.rec)
	if err != nil {
		return err
	}
	r.Model = refOf(refModel, e.rec.ID.Hex(), b.Name())
	e.what = []cli.Cell{cli.Fmt("registered %s", cli.Str(b.Name()))}
	if b.Path != "" {
		e.what = append(e.what, cli.Path(b.Path))
	}
	if b.Bytes > 0 {
		e.what = append(e.what, cli.Bytes(b.Bytes))
	}
	if b.Run != nil {
		e.what = append(e.what, cli.Fmt("run %s", cli.ID(*b.Run)))
	}
	for _, p := range b.From {
		e.what = append(e.what, cli.Fmt("from %s", cli.Str(p.Model+"@v"+numberWord(p.Version))))
	}
	if b.Message != "" {
		e.what = append(e.what, cli.Quoted(b.Message))
	}
	return nil
}

// named refers to a version by the number that a record names; 0 is the model as a whole.
func (r *modelRow) named(rec lineage.Record, model string, version int) string {
	name := model
	if version != 0 {
		name += "@v" + numberWord(version)
	}
	id := ""
	for _, in := range rec.In {
		if in.Role == "version" {
			id = in.ID.Hex()
		}
	}
	r.Model = refOf(refModel, id, name)
	return name
}

func (r *modelRow) described(e *event) error {
	b, err := registry.Described.Decode(e.rec)
	if err != nil {
		return err
	}
	name := cli.Str(r.named(e.rec, b.Model, b.Version))
	switch {
	case b.Renamed != "":
		e.what = []cli.Cell{cli.Fmt("%s renamed to %s", name, cli.Str(b.Renamed))}
	case b.Deleted:
		e.what = []cli.Cell{cli.Fmt("%s deleted", name)}
	case b.Created:
		e.what = []cli.Cell{cli.Fmt("%s created", name)}
	default:
		e.what = []cli.Cell{cli.Fmt("%s described", name)}
	}
	if b.Text != nil && *b.Text != "" {
		e.what = append(e.what, cli.Quoted(shortWords(*b.Text)))
	}
	for _, key := range sortedKeys(b.Tags) {
		if value := b.Tags[key]; value != nil {
			e.what = append(e.what, cli.Fmt("%s=%s", cli.Str(key), cli.Str(shortWords(*value))))
		} else {
			e.what = append(e.what, cli.Fmt("without %s", cli.Str(key)))
		}
	}
	return nil
}

// shortWords is the first line of a text, cut to what a row can hold.
func shortWords(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	if runes := []rune(s); len(runes) > 60 {
		return string(runes[:60]) + "…"
	}
	return s
}

func (r *modelRow) aliased(e *event) error {
	b, err := registry.Aliased.Decode(e.rec)
	if err != nil {
		return err
	}
	name := r.named(e.rec, b.Model, b.Version)
	e.what = []cli.Cell{cli.Fmt("%s -> %s", cli.Str(b.Model+"@"+b.Alias), cli.Str(strings.TrimPrefix(name, b.Model+"@")))}
	if b.Version == 0 {
		e.what = []cli.Cell{cli.Fmt("%s taken away", cli.Str(b.Model+"@"+b.Alias))}
	}
	if b.Why != "" {
		e.what = append(e.what, cli.Quoted(b.Why))
	}
	return nil
}

func (r *modelRow) moved(e *event, known *moments) error {
	b, err := registry.Moved.Decode(e.rec)
	if err != nil {
		return err
	}
	name := r.named(e.rec, b.Model, b.Version)
	to := string(b.To)
	if b.Retired {
		to = "retired"
	}
	e.what = []cli.Cell{cli.Fmt("%s %s -> %s", cli.Str(name), cli.Str(string(b.From)), cli.Str(to))}
	if b.Why != "" {
		e.what = append(e.what, cli.Quoted(b.Why))
	}
	if known == nil {
		return nil
	}
	tenure, ok := known.tenures[e.rec.ID]
	if !ok {
		return nil
	}
	end := known.now
	if tenure.Until != nil {
		end = *tenure.Until
		at := end.UTC()
		r.Until = &at
	}
	held := max(0, end.Sub(tenure.From))
	seconds := held.Seconds()
	r.HeldS = &seconds
	switch {
	case tenure.Until == nil:
		e.what = append(e.what, cli.Fmt("for %s, still", cli.Duration(held)))
	case tenure.Next != 0:
		next := known.next[e.rec.ID]
		r.Next = &next
		e.what = append(e.what, cli.Fmt("for %s, until v%s", cli.Duration(held), cli.Str(numberWord(tenure.Next))))
	default:
		e.what = append(e.what, cli.Fmt("for %s", cli.Duration(held)))
	}
	return nil
}

func (r *modelRow) scanned(e *event) error {
	b, err := registry.Scanned.Decode(e.rec)
	if err != nil {
		return err
	}
	name := b.Digest.Short()
	if b.Model != "" {
		name = r.named(e.rec, b.Model, b.Version)
	} else {
		r.Model = refOf(refSnapshot, b.Root.Hex(), "")
	}
	e.what = []cli.Cell{cli.Fmt("%s scan of %s", gateWord(b.Verdict, strings.ToUpper(b.Verdict)), cli.Str(name))}
	if b.Count > 0 {
		e.what = append(e.what, cli.Num(int64(b.Count), "finding"))
	}
	return nil
}

func (r *modelRow) logged(e *event) error {
	b, err := registry.Logged.Decode(e.rec)
	if err != nil {
		return err
	}
	r.Model = refOf("logged_model", b.ID, b.Name)
	e.what = []cli.Cell{cli.Fmt("logged %s", cli.Str(b.Name))}
	if b.Deleted {
		e.what[0] = cli.Fmt("%s deleted", cli.Str(b.Name))
	}
	if b.Run != nil {
		e.what = append(e.what, cli.Fmt("run %s", cli.ID(*b.Run)))
	}
	e.what = append(e.what, cli.Str(b.ID))
	return nil
}

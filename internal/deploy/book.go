package deploy

import (
	"context"
	"slices"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// Book keeps the records of services in a ledger.
type Book struct {
	Ledger *lineage.Ledger
}

// Service folds what is known of a service; one without records is empty. What was counted at each step is the most of its records, and
// read of a rollout only that is under way: nobody asks for it afterwards.
func (b Book) Service(ctx context.Context, name string) (Service, error) {
	var records []said
	for rec, err := range b.Ledger.Select(ctx, lineage.Query{Nouns: []string{noun}, Inputs: []object.Digest{Named(name).ID}, All: true}) {
		if err != nil {
			return Service{}, err
		}
		s, ok, err := read(rec)
		if err != nil {
			return Service{}, err
		}
		if ok {
			records = append(records, s)
		}
	}
	s := fold(name, records)
	r, busy := s.Progress()
	if !busy {
		return s, nil
	}
	for i := range records {
		if m, ok := records[i].body.(Move); !ok || m.Rollout != r.ID {
			continue
		}
		m, err := Moved.Decode(records[i].rec)
		if err != nil {
			return Service{}, err
		}
		records[i].body = m
	}
	return fold(name, records), nil
}

// Planning is what a rollout is planned by.
type Planning struct {
	Spec    Spec
	Message string
	Commit  string // of git, that holds the settings
	Seen    uint64 // the generation that the target obeys, as far as anybody knows
}

// Plan begins a rollout. One that is under way ends with it: its candidate is given up, and nothing that was counted for it counts for the
// new one. It is planned above every generation that is known.
func (b Book) Plan(ctx context.Context, p Planning) (Rollout, error) {
	s, err := b.Service(ctx, p.Spec.Service)
	if err != nil {
		return Rollout{}, err
	}
	p.Spec.From = s.Current
	p.Spec = p.Spec.Filled()
	if err := p.Spec.Check(); err != nil {
		return Rollout{}, err
	}
	body := Plan{Spec: p.Spec, Generation: max(s.Generation, p.Seen) + 1, Message: p.Message, Commit: p.Commit}
	body.Spec = body.salted(body.Generation)
	if r, busy := s.Progress(); busy {
		body.Replaces = &r.ID
	}
	e := lineage.Entry[Plan]{Body: body, In: []lineage.Input{Named(s.Name)}}
	for _, part := range p.Spec.To.Parts() {
		in := lineage.Input{Role: "version", ID: part.Record}
		if !part.Record.IsZero() && !slices.Contains(e.In, in) {
			e.In = append(e.In, in)
		}
	}
	rec, err := Planned.Append(ctx, b.Ledger, e)
	if err != nil {
		return Rollout{}, err
	}
	return b.find(ctx, s.Name, rec.ID)
}

// inputs are those of a record of a rollout.
func inputs(service string, rollout object.Digest) []lineage.Input {
	return []lineage.Input{Named(service), {Role: "rollout", ID: rollout}}
}

// prev is what a new record of a rollout follows: what is known of it. Rollouts do not follow each other, so that each of them stays in
// sight of whoever asks the ledger for what is not superseded; their generations say which came first.
func prev(s Service, rollout object.Digest) []object.Digest {
	heads := s.heads[rollout]
	return heads[max(len(heads)-8, 0):]
}

func (b Book) find(ctx context.Context, service string, id object.Digest) (Rollout, error) {
	s, err := b.Service(ctx, service)
	if err != nil {
		return Rollout{}, err
	}
	r, ok := s.Rollout(id)
	if !ok {
		return Rollout{}, fault.New(fault.NotFound, "cannot find rollout %s of %s", id.Short(), service).Hint("mlx log service:%s", service)
	}
	return r, nil
}

// Moved records a change. It is written before anything is asked of the target.
func (b Book) Moved(ctx context.Context, before, after Rollout) error {
	s, err := b.Service(ctx, after.Service)
	if err != nil {
		return err
	}
	m := moveOf(before, after)
	_, err = Moved.Append(ctx, b.Ledger, lineage.Entry[Move]{Body: m, Prev: prev(s, after.ID), Op: m.op(), In: inputs(after.Service, after.ID)})
	return err
}

// Observed records that the target was seen to do what a state asks for.
func (b Book) Observed(ctx context.Context, o Observation) error {
	s, err := b.Service(ctx, o.Service)
	if err != nil {
		return err
	}
	_, err = Observed.Append(ctx, b.Ledger, lineage.Entry[Observation]{Body: o, Prev: prev(s, o.Rollout), In: inputs(o.Service, o.Rollout)})
	return err
}

// Ask leaves a word for whoever carries out the rollout that is under way. Conflict: none is, and nothing changes.
func (b Book) Ask(ctx context.Context, a Asking) (Rollout, error) {
	s, err := b.Service(ctx, a.Service)
	if err != nil {
		return Rollout{}, err
	}
	r, busy := s.Progress()
	switch {
	case !busy || !a.Rollout.IsZero() && a.Rollout != r.ID:
		return r, fault.New(fault.Conflict, "cannot %s %s: no rollout is under way", verb(a.Word), a.Service).Hint("mlx log service:%s", a.Service)
	case r.State == StateAborting && a.Word != Abort:
		return r, fault.New(fault.Conflict, "cannot %s %s: %s is being taken back", verb(a.Word), a.Service, version(r.To))
	case a.Word == Pause && r.State == StatePaused, a.Word == Resume && r.State != StatePaused, a.Word == Abort && r.State == StateAborting:
		return r, nil // it is so
	}
	a.Rollout = r.ID
	_, err = Asked.Append(ctx, b.Ledger, lineage.Entry[Asking]{Body: a, Prev: prev(s, r.ID), In: inputs(a.Service, r.ID)})
	if err != nil {
		return r, err
	}
	return b.find(ctx, a.Service, r.ID)
}

func verb(w Word) string {
	if w == Now || w == Full {
		return "resume"
	}
	return string(w)
}

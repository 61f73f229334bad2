package deploy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// Service is what the records say of a service.
type Service struct {
	Name     string
	Current  *Release  // what is in service; nil: nothing is
	Since    time.Time // when it came
	Good     []Release // what was in service before and was not taken back, newest first: where a rollback goes
	Rollouts []Rollout // oldest first; at most the last one is not over
	// Generation is the greatest one that a record has. The next one is above it.
	Generation uint64
	Conflicts  []Conflict
	heads      map[object.Digest][]object.Digest // of each rollout: its records that no other follows
	told       map[object.Digest]telling
}

// Conflict is a record that has no effect because another one, which did not know of it, won.
type Conflict struct {
	Record object.Digest
	Text   string
}

// Progress is the rollout that is not over.
func (s Service) Progress() (Rollout, bool) {
	if n := len(s.Rollouts); n > 0 && !s.Rollouts[n-1].State.Over() {
		return s.Rollouts[n-1], true
	}
	return Rollout{}, false
}

// Rollout finds one by its id.
func (s Service) Rollout(id object.Digest) (Rollout, bool) {
	at := slices.IndexFunc(s.Rollouts, func(r Rollout) bool { return r.ID == id })
	if at < 0 {
		return Rollout{}, false
	}
	return s.Rollouts[at], true
}

// Desired is what the target is to do, by the records alone.
func (s Service) Desired() Desired {
	if n := len(s.Rollouts); n > 0 {
		return s.Rollouts[n-1].Desired()
	}
	return Desired{Service: s.Name}
}

// Targets are the releases that a rollback can go to, the usual one first. While a rollout is under way that is what is in service.
func (s Service) Targets() []Release {
	if _, busy := s.Progress(); busy && s.Current != nil {
		return append([]Release{*s.Current}, s.Good...)
	}
	return slices.Clone(s.Good)
}

// Pinned are the releases whose bytes must stay: in service, the usual target of a rollback, and both sides of a rollout.
func (s Service) Pinned() []Release {
	var all []Release
	add := func(r *Release) {
		if r != nil && !slices.ContainsFunc(all, func(o Release) bool { return o.Key == r.Key }) {
			all = append(all, *r)
		}
	}
	add(s.Current)
	if len(s.Good) > 0 {
		add(&s.Good[0])
	}
	if r, busy := s.Progress(); busy {
		add(r.From)
		add(&r.To)
	}
	return all
}

// telling is what the records say of one rollout beside its state.
type telling struct {
	endedAt   time.Time
	share     Share // that the candidate had when it was given up
	abortedAt time.Time
	abortedBy string
	heard     time.Time     // when the last record of it was written
	took      time.Duration // from the last state until the target was seen to do it
}

// said is a record with its body: Plan, Move, Asking or Observation.
type said struct {
	rec  lineage.Record
	body any
}

// rollout is the one that a record is about.
func (s said) rollout() object.Digest {
	switch b := s.body.(type) {
	case Move:
		return b.Rollout
	case Asking:
		return b.Rollout
	case Observation:
		return b.Rollout
	}
	return s.rec.ID
}

// lean is a Move without its marks.
type lean struct {
	Move
	Marks unread `json:"marks"`
}

// unread is a part of a body that is passed over.
type unread struct{}

// UnmarshalJSON takes anything.
func (*unread) UnmarshalJSON([]byte) error { return nil }

// leanMoved reads records of Moved without their marks.
var leanMoved = lineage.Define[lean](Moved.Name())

// read decodes a record of a service, of a Move all but its marks. false: it is of a kind that says nothing here.
func read(rec lineage.Record) (s said, ok bool, err error) {
	s.rec = rec
	switch {
	case Planned.Is(rec):
		var b Plan
		strange := func(s Share) bool { return s <= 0 || s > All }
		if b, err = Planned.Decode(rec); err == nil && (b.To.Key == "" || len(b.Steps) > maxSteps || slices.ContainsFunc(b.Steps, strange)) {
			err = unreadable(rec, "a plan without a release, or with such steps,")
		}
		s.body = b
	case Moved.Is(rec):
		var l lean
		l, err = leanMoved.Decode(rec)
		b := l.Move
		if err == nil && (b.To.rank() < 0 || b.Held != "" && b.Held.rank() < 0 || b.Step < 0) {
			err = unreadable(rec, fmt.Sprintf("a state %.40q", string(b.To)))
		}
		s.body = b
	case Asked.Is(rec):
		s.body, err = Asked.Decode(rec)
	case Observed.Is(rec):
		s.body, err = Observed.Decode(rec)
	default:
		return s, false, nil
	}
	return s, err == nil, err
}

// Heard is when somebody last wrote down how a rollout is.
func (s Service) Heard(id object.Digest) time.Time { return s.told[id].heard }

func unreadable(rec lineage.Record, what string) error {
	return fault.New(fault.Integrity, "cannot read record %s: %s is not known here", rec.ID.Short(), what)
}

// fold makes a service of its records, which may come in any order. It is pure: the same records give the same service.
func fold(name string, records []said) Service {
	slices.SortFunc(records, func(x, y said) int {
		a, b := &x.rec, &y.rec
		return cmp.Or(cmp.Compare(a.LC, b.LC), a.At.Compare(b.At), a.ID.Compare(b.ID))
	})
	f := folding{s: Service{Name: name, heads: map[object.Digest][]object.Digest{}, told: map[object.Digest]telling{}}, moves: map[object.Digest][]said{}, asks: map[object.Digest][]said{},
		seen: map[object.Digest][]said{}, obeyed: map[object.Digest]bool{}}
	f.sort(records)
	slices.SortStableFunc(f.plans, func(x, y said) int { return cmp.Compare(x.body.(Plan).Generation, y.body.(Plan).Generation) })
	for i, p := range f.plans {
		f.rollout(p, i)
	}
	return f.s
}

type folding struct {
	s                 Service
	plans             []said
	moves, asks, seen map[object.Digest][]said // by rollout
	obeyed            map[object.Digest]bool
	stack             []Release // what was in service and may be again, oldest first; the last one is
}

// sort puts records where they belong. What one hand wrote twice under one name counts once.
func (f *folding) sort(records []said) {
	type hand struct{ by, op string }
	once, followed := map[hand]bool{}, map[object.Digest]bool{}
	for _, r := range records {
		for _, p := range r.rec.Prev {
			followed[p] = true
		}
	}
	for _, r := range records {
		if !followed[r.rec.ID] {
			id := r.rollout()
			f.s.heads[id] = append(f.s.heads[id], r.rec.ID)
		}
		if h := (hand{r.rec.By, r.rec.Op}); h.op != "" {
			if once[h] {
				continue
			}
			once[h] = true
		}
		switch b := r.body.(type) {
		case Plan:
			f.plans = append(f.plans, r)
			f.s.Generation = max(f.s.Generation, b.Generation)
		case Move:
			f.moves[b.Rollout] = append(f.moves[b.Rollout], r)
			f.s.Generation = max(f.s.Generation, b.Generation)
		case Asking:
			f.asks[b.Rollout] = append(f.asks[b.Rollout], r)
		case Observation:
			f.seen[b.Rollout] = append(f.seen[b.Rollout], r)
		}
	}
}

// rollout folds the i-th plan.
func (f *folding) rollout(p said, i int) {
	b := p.body.(Plan)
	if n := len(f.s.Rollouts); n > 0 {
		before := &f.s.Rollouts[n-1]
		if i > 0 && f.plans[i-1].body.(Plan).Generation == b.Generation {
			f.conflict(p.rec, fmt.Sprintf("%s was planned while %s was, by somebody who did not know", version(b.To), version(before.To)))
		}
		if !before.State.Over() {
			before.State, before.Reason, before.Actor, before.Since = StateRolledBack, version(b.To)+" took its place", p.rec.By, p.rec.At
			t := f.s.told[before.ID]
			t.endedAt, t.abortedAt, t.abortedBy = p.rec.At, p.rec.At, p.rec.By
			f.s.told[before.ID] = t
		}
	}
	r := Rollout{Spec: b.Spec, ID: p.rec.ID, By: p.rec.By, Message: b.Message, At: p.rec.At, First: b.Generation, Generation: b.Generation,
		State: StatePlanned, Since: p.rec.At, Began: p.rec.At, Actor: p.rec.By}
	r = f.moved(r)
	for _, a := range f.asks[r.ID] {
		if ask := a.body.(Asking); !f.obeyed[a.rec.ID] && !r.State.Over() {
			r.Asks = append(r.Asks, Ask{Record: a.rec.ID, Word: ask.Word, Reason: ask.Reason, By: cmp.Or(ask.Actor, a.rec.By)})
		}
	}
	f.observed(&r)
	f.s.Rollouts = append(f.s.Rollouts, r)
	if r.State == StateCompleted && r.Served() {
		f.serve(r)
	}
}

// moved applies the changes of a rollout in the order of their generations. Of two of one generation, giving up wins; then the first.
func (f *folding) moved(r Rollout) Rollout {
	moves := f.moves[r.ID]
	slices.SortStableFunc(moves, func(x, y said) int {
		a, b := x.body.(Move), y.body.(Move)
		return cmp.Or(cmp.Compare(a.Generation, b.Generation), cmp.Compare(backwards(b.To), backwards(a.To)))
	})
	t := f.s.told[r.ID]
	for _, mv := range moves {
		m := mv.body.(Move)
		known := m.Step < max(len(r.Steps), 1)
		if m.Generation == r.Generation && m.To == r.State && m.Step == r.Step {
			continue // somebody else came to the same
		}
		if !known || m.Generation <= r.Generation || r.State == StateRolledBack || r.State == StateCompleted && backwards(m.To) == 0 ||
			r.State == StateAborting && backwards(m.To) == 0 {
			f.conflict(mv.rec, fmt.Sprintf("%s of %s in generation %d came to nothing: the rollout was %s", strings.ReplaceAll(string(m.To), "_", " "),
				version(r.To), m.Generation, strings.ReplaceAll(string(r.State), "_", " ")))
			continue
		}
		if m.To == StateAborting {
			t.share, t.abortedAt, t.abortedBy = r.Share(), mv.rec.At, m.Actor
		}
		before := r
		r.Generation, r.State, r.Held, r.Step, r.Since = m.Generation, m.To, m.Held, m.Step, mv.rec.At
		if r.began(before) {
			r.Began = mv.rec.At
		}
		r.Reason, r.Actor, r.Findings = m.Reason, m.Actor, m.Findings
		if m.Until != nil {
			r.Until = *m.Until
		}
		r.Marks = Marks{}
		if m.Marks != nil {
			r.Marks = *m.Marks
		}
		for _, id := range m.Obeys {
			f.obeyed[id] = true
		}
		t.endedAt, t.heard = mv.rec.At, latest(t.heard, mv.rec.At)
	}
	f.s.told[r.ID] = t
	return r
}

// backwards is 1 for what gives the candidate up.
func backwards(s State) int {
	if s == StateAborting || s == StateRolledBack {
		return 1
	}
	return 0
}

// observed takes for how long the state has been watched, as far as that was written down.
func (f *folding) observed(r *Rollout) {
	t := f.s.told[r.ID]
	t.heard = latest(t.heard, r.At)
	for _, o := range f.seen[r.ID] {
		b := o.body.(Observation)
		t.heard = latest(t.heard, o.rec.At)
		if b.Generation != r.Generation || b.State != r.State {
			continue
		}
		r.Watched = max(r.Watched, min(b.Watched, o.rec.At.Sub(r.Since)))
		if t.took == 0 {
			t.took = b.Took
		}
	}
	f.s.told[r.ID] = t
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// serve puts the release of a rollout into service.
func (f *folding) serve(r Rollout) {
	if r.Strategy == Back {
		f.back(r.To.Key)
	}
	if n := len(f.stack); n == 0 || f.stack[n-1].Key != r.To.Key {
		f.stack = append(f.stack, r.To)
	}
	current := f.stack[len(f.stack)-1]
	f.s.Current, f.s.Since = &current, r.Since
	f.s.Good = nil
	for _, old := range slices.Backward(f.stack[:len(f.stack)-1]) {
		if old.Key != current.Key && !slices.ContainsFunc(f.s.Good, func(g Release) bool { return g.Key == old.Key }) {
			f.s.Good = append(f.s.Good, old)
		}
	}
}

// back takes what came after a release out of what may be in service again; when it is not among these, what is in service.
func (f *folding) back(key string) {
	for i, r := range slices.Backward(f.stack) {
		if r.Key == key {
			f.stack = f.stack[:i+1]
			return
		}
	}
	if n := len(f.stack); n > 0 {
		f.stack = f.stack[:n-1]
	}
}

func (f *folding) conflict(rec lineage.Record, text string) {
	f.s.Conflicts = append(f.s.Conflicts, Conflict{Record: rec.ID, Text: text})
}

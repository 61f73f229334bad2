package registry

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"mlx/internal/lineage"
	"mlx/internal/object"
)

// Model is a model as its records tell it.
type Model struct {
	Name        string
	Description string
	Tags        map[string]string
	CreatedAt   time.Time
	UpdatedAt   time.Time
	By          string
	Created     bool       // a record says that it exists, be it without versions
	Versions    []*Version // ascending; two of one number are a conflict
	Aliases     []Pointer  // in the order of their names
	Held        []Pointer  // staging and production, where some version is there
	Events      []Event    // everything that happened, oldest first
}

// Version is one version of a model.
type Version struct {
	Registration
	Record      object.Digest // that registered it
	At          time.Time
	UpdatedAt   time.Time
	By          string
	Description string
	Stage       Stage
	StageSince  time.Time
	StageBy     string
	Retired     bool
	Aliases     []string
	Deleted     bool

	standing []object.Digest // current records of its stage
}

// Pointer is an alias or a held stage, and where it points. More than one version is a conflict, unless Shared.
type Pointer struct {
	Name     string
	Versions []int // newest move first
	Records  []object.Digest
	Shared   bool // several versions are there because somebody wanted it
}

// Conflict reports whether people moved it at the same time to different places.
func (p Pointer) Conflict() bool { return len(p.Versions) > 1 && !p.Shared }

// Event is one record, told.
type Event struct {
	Record lineage.Record
	Body   any // Registration, Description, Alias or Move
}

// folding collects what the records of one model say.
type folding struct {
	m        *Model
	replaced map[object.Digest]bool
	moves    []moved
	aliases  []aliased
}

type moved struct {
	rec  lineage.Record
	body Move
}

type aliased struct {
	rec  lineage.Record
	body Alias
}

// told is a record that makes a model, and its body: Registration, Description, Alias or Move.
type told struct {
	rec  lineage.Record
	body any
}

// tell reads the body of a record. false: no model is made of it, it is of a later version, or evidence.
func tell(rec lineage.Record) (t told, ok bool, err error) {
	t.rec = rec
	switch {
	case Registered.Is(rec):
		t.body, err = Registered.Decode(rec)
	case Described.Is(rec):
		t.body, err = Described.Decode(rec)
	case Aliased.Is(rec):
		t.body, err = Aliased.Decode(rec)
	case Moved.Is(rec):
		t.body, err = Moved.Decode(rec)
	default:
		return t, false, nil
	}
	return t, err == nil, err
}

// about is the name of the model that a record is about, and the one that it has from then on if it gets another.
func (t told) about() (model, renamed string) {
	switch b := t.body.(type) {
	case Registration:
		return b.Model, ""
	case Description:
		return b.Model, b.Renamed
	case Alias:
		return b.Model, ""
	case Move:
		return b.Model, ""
	}
	return "", ""
}

// fold makes a model of its records, which may come in any order. It is pure: the same records give the same model.
func fold(name string, records []told) *Model {
	slices.SortFunc(records, func(x, y told) int {
		a, b := &x.rec, &y.rec
		return cmp.Or(cmp.Compare(a.LC, b.LC), a.At.Compare(b.At), a.ID.Compare(b.ID))
	})
	f := folding{m: &Model{Name: name, Tags: map[string]string{}}, replaced: map[object.Digest]bool{}}
	for i := range records {
		for _, p := range records[i].rec.Prev {
			f.replaced[p] = true
		}
	}
	f.m.Events = make([]Event, 0, len(records))
	for _, t := range records {
		f.record(t)
	}
	f.m.Versions = slices.DeleteFunc(f.m.Versions, func(v *Version) bool { return f.replaced[v.Record] })
	slices.SortStableFunc(f.m.Versions, func(a, b *Version) int { return cmp.Compare(a.Version, b.Version) })
	f.stages()
	f.points()
	return f.m
}

func (f *folding) record(t told) {
	m, rec := f.m, t.rec
	switch b := t.body.(type) {
	case Registration:
		b.Model = m.Name
		b.Tags = maps.Clone(b.Tags)
		if b.Tags == nil {
			b.Tags = map[string]string{}
		}
		m.Versions = append(m.Versions, &Version{Registration: b, Record: rec.ID, At: rec.At, UpdatedAt: rec.At, By: rec.By,
			Description: b.Message, Stage: Experimenting, StageSince: rec.At, StageBy: rec.By})
		t.body = b
	case Description:
		f.describe(rec, b)
	case Alias:
		if !f.replaced[rec.ID] {
			f.aliases = append(f.aliases, aliased{rec, b})
		}
	case Move:
		f.moves = append(f.moves, moved{rec, b})
	}
	if m.CreatedAt.IsZero() {
		m.CreatedAt, m.By = rec.At, rec.By
	}
	m.UpdatedAt = rec.At
	m.Events = append(m.Events, Event{rec, t.body})
}

// describe applies what is said of the model or of a version.
func (f *folding) describe(rec lineage.Record, d Description) {
	text, tags := &f.m.Description, f.m.Tags
	if d.Version != 0 {
		at := slices.IndexFunc(f.m.Versions, func(v *Version) bool { return v.Version == d.Version })
		if at < 0 {
			return
		}
		v := f.m.Versions[at]
		text, tags = &v.Description, v.Tags
		v.Deleted = v.Deleted || d.Deleted
		v.UpdatedAt = rec.At
	} else {
		f.m.Created = (f.m.Created || d.Created) && !d.Deleted
		if d.Deleted {
			for _, v := range f.m.Versions {
				v.Deleted = true
			}
			f.m.Description = ""
			clear(f.m.Tags)
		}
	}
	if d.Text != nil {
		*text = *d.Text
	}
	for key, value := range d.Tags {
		if value == nil {
			delete(tags, key)
		} else {
			tags[key] = *value
		}
	}
}

// stages gives each version its stage: what the newest move of it says, or archived once another took its place.
func (f *folding) stages() {
	slots, of := map[Stage][]moved{}, make(map[object.Digest]int, len(f.moves))
	for _, mv := range f.moves {
		of[mv.rec.ID] = mv.body.Version
		for _, v := range f.m.Versions {
			if v.Version != mv.body.Version || v.Digest != mv.body.Digest {
				continue
			}
			v.UpdatedAt = mv.rec.At
			v.Stage, v.StageSince, v.StageBy, v.Retired = mv.body.To, mv.rec.At, mv.rec.By, mv.body.Retired
			if f.replaced[mv.rec.ID] {
				v.Stage = Archived // unless a later move of its own says otherwise
			} else {
				v.standing = append(v.standing, mv.rec.ID)
				if mv.body.To.held() && !v.Deleted {
					slots[mv.body.To] = append(slots[mv.body.To], mv)
				}
			}
		}
	}
	for _, v := range f.m.Versions {
		if v.Stage == Archived && len(v.standing) == 0 {
			f.displaced(v, of)
		}
	}
	for _, s := range []Stage{Staging, Production} {
		if all := slots[s]; len(all) > 0 {
			f.m.Held = append(f.m.Held, pointer(string(s), all))
		}
	}
}

// displaced finds out since when a version is no longer where it was; of is the version that each move moved.
func (f *folding) displaced(v *Version, of map[object.Digest]int) {
	follows := func(p object.Digest) bool {
		version, known := of[p]
		return known && version == v.Version
	}
	for i := range f.moves {
		mv := &f.moves[i]
		if mv.body.Version != v.Version && mv.rec.At.After(v.StageSince) && slices.ContainsFunc(mv.rec.Prev, follows) {
			v.StageSince, v.StageBy = mv.rec.At, mv.rec.By
		}
	}
}

// pointer is a stage that current moves hold.
func pointer(name string, all []moved) Pointer {
	slices.Reverse(all) // newest first
	p := Pointer{Name: name, Shared: true}
	for i, a := range all {
		if !slices.Contains(p.Versions, a.body.Version) {
			p.Versions = append(p.Versions, a.body.Version)
		}
		p.Records = append(p.Records, a.rec.ID)
		for _, b := range all[i+1:] {
			if a.body.Version != b.body.Version && !slices.Contains(a.body.Beside, b.rec.ID) && !slices.Contains(b.body.Beside, a.rec.ID) {
				p.Shared = false
			}
		}
	}
	return p
}

// points finds where each alias points.
func (f *folding) points() {
	byName := map[string]*Pointer{}
	for _, a := range slices.Backward(f.aliases) {
		p := byName[a.body.Alias]
		if p == nil {
			p = &Pointer{Name: a.body.Alias}
			byName[a.body.Alias] = p
		}
		p.Records = append(p.Records, a.rec.ID)
		if !slices.Contains(p.Versions, a.body.Version) {
			p.Versions = append(p.Versions, a.body.Version)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		p := byName[name]
		if len(p.Versions) == 1 && p.Versions[0] == 0 {
			f.m.Aliases = append(f.m.Aliases, Pointer{Name: name, Records: p.Records}) // taken away: whoever sets it again follows
			continue
		}
		f.m.Aliases = append(f.m.Aliases, *p)
		for _, v := range f.m.Versions {
			if slices.Contains(p.Versions, v.Version) && !v.Deleted {
				v.Aliases = append(v.Aliases, name)
			}
		}
	}
}

package registry

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// nouns are those of the records that make a model.
var nouns = []string{"model", "stage"}

// maxRenames bounds how often a name is followed back.
const maxRenames = 32

// Model folds the model of a name. NotFound: no record makes it exist.
func (r Registry) Model(ctx context.Context, name string) (*Model, error) {
	return r.modelAt(ctx, name, time.Time{})
}

// At is Model as it was at a time, by the dates of the records.
func (r Registry) At(ctx context.Context, name string, at time.Time) (*Model, error) {
	return r.modelAt(ctx, name, at)
}

func (r Registry) modelAt(ctx context.Context, name string, at time.Time) (*Model, error) {
	records, err := r.records(ctx, name, at)
	if err != nil {
		return nil, err
	}
	m := fold(name, records)
	if !m.Created && len(m.Live()) == 0 && (len(m.Versions) == 0 || at.IsZero()) {
		was, when := "is", ""
		if !at.IsZero() {
			was, when = "was", " yet at "+at.UTC().Format(time.RFC3339)
		}
		return nil, fault.New(fault.NotFound, "cannot find model %.200q: nothing %s registered under this name%s", name, was, when).Hint("mlx model list")
	}
	return m, nil
}

// Names lists the names that records give to models, in order. Some of these models may have been deleted since.
func (r Registry) Names(ctx context.Context) ([]string, error) {
	table, err := r.Ledger.Values(ctx, lineage.Query{Nouns: []string{"model"}, Where: "model != null", All: true}, "model")
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for row, err := range table.Rows {
		if err != nil {
			return nil, err
		}
		if name, ok := row.Values[0].(string); ok {
			seen[name] = true
		}
	}
	return slices.Sorted(maps.Keys(seen)), nil
}

// Live are the versions that nobody deleted.
func (m *Model) Live() []*Version {
	return slices.DeleteFunc(slices.Clone(m.Versions), func(v *Version) bool { return v.Deleted })
}

// records selects what was said of a model under its name, and under those that it had before.
func (r Registry) records(ctx context.Context, name string, at time.Time) ([]told, error) {
	var all []told
	names, until := []string{name}, ^uint64(0)
	for i := 0; i < len(names) && i < maxRenames; i++ {
		now, err := r.recordsOf(ctx, names[i], at)
		if err != nil {
			return nil, err
		}
		for _, t := range now.own {
			if t.rec.LC <= until && (i > 0 || t.rec.LC > now.away) { // what was renamed away is another model now
				all = append(all, t)
			}
		}
		if now.before != "" && !slices.Contains(names, now.before) && (i > 0 || now.since > now.away) {
			names, until = append(names, now.before), now.since
		}
	}
	return all, nil
}

// under is what was said under one name.
type under struct {
	own    []told
	away   uint64 // when a model of this name last got another
	before string // the name before this one of the model that last got this one
	since  uint64 // when it did
}

func (r Registry) recordsOf(ctx context.Context, name string, at time.Time) (under, error) {
	var u under
	for t, err := range r.named(ctx, name) {
		if err != nil {
			return u, err
		}
		if !at.IsZero() && t.rec.At.After(at) {
			continue
		}
		model, renamed := t.about()
		if model == name {
			u.own = append(u.own, t)
			if renamed != "" {
				u.away = max(u.away, t.rec.LC)
			}
		}
		if renamed == name && (u.before == "" || t.rec.LC > u.since) {
			u.before, u.since = model, t.rec.LC
		}
	}
	return u, nil
}

// NameNow is the name that a model has now which had one when the record of a clock was written.
func (r Registry) NameNow(ctx context.Context, name string, lc uint64) (string, error) {
	for range maxRenames {
		next, when := "", ^uint64(0)
		for t, err := range r.named(ctx, name) {
			if err != nil {
				return "", err
			}
			if model, renamed := t.about(); model == name && renamed != "" && t.rec.LC > lc && t.rec.LC < when {
				next, when = renamed, t.rec.LC
			}
		}
		if next == "" {
			break
		}
		name, lc = next, when
	}
	return name, nil
}

// Models folds every model, in the order of names. They are without their Events.
func (r Registry) Models(ctx context.Context) ([]*Model, error) {
	return r.models(ctx, func(object.Digest) {})
}

// models is Models, and tells the id of each record that it read.
func (r Registry) models(ctx context.Context, read func(object.Digest)) ([]*Model, error) {
	byName, renamed, err := r.everything(ctx, read)
	if err != nil {
		return nil, err
	}
	var all []*Model
	for name, records := range byName {
		if renamed[name] {
			m, err := r.Model(ctx, name)
			if fault.KindOf(err) == fault.NotFound {
				continue
			}
			if err != nil {
				return nil, err
			}
			m.Events = nil
			all = append(all, m)
			continue
		}
		m := fold(name, records)
		if m.Events = nil; m.Created || len(m.Live()) > 0 {
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b *Model) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// everything reads the records of all models by the names that stand in them, and which names some model left or took over. Of the
// records no bytes are kept: there are very many.
func (r Registry) everything(ctx context.Context, read func(object.Digest)) (byName map[string][]told, renamed map[string]bool, err error) {
	byName, renamed = map[string][]told{}, map[string]bool{}
	for rec, err := range r.Ledger.Select(ctx, lineage.Query{Nouns: nouns, All: true}) {
		if err != nil {
			return nil, nil, err
		}
		read(rec.ID)
		t, ok, err := tell(rec)
		if err != nil {
			return nil, nil, err
		}
		model, next := t.about()
		if !ok || !isNamed(rec, model) {
			continue
		}
		if next != "" {
			renamed[model], renamed[next] = true, true
			if _, known := byName[next]; !known {
				byName[next] = nil
			}
		}
		t.rec.Raw, t.rec.Body, t.rec.In = nil, nil, nil
		byName[model] = append(byName[model], t)
	}
	return byName, renamed, nil
}

// Version returns the version of a number.
func (m *Model) Version(number int) (*Version, error) {
	var found []*Version
	for _, v := range m.Live() {
		if v.Version == number {
			found = append(found, v)
		}
	}
	switch len(found) {
	case 0:
		return nil, fault.New(fault.NotFound, "cannot find %s@v%d: no such version", m.Name, number).Hint("mlx show model:%s", m.Name)
	case 1:
		return found[0], nil
	}
	e := fault.New(fault.Conflict, "cannot tell which %s@v%d is meant: two clones gave the same number, to %s and %s",
		m.Name, number, found[0].Digest.Short(), found[1].Digest.Short())
	for _, v := range found {
		e.Refs = append(e.Refs, fault.Ref{Kind: "model", ID: v.Record.Hex(), Name: v.Name()})
	}
	return nil, e.Hint("mlx model register %s model:%s   # gives this one the next number", m.Name, found[1].Record.Short())
}

// Latest returns the highest version, nil if there is none.
func (m *Model) Latest() *Version {
	live := m.Live()
	if len(live) == 0 {
		return nil
	}
	return live[len(live)-1]
}

// Pick returns the version that a selector names: v3 or 3, a stage, an alias, latest or nothing for the newest.
func (m *Model) Pick(selector string) (*Version, error) {
	if selector == "" || selector == "latest" {
		if v := m.Latest(); v != nil {
			return v, nil
		}
		return nil, fault.New(fault.NotFound, "cannot find a version of model %s: it has none", m.Name).Hint("mlx model register %s REF", m.Name)
	}
	if n, ok := versionNumber(selector); ok {
		return m.Version(n)
	}
	var found []Pointer
	for _, p := range slices.Concat(m.Aliases, m.Held) {
		if p.Name == selector && len(p.Versions) > 0 {
			found = append(found, p)
		}
	}
	if len(found) == 2 && slices.Equal(found[0].Versions, found[1].Versions) {
		found = found[:1]
	}
	switch {
	case len(found) == 0:
		return nil, fault.New(fault.NotFound, "cannot find %s@%s: no version has this stage or alias", m.Name, selector).Hint("mlx show model:%s", m.Name)
	case len(found) == 2:
		return nil, fault.New(fault.Conflict, "cannot tell which %s@%s is meant: the alias is v%d, the stage v%d", m.Name, selector,
			found[0].Versions[0], found[1].Versions[0]).Hint("mlx model alias %s@v%d %s --delete", m.Name, found[0].Versions[0], selector)
	case found[0].Conflict():
		return nil, m.conflict(found[0])
	}
	return m.Version(found[0].Versions[0])
}

// conflict says that people moved a pointer at the same time, and how one of them is chosen.
func (m *Model) conflict(p Pointer) error {
	e := fault.New(fault.Conflict, "cannot tell which version %s@%s is: people moved it at the same time, to v%d and v%d",
		m.Name, p.Name, p.Versions[0], p.Versions[1])
	for i, v := range p.Versions {
		e.Refs = append(e.Refs, fault.Ref{Kind: "record", ID: p.Records[i].Hex(), Name: m.Name + "@v" + strconv.Itoa(v)})
	}
	for _, v := range p.Versions[:2] {
		if Stage(p.Name).held() {
			_ = e.Hint("mlx promote %s@v%d %s", m.Name, v, p.Name)
		} else {
			_ = e.Hint("mlx model alias %s@v%d %s", m.Name, v, p.Name)
		}
	}
	return e
}

// versionNumber reads v3 or 3.
func versionNumber(s string) (int, bool) {
	digits := strings.TrimPrefix(s, "v")
	n, err := strconv.Atoi(digits)
	return n, err == nil && n > 0 && n < 1<<31 && digits[0] != '+'
}

// Resolve reads NAME@SELECTOR, or NAME for its newest version.
func (r Registry) Resolve(ctx context.Context, ref string) (*Model, *Version, error) {
	name, selector := ref, ""
	if at := strings.LastIndexByte(ref, '@'); at > 0 {
		name, selector = ref[:at], ref[at+1:]
	}
	m, err := r.Model(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	v, err := m.Pick(selector)
	return m, v, err
}

// Of returns the versions whose bytes have a digest, or are kept by the snapshot of that digest.
func (r Registry) Of(ctx context.Context, digest object.Digest) ([]*Version, error) {
	var all []*Version
	seen := map[string]bool{}
	for rec, err := range r.Ledger.Mentioning(ctx, []object.Digest{digest}, Registered.Name()) {
		if err != nil {
			return nil, err
		}
		b, err := Registered.Decode(rec)
		if err != nil {
			return nil, err
		}
		if seen[b.Model] {
			continue
		}
		seen[b.Model] = true
		m, err := r.Model(ctx, b.Model)
		if fault.KindOf(err) == fault.NotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, v := range m.Live() {
			if v.Digest == digest || v.Root == digest {
				all = append(all, v)
			}
		}
	}
	return all, nil
}

package lineage

import (
	"context"

	"mlx/internal/fault"
	"mlx/internal/lineage/internal/pack"
	"mlx/internal/object"
)

// Packs makes packs of exactly the records of some ids, in that order. What was redacted has a line that says so. All of
// them must be here.
func (l *Ledger) Packs(ctx context.Context, ids []object.Digest) ([]SyncPack, error) {
	if err := l.Seal(ctx); err != nil {
		return nil, err
	}
	v, err := l.settled()
	if err == nil {
		err = v.damage
	}
	if err != nil {
		return nil, err
	}
	type place struct{ part, row int }
	places := make(map[object.Digest]place, len(ids))
	for i, p := range v.parts {
		for row, id := range p.ix.IDs() {
			places[id] = place{i, row}
		}
	}
	set, err := l.redactions(ctx)
	if err != nil {
		return nil, err
	}
	fetch := &fetcher{view: v}
	defer fetch.close()
	enc, err := pack.NewEncoder()
	if err != nil {
		return nil, err
	}
	var facts []fact
	for _, id := range ids {
		at, ok := places[id]
		if !ok {
			return nil, fault.New(fault.NotFound, "record %s is not here", id.Short())
		}
		raw, err := fetch.line(at.part, at.row)
		if err == nil {
			raw, err = passable(set, id, raw)
		}
		if err != nil {
			return nil, err
		}
		facts = append(facts, fact{id, raw})
	}
	var out []SyncPack
	for len(facts) > 0 {
		b, rest, err := l.build(ctx, enc, facts, false)
		if err != nil {
			return nil, err
		}
		out, facts = append(out, SyncPack{Pack: b.Pack, Records: len(b.ids), IDs: b.ids, Data: b.data}), rest
	}
	return out, nil
}

package remote

import (
	"context"
	"slices"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

const (
	smallRecords = 256 << 10 // packs of records below this are joined
	manyRecords  = 48        // where so many of them lie together
)

// consolidate joins many small packs of records, so that who reads the log for the first time needs few requests. It is
// done after a push, and no more than a favour: whoever extends the log meanwhile leaves it to the next push.
func (r *Remote) consolidate(ctx context.Context) error {
	if r.o.Ledger == nil || r.o.RecordsOnly {
		return nil
	}
	run := smallRun(r.known.state.Records)
	if run == nil {
		return nil
	}
	ids, err := r.idsIn(ctx, run)
	if err == nil {
		err = r.replaceRecords(ctx, run, ids)
	}
	if fault.KindOf(err) == fault.Unavailable {
		r.o.Note("small packs of records stay for now: %v", err)
		err = nil
	}
	return err
}

// smallRun returns the first run of packs that are to be joined: neighbours, so that the order of ids stays.
func smallRun(packs []RecordPack) []RecordPack {
	from := 0
	for i := range len(packs) + 1 {
		if i < len(packs) && packs[i].Bytes < smallRecords {
			continue
		}
		if i-from >= manyRecords {
			return slices.Clone(packs[from:i])
		}
		from = i + 1
	}
	return nil
}

// idsIn returns the ids of neighbouring packs, in order and each once. Mostly the list of all ids tells them without a
// request.
func (r *Remote) idsIn(ctx context.Context, run []RecordPack) ([]object.Digest, error) {
	all, before, within := 0, 0, 0
	for _, p := range r.known.state.Records {
		switch {
		case slices.Contains(run, p):
			within += p.Records
		case within == 0:
			before += p.Records
		}
		all += p.Records
	}
	if all == len(r.known.ids) { // no record is in two packs
		return slices.Clone(r.known.ids[before : before+within]), nil
	}
	var ids []object.Digest
	seen := map[object.Digest]bool{}
	for _, p := range run {
		one, err := r.readRecords(ctx, p)
		if err != nil {
			return nil, err
		}
		list, err := lineage.PackIDs(one.Data)
		if err != nil {
			return nil, err
		}
		for _, id := range list {
			if !seen[id] {
				seen[id] = true
				ids = append(ids, id)
			}
		}
	}
	return ids, nil
}

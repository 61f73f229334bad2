package run

import (
	"context"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// Body is what the ledger says of a run, and who recorded it. What is too long for a record is still in its file: Unfold.
func (h History) Body(ctx context.Context, id object.Digest) (Body, string, error) {
	started, err := h.Ledger.Get(ctx, id)
	if err != nil {
		return Body{}, "", err
	}
	if !Started.Is(started) {
		return Body{}, "", fault.New(fault.NotFound, "there is no run %s", id.Short())
	}
	b, _, err := Runner{Ledger: h.Ledger}.newest(ctx, started)
	if err == nil && b.EndedAt == nil {
		b.State, b.Cause = h.unfinished(id, b)
	}
	return b, started.By, err
}

// BodyOf reads the body of the newest record of a run, and the id of the run.
func (h History) BodyOf(rec lineage.Record) (object.Digest, Body, error) {
	if Ended.Is(rec) {
		b, err := Ended.Decode(rec)
		if err == nil && b.Run == nil {
			err = fault.New(fault.Integrity, "cannot read record %s: it is no record of a run", rec.ID.Short())
		}
		if err != nil {
			return object.Digest{}, Body{}, err
		}
		return *b.Run, b, nil
	}
	b, err := Started.Decode(rec)
	if err != nil {
		return object.Digest{}, Body{}, err
	}
	b.Run = &rec.ID
	b.State, b.Cause = h.unfinished(rec.ID, b)
	return rec.ID, b, nil
}

// StateOf is what became of a run without an end in the ledger: running or lost.
func (h History) StateOf(id object.Digest, b Body) State {
	state, _ := h.unfinished(id, b)
	return state
}

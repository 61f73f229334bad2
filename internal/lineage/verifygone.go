package lineage

import (
	"context"
	"maps"
	"slices"

	"mlx/internal/object"
)

// redacted checks that a signed redaction stands behind every record without bytes, and notes what has no effect or is left to do.
func (v *verifier) redacted(ctx context.Context, view *view) error {
	set, err := v.l.redactions(ctx)
	if err != nil {
		return v.unreadable(err)
	}
	for _, id := range slices.SortedFunc(maps.Keys(v.gone), object.Digest.Compare) {
		r, signed := set.signed[id]
		switch {
		case !signed:
			v.report.problem(v.gone[id], 0, id, "its bytes are gone, and no trusted redaction says why")
		case !set.has(id):
			v.report.note("the bytes of record %s are gone by redaction %s, whose key had been revoked", id.Short(), r.ID.Short())
		}
	}
	for _, id := range slices.SortedFunc(maps.Keys(set.idle), object.Digest.Compare) {
		v.report.note("redaction %s has no effect: %s", id.Short(), set.idle[id])
	}
	for _, id := range view.bytesLeft(set) {
		v.report.note("the bytes of record %s are still here, although it is redacted", id.Short())
	}
	return nil
}

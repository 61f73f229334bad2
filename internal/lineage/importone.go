package lineage

import (
	"context"

	"mlx/internal/fault"
	"mlx/internal/lineage/internal/line"
	"mlx/internal/lineage/internal/pack"
	"mlx/internal/object"
)

// ImportRecord adds one record that came from elsewhere as the line it is, and returns it. The line must be that of id, byte
// for byte; one that is here already is left alone.
func (l *Ledger) ImportRecord(ctx context.Context, raw []byte, id object.Digest) (Record, error) {
	if len(raw) > line.MaxBytes || object.Sum(raw) != id {
		return Record{}, fault.New(fault.Integrity, "cannot import record %s: its bytes are not what its id says", id.Short())
	}
	if rec, err := l.Get(ctx, id); fault.KindOf(err) != fault.NotFound {
		return rec, err
	}
	if _, err := l.check(id, raw); err != nil {
		return Record{}, because(err, "cannot import record %s", id.Short())
	}
	enc, err := pack.NewEncoder()
	if err != nil {
		return Record{}, because(err, "cannot import record %s", id.Short())
	}
	b, _, err := l.build(ctx, enc, []fact{{id, raw}}, false)
	if err != nil {
		return Record{}, because(err, "cannot import record %s", id.Short())
	}
	if _, _, err := l.Import(ctx, b.data, b.Pack); err != nil {
		return Record{}, err
	}
	return l.Get(ctx, id)
}

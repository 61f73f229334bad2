package lineage

import (
	"context"

	"mlx/internal/object"
)

// IDs returns the ids of all records in log order, each at its first appearance.
func (l *Ledger) IDs(ctx context.Context) ([]object.Digest, error) {
	ids, _, err := l.leaves(ctx)
	return ids, err
}

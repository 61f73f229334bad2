package registry

import (
	"context"
	"slices"

	"mlx/internal/lineage"
	"mlx/internal/object"
)

// Log returns every record that tells of a model: those that make it, and the scans and sign-offs of the bytes of its versions.
// Deleted ones count as well. Oldest first.
func (r Registry) Log(ctx context.Context, m *Model) ([]lineage.Record, error) {
	all := make([]lineage.Record, 0, len(m.Events))
	seen := make(map[object.Digest]bool, len(m.Events))
	for _, e := range m.Events {
		all = append(all, e.Record)
		seen[e.Record.ID] = true
	}
	var digests []object.Digest
	for _, v := range m.Versions {
		if !v.Digest.IsZero() && !slices.Contains(digests, v.Digest) {
			digests = append(digests, v.Digest)
		}
	}
	if len(digests) == 0 {
		return all, nil
	}
	for rec, err := range r.Ledger.Mentioning(ctx, digests, Scanned.Name(), Signed.Name()) {
		if err != nil {
			return nil, err
		}
		if !seen[rec.ID] {
			seen[rec.ID] = true
			all = append(all, rec)
		}
	}
	return all, nil
}

// About reports whether a record tells of one version.
func (v *Version) About(rec lineage.Record) bool {
	if rec.ID == v.Record {
		return true
	}
	switch {
	case Described.Is(rec):
		b, err := Described.Decode(rec)
		return err == nil && b.Version == v.Version
	case Aliased.Is(rec):
		b, err := Aliased.Decode(rec)
		return err == nil && b.Version == v.Version
	case Moved.Is(rec):
		b, err := Moved.Decode(rec)
		return err == nil && b.Version == v.Version
	case Scanned.Is(rec):
		b, err := Scanned.Decode(rec)
		return err == nil && b.Digest == v.Digest
	case Signed.Is(rec):
		b, err := Signed.Decode(rec)
		return err == nil && b.Digest == v.Digest
	}
	return false
}

package snapshot

import (
	"bytes"
	"context"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot/internal/pack"
)

// Good says whether the store has an object, and its bytes have its digest.
func (s *Store) Good(ctx context.Context, d object.Digest) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	r, err := s.reader()
	if err != nil {
		return false, err
	}
	_, err = r.Read(d)
	switch fault.KindOf(err) {
	case fault.NotFound, fault.Integrity:
		return err == nil, nil
	default:
		return err == nil, err
	}
}

// Contains says whether any chunk of the store, decoded, holds some bytes. It reads all of it: for those who must prove
// that something is gone.
func (s *Store) Contains(ctx context.Context, b []byte) (bool, error) {
	r, err := s.reader()
	if err != nil {
		return false, err
	}
	if err := s.set.Refresh(); err != nil {
		return false, err
	}
	for _, f := range s.set.Files() {
		found := false
		f.ChunksInPlace(func(d object.Digest, l pack.Loc) bool {
			raw, rerr := r.ReadLoc(d, l)
			if err = ctx.Err(); err == nil && rerr == nil {
				found = bytes.Contains(raw, b)
			}
			return err == nil && !found
		})
		if found || err != nil {
			return found, err
		}
	}
	return false, nil
}

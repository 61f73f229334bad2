package snapshot

import (
	"context"
	"errors"
	"maps"

	"mlx/internal/object"
)

// Holds says of each of many objects whether it can be read from this store, packs that gc is about to delete left out.
// What a killed receiver left is counted in.
func (s *Store) Holds(ids []object.Digest) ([]bool, error) {
	if err := s.prepare(); err != nil {
		return nil, err
	}
	if err := s.adopt(); err != nil {
		return nil, err
	}
	skip, err := s.refreshed()
	if err != nil {
		return nil, err
	}
	out := make([]bool, len(ids))
	for i, d := range ids {
		out[i] = s.set.Usable(d, skip)
	}
	return out, nil
}

// Keep says which versions are whole in this store, and protects those from gc until release is called: nothing that is
// said to be here may vanish before it is used.
func (s *Store) Keep(ctx context.Context, roots []object.Digest) (whole []bool, release func() error, err error) {
	if err := s.prepare(); err != nil {
		return nil, nil, err
	}
	skip, err := s.refreshed()
	if err != nil {
		return nil, nil, err
	}
	r, err := s.reader()
	if err != nil {
		return nil, nil, err
	}
	r.loose = true // what is missing is counted, and the walk goes on
	whole = make([]bool, len(roots))
	var kept []object.Digest
	for i, root := range roots {
		if !s.set.Usable(root, skip) {
			continue
		}
		n, err := s.missing(ctx, r, root, skip)
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		if whole[i] = n == 0 && err == nil; whole[i] { // one that is damaged is not whole
			kept = append(kept, root)
		}
	}
	if release, err = s.publishAll(kept); err != nil {
		return nil, nil, err
	}
	now, err := s.condemnedPacks()
	if err != nil {
		return nil, nil, errors.Join(err, release())
	}
	if maps.Equal(now, skip) {
		return whole, release, nil
	}
	for i, root := range roots { // gc may have judged before it could see them
		if whole[i] {
			n, err := s.missing(ctx, r, root, now)
			whole[i] = n == 0 && err == nil
		}
	}
	return whole, release, nil
}

// refreshed lists the packs again, and returns those that gc is about to delete.
func (s *Store) refreshed() (map[object.Digest]bool, error) {
	if err := s.refresh(); err != nil {
		return nil, err
	}
	if err := s.set.Refresh(); err != nil {
		return nil, err
	}
	return s.condemnedPacks()
}

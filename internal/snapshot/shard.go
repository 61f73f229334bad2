package snapshot

import (
	"context"
	"encoding/binary"
	"slices"
	"strings"

	"mlx/internal/object"
)

// Shard is part I, counted from 0, of N equal parts of some work. The zero Shard is all of it.
type Shard struct{ I, N int }

// Has says whether an object falls to the part. Every object falls to one part, whoever asks.
func (s Shard) Has(d object.Digest) bool {
	return s.N <= 1 || binary.BigEndian.Uint64(d[:8])%uint64(s.N) == uint64(s.I) //nolint:gosec // both are counts
}

// HasPath says the same of a path below a folder that is saved in parts. It goes by the name alone: a file that grows
// while others look at it still falls to one of them.
func (s Shard) HasPath(rel string) bool { return s.Has(object.Sum([]byte(rel))) }

// VerifyShard is Verify of the given versions alone, of which it reads the objects that fall to a shard, and the folders
// that lead there. The reports of all shards, joined, are that of Verify.
func (s *Store) VerifyShard(ctx context.Context, roots []object.Digest, shard Shard, p Progress) (Report, error) {
	return s.verify(ctx, roots, true, &verifier{p: p, shard: shard})
}

// Join adds the report of another shard of the same versions. What several met is one damage, with all that it hurts.
func (r *Report) Join(o Report) {
	r.Packs += o.Packs
	r.Objects += o.Objects
	r.Bytes += o.Bytes
	for _, d := range o.Damage {
		i, known := slices.BinarySearchFunc(r.Damage, d.Object, func(k Damage, name string) int { return strings.Compare(k.Object, name) })
		if !known {
			r.Damage = slices.Insert(r.Damage, i, d)
			continue
		}
		hurts := slices.Clone(r.Damage[i].Hurts)
		for _, h := range d.Hurts {
			if len(hurts) < hurtLimit && !slices.Contains(hurts, h) {
				hurts = append(hurts, h)
			}
		}
		r.Damage[i].Hurts = hurts
	}
}

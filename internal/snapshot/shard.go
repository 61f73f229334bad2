package snapshot

import (
	"context"
	"encoding/binary"
	"slices"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot/internal/pack"
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

// PackReport is what reading some packs of a store has found: the part of a Report that can be made without knowing whom it hurts.
type PackReport struct {
	Packs  []PackRead   `json:"packs"`
	Damage []PackDamage `json:"damage"`
}

// PackRead is a pack that was read.
type PackRead struct {
	Pack    object.Digest `json:"pack"` // its name
	Objects int64         `json:"objects"`
	Bytes   int64         `json:"bytes"` // raw bytes checked
}

// PackDamage is what is damaged of one pack.
type PackDamage struct {
	File    string          `json:"file"`    // in the store
	Objects []object.Digest `json:"objects"` // none: all of it
	Cause   string          `json:"cause"`
	Lost    bool            `json:"lost"` // deltas without their base: no damage where nothing needs them
}

// VerifyPacks reads the packs of the store that fall to a shard.
func (s *Store) VerifyPacks(ctx context.Context, shard Shard, p Progress) (PackReport, error) {
	v := &verifier{p: p, found: &PackReport{Packs: []PackRead{}, Damage: []PackDamage{}}, mine: func(f *pack.File) bool { return shard.Has(f.Name()) }}
	if err := s.beginVerify(v); err != nil {
		return PackReport{}, err
	}
	if err := v.packs(ctx); err != nil {
		return PackReport{}, err
	}
	slices.SortFunc(v.found.Packs, func(a, b PackRead) int { return a.Pack.Compare(b.Pack) })
	return *v.found, nil
}

// PackNames lists the packs of the store.
func (s *Store) PackNames() ([]object.Digest, error) {
	if err := s.refresh(); err != nil {
		return nil, err
	}
	if err := s.set.Refresh(); err != nil {
		return nil, err
	}
	var all []object.Digest
	for _, f := range s.set.Files() {
		all = append(all, f.Name())
	}
	return all, nil
}

// VerifyRead makes the report of Verify of all of the store from what others have read of its packs. packs are those that there were when
// it began: what nobody has read of them is read here, and what has come since does not count.
func (s *Store) VerifyRead(ctx context.Context, roots, packs []object.Digest, parts []PackReport) (Report, error) {
	left := map[object.Digest]bool{}
	for _, name := range packs {
		left[name] = true
	}
	v := &verifier{mine: func(f *pack.File) bool { return left[f.Name()] }}
	if err := s.beginVerify(v); err != nil {
		return Report{}, err
	}
	for _, part := range parts {
		for _, p := range part.Packs {
			if left[p.Pack] {
				delete(left, p.Pack)
				v.report.Packs++
				v.report.Objects += p.Objects
				v.report.Bytes += p.Bytes
			}
		}
		for _, d := range part.Damage {
			kind := fault.Integrity
			if d.Lost {
				kind = fault.NotFound
			}
			v.damage(d.File, d.Objects, fault.New(kind, "%s", d.Cause))
		}
	}
	return v.rest(ctx, roots, false)
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

package remote

import (
	"context"
	"slices"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot"
)

// verifyData checks tables and packs of chunks, and that every version is whole.
func (r *Remote) verifyData(ctx context.Context, v *VerifyReport, s *state, o VerifyOptions) error {
	packs := s.readable()
	catalog, err := r.verifyPacks(ctx, v, packs, o)
	if err != nil {
		return err
	}
	for _, t := range s.Tables {
		b, err := r.readTable(ctx, t, 0, t.Bytes)
		if err == nil {
			err = catalog.CheckTable(t.Info(), b)
		}
		if err != nil && !isDamage(err) {
			return err
		}
		if err != nil {
			v.damage(t.key(), err)
		}
	}
	return r.verifyRoots(ctx, v, s, packs)
}

// verifyPacks checks packs side by side, and returns a catalog of those whose indexes are sound.
func (r *Remote) verifyPacks(ctx context.Context, v *VerifyReport, packs []ChunkPack, o VerifyOptions) (*snapshot.Catalog, error) {
	catalog, err := r.allIndexes(ctx, packs)
	if err != nil {
		return nil, err
	}
	known := map[object.Digest]PackFound{}
	if o.Elsewhere != nil {
		list, err := o.Elsewhere(ctx)
		if err != nil {
			return nil, err
		}
		for _, f := range list {
			known[f.Pack] = f
			v.Bytes += f.Received
		}
	}
	var left []ChunkPack
	for _, p := range packs {
		if _, ok := known[p.Pack]; !ok {
			left = append(left, p)
		}
	}
	found, err := r.readPacks(ctx, catalog, left, packCheck{packs: packs, sample: o.Sample})
	for _, f := range found {
		known[f.Pack] = f
	}
	var total, sum int64
	for _, p := range packs {
		total += p.Bytes
		f := known[p.Pack]
		sum += min(f.Read, p.Bytes)
		for _, d := range f.Damage {
			one := Damage{Object: p.key(), Cause: d.Cause, chunks: d.Chunks}
			if len(d.Chunks) > 0 {
				one.Object += " " + d.Chunks[0].String()
			}
			v.bad[p.Pack] = true
			v.Damage = append(v.Damage, one)
		}
	}
	if v.Packs = len(packs); o.Sample != nil && total > 0 {
		v.Share = float64(sum) / float64(total)
	}
	return catalog, err
}

// VerifyPacks reads packs of chunks for a Verify elsewhere: those whose names mine has.
func (r *Remote) VerifyPacks(ctx context.Context, mine func(object.Digest) bool, sample func() bool) ([]PackFound, error) {
	if err := r.Advance(ctx); err != nil {
		return nil, err
	}
	packs := r.known.state.readable()
	catalog, err := r.allIndexes(ctx, packs)
	if err != nil {
		return nil, err
	}
	own := slices.DeleteFunc(slices.Clone(packs), func(p ChunkPack) bool { return !mine(p.Pack) })
	_, _, before := r.Requests()
	found, err := r.readPacks(ctx, catalog, own, packCheck{packs: packs, sample: sample})
	if _, _, after := r.Requests(); len(found) > 0 {
		found[len(found)-1].Received = after - before
	}
	return found, err
}

// allIndexes is a catalog of the packs whose indexes are sound.
func (r *Remote) allIndexes(ctx context.Context, packs []ChunkPack) (*snapshot.Catalog, error) {
	sound, err := r.loadable(ctx, packs)
	if err != nil {
		return nil, err
	}
	catalog, err := r.open(ctx, sound, nil)
	if err == nil {
		err = catalog.LoadAll(ctx)
	}
	return catalog, err
}

// packCheck says how packs are read.
type packCheck struct {
	packs  []ChunkPack // all of the remote: bases of deltas may lie in any of them
	sample func() bool // nil reads all
}

// readPacks checks some packs side by side.
func (r *Remote) readPacks(ctx context.Context, catalog *snapshot.Catalog, own []ChunkPack, k packCheck) ([]PackFound, error) {
	var total int64
	for _, p := range own {
		total += p.Bytes
	}
	progress := r.o.Progress("reading packs", total)
	defer progress.Done()
	found := make([]PackFound, len(own))
	draw := sampler(k.sample)
	err := each(ctx, len(own), min(r.o.Jobs, 4), func(ctx context.Context, i int) error {
		f := &found[i]
		f.Pack, f.Damage = own[i].Pack, []PackDamage{}
		var err error
		f.Read, err = catalog.Check(ctx, own[i].Info(), snapshot.PackCheck{
			Read: r.reader(k.packs), Sample: draw,
			Report: func(ids []object.Digest, err error) {
				f.Damage = append(f.Damage, PackDamage{Chunks: ids, Cause: err.Error()})
			},
		})
		progress.Add(own[i].Bytes)
		return err
	})
	return found, err
}

// loadable returns the packs whose indexes can be read.
func (r *Remote) loadable(ctx context.Context, packs []ChunkPack) ([]ChunkPack, error) {
	sound := make([]ChunkPack, 0, len(packs))
	for _, p := range packs {
		one, err := r.open(ctx, []ChunkPack{p}, nil)
		if err == nil {
			err = one.LoadAll(ctx)
		}
		if err != nil && !isDamage(err) {
			return nil, err
		}
		if err == nil {
			sound = append(sound, p)
		}
	}
	return sound, nil
}

// sampler makes a source of chance safe for several packs at once.
func sampler(draw func() bool) func() bool {
	if draw == nil {
		return nil
	}
	turn := make(chan struct{}, 1)
	return func() bool {
		turn <- struct{}{}
		defer func() { <-turn }()
		return draw()
	}
}

// verifyRoots makes sure that the packs without damage hold every version whole, and says what the damage hurts.
func (r *Remote) verifyRoots(ctx context.Context, v *VerifyReport, s *state, packs []ChunkPack) error {
	good := slices.DeleteFunc(slices.Clone(packs), func(c ChunkPack) bool { return v.bad[c.Pack] })
	_, need, _, err := r.needs(ctx, good, nil)
	if err != nil {
		return err
	}
	damaged := map[object.Digest]bool{}
	for _, d := range v.Damage {
		for _, id := range d.chunks {
			damaged[id] = true
		}
	}
	for _, h := range s.Roots {
		lacks, err := r.need(ctx, need, h.Root.Root)
		if err != nil && !isDamage(err) {
			return err
		}
		if err != nil || len(lacks) > 0 {
			if err := r.hurt(ctx, v, h.Root, lacked{lacks: lacks, damaged: damaged, err: err}); err != nil {
				return err
			}
		}
	}
	return nil
}

// lacked is what no sound pack has of a version.
type lacked struct {
	lacks   []snapshot.Lack
	damaged map[object.Digest]bool // chunks of frames that are damaged
	err     error                  // its trees cannot be read
}

// hurt says for each damage which paths of a version it hurts. What is missing for no damage that is known is one itself.
func (r *Remote) hurt(ctx context.Context, v *VerifyReport, root Root, l lacked) error {
	if l.err != nil {
		v.blame(root, nil, "", l.err)
		return nil
	}
	lacks := map[object.Digest]bool{}
	for _, k := range l.lacks {
		lacks[k.Object] = true
	}
	explained := false
	for i := range v.Damage {
		d := &v.Damage[i]
		bad := map[object.Digest]bool{}
		for _, id := range d.chunks {
			if lacks[id] {
				bad[id] = true
			}
		}
		if len(d.chunks) == 0 && v.isPack(d.Object) { // all of the pack: whatever is not in a damaged frame of another
			for id := range lacks {
				if !l.damaged[id] {
					bad[id] = true
				}
			}
		}
		if len(bad) == 0 {
			continue
		}
		explained = true
		paths, err := r.o.Store.Hurt(ctx, root.Root, bad, hurtsLimit)
		if err != nil {
			return err
		}
		for _, p := range paths {
			d.Hurts = append(d.Hurts, Hurt{root, p})
		}
	}
	if !explained && !r.inDamagedPacks(ctx, v, lacks) {
		v.blame(root, &l.lacks[0].Object, "", fault.New(fault.Integrity, "it is in no pack of the remote"))
		paths, err := r.o.Store.Hurt(ctx, root.Root, lacks, hurtsLimit)
		if err != nil {
			return err
		}
		d := &v.Damage[len(v.Damage)-1]
		for _, p := range paths {
			d.Hurts = append(d.Hurts, Hurt{root, p})
		}
	}
	return nil
}

// isPack says whether a damage is that of all of a pack of chunks.
func (v *VerifyReport) isPack(key string) bool {
	return len(key) > len(packFolder) && key[:len(packFolder)] == packFolder
}

// blame enters a damage of a version as such.
func (v *VerifyReport) blame(root Root, d *object.Digest, path string, err error) {
	name := "version " + root.Root.String()
	if d != nil {
		v.Damage = append(v.Damage, Damage{Object: "object " + d.String(), Cause: err.Error()})
		return
	}
	v.Damage = append(v.Damage, Damage{Object: name, Cause: err.Error(), Hurts: []Hurt{{root, path}}})
}

// inDamagedPacks says whether everything that is lacking lies in packs with damage, though itself sound.
func (r *Remote) inDamagedPacks(ctx context.Context, v *VerifyReport, lacks map[object.Digest]bool) bool {
	var packs []ChunkPack
	for _, p := range r.known.state.readable() {
		if v.bad[p.Pack] {
			packs = append(packs, p)
		}
	}
	catalog, err := r.open(ctx, packs, nil)
	if err != nil {
		return false
	}
	for id := range lacks {
		if ok, err := catalog.Has(ctx, id); err != nil || !ok {
			return false
		}
	}
	return true
}

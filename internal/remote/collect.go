package remote

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot"
)

// planGC decides on the log as it is known.
func (r *Remote) planGC(ctx context.Context, o GCOptions) (*GCPlan, error) {
	p := &GCPlan{}
	if err := r.planRoots(ctx, p, o); err != nil {
		return nil, err
	}
	objects, err := r.objects(ctx, packFolder)
	if err != nil {
		return nil, err
	}
	orphans := map[string]time.Time{}
	if objects != nil {
		p.there = make(map[string]int64, len(objects))
	}
	for key, o := range objects {
		p.there[key], orphans[key] = o.Size, o.Modified
	}
	for i := range r.known.state.Packs {
		delete(orphans, r.known.state.Packs[i].key())
	}
	again, err := r.planNeed(ctx, p)
	if err != nil {
		return nil, err
	}
	large := o.Large
	if large == 0 {
		large = rewriteLarge
	}
	for i := range r.known.state.Packs {
		r.planPack(p, &r.known.state.Packs[i], again, large)
	}
	r.planOrphans(p, orphans)
	if p.Objects, err = r.leftovers(ctx); err != nil {
		return nil, err
	}
	for _, o := range p.Objects {
		p.Freed += o.Bytes
	}
	return p, nil
}

// planRoots decides which versions stay, and why.
func (r *Remote) planRoots(ctx context.Context, p *GCPlan, o GCOptions) error {
	live := map[object.Digest]string{}
	if o.Live != nil {
		for root, err := range o.Live(ctx) {
			if err != nil {
				return err
			}
			if _, ok := live[root.Digest]; !ok {
				live[root.Digest] = root.Why
			}
		}
	}
	s, now := &r.known.state, r.o.Now()
	for _, d := range o.Release {
		if !s.holds(d) {
			return fault.New(fault.NotFound, "remote %s has no version %s to release", r.o.Name, d.Short())
		}
	}
	newest := map[string]int{}
	for _, h := range slices.Backward(s.Roots) {
		if newest[h.Path]++; newest[h.Path] <= o.KeepLast && live[h.Root.Root] == "" {
			live[h.Root.Root] = fmt.Sprintf("among the newest %d of %s", o.KeepLast, h.Path)
		}
		if now.Sub(h.time()) < o.Within && live[h.Root.Root] == "" {
			live[h.Root.Root] = "pushed within the time that is kept"
		}
	}
	for _, h := range s.Roots {
		k := GCRoot{Root: h.Root, At: h.time(), Why: live[h.Root.Root]}
		if k.Stays = k.Why != ""; !k.Stays {
			k.Why = "needed by nothing"
		}
		if slices.Contains(o.Release, h.Root.Root) {
			k.Stays, k.Why = false, "released by name"
		}
		if k.Stays && !slices.Contains(p.live, h.Root.Root) {
			p.live = append(p.live, h.Root.Root)
		}
		p.Roots = append(p.Roots, k)
	}
	return nil
}

// planNeed finds what the live versions need. It returns the packs that are condemned or dropped and needed again.
func (r *Remote) planNeed(ctx context.Context, p *GCPlan) (map[object.Digest]bool, error) {
	var lacks []snapshot.Lack
	var err error
	usable := slices.DeleteFunc(r.known.state.usable(), func(c ChunkPack) bool { return p.gone(r, c) })
	if p.usual, p.need, lacks, err = r.needs(ctx, usable, p.live); err != nil || len(lacks) == 0 {
		return nil, err
	}
	var all []ChunkPack
	for _, k := range r.known.state.Packs {
		if k.Fate != fateDeleted && k.Bytes > 0 && !p.gone(r, k.ChunkPack) {
			all = append(all, k.ChunkPack)
		}
	}
	if all, err = r.loadable(ctx, all); err != nil {
		return nil, err
	}
	_, need, _, err := r.needs(ctx, all, nil)
	if err != nil {
		return nil, err
	}
	again := map[object.Digest]bool{}
	for _, l := range lacks {
		ok, err := need.Mark(ctx, l.Object)
		if err != nil {
			return nil, err
		}
		if !ok {
			p.Lacks++
			r.o.Note("remote %s lacks object %s of version %s", r.o.Name, l.Object.Short(), l.Root.Short())
		}
	}
	for _, c := range all {
		if need.Bytes(c.Pack) > 0 {
			again[c.Pack] = true
		}
	}
	return again, nil
}

// gone says whether the listing shows that a pack's object is not there.
func (p *GCPlan) gone(r *Remote, c ChunkPack) bool {
	size, ok := p.there[c.key()]
	return p.there != nil && (!ok || size != r.size(c))
}

// needs finds what some versions need of some packs, and what these lack.
func (r *Remote) needs(ctx context.Context, packs []ChunkPack, roots []object.Digest) (*snapshot.Catalog, *snapshot.Need, []snapshot.Lack, error) {
	catalog, err := r.open(ctx, packs, nil)
	if err == nil {
		err = catalog.LoadAll(ctx)
	}
	if err != nil {
		return nil, nil, nil, err
	}
	need, err := catalog.Need()
	if err != nil {
		return nil, nil, nil, err
	}
	var lacks []snapshot.Lack
	for _, root := range roots {
		some, err := r.need(ctx, need, root)
		if err != nil {
			return nil, nil, nil, fault.New(fault.KindOf(err), "cannot tell what version %s needs: %w", root.Short(), err).
				Hint("mlx verify -r %s   # what is damaged there", r.o.Name)
		}
		lacks = append(lacks, some...)
	}
	return catalog, need, lacks, nil
}

// need adds one version. Trees and recipes that are not here are fetched from the remote. What was erased is not missed.
func (r *Remote) need(ctx context.Context, need *snapshot.Need, root object.Digest) ([]snapshot.Lack, error) {
	gone, err := r.o.Store.Erased()
	if err != nil {
		return nil, err
	}
	lacks, err := need.Add(ctx, root, false)
	if fault.KindOf(err) == fault.NotFound {
		if err = r.fetchTrees(ctx, root); len(gone) > 0 && fault.KindOf(err) == fault.NotFound {
			err = nil
		}
		if err != nil {
			return nil, err
		}
		lacks, err = need.Add(ctx, root, len(gone) > 0)
	}
	return slices.DeleteFunc(lacks, func(l snapshot.Lack) bool { return gone[l.Object] }), err
}

// fetchTrees brings the trees and recipes of a version into the store.
func (r *Remote) fetchTrees(ctx context.Context, root object.Digest) error {
	packs := r.known.state.readable()
	return r.withTables(func(tables []Table) error {
		catalog, err := r.open(ctx, packs, tables)
		if err != nil {
			return err
		}
		got, err := r.o.Store.FetchTrees(ctx, snapshot.FetchOptions{Roots: []object.Digest{root}, From: catalog, Read: r.reader(packs), Jobs: r.o.Jobs})
		if err != nil {
			return err
		}
		return got.Release()
	})
}

// planPack decides the fate of a pack.
func (r *Remote) planPack(p *GCPlan, k *pack, again map[object.Digest]bool, large int64) {
	now := r.o.Now()
	g := GCPack{Pack: k.Pack, Bytes: r.size(k.ChunkPack)}
	if size, ok := p.there[k.key()]; ok && k.Bytes == 0 {
		g.Bytes = size
	}
	since, _ := time.Parse(timeForm, k.Since)
	switch {
	case k.Fate == fateDeleted:
		if _, ok := p.there[k.key()]; !ok || r.known.state.sharesObject(*k) {
			return
		}
		g.Do, g.Why = doDelete, "its object could not be deleted before"
	case k.Fate != "" && again[k.Pack]:
		g.Do, g.Why, g.Live = doSpare, "condemned before, needed again", g.Bytes
	case k.Fate == fateCondemned:
		g.step(doDrop, "condemned", since, since.Add(condemnGrace), now)
	case k.Fate == fateDropped:
		g.step(doDelete, "dropped", since, since.Add(dropGrace), now)
	case p.gone(r, k.ChunkPack):
		g.Do, g.Why, g.Bytes = doCondemn, "its object is gone", 0
	default:
		r.planUsable(p, &g, large)
	}
	p.add(g)
}

// step is the next step of a pack that goes, if it is due.
func (g *GCPack) step(next, was string, since, due, now time.Time) {
	g.Do, g.Why = next, was+" since "+since.UTC().Format(time.RFC3339)
	if now.Before(due) {
		g.Do, g.After = doWait, due
	}
}

func (r *Remote) planUsable(p *GCPlan, g *GCPack, large int64) {
	g.Live = p.need.Bytes(g.Pack)
	switch {
	case g.Live == 0:
		g.Do, g.Why, g.After = doCondemn, "nothing in it is needed", r.o.Now().Add(condemnGrace)
	case g.Bytes >= large && float64(g.Bytes-g.Live) >= rewriteShare*float64(g.Bytes):
		g.Do, g.Why, g.After = doRewrite, fmt.Sprintf("%d%% of it is needed", 100*g.Live/g.Bytes), r.o.Now().Add(condemnGrace)
	default:
		g.Do, g.Why = doKeep, "needed"
	}
}

// planOrphans condemns objects that no entry names, once no push can still be about to name them.
func (r *Remote) planOrphans(p *GCPlan, orphans map[string]time.Time) {
	for key, modified := range orphans {
		if r.o.Now().Sub(modified) < orphanAge {
			continue
		}
		name, ok := strings.CutSuffix(strings.TrimPrefix(key, packFolder), packSuffix)
		d, err := object.ParseDigest("sha256:" + name)
		if !ok || err != nil { // not ours
			continue
		}
		p.add(GCPack{Pack: d, Bytes: p.there[key], Do: doCondemn, Why: "no entry names it", After: r.o.Now().Add(condemnGrace)})
	}
	slices.SortStableFunc(p.Packs, func(a, b GCPack) int { return a.Pack.Compare(b.Pack) })
}

// add enters a pack and counts its bytes.
func (p *GCPlan) add(g GCPack) {
	p.Packs = append(p.Packs, g)
	switch g.Do {
	case doKeep, doSpare:
		p.Kept += g.Bytes
	case doRewrite:
		p.Kept += g.Live
		p.Later += g.Bytes - g.Live
	case doDelete:
		p.Freed += g.Bytes
	default:
		p.Later += g.Bytes
	}
	if !g.After.IsZero() && (p.After.IsZero() || g.After.Before(p.After)) {
		p.After = g.After
	}
}

// rewritePacks makes new packs of what is needed in the packs that are to be rewritten, and proves that the live versions
// are whole with what then is there.
func (r *Remote) rewritePacks(ctx context.Context, p *GCPlan, e *Entry) error {
	var ids []object.Digest
	for _, name := range p.chosen(doRewrite) {
		ids = append(ids, p.need.Objects(name)...)
	}
	stay := slices.DeleteFunc(r.known.state.usable(), func(c ChunkPack) bool { return slices.Contains(e.Condemned, c.Pack) })
	if len(ids) == 0 {
		return nil
	}
	if err := r.repack(ctx, repacking{ids: ids, from: p.usual, stay: stay, full: p.need.IsBase}, e); err != nil {
		return err
	}
	_, _, lacks, err := r.needs(ctx, append(stay, e.Packs...), p.live)
	if err == nil && len(lacks) > p.Lacks {
		err = fault.New(fault.Internal, "cannot make packs anew: object %s of version %s would be missing", lacks[0].Object.Short(), lacks[0].Root.Short())
	}
	return err
}

// repacking is what is to be packed anew.
type repacking struct {
	ids  []object.Digest
	from *snapshot.Catalog
	stay []ChunkPack // packs that stay besides
	full func(object.Digest) bool
	anew bool // nothing is copied without being compared with its digest
}

// repack uploads packs of some objects and puts them into the entry.
func (r *Remote) repack(ctx context.Context, k repacking, e *Entry) error {
	there, err := r.open(ctx, k.stay, nil)
	if err == nil {
		err = there.LoadAll(ctx)
	}
	if err != nil {
		return err
	}
	p := pusher{r: r, anew: k.anew}
	defer p.close()
	p.shipment, err = r.o.Store.Repack(ctx, k.ids, snapshot.RepackOptions{
		From: k.from, There: there, Read: r.reader(r.known.state.readable()), Full: k.full, Anew: k.anew, Jobs: r.o.Jobs,
	})
	if err != nil {
		return err
	}
	if err := p.upload(ctx); err != nil {
		return err
	}
	e.Packs = append(e.Packs, p.packs...)
	return nil
}

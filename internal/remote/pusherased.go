package remote

import (
	"context"
	"slices"

	"mlx/internal/object"
)

// erasures reads what was erased. If this push has learnt of an erasure since it uploaded packs, it takes back those that
// hold something of it: no entry has named them, and none will.
func (p *pusher) erasures(ctx context.Context) error {
	if p.erased != nil && p.read == p.r.erasures {
		return nil
	}
	var err error
	if p.erased, err = p.r.Erasures(ctx); err != nil {
		return err
	}
	if p.erased == nil {
		p.erased = Erasures{}
	}
	learnt := p.shipment != nil && p.read != p.r.erasures
	p.read = p.r.erasures
	if !learnt {
		return nil
	}
	if err := p.takeBack(ctx); err != nil {
		return err
	}
	p.close()
	p.shipment, p.packs, p.listed = nil, nil, false
	return nil
}

// takeBack deletes the packs of this push that hold what was erased, unless the log counts on them.
func (p *pusher) takeBack(ctx context.Context) error {
	gone := p.erased.gone()
	mine := slices.DeleteFunc(slices.Clone(p.packs), func(c ChunkPack) bool {
		k := p.r.known.state.pack(c.Pack)
		return k != nil && k.Fate == ""
	})
	catalog, err := p.r.open(ctx, mine, nil)
	if err != nil {
		return err
	}
	for _, c := range mine {
		bad, err := catalog.With(ctx, c.Pack, func(d object.Digest) bool { return gone[d] })
		if err != nil {
			return err
		}
		if len(bad) > 0 {
			if err := p.r.o.Bucket.Delete(ctx, c.key()); err != nil {
				return err
			}
		}
	}
	return nil
}

package lineage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"mlx/internal/lineage/internal/column"
	"mlx/internal/lineage/internal/disk"
	"mlx/internal/lineage/internal/pack"
	"mlx/internal/object"
)

// errNoRecord says that a line with a right checksum is no record.
var errNoRecord = errors.New("no record")

// fact is a record on its way into a pack.
type fact struct {
	id  object.Digest
	raw []byte
}

// addition is a change of the log: packs with facts that are new to it, and strays.
type addition struct {
	l        *Ledger
	ctx      context.Context
	facts    []fact
	strays   []object.Digest
	vetted   map[object.Digest]vetted // strays that need not be read again
	without  *order                   // its packs hold none of facts
	ready    bool
	made     []sealed
	replaced []object.Digest        // strays whose records are in made
	checked  map[object.Digest]bool // packs of the log that made has been compared with
}

func (l *Ledger) addPacks(ctx context.Context, facts []fact, strays []object.Digest, without *order) error {
	return l.add(&addition{l: l, ctx: ctx, facts: facts, strays: strays, without: without})
}

// vetted is a pack that was read and checked, with the ids of its records.
type vetted struct {
	sealed
	ids []object.Digest
}

func (l *Ledger) add(a *addition) error {
	a.checked = map[object.Digest]bool{}
	if err := l.reorder(a.change); err != nil {
		return err
	}
	l.removePacks(a.replaced)
	return nil
}

func (a *addition) change(o *order) (bool, error) {
	known, grown, err := a.l.known(o, a.without, a.checked)
	if err != nil {
		return false, err
	}
	missing := func(s sealed) bool { return !o.has(s.Pack) }
	// Others have sealed since, perhaps the same records; or have taken our packs for the leftovers of a dead sealer.
	again := grown && slices.ContainsFunc(a.made, missing) || !a.l.mayList(o, a.made)
	// A stray that its own sealer, not dead after all, has put into the log meanwhile is none, and must not be condemned.
	again = again || slices.ContainsFunc(a.replaced, o.has)
	if !a.ready || again {
		if err := a.make(o, known); err != nil {
			return false, err
		}
		a.ready = true
	}
	before := len(o.Packs)
	for _, s := range a.made {
		if missing(s) {
			o.Packs = append(o.Packs, s)
		}
	}
	for _, id := range a.replaced {
		if !slices.Contains(o.Replaced, id) {
			o.Replaced = append(o.Replaced, id)
			before = -1
		}
	}
	return len(o.Packs) != before, nil
}

// mayList reports whether packs that were made for the log may still be put into it after o. Until they are, others take them for leftovers,
// and those that repeat records are condemned: named as replaced, and only then removed. Both go through the log: whoever
// is second sees it, here or by losing the race for the next number.
func (l *Ledger) mayList(o *order, packs []sealed) bool {
	return !slices.ContainsFunc(packs, func(s sealed) bool {
		if o.has(s.Pack) {
			return false
		}
		_, err := os.Lstat(l.packPath(s.Pack))
		return err != nil || slices.Contains(o.Replaced, s.Pack)
	})
}

// make writes the packs. A stray that repeats nothing is taken as it is; of another, what is new is packed again.
func (a *addition) make(o *order, known func(object.Digest) bool) error {
	a.made, a.replaced = nil, nil
	filter := a.l.filter()
	taken := map[object.Digest]bool{}
	var left []fact
	take := func(f fact) {
		if !taken[f.id] && !known(f.id) {
			left = append(left, f)
		}
		taken[f.id] = true
	}
	for _, id := range a.strays {
		if o.has(id) || slices.Contains(o.Replaced, id) {
			continue
		}
		clash := func(id object.Digest) bool { return taken[id] || known(id) }
		if v, ok := a.vetted[id]; ok && !slices.ContainsFunc(v.ids, clash) {
			a.made = append(a.made, v.sealed)
			for _, id := range v.ids {
				taken[id] = true
			}
			continue
		}
		facts, stray, err := a.l.readPack(id)
		if err != nil {
			continue // damaged or gone: verify names it
		}
		if slices.ContainsFunc(facts, func(f fact) bool { return clash(f.id) || filter[f.id] && !isGone(f.id, f.raw) }) {
			a.replaced = append(a.replaced, id)
			for _, f := range facts {
				take(f)
			}
			continue
		}
		a.made = append(a.made, stray)
		for _, f := range facts {
			taken[f.id] = true
		}
	}
	for _, f := range a.facts {
		take(f)
	}
	packs, err := a.l.writePacks(a.ctx, left)
	a.made = append(a.made, packs...)
	return err
}

// readPack reads a whole pack by its own index and believes nothing of it.
func (l *Ledger) readPack(id object.Digest) (facts []fact, s sealed, err error) {
	r, err := openPack(l.packPath(id))
	if err != nil {
		return nil, s, err
	}
	s = sealed{Bytes: r.Size, Pack: id, Records: len(r.IDs)}
	for _, f := range r.Frames {
		s.Raw += int64(f.Raw)
	}
	err = eachRecord(r, true, func(id object.Digest, rec []byte, _ column.Loc) error {
		facts = append(facts, fact{id, rec})
		return nil
	})
	return facts, s, errors.Join(err, r.Close())
}

// known returns a function that says whether a record is in a pack of o that is not one of without, and whether o has packs that
// checked did not know.
func (l *Ledger) known(o, without *order, checked map[object.Digest]bool) (known func(object.Digest) bool, grown bool, err error) {
	var files []*packFile
	l.read.Lock()
	defer l.read.Unlock()
	for _, s := range o.Packs {
		if without.has(s.Pack) {
			continue
		}
		p, err := l.packFile(s.Pack)
		if errors.Is(err, fs.ErrNotExist) && l.missing(s.Pack) != nil {
			continue // lost: its records are welcome again
		}
		if err != nil {
			return nil, false, err
		}
		grown = grown || !checked[s.Pack]
		checked[s.Pack] = true
		files = append(files, p)
	}
	return func(id object.Digest) bool {
		return slices.ContainsFunc(files, func(p *packFile) bool { _, ok := p.ix.Find(id); return ok })
	}, grown, nil
}

// removePacks deletes packs that the log has replaced, and their indexes. What fails here stays, named as replaced.
func (l *Ledger) removePacks(ids []object.Digest) {
	for _, id := range ids {
		_ = os.Remove(l.packPath(id))
		_ = os.Remove(l.idxPath(id))
	}
}

// writePacks writes facts to packs that are durable when it returns, and their indexes.
func (l *Ledger) writePacks(ctx context.Context, facts []fact) ([]sealed, error) {
	if l.enc == nil {
		var err error
		if l.enc, err = pack.NewEncoder(); err != nil {
			return nil, err
		}
	}
	var out []sealed
	filter := l.filter()
	for i, f := range facts {
		if filter[f.id] { // old bytes do not come back, whoever brings them
			facts[i].raw = goneLine(f.id)
		}
	}
	for len(facts) > 0 {
		b, rest, err := l.build(ctx, l.enc, facts, true)
		if err == nil {
			l.keepIndex(b.Pack, b.index)
			err = disk.Publish(l.path(tmpFolder), l.packPath(b.Pack), b.data)
		}
		if err != nil {
			return nil, err
		}
		out, facts = append(out, b.sealed), rest
	}
	return out, nil
}

// built is a pack in memory.
type built struct {
	sealed
	data  []byte
	index []byte
	ids   []object.Digest
}

// build makes a pack of as many facts as fit, with an index if that is wanted, and returns the rest.
func (l *Ledger) build(ctx context.Context, enc *pack.Encoder, facts []fact, index bool) (out built, rest []fact, err error) {
	if err := ctx.Err(); err != nil {
		return built{}, nil, err
	}
	var nonce pack.Nonce
	if _, err := io.ReadFull(l.opts.Rand, nonce[:]); err != nil {
		return built{}, nil, err
	}
	b, ix := enc.Builder(nonce), column.NewBuilder(len(facts))
	for len(facts) > 0 && !b.Full() {
		f := facts[0]
		frame, offset := b.Add(f.id, f.raw)
		if index {
			err = addTo(ix, f.id, f.raw, column.Loc{Frame: uint32(frame), Offset: uint32(offset), Length: uint32(len(f.raw))})
		}
		if err != nil {
			return built{}, nil, fmt.Errorf("%w: %w", errNoRecord, err)
		}
		out.ids, facts = append(out.ids, f.id), facts[1:]
	}
	out.Raw, out.Records = b.Raw(), b.Len()
	data, frames := b.Finish()
	out.data, out.Bytes, out.Pack = data, int64(len(data)), object.Sum(data)
	if index {
		ix.SetFrames(framesOf(frames))
		out.index = ix.Finish(out.Pack)
	}
	return out, facts, nil
}

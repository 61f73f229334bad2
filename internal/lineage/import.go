package lineage

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"os"
	"slices"

	"mlx/internal/fault"
	"mlx/internal/lineage/internal/column"
	"mlx/internal/lineage/internal/disk"
	"mlx/internal/lineage/internal/line"
	"mlx/internal/lineage/internal/pack"
	"mlx/internal/object"
)

// Import adds the records of one pack; see ImportAll.
func (l *Ledger) Import(ctx context.Context, data []byte, id object.Digest) (ids []object.Digest, added int, err error) {
	return l.ImportAll(ctx, func(yield func(SyncPack, error) bool) { yield(SyncPack{Pack: id, Data: data}, nil) })
}

// ImportAll adds the records of packs that came from elsewhere, all of them or none. It looks at Pack and Data only. Everything is
// checked: the digest of each pack, its index, every id, that every line is a record, and that a redaction by a key of this ledger or
// of these packs stands behind every record whose bytes are gone. A pack of which nothing is here becomes a pack of this ledger as it is; of
// others what is new is packed again. It returns the ids in the order of the packs, and how many of them were new.
// Who has pulled redactions calls ApplyRedactions after it.
func (l *Ledger) ImportAll(ctx context.Context, packs iter.Seq2[SyncPack, error]) (ids []object.Digest, added int, err error) {
	if err := l.writable("import records"); err != nil {
		return nil, 0, err
	}
	m, err := l.newImporter(ctx)
	if err != nil {
		return nil, 0, because(err, "cannot import records")
	}
	defer m.drop()
	for p, err := range packs {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = m.take(p)
		}
		if err != nil {
			return nil, 0, because(err, "cannot import pack %s", p.Pack.Short())
		}
	}
	if err := m.commit(); err != nil {
		return nil, 0, because(err, "cannot import records")
	}
	return m.ids, m.added, nil
}

// importer checks packs one after the other and stages what is new in files that nobody sees until all are checked.
type importer struct {
	l        *Ledger
	ctx      context.Context
	view     *view
	set      *redactions
	replaced []object.Digest
	seen     map[object.Digest]bool
	gone     []object.Digest
	enc      *pack.Encoder
	facts    []fact
	size     int
	staged   []staged
	ids      []object.Digest
	added    int
}

type staged struct {
	vetted
	tmp string
}

func (l *Ledger) newImporter(ctx context.Context) (*importer, error) {
	if err := l.makeFolders(); err != nil {
		return nil, err
	}
	m := &importer{l: l, ctx: ctx, seen: map[object.Digest]bool{}}
	o, _, err := l.lastOrder()
	if err != nil {
		return nil, err
	}
	m.replaced = o.Replaced
	if m.set, err = l.readRedactions(ctx); err != nil {
		return nil, err
	}
	m.view, err = l.settled()
	return m, err
}

// drop removes what was staged and not used.
func (m *importer) drop() {
	for _, s := range m.staged {
		_ = os.Remove(s.tmp) // else swept later
		_ = os.Remove(m.l.idxPath(s.Pack))
	}
}

// fresh reports whether a record is neither here nor in a pack before.
func (m *importer) fresh(id object.Digest) bool { return !m.seen[id] && !m.view.holds(id) }

// take checks a pack and stages what is new in it.
func (m *importer) take(p SyncPack) error {
	if object.Sum(p.Data) != p.Pack {
		return fault.New(fault.Integrity, "its bytes are not what its name says")
	}
	r, err := readPackData(p.Data)
	if err != nil {
		return err
	}
	news, barred := 0, slices.Contains(m.replaced, p.Pack) // that name is about to be removed
	for _, id := range r.IDs {
		if m.fresh(id) {
			news++
		}
		barred = barred || m.set.has(id)
	}
	if news == len(r.IDs) && !barred && news > 0 {
		err = m.adopt(p, r)
	} else {
		err = m.pick(r)
	}
	if err != nil {
		return err
	}
	for _, id := range r.IDs {
		m.seen[id] = true
	}
	m.ids, m.added = append(m.ids, r.IDs...), m.added+news
	return nil
}

// adopt stages a pack as it is. Its index is built while it is checked.
func (m *importer) adopt(p SyncPack, r *pack.Reader) error {
	if err := m.flush(); err != nil {
		return err
	}
	s := vetted{sealed: sealed{Bytes: r.Size, Pack: p.Pack, Records: len(r.IDs)}, ids: r.IDs}
	for _, f := range r.Frames {
		s.Raw += int64(f.Raw)
	}
	b := column.NewBuilder(len(r.IDs))
	b.SetFrames(framesOf(r.Frames))
	if err := eachRecord(r, false, func(id object.Digest, rec []byte, loc column.Loc) error {
		if isGone(id, rec) {
			m.gone = append(m.gone, id)
		}
		return addTo(b, id, rec, loc)
	}); err != nil {
		return fault.New(fault.Integrity, "%w", err)
	}
	index := b.Finish(p.Pack)
	if err := m.rules(r, index, p.Pack); err != nil {
		return err
	}
	return m.stage(s, p.Data, index)
}

// rules reads the keys and redactions in a pack.
func (m *importer) rules(r *pack.Reader, index []byte, id object.Digest) error {
	ix, err := column.Parse(index, id)
	if err != nil {
		return err
	}
	dec, err := pack.NewDecoder(false)
	if err != nil {
		return err
	}
	defer dec.Close()
	var buf []byte
	last := -1
	for row := range ix.OfNouns([]string{"key", "record"}).Each {
		loc := ix.Locs()[row]
		if int(loc.Frame) != last {
			last = int(loc.Frame)
			if buf, err = dec.Decode(buf, r, last); err != nil {
				return err
			}
		}
		rec, err := m.l.check(r.IDs[row], slices.Clone(buf[loc.Offset:loc.End()]))
		if err != nil {
			return err
		}
		m.set.add(rec)
	}
	return nil
}

func (m *importer) stage(v vetted, data, index []byte) error {
	tmp, err := disk.Stage(m.l.path(tmpFolder), data)
	if err != nil {
		return err
	}
	m.staged = append(m.staged, staged{v, tmp})
	m.l.keepIndex(v.Pack, index)
	return nil
}

// pick checks a pack of which something is here already, and takes the rest.
func (m *importer) pick(r *pack.Reader) error {
	var p line.Parser
	err := eachRecord(r, true, func(id object.Digest, rec []byte, _ column.Loc) error {
		if isGone(id, rec) {
			if m.fresh(id) {
				m.gone, m.facts = append(m.gone, id), append(m.facts, fact{id, rec})
			}
			return nil
		}
		h, err := p.Parse(rec)
		if err != nil || !m.fresh(id) {
			return err
		}
		if m.set.has(id) {
			rec = goneLine(id)
		} else if n := nounOf(h.Kind); n == "key" || n == "record" {
			m.set.add(record(id, rec, h))
		}
		m.facts, m.size = append(m.facts, fact{id, rec}), m.size+len(rec)
		return nil
	})
	if err != nil {
		return fault.New(fault.Integrity, "%w", err)
	}
	if m.size > unionBatch {
		return m.flush()
	}
	return nil
}

// flush stages packs of what was picked.
func (m *importer) flush() error {
	var err error
	if m.enc == nil && len(m.facts) > 0 {
		if m.enc, err = pack.NewEncoder(); err != nil {
			return err
		}
	}
	for len(m.facts) > 0 {
		b, rest, err := m.l.build(m.ctx, m.enc, m.facts, true)
		if err != nil {
			return err
		}
		m.facts = rest
		if err := m.stage(vetted{b.sealed, b.ids}, b.data, b.index); err != nil {
			return err
		}
	}
	m.facts, m.size = nil, 0
	return nil
}

// commit puts what was staged into the log.
func (m *importer) commit() error {
	if err := m.flush(); err != nil {
		return err
	}
	m.set.done()
	for _, id := range m.gone {
		if _, ok := m.set.signed[id]; !ok {
			return fault.New(fault.Integrity, "the bytes of record %s are gone, and no trusted redaction says why", id.Short())
		}
	}
	if len(m.staged) == 0 {
		return nil
	}
	m.l.seal.Lock()
	defer m.l.seal.Unlock()
	a := &addition{l: m.l, ctx: m.ctx, without: &order{}, vetted: map[object.Digest]vetted{}}
	for _, s := range m.staged {
		if err := m.link(s); err != nil {
			return err
		}
		a.strays, a.vetted[s.Pack] = append(a.strays, s.Pack), s.vetted
	}
	m.staged = nil
	if err := m.l.add(a); err != nil {
		return err
	}
	if err := m.l.keepRedacted(m.set); err != nil { // so that sealing knows at once
		return err
	}
	return m.l.consolidate(m.ctx)
}

// link gives a staged pack its name. A file that has it already is kept if it is sound.
func (m *importer) link(s staged) error {
	path := m.l.packPath(s.Pack)
	err := disk.Link(s.tmp, path)
	if !errors.Is(err, os.ErrExist) {
		return err
	}
	have, err := os.ReadFile(path)
	if err == nil && object.Sum(have) == s.Pack {
		return os.Remove(s.tmp)
	}
	return cmp.Or(os.Rename(s.tmp, path), disk.SyncDir(m.l.path(packFolder)))
}

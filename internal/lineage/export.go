package lineage

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"slices"

	"mlx/internal/fault"
	"mlx/internal/lineage/internal/pack"
	"mlx/internal/object"
)

// SyncPack is a pack of records as it travels.
type SyncPack struct {
	Pack    object.Digest // SHA-256 of Data
	Records int
	IDs     []object.Digest // in their order
	Data    []byte          // the file
}

// Export yields packs that hold every record for which known is false, in log order. It seals first. A large pack of which nothing is
// known goes as it is; what lies between those is packed anew, together.
func (l *Ledger) Export(ctx context.Context, known func(object.Digest) bool) iter.Seq2[SyncPack, error] {
	return func(yield func(SyncPack, error) bool) {
		e := &exporter{l: l, ctx: ctx, yield: yield, sent: map[object.Digest]bool{}}
		e.known = func(id object.Digest) bool { return e.sent[id] || known(id) }
		for range maxRaces {
			err := e.pass()
			if errors.Is(err, fs.ErrNotExist) {
				continue // a pack was replaced meanwhile: what is left is in another
			}
			if err != nil && !errors.Is(err, errEnough) {
				yield(SyncPack{}, because(err, "cannot export records"))
			}
			return
		}
		yield(SyncPack{}, fault.New(fault.Unavailable, "cannot export records: the ledger is consolidated too fast"))
	}
}

// errEnough says that the caller wants no more.
var errEnough = errors.New("enough")

// exporter writes what is not known elsewhere.
type exporter struct {
	l     *Ledger
	ctx   context.Context
	yield func(SyncPack, error) bool
	known func(object.Digest) bool
	sent  map[object.Digest]bool
	set   *redactions
	enc   *pack.Encoder
	fetch *fetcher
	facts []fact
	size  int
}

// pass goes once through what is here now.
func (e *exporter) pass() error {
	if !e.l.opts.ReadOnly {
		if err := e.l.Seal(e.ctx); err != nil {
			return err
		}
	}
	v, err := e.l.settled()
	if err == nil {
		err = v.damage
	}
	if err != nil {
		return err
	}
	e.set, e.facts, e.size, e.fetch = nil, nil, 0, &fetcher{view: v}
	defer e.fetch.close()
	var group []int // parts that are packed together
	for i, p := range v.parts {
		switch missing := e.missing(p); {
		case missing == 0:
		case missing == p.ix.Rows && p.file != nil && missing >= smallRecords:
			if err := errors.Join(e.together(group), e.whole(i)); err != nil {
				return err
			}
			group = nil
		default:
			group = append(group, i)
		}
	}
	return e.together(group)
}

func (e *exporter) missing(p *part) (n int) {
	for _, id := range p.ix.IDs() {
		if !e.known(id) {
			n++
		}
	}
	return n
}

// redactions is read when the first record leaves: mostly nothing does.
func (e *exporter) redactions() (*redactions, error) {
	var err error
	if e.set == nil {
		e.set, err = e.l.redactions(e.ctx)
	}
	return e.set, err
}

// whole yields a pack as it is, unless it holds bytes that are to be gone.
func (e *exporter) whole(i int) error {
	p := e.fetch.view.parts[i]
	set, err := e.redactions()
	if err != nil {
		return err
	}
	ids := p.ix.IDs()
	for row, id := range ids {
		_, signed := set.signed[id]
		if gone := p.ix.IsGone(row); gone && !signed || !gone && set.has(id) {
			return e.together([]int{i})
		}
	}
	file, err := p.file.open()
	if err != nil {
		return err
	}
	data, err := io.ReadAll(io.NewSectionReader(file, 0, maxPack))
	if err != nil {
		return err
	}
	if object.Sum(data) != p.file.id {
		return fault.New(fault.Integrity, "%s is not what its name says", p.file.path).Hint("mlx verify --ledger")
	}
	return e.send(SyncPack{Pack: p.file.id, Records: len(ids), IDs: slices.Clone(ids), Data: data})
}

func (e *exporter) send(s SyncPack) error {
	for _, id := range s.IDs {
		e.sent[id] = true
	}
	if !e.yield(s, nil) {
		return errEnough
	}
	return e.ctx.Err()
}

// together packs what is missing of some parts anew. A single small pack of which nothing is known need not be.
func (e *exporter) together(group []int) error {
	if len(group) == 0 {
		return nil
	}
	set, err := e.redactions()
	if err != nil {
		return err
	}
	for _, i := range group {
		p := e.fetch.view.parts[i]
		for row, id := range p.ix.IDs() {
			if e.known(id) {
				continue
			}
			raw, err := e.fetch.line(i, row)
			if err != nil {
				return err
			}
			if raw, err = passable(set, id, raw); err != nil {
				return err
			}
			e.facts, e.size = append(e.facts, fact{id, raw}), e.size+len(raw)
			if e.size > unionBatch {
				if err := e.flush(); err != nil {
					return err
				}
			}
		}
	}
	return e.flush()
}

// passable returns the line of a record as it may travel: what was redacted does so without its bytes.
func passable(set *redactions, id object.Digest, raw []byte) ([]byte, error) {
	_, signed := set.signed[id]
	switch {
	case isGone(id, raw) && !signed:
		return nil, fault.New(fault.Integrity, "the bytes of record %s are gone, and no trusted redaction says why", id.Short()).Hint("mlx verify --ledger")
	case isGone(id, raw):
		return raw, nil
	case set.has(id):
		return goneLine(id), nil
	case object.Sum(raw) != id:
		return nil, fault.New(fault.Integrity, "record %s: its bytes are not what its id says", id.Short()).Hint("mlx verify --ledger")
	}
	return raw, nil
}

func (e *exporter) flush() error {
	var err error
	if e.enc == nil {
		if e.enc, err = pack.NewEncoder(); err != nil {
			return err
		}
	}
	for len(e.facts) > 0 {
		b, rest, err := e.l.build(e.ctx, e.enc, e.facts, false)
		if err != nil {
			return err
		}
		e.facts = rest
		if err := e.send(SyncPack{Pack: b.Pack, Records: len(b.ids), IDs: b.ids, Data: b.data}); err != nil {
			return err
		}
	}
	e.facts, e.size = nil, 0
	return nil
}

// PackIDs returns the ids of the records of a pack, in order. The structure of the pack is checked, its records are not.
func PackIDs(data []byte) ([]object.Digest, error) {
	r, err := readPackData(data)
	if err != nil {
		return nil, err
	}
	return r.IDs, nil
}

// readPackData reads the index of a pack in memory; each of its records must stand there once.
func readPackData(data []byte) (*pack.Reader, error) {
	if len(data) > maxPack {
		return nil, fault.New(fault.Integrity, "%d bytes are too many for a pack of records", len(data))
	}
	r, err := pack.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fault.New(fault.Integrity, "cannot read a pack of records: %w", err)
	}
	seen := make(map[object.Digest]struct{}, len(r.IDs))
	for _, id := range r.IDs {
		seen[id] = struct{}{}
	}
	if len(seen) != len(r.IDs) {
		return nil, fault.New(fault.Integrity, "cannot read a pack of records: it repeats some")
	}
	return r, nil
}

package lineage

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"mlx/internal/fault"
	"mlx/internal/lineage/internal/column"
	"mlx/internal/lineage/internal/disk"
	"mlx/internal/object"
)

// view is what the ledger holds at one moment: packs in log order, then what is not sealed yet.
type view struct {
	parts  []*part
	strays int    // packs that the log does not know: they may repeat records
	clock  uint64 // greatest lc that did not jump
	jumped []bool // by part: all of its clocks are beyond reason
	damage error  // what was found damaged while opening

	over *atomic.Pointer[[]column.Bits] // what superseded returns, once it is known
}

const maxListings = 1000

// view opens what is there now. Data moves from segments to packs, so segments are looked at first.
func (l *Ledger) view() (*view, error) {
	l.read.Lock()
	defer l.read.Unlock()
	for range maxListings {
		segs, changed, err := l.readSegments()
		if err != nil {
			return nil, because(err, "cannot read the ledger")
		}
		v, err := l.openPacks()
		if errors.Is(err, fs.ErrNotExist) {
			continue // a pack was replaced since it was listed
		}
		if err != nil {
			return nil, because(err, "cannot read the ledger")
		}
		if !changed && !l.unsealed() {
			continue // something was sealed meanwhile: the same record could be in both
		}
		if err := l.openTail(v, segs, changed); err != nil {
			return nil, err
		}
		v.setClock()
		v.over = new(atomic.Pointer[[]column.Bits])
		if l.last != nil && slices.EqualFunc(v.parts, l.last.parts, func(a, b *part) bool { return a.ix == b.ix }) {
			v.over = l.last.over
		}
		l.last = v
		return v, nil
	}
	return nil, fault.New(fault.Unavailable, "cannot read the ledger: it changes too fast")
}

// packNames lists the packs until two listings agree: a folder that changes while it is read may hide both an old
// pack and the one that replaces it.
func (l *Ledger) packNames() ([]object.Digest, error) {
	var last []object.Digest
	for i := range maxListings {
		names, err := disk.List(l.path(packFolder))
		if err != nil {
			return nil, err
		}
		var ids []object.Digest
		for _, n := range names {
			if base, ok := strings.CutSuffix(n, packSuffix); ok {
				if id, err := object.ParseDigest(base); err == nil {
					ids = append(ids, id)
				}
			}
		}
		slices.SortFunc(ids, object.Digest.Compare)
		if i > 0 && slices.Equal(ids, last) {
			return ids, nil
		}
		last = ids
	}
	return nil, fault.New(fault.Unavailable, "the folder of packs changes too fast")
}

// packOrder returns the packs that count, in log order, and how many of them at the end the log does not know.
func (l *Ledger) packOrder() (ids []object.Digest, strays int, err error) {
	here, err := l.packNames()
	if err != nil {
		return nil, 0, err
	}
	o, err := l.latestOrder()
	if err != nil {
		return nil, 0, err
	}
	for _, s := range o.Packs {
		ids = append(ids, s.Pack)
	}
	for _, id := range here {
		if !o.has(id) && !slices.Contains(o.Replaced, id) {
			ids = append(ids, id)
			strays++
		}
	}
	return ids, strays, nil
}

func (l *Ledger) openPacks() (*view, error) {
	ids, strays, err := l.packOrder()
	if err != nil {
		return nil, err
	}
	v := &view{strays: strays}
	for _, id := range ids {
		p, err := l.packFile(id)
		if errors.Is(err, fs.ErrNotExist) {
			if lost := l.missing(id); lost == nil {
				return nil, err
			} else {
				err = lost
			}
		}
		if err != nil {
			v.damage = cmp.Or(v.damage, err) // the rest can still be read
			continue
		}
		v.parts = append(v.parts, &part{ix: p.ix, file: p})
	}
	return v, nil
}

// packFile returns the opened pack called id. One whose index turned out to be damaged gets a new index.
func (l *Ledger) packFile(id object.Digest) (*packFile, error) {
	p := l.packs[id]
	if p != nil && !p.ix.Damaged() {
		return p, nil
	}
	var err error
	if p != nil {
		l.stale = append(l.stale, p) // someone may still be reading it
		p = &packFile{id: id, path: p.path, release: func() error { return nil }}
		err = l.reindex(p)
	} else {
		p, err = l.openPackFile(id)
	}
	if err != nil {
		return nil, err
	}
	l.packs[id] = p
	return p, nil
}

// missing says that a pack is not there although the log still wants it; nil if the log has changed its mind.
func (l *Ledger) missing(id object.Digest) error {
	o, _, err := l.lastOrder()
	if err != nil {
		return err
	}
	if _, err := os.Lstat(l.packPath(id)); err == nil || !o.has(id) {
		return nil
	}
	return fault.New(fault.Integrity, "cannot read the ledger: %s is missing", l.packPath(id)).Hint("mlx verify --ledger")
}

func damaged(path string, offset int64, what string) error {
	return fault.New(fault.Integrity, "cannot read %s at byte %d: %s", path, offset, what).Hint("mlx verify --ledger")
}

// holds reports whether one of the parts has the record called id.
func (v *view) holds(id object.Digest) bool {
	for _, p := range v.parts {
		if _, ok := p.ix.Find(id); ok {
			return true
		}
	}
	return false
}

// setClock finds the greatest lc that did not jump: within a part the index has done it, here between parts.
func (v *view) setClock() {
	v.jumped = make([]bool, len(v.parts))
	order := make([]int, len(v.parts))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(v.parts[a].ix.Low, v.parts[b].ix.Low) })
	for _, i := range order {
		ix := v.parts[i].ix
		if ix.Low > v.clock+column.MaxJump {
			v.jumped[i] = true
			continue
		}
		v.clock = max(v.clock, ix.High)
	}
}

func microTime(us int64) time.Time { return time.UnixMicro(us).UTC() }

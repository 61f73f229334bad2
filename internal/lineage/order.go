package lineage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"

	"mlx/internal/fault"
	"mlx/internal/lineage/internal/disk"
	"mlx/internal/object"
)

// order is one entry of the log: the packs in the order in which their records entered this ledger. Entry seq is the
// file log/<seq>, made by exclusive creation; it states everything, so only the newest is read, and names the one before.
type order struct {
	Packs    []sealed        `json:"packs"`
	Prev     object.Digest   `json:"prev"`
	Replaced []object.Digest `json:"replaced,omitempty"` // packs whose records are in others now; their files may still be there
	Seq      uint64          `json:"seq"`
	V        int             `json:"v"`
}

// sealed is a pack in an order.
type sealed struct {
	Bytes   int64         `json:"bytes"`
	Pack    object.Digest `json:"pack"`
	Raw     int64         `json:"raw"` // bytes of its records
	Records int           `json:"records"`
}

const (
	seqDigits = 16
	keepLog   = 64 // entries kept: readers hold the newest for moments only
	maxOrder  = 16 << 20
	maxRaces  = 1000 // how often a change of the order may lose against others
)

func (o *order) has(id object.Digest) bool {
	return slices.ContainsFunc(o.Packs, func(s sealed) bool { return s.Pack == id })
}

// seqs lists the numbers of the log's entries, ascending.
func (l *Ledger) seqs() ([]uint64, error) {
	names, err := disk.List(l.path(logFolder))
	if err != nil {
		return nil, err
	}
	var out []uint64
	for _, n := range names {
		if seq, err := strconv.ParseUint(n, 10, 64); err == nil && len(n) == seqDigits {
			out = append(out, seq)
		}
	}
	slices.Sort(out)
	return out, nil
}

func (l *Ledger) logPath(seq uint64) string {
	return l.path(logFolder, fmt.Sprintf("%0*d", seqDigits, seq))
}

// lastOrder reads the newest entry; none is the zero order.
func (l *Ledger) lastOrder() (order, object.Digest, error) {
	for range maxRaces {
		seqs, err := l.seqs()
		if err != nil || len(seqs) == 0 {
			return order{}, object.Digest{}, err
		}
		o, id, err := readOrder(l.logPath(seqs[len(seqs)-1]))
		if !errors.Is(err, fs.ErrNotExist) { // else swept since it was listed: there are newer ones
			return o, id, err
		}
	}
	return order{}, object.Digest{}, fault.New(fault.Unavailable, "cannot read the ledger: its log changes too fast")
}

// latestOrder is lastOrder for reading. An entry never changes: one that was read is not read again.
func (l *Ledger) latestOrder() (*order, error) {
	seqs, err := l.seqs()
	if err != nil || len(seqs) == 0 {
		return &order{}, err
	}
	if o := l.order.Load(); o != nil && o.Seq == seqs[len(seqs)-1] {
		return o, nil
	}
	o, _, err := l.lastOrder()
	if err != nil {
		return nil, err
	}
	l.order.Store(&o)
	return &o, nil
}

func readOrder(path string) (order, object.Digest, error) {
	info, err := os.Stat(path)
	if err != nil {
		return order{}, object.Digest{}, err
	}
	if info.Size() > maxOrder {
		return order{}, object.Digest{}, fault.New(fault.Integrity, "cannot read %s: %d bytes are too many", path, info.Size())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return order{}, object.Digest{}, err
	}
	o, err := parseOrder(b)
	if err != nil {
		return o, object.Digest{}, fault.New(fault.Integrity, "cannot read %s: %w", path, err).Hint("mlx verify --ledger")
	}
	return o, object.Sum(b), nil
}

// parseOrder reads an entry; there is exactly one encoding of it.
func parseOrder(b []byte) (order, error) {
	var o order
	if err := object.Decode(b, &o); err != nil {
		return o, err
	}
	again, err := object.Encode(o)
	if err != nil || string(again) != string(b) || o.V != 1 {
		return order{}, fault.New(fault.Integrity, "not an entry of the log in its only form")
	}
	return o, nil
}

// reorder appends an entry to the log: what change makes of the newest one. It loses against others until it wins, so
// change may be called often; when that returns false nothing has to be done.
func (l *Ledger) reorder(change func(*order) (bool, error)) error {
	for range maxRaces {
		o, id, err := l.lastOrder()
		if err != nil {
			return err
		}
		wanted, err := change(&o)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a pack of that entry was replaced meanwhile
		}
		if err != nil || !wanted {
			return err
		}
		o.Seq, o.Prev, o.V = o.Seq+1, id, 1
		o.Replaced = slices.DeleteFunc(o.Replaced, func(id object.Digest) bool {
			_, err := os.Lstat(l.packPath(id))
			return errors.Is(err, fs.ErrNotExist)
		})
		b, err := object.Encode(o)
		if err != nil {
			return err
		}
		err = disk.Publish(l.path(tmpFolder), l.logPath(o.Seq), b)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return err
		}
		// An entry made from an old listing could fill a number that was swept. It counts only as the newest: then
		// whatever comes next is made from it.
		seqs, err := l.seqs()
		if err != nil {
			return err
		}
		if newest := seqs[len(seqs)-1]; newest < o.Seq+keepLog/2 {
			l.sweepLog(seqs)
			return nil
		}
	}
	return fault.New(fault.Unavailable, "cannot change the ledger: others change it too fast")
}

func (l *Ledger) sweepLog(seqs []uint64) {
	for len(seqs) > keepLog {
		_ = os.Remove(l.logPath(seqs[0])) // swept by the next one otherwise
		seqs = seqs[1:]
	}
}

package lineage

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io/fs"
	"slices"

	"mlx/internal/fault"
	"mlx/internal/lineage/internal/column"
	"mlx/internal/lineage/internal/line"
	"mlx/internal/lineage/internal/pack"
	"mlx/internal/lineage/internal/where"
	"mlx/internal/object"
)

const (
	firstBatch = 32       // rows fetched before the first is yielded: many callers stop early
	batchBytes = 64 << 20 // of records in one batch
)

// yieldRows reads the rows and yields them in order. It reads a batch at a time, so that each frame that a batch needs is
// decompressed once, whatever the order. It reports whether the caller wants more.
func (l *Ledger) yieldRows(ctx context.Context, v *view, rows []hit, yield func(Record, error) bool) bool {
	f := &fetcher{view: v}
	defer f.close()
	for size := firstBatch; len(rows) > 0; size *= 4 {
		n := f.batch(rows, size)
		lines, err := f.lines(ctx, rows[:n])
		if err != nil {
			yield(Record{}, err)
			return false
		}
		for i, raw := range lines {
			r, err := l.check(rows[i].id, raw)
			if !yield(r, err) || err != nil {
				return false
			}
		}
		rows = rows[n:]
	}
	return true
}

// check makes the record called id of its line. A line that did not come along, because its pack was replaced meanwhile, is
// looked up again.
func (l *Ledger) check(id object.Digest, raw []byte) (Record, error) {
	if raw == nil {
		return l.Get(context.Background(), id)
	}
	if object.Sum(raw) != id {
		return Record{}, fault.New(fault.Integrity, "cannot read record %s: its bytes are not what its id says", id.Short()).Hint("mlx verify --ledger")
	}
	var p line.Parser
	h, err := p.Parse(raw)
	if err != nil {
		return Record{}, fault.New(fault.Integrity, "cannot read record %s: %w", id.Short(), err).Hint("mlx verify --ledger")
	}
	return record(id, raw, h), nil
}

// fetcher reads lines out of packs.
type fetcher struct {
	view *view
	dec  *pack.Decoder
	buf  []byte
	part int // of the frame in buf
	at   int // its number, -1 if none
}

func (f *fetcher) close() {
	if f.dec != nil {
		f.dec.Close()
	}
}

// batch returns how many of rows to read together: about size, but not too many bytes.
func (f *fetcher) batch(rows []hit, size int) int {
	total := 0
	for i, h := range rows {
		if i == size {
			return i
		}
		if p := f.view.parts[h.part]; p.file != nil {
			total += int(p.loc(h.row).Length)
		}
		if total > batchBytes {
			return i + 1
		}
	}
	return len(rows)
}

// lines returns the lines of rows; nil for one whose pack is no longer there.
func (f *fetcher) lines(ctx context.Context, rows []hit) ([][]byte, error) {
	order := make([]int, len(rows))
	for i := range order {
		order[i] = i
	}
	loc := func(i int) column.Loc { return f.view.parts[rows[i].part].loc(rows[i].row) }
	slices.SortFunc(order, func(a, b int) int {
		x, y := loc(a), loc(b)
		return cmp.Or(cmp.Compare(rows[a].part, rows[b].part), cmp.Compare(x.Frame, y.Frame), cmp.Compare(x.Offset, y.Offset))
	})
	out := make([][]byte, len(rows))
	last := 0 // of the records in the same frame: how far that has to be decompressed
	for n, i := range order {
		if n%256 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		here := loc(i)
		for last = max(last, n); last+1 < len(order); last++ {
			if next := order[last+1]; rows[next].part != rows[i].part || loc(next).Frame != here.Frame {
				break
			}
		}
		raw, err := f.lineOf(rows[i].part, rows[i].row, loc(order[last]).End())
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out[i] = raw
	}
	return out, nil
}

func (f *fetcher) line(part, row int) ([]byte, error) { return f.lineOf(part, row, 0) }

// lineOf returns the line of a row. If its frame must be decompressed for that, then up to need.
func (f *fetcher) lineOf(part, row int, need uint64) ([]byte, error) {
	p := f.view.parts[part]
	if p.file == nil {
		return p.lines[row], nil
	}
	loc := p.loc(row)
	if f.at != int(loc.Frame) || f.part != part || f.dec == nil || loc.End() > uint64(len(f.buf)) {
		if err := f.load(part, loc.Frame, need); err != nil {
			return nil, err
		}
	}
	if loc.End() > uint64(len(f.buf)) {
		return nil, fault.New(fault.Integrity, "cannot read %s: its index points behind frame %d", p.file.path, loc.Frame).Hint("mlx verify --ledger")
	}
	return bytes.Clone(f.buf[loc.Offset:loc.End()]), nil
}

// load decompresses a frame: its first need bytes, or all of it if need is 0.
func (f *fetcher) load(part int, number uint32, need uint64) (err error) {
	p := f.view.parts[part]
	if f.dec == nil {
		if f.dec, err = pack.NewDecoder(true); err != nil {
			return err
		}
	}
	file, err := p.file.open()
	if err != nil {
		return err
	}
	f.at = -1
	if frame := p.frame(number); need == 0 {
		f.buf, err = f.dec.DecodeFrame(f.buf, file, frame)
	} else {
		f.buf, err = f.dec.DecodeStart(f.buf, file, frame, int(min(need, pack.MaxFrame)))
	}
	if err != nil {
		return fault.New(fault.Integrity, "cannot read %s: frame %d: %w", p.file.path, number, err).Hint("mlx verify --ledger")
	}
	f.at, f.part = int(number), part
	return nil
}

func (p *part) loc(row int) column.Loc { return p.ix.Loc(row) }

func (p *part) frame(i uint32) pack.Frame {
	frames := p.ix.Frames()
	if int64(i) >= int64(len(frames)) {
		return pack.Frame{}
	}
	f := frames[i]
	return pack.Frame{Offset: int64(f.Offset), Stored: int(f.Stored), Raw: int(f.Raw), First: int(f.First), Records: int(f.Records)}
}

// single returns an index without limits of one row that the columns do not hold.
func (p *part) single(f *fetcher, row int) (*column.Index, error) {
	raw, err := f.line(0, row)
	if err != nil {
		return nil, err
	}
	b := column.NewBuilder(0)
	b.Limitless = true
	if err := b.Add(object.Sum(raw), raw, column.Loc{}); err != nil {
		return nil, fault.New(fault.Integrity, "cannot read the ledger: %w", err)
	}
	return column.Parse(b.Finish(object.Digest{}), object.Digest{})
}

// scope returns the rows that a query is about before any value is compared, nil for all.
func (p *part) scope(q *Query) column.Bits {
	var rows column.Bits
	if q.Inputs != nil {
		rows = column.NewBits(p.ix.Rows)
		for _, id := range q.Inputs {
			for r := range p.ix.Refs(id, id) {
				if r.Role == column.InInput {
					rows.Set(r.Row)
				}
			}
		}
	}
	switch {
	case q.Nouns == nil:
	case rows == nil:
		return p.ix.OfNouns(q.Nouns)
	default:
		for row := range rows.Each { // they are few
			if !slices.Contains(q.Nouns, nounOf(p.ix.Kind(row))) {
				rows.Clear(row)
			}
		}
	}
	return rows
}

// filter returns the rows of p for which e is true.
func (p *part) filter(e where.Expr, in column.Scope) (column.Bits, error) {
	rows := p.ix.Filter(e, in)
	if e == nil {
		return rows, nil
	}
	f := &fetcher{view: &view{parts: []*part{p}}}
	defer f.close()
	for _, row := range p.ix.Overflow() {
		one, err := p.single(f, int(row))
		if err != nil {
			return nil, err
		}
		rows.Clear(int(row))
		if one.Filter(e, column.Scope{Extra: in.Extra.Of(int(row))}).Count() == 1 {
			rows.Set(int(row))
		}
	}
	return rows, nil
}

// keys returns a function that gives the sort key of a row of p.
func (p *part) keys(path where.Path, extra column.Extra) func(row int) (column.Key, error) {
	key, over := p.ix.Keys(path, extra), p.ix.Overflow()
	if len(over) == 0 {
		return func(row int) (column.Key, error) { return key(row), nil }
	}
	return func(row int) (column.Key, error) {
		if _, found := slices.BinarySearch(over, uint32(row)); !found {
			return key(row), nil
		}
		f := &fetcher{view: &view{parts: []*part{p}}}
		defer f.close()
		one, err := p.single(f, row)
		if err != nil {
			return column.Key{}, err
		}
		return one.Keys(path, extra.Of(row))(0), nil
	}
}

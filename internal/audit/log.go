package audit

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// Entry is a sealed segment as the ledger tells of it.
type Entry struct {
	Sealed
	ID object.Digest // of the record
	At time.Time     // when it was sealed
	In []lineage.Input
}

// Name names a segment in messages.
func (e Entry) Name() string { return segmentName(e.Writer, e.Number, fullEnd) }

// Entries are the sealed segments of a service, the earliest recorded first; of all services without one. Of a segment that was recorded
// twice both are there.
func Entries(ctx context.Context, l *lineage.Ledger, service string) ([]Entry, error) {
	where := ""
	if service != "" {
		where = "service == " + strconv.Quote(service)
	}
	return entries(ctx, l, where)
}

// entriesOf are those of one writer.
func entriesOf(ctx context.Context, l *lineage.Ledger, service, writer string) ([]Entry, error) {
	all, err := entries(ctx, l, fmt.Sprintf("service == %q and writer == %q", service, writer))
	return firsts(all), err
}

func entries(ctx context.Context, l *lineage.Ledger, where string) ([]Entry, error) {
	var all []Entry
	for rec, err := range l.Select(ctx, lineage.Query{Nouns: []string{"prediction"}, Where: where, Sort: "lc", All: true}) {
		if err != nil {
			return nil, err
		}
		if !SegmentSealed.Is(rec) {
			continue // of a later version
		}
		body, err := SegmentSealed.Decode(rec)
		if err != nil {
			return nil, err
		}
		all = append(all, Entry{Sealed: body, ID: rec.ID, At: rec.At, In: rec.In})
	}
	return all, nil
}

// firsts are the entries that count: of several with the same writer and number the first.
func firsts(all []Entry) []Entry {
	seen := make(map[spooled]bool)
	var some []Entry
	for _, e := range all {
		if key := (spooled{writer: e.Writer, number: e.Number}); !seen[key] {
			seen[key] = true
			some = append(some, e)
		}
	}
	return some
}

// File is an opened file that can be read anywhere.
type File interface {
	io.ReaderAt
	io.Closer
}

// Log reads the predictions of a service: sealed ones, and those that are still in the spool.
type Log struct {
	Service string
	Dir     string // the spool; it need not be there
	Ledger  *lineage.Ledger
	// Open opens the bytes of a sealed segment.
	Open func(ctx context.Context, e Entry) (File, int64, error)
	// Gone says of a segment that its bytes were removed on purpose: it is left out. May be nil.
	Gone func(e Entry) bool
}

// part is one segment that is read.
type part struct {
	entry *Entry // nil: it is not sealed
	name  string
	file  File
	seg   *segment
}

// parts finds the segments that may hold rows of a window: sealed ones by time, then those of the spool. Those of the spool are open.
func (l *Log) parts(ctx context.Context, w Window) ([]*part, error) {
	// The spool is listed first: what is sealed meanwhile is in the ledger, and what is opened stays readable.
	waiting, err := l.spool()
	if err != nil {
		return nil, err
	}
	all, err := Entries(ctx, l.Ledger, l.Service)
	if err != nil {
		closeParts(waiting)
		return nil, err
	}
	var parts []*part
	sealed := make(map[spooled]bool)
	all = firsts(all)
	for i := range all {
		sealed[spooled{writer: all[i].Writer, number: all[i].Number}] = true
		if all[i].overlaps(w) && (l.Gone == nil || !l.Gone(all[i])) {
			parts = append(parts, &part{entry: &all[i], name: all[i].Name()})
		}
	}
	slices.SortStableFunc(parts, func(a, b *part) int {
		return cmp.Or(a.entry.From.Compare(b.entry.From), cmp.Compare(a.entry.Writer, b.entry.Writer), cmp.Compare(a.entry.Number, b.entry.Number))
	})
	for _, p := range waiting {
		if sealed[spooled{writer: p.seg.header.Writer, number: p.seg.header.Number}] {
			p.file.Close()
			continue
		}
		parts = append(parts, p)
	}
	return parts, nil
}

// spool opens what is in the spool.
func (l *Log) spool() ([]*part, error) {
	if l.Dir == "" {
		return nil, nil
	}
	list, _, err := listSpool(l.Dir)
	if err != nil {
		return nil, err
	}
	var parts []*part
	for _, s := range list {
		f, seg, err := openFile(filepath.Join(l.Dir, s.name()))
		if errors.Is(err, fs.ErrNotExist) && !s.full { // it was finished meanwhile
			s.full = true
			f, seg, err = openFile(filepath.Join(l.Dir, s.name()))
		}
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, io.ErrUnexpectedEOF) {
			continue // it was sealed meanwhile, or has just been begun
		}
		if err != nil {
			closeParts(parts)
			return nil, fault.New(fault.Integrity, "cannot read the predictions of %s: %w", l.Service, err)
		}
		parts = append(parts, &part{name: s.name(), file: f, seg: seg})
	}
	return parts, nil
}

func closeParts(parts []*part) {
	for _, p := range parts {
		if p.file != nil {
			p.file.Close()
			p.file = nil
		}
	}
}

// open opens a sealed segment. That of another service, or another one than the record says, is refused.
func (l *Log) open(ctx context.Context, p *part) error {
	if p.file != nil {
		return nil
	}
	f, size, err := l.Open(ctx, *p.entry)
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot read the predictions of %s: segment %s: %w", l.Service, p.name, err)
	}
	p.seg, err = openSegment(f, size)
	if err == nil && (p.seg.index == nil || size != p.entry.Bytes || p.seg.header.Service != p.entry.Service || p.seg.header.Writer != p.entry.Writer ||
		p.seg.header.Number != p.entry.Number) {
		err = errors.New("it is not what its record says")
	}
	if err != nil {
		f.Close()
		return fault.New(fault.Integrity, "cannot read the predictions of %s: segment %s: %w", l.Service, p.name, err)
	}
	p.file = f
	return nil
}

// Row is a row of the log: an instance of a request, with what was said of it.
type Row struct {
	ID      string
	Request string // id of the request: without the place in it
	At      time.Time
	Line    []byte // JSON, without the end of the line; valid until the next row is read
	In      *Entry // the segment that it stands in; nil: it is not sealed
}

// Rows reads the rows of a window, segment after segment.
func (l *Log) Rows(ctx context.Context, w Window) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		err := l.each(ctx, w, nil, func(r Row) bool { return yield(r, nil) })
		if err != nil && !errors.Is(err, errEnough) {
			yield(Row{}, err)
		}
	}
}

// errEnough ends a reading whose consumer wants no more.
var errEnough = errors.New("enough")

// each visits rows. wanted says of a frame of a sealed segment whether it is worth reading; nil: all are.
func (l *Log) each(ctx context.Context, w Window, wanted func(s *segment, frame int) bool, visit func(Row) bool) error {
	parts, err := l.parts(ctx, w)
	if err != nil {
		return err
	}
	defer closeParts(parts)
	c, err := newCodec()
	if err != nil {
		return err
	}
	defer c.close()
	for _, p := range parts {
		if err := l.open(ctx, p); err != nil {
			return err
		}
		for i := range p.seg.frames {
			if err := ctx.Err(); err != nil {
				return err
			}
			if !p.seg.frames[i].within(w) || wanted != nil && p.seg.index != nil && !wanted(p.seg, i) {
				continue
			}
			if err := p.frame(c, i, w, visit); err != nil {
				return err
			}
		}
		closeParts([]*part{p})
	}
	return nil
}

// frame visits the rows of a frame that are of a window.
func (p *part) frame(c *codec, i int, w Window, visit func(Row) bool) error {
	rows, err := c.rows(p.seg.r, p.seg.frames[i])
	if err != nil {
		return fault.New(fault.Integrity, "cannot read predictions: segment %s, frame %d: %w", p.name, i+1, err)
	}
	for line := range bytes.Lines(rows) {
		h, ok := headOf(line)
		if !ok {
			return fault.New(fault.Integrity, "cannot read predictions: segment %s, frame %d: %w", p.name, i+1, errDamaged)
		}
		if w.holds(h.At) && !visit(Row{ID: h.ID, Request: h.Request, At: h.At, Line: line[:len(line)-1], In: p.entry}) {
			return errEnough
		}
	}
	return nil
}

// ErrNoPrediction says that a log was read whole as far as it can be, and has no such prediction.
var ErrNoPrediction = errors.New("no segment holds it")

// Find returns the rows of a request, or the one row of an instance of it, by id.
func (l *Log) Find(ctx context.Context, id string) ([]Row, error) {
	keys := [][2]uint64{bloomKey(id)}
	if at := bytes.LastIndexByte([]byte(id), '#'); at > 0 {
		keys = append(keys, bloomKey(id[:at]))
	}
	wanted := func(s *segment, frame int) bool {
		return slices.ContainsFunc(keys, func(key [2]uint64) bool { return bloomHas(s.index.blooms[frame], key) })
	}
	var found []Row
	err := l.each(ctx, Window{}, wanted, func(r Row) bool {
		if r.ID == id || r.Request == id {
			r.Line = bytes.Clone(r.Line)
			found = append(found, r)
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fault.New(fault.NotFound, "cannot find prediction %s of %s: %w", id, l.Service, ErrNoPrediction)
	}
	return found, nil
}

var _ File = (*os.File)(nil)

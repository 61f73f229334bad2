package audit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"mlx/internal/dataset"
	"mlx/internal/fault"
	"mlx/internal/object"
)

// Table is the log of a service as a table: a file of JSON lines for each segment, with a column for each feature.
type Table struct {
	Files []dataset.File // none: there is no row of the window
	// ID names the rows: which of which segments they are. It stays the same when those of the spool are sealed.
	ID    object.Digest
	Rows  int64
	parts []*part
}

// Close lets go of the segments.
func (t *Table) Close() error {
	closeParts(t.parts)
	t.parts = nil
	return nil
}

// The columns of a table that are no features. A feature of the same name is called feature.NAME.
var tableColumns = []string{"id", "at", "model", "release", "role", "status", "latency_us", "score", "class"}

// RoutingColumns are those that say how a request was routed, and nothing of what was asked or said.
func RoutingColumns() []string { return []string{"model", "release", "role", "status", "latency_us"} }

// Table finds the rows of a window. bare leaves all columns but the time and the features out, so that it can be compared with data.
func (l *Log) Table(ctx context.Context, w Window, bare bool) (*Table, error) {
	parts, err := l.parts(ctx, w)
	if err != nil {
		return nil, err
	}
	t := &Table{parts: parts}
	if err := t.find(ctx, l, w, bare); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

func (t *Table) find(ctx context.Context, l *Log, w Window, bare bool) error {
	c, err := newCodec()
	if err != nil {
		return err
	}
	defer c.close()
	var names []string
	for _, p := range t.parts {
		if err := l.open(ctx, p); err != nil {
			return err
		}
		n, err := p.count(ctx, c, w)
		if err != nil {
			return err
		}
		if n == 0 {
			continue
		}
		t.Rows += n
		names = append(names, fmt.Sprintf("%s %d %d\n", p.seg.header.Writer, p.seg.header.Number, n))
		t.Files = append(t.Files, dataset.File{Name: "service:" + l.Service + "/" + strings.TrimSuffix(strings.TrimSuffix(p.name, fullEnd), openEnd) + ".jsonl", Size: -1,
			Open: func(ctx context.Context) (io.ReadCloser, error) { return newFlat(ctx, p, w, bare) }})
	}
	slices.Sort(names)
	h := sha256.New()
	for _, name := range names {
		io.WriteString(h, name)
	}
	t.ID = object.Digest(h.Sum(nil))
	return nil
}

// count counts the rows of a window. Only frames at its edges are read.
func (p *part) count(ctx context.Context, c *codec, w Window) (int64, error) {
	total := int64(0)
	for i := range p.seg.frames {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		f := &p.seg.frames[i]
		if !f.within(w) {
			continue
		}
		if (w.From.IsZero() || f.from >= w.From.UnixMicro()) && (w.To.IsZero() || f.to < w.To.UnixMicro()) {
			total += int64(f.rows)
			continue
		}
		if err := p.frame(c, i, w, func(Row) bool { total++; return true }); err != nil {
			return 0, err
		}
	}
	return total, nil
}

// flat reads a segment as JSON lines without anything nested.
type flat struct {
	ctx   context.Context //nolint:containedctx // of the reading, as the caller of Open gave it
	part  *part
	codec *codec
	w     Window
	bare  bool
	next  int // frame
	text  []byte
	at    int
}

func newFlat(ctx context.Context, p *part, w Window, bare bool) (*flat, error) {
	c, err := newCodec()
	return &flat{ctx: ctx, part: p, codec: c, w: w, bare: bare}, err
}

// Read implements io.Reader.
func (f *flat) Read(b []byte) (int, error) {
	for f.at == len(f.text) {
		if err := f.ctx.Err(); err != nil {
			return 0, err
		}
		if f.next == len(f.part.seg.frames) {
			return 0, io.EOF
		}
		f.text, f.at = f.text[:0], 0
		i := f.next
		f.next++
		if !f.part.seg.frames[i].within(f.w) {
			continue
		}
		bad := false
		err := f.part.frame(f.codec, i, f.w, func(r Row) bool {
			f.text, bad = appendFlat(f.text, r.Line, f.bare)
			return !bad
		})
		if bad {
			err = fault.New(fault.Integrity, "cannot read predictions: segment %s, frame %d: %w", f.part.name, i+1, errDamaged)
		}
		if err != nil {
			return 0, err
		}
	}
	n := copy(b, f.text[f.at:])
	f.at += n
	return n, nil
}

// Close implements io.Closer.
func (f *flat) Close() error {
	f.codec.close()
	return nil
}

// appendFlat writes a row without anything nested. bad says that it is none.
func appendFlat(b, line []byte, bare bool) (_ []byte, bad bool) {
	row, err := parse(line)
	if err != nil || row.kind != '{' {
		return b, true
	}
	b = append(b, '{')
	put := func(name, value []byte) {
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		b = append(append(append(b, name...), ':'), value...)
	}
	for _, name := range tableColumns {
		v := row.get(name)
		if v == nil || bare && name != "at" {
			continue
		}
		if name == "model" {
			put(v.key, modelName(v, row.get("version")))
			continue
		}
		put(v.key, v.raw)
	}
	if features := row.get("features"); features != nil {
		for i := range features.kids {
			name := features.kids[i].key
			if column := string(name[1 : len(name)-1]); column == "at" || !bare && slices.Contains(tableColumns, column) {
				name = append([]byte(`"feature.`), name[1:]...)
			}
			put(name, wholeNumber(&features.kids[i]))
		}
	}
	return append(b, '}', '\n'), false
}

// wholeNumber is a value as it stands, but 250 for 250.0: to JSON they are the same, and clients whose numbers are all floats write the second
// one, which would be another type of column than that of the training data.
func wholeNumber(n *node) []byte {
	if n.kind != '0' {
		return n.raw
	}
	whole := bytes.TrimRight(n.raw, "0")
	if point := len(whole) - 1; point > 0 && whole[point] == '.' && !bytes.ContainsAny(whole, "eE") {
		return whole[:point]
	}
	return n.raw
}

// modelName is NAME@vN.
func modelName(model, version *node) []byte {
	if version == nil || model.kind != '"' || len(model.raw) == 2 {
		return model.raw
	}
	b := append(bytes.Clone(model.raw[:len(model.raw)-1]), "@v"...)
	return append(append(b, version.raw...), '"')
}

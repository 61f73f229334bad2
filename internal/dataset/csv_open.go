package dataset

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"mlx/internal/fault"
)

// openCSV opens a CSV: it infers the dialect and the types from the first chunk.
func openCSV(ctx context.Context, file File, opts Options, size int) (*textFile, error) {
	rules, err := newTextRules(opts)
	if err != nil {
		return nil, err
	}
	f := &textFile{File: file, opts: opts, rules: rules, size: size}
	in, err := openText(ctx, file)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	sample := make([]byte, textSample)
	n, err := io.ReadFull(in, sample)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, in.fault(err)
	}
	all := err != nil
	sample = sample[:n]
	if err := f.sniff(sample, all); err != nil {
		return nil, err
	}
	in.Reader = io.MultiReader(bytes.NewReader(sample), in.Reader)
	s := newTextSplitter(in, f.d, size)
	first, err := s.next()
	for err == nil && len(bytes.Trim(first.buf, "\r\n")) == 0 {
		f.skip += len(first.buf)
		first, err = s.next()
	}
	if errors.Is(err, io.EOF) {
		return nil, emptyFile(file.Name)
	}
	if err != nil {
		return nil, err
	}
	f.whole = s.ended && len(s.carry) == 0
	return f, f.begin(first)
}

func emptyFile(name string) error {
	return fault.New(fault.Usage, "cannot read %s: it is empty", name).In(fault.Position{File: name})
}

// begin takes the names of the columns from the first chunk, and infers their types.
func (f *textFile) begin(c textChunk) error {
	if err := checkText(f.Name, c.buf, c.line, f.d.eol); err != nil {
		return err
	}
	var g csvGrid
	at, flaw := 0, (*csvFlaw)(nil)
	for at < len(c.buf) && len(g.ends) == 0 {
		if at, flaw = g.row(c.buf, at, c.quotes, f.d); flaw != nil {
			return f.flaw(c, flaw)
		}
	}
	if len(g.ends) == 0 {
		return emptyFile(f.Name)
	}
	g.columns = len(g.ends) - 1
	g.take(c, f.d)
	names := make([]string, g.columns)
	values := make([][]byte, g.columns)
	for i := range names {
		w, buf := g.words(nil, i)
		values[i] = bytes.Clone(buf[w[0].at:w[0].end])
		names[i] = strings.TrimSpace(string(values[i]))
	}
	header := !f.opts.NoHeader && f.isHeader(values, c, at)
	for i := range names {
		if !header || names[i] == "" {
			names[i] = fmt.Sprintf("column_%d", i+1)
		}
		f.head = append(f.head, Field{Name: names[i]})
	}
	if err := f.checkNames(names); err != nil {
		return err
	}
	if header {
		cut := min(at, len(c.buf))
		f.skip += cut
		c.line += int64(bytes.Count(c.buf[:cut], []byte{f.d.eol}))
		c.buf = c.buf[cut:]
	}
	return f.infer(c)
}

// checkNames refuses a name that stands for two columns.
func (f *textFile) checkNames(names []string) error {
	seen := make(map[string]int, len(names))
	for i, name := range names {
		if before, ok := seen[name]; ok {
			return fault.New(fault.Usage, "cannot read %s: columns %d and %d are both called %q", f.Name, before, i+1, name).
				In(fault.Position{File: f.Name, Line: 1})
		}
		seen[name] = i + 1
	}
	return nil
}

// infer decodes the first chunk and keeps the types that hold it.
func (f *textFile) infer(c textChunk) error {
	for i, field := range f.head {
		if k := f.opts.Schema.Index(field.Name); k >= 0 {
			f.head[i] = f.opts.Schema[k]
		}
	}
	var wider *widening
	if err := (&textUnit{f.pass(f.head), c}).rows(&textDecoder{}); !errors.As(err, &wider) {
		return err
	}
	for ; wider != nil; wider = wider.next {
		f.head[f.head.Index(wider.column)] = wider.to
	}
	return nil
}

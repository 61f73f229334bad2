package dataset

import (
	"bufio"
	"context"
	"errors"
	"io"

	"mlx/internal/fault"
)

// openLines opens a file of JSON lines, or of one JSON array of objects.
func openLines(ctx context.Context, file File, opts Options, size int) (*textFile, error) {
	rules, err := newTextRules(opts)
	if err != nil {
		return nil, err
	}
	f := &textFile{File: file, opts: opts, rules: rules, size: size, json: true, d: dialect{eol: '\n'}}
	in, err := openText(ctx, file)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	start := bufio.NewReader(in.Reader)
	if err := f.sniffArray(start); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, emptyFile(file.Name)
		}
		return nil, in.fault(err)
	}
	in.Reader = start
	s := f.splitter(in)
	first, err := s.next()
	if errors.Is(err, io.EOF) {
		return f, nil
	}
	if err != nil {
		return nil, err
	}
	f.whole = s.ended && len(s.carry) == 0
	return f, f.inferLines(first)
}

// sniffArray says whether the file is one array, and where its first element begins.
func (f *textFile) sniffArray(in *bufio.Reader) error {
	for n := 1; ; n++ {
		start, err := in.Peek(n)
		if err != nil && !(errors.Is(err, bufio.ErrBufferFull)) {
			return err
		}
		if len(start) < n || n == textArrayStart {
			return nil
		}
		if c := start[n-1]; c == '[' {
			f.array, f.skip = true, n
			return nil
		} else if skipBlank(start, n-1) < n {
			return nil
		}
	}
}

// textArrayStart bounds the white space before an array.
const textArrayStart = 1024

// inferLines collects the keys of the first chunk and infers their types.
func (f *textFile) inferLines(c textChunk) error {
	if err := checkText(f.Name, c.buf, c.line, f.d.eol); err != nil {
		return err
	}
	g := &jsonGrid{}
	for at := 0; at < len(c.buf); {
		g.begin(c.buf, f.keys(nil))
		next, flaw := g.scan(c.buf, at, f.array)
		if flaw != nil {
			return f.badRecord(c, flaw)
		}
		at = next
		f.head = append(f.head, f.newKeys(g)...)
	}
	return f.inferTypes(c)
}

// newKeys returns a column for each new key, in the order in which they came, of the type of its first value.
func (f *textFile) newKeys(g *jsonGrid) Schema {
	var found Schema
	at := make(map[string]int)
	for _, fresh := range g.fresh {
		i, ok := at[fresh.key]
		if !ok {
			i = len(found)
			at[fresh.key] = i
			field := Field{Name: fresh.key}
			if k := f.opts.Schema.Index(fresh.key); k >= 0 {
				field = f.opts.Schema[k]
			}
			found = append(found, field)
		}
		if w := fresh.at; found[i].Type == Null && w.kind != wordMissing && !f.fixed(fresh.key) {
			found[i] = f.rules.wider(found[i], g.arena[w.at:w.end], w.kind)
		}
	}
	return found
}

// inferTypes decodes the first chunk until no batch of it widens a type.
func (f *textFile) inferTypes(c textChunk) error {
	u := &textUnit{f.pass(f.head), c}
	for {
		var failed error
		steady := true
		u.records(&textDecoder{}, func(_ *Batch, err error) bool {
			var wider *widening
			if !errors.As(err, &wider) {
				failed = err
				return err == nil
			}
			steady = false
			for ; wider != nil; wider = wider.next {
				f.head[f.head.Index(wider.column)] = wider.to
			}
			return true
		})
		if failed != nil || steady {
			return failed
		}
	}
}

// keys are those that records may have, and which of them are wanted.
func (f *textFile) keys(want Schema) *jsonKeys {
	k := &jsonKeys{index: make(map[string]int), width: len(want)}
	add := func(name string, cell int) {
		if at, ok := k.index[name]; ok {
			k.cell[at] = max(k.cell[at], cell)
			return
		}
		k.index[name] = len(k.names)
		k.names, k.cell = append(k.names, name), append(k.cell, cell)
	}
	for i := range f.head {
		add(f.head[i].Name, -1)
	}
	if more := f.learned.Load(); more != nil {
		for _, name := range *more {
			add(name, -1)
		}
	}
	for i := range want {
		add(want[i].Name, i)
	}
	return k
}

// learn takes in that records may have a key.
func (f *textFile) learn(name string) {
	var all []string
	if have := f.learned.Load(); have != nil {
		all = append(all, *have...)
	}
	all = append(all, name)
	f.learned.Store(&all)
}

// records decodes a chunk of JSON lines.
func (u *textUnit) records(d *textDecoder, yield func(*Batch, error) bool) {
	g := &d.lines
	g.begin(u.chunk.buf, u.keys)
	for at := 0; at < len(u.chunk.buf); {
		next, flaw := g.scan(u.chunk.buf, at, u.file.array)
		if flaw != nil {
			yield(nil, u.file.badRecord(u.chunk, flaw))
			return
		}
		at = next
		err := d.fill(u, g)
		if found := u.file.newKeys(g); len(found) > 0 {
			err = u.widenKeys(found, err)
		}
		if err != nil {
			if !yield(nil, err) {
				return
			}
			continue
		}
		if g.rows() > 0 && !yield(&d.batch, nil) {
			return
		}
	}
}

// widenKeys adds columns to what else must be widened.
func (u *textUnit) widenKeys(found Schema, err error) error {
	var wider *widening
	if err != nil && !errors.As(err, &wider) {
		return err
	}
	for i := len(found) - 1; i >= 0; i-- {
		if u.file.opts.Exact && !u.file.fixed(found[i].Name) {
			return fault.New(fault.Usage, "cannot read %s: it has a column %q, which the schema does not name", u.file.Name, found[i].Name)
		}
		wider = &widening{column: found[i].Name, to: found[i], fresh: true, next: wider}
	}
	return wider
}

// badRecord is the error for what is no record.
func (f *textFile) badRecord(c textChunk, flaw *jsonFlaw) error {
	at := textPosition(c.buf, flaw.at, c.line, f.d.eol)
	at.File = f.Name
	return fault.New(fault.Usage, "cannot read %s: line %d, column %d: %w", f.Name, at.Line, at.Column, flaw.err).In(at)
}

package dataset

import (
	"context"
	"io"
	"iter"
	"net/url"
	"path"
	"slices"
	"strings"

	"mlx/internal/fault"
)

// hiveMissing is how Hive and its heirs write that a value is missing.
const hiveMissing = "__HIVE_DEFAULT_PARTITION__"

// partitionValue is KEY=VALUE of a folder.
type partitionValue struct {
	key, value string
	missing    bool
}

// partitionsOf reads the folders of a name. What is no KEY=VALUE is an ordinary folder.
func partitionsOf(name string) []partitionValue {
	var all []partitionValue
	for folder := range strings.SplitSeq(path.Dir(strings.ReplaceAll(name, ":", "/")), "/") {
		if !isPartition(folder) {
			continue
		}
		key, value, _ := strings.Cut(folder, "=")
		p := partitionValue{key: plainPart(key), value: plainPart(value), missing: value == hiveMissing || value == ""}
		if !slices.ContainsFunc(all, func(q partitionValue) bool { return q.key == p.key }) {
			all = append(all, p)
		}
	}
	return all
}

// plainPart undoes the escapes %XX.
func plainPart(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}

// withPartitions adds what the folders of the files say as columns. A column that a file has itself is left as it is. Files of several
// formats are no table.
func withPartitions(files []file, opts Options) error {
	if err := oneFormat(files); err != nil {
		return err
	}
	rules, err := newTextRules(opts)
	if err != nil {
		return err
	}
	values := make([][]partitionValue, len(files))
	var keys []string
	for i, f := range files {
		for _, p := range partitionsOf(f.name()) {
			if f.schema().Index(p.key) >= 0 {
				continue
			}
			values[i] = append(values[i], p)
			if !slices.Contains(keys, p.key) {
				keys = append(keys, p.key)
			}
		}
	}
	if len(keys) == 0 {
		return nil
	}
	fields := make(Schema, len(keys))
	for i, key := range keys {
		if k := opts.Schema.Index(key); k >= 0 {
			fields[i] = opts.Schema[k]
		} else {
			fields[i] = Field{Name: key, Type: partitionType(key, values)}
		}
		fields[i].From = "partition"
	}
	for i, f := range files {
		p := &partitionedFile{file: f, rules: rules, values: values[i]}
		for _, v := range values[i] {
			p.fields = append(p.fields, fields[slices.Index(keys, v.key)])
		}
		if err := p.check(); err != nil {
			return err
		}
		files[i] = p
	}
	return nil
}

// oneFormat refuses files of several formats. CSV and TSV are one.
func oneFormat(files []file) error {
	of := func(f file) string {
		if p, ok := f.(interface{ format() string }); ok {
			return p.format()
		}
		return "text"
	}
	for _, f := range files[1:] {
		if of(f) != of(files[0]) {
			return fault.New(fault.Usage, "cannot read %s with %s as one table: only one of them is Parquet", files[0].name(), f.name()).
				Hint("name the files of one format by a quoted pattern, such as '**/*.parquet'")
		}
	}
	return nil
}

// partitionType is the narrowest type of all values of a key: whole numbers, dates, or text.
func partitionType(key string, values [][]partitionValue) Type {
	ints, dates, some := true, true, false
	for _, list := range values {
		for _, p := range list {
			if p.key != key || p.missing {
				continue
			}
			some = true
			if _, ok := looseInt([]byte(p.value)); !ok {
				ints = false
			}
			if _, ok := parseDate([]byte(p.value)); !ok {
				dates = false
			}
		}
	}
	switch {
	case !some:
		return Null
	case ints:
		return Int
	case dates:
		return Date
	}
	return Text
}

// partitionedFile is a file with the columns that its folders add.
type partitionedFile struct {
	file
	rules  *textRules
	values []partitionValue
	fields Schema
}

func (p *partitionedFile) schema() Schema { return append(slices.Clone(p.file.schema()), p.fields...) }

func (p *partitionedFile) Close() error {
	if c, ok := p.file.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

func (p *partitionedFile) settled() bool {
	s, ok := p.file.(interface{ settled() bool })
	return !ok || s.settled()
}

func (p *partitionedFile) rest() {
	if r, ok := p.file.(interface{ rest() }); ok {
		r.rest()
	}
}

func (p *partitionedFile) widens(have, to Field) bool {
	if p.fields.Index(have.Name) >= 0 {
		return have.Type == Null || to.Type == Text
	}
	w, ok := p.file.(interface{ widens(have, to Field) bool })
	return ok && w.widens(have, to)
}

func (p *partitionedFile) learn(name string) {
	if l, ok := p.file.(interface{ learn(name string) }); ok {
		l.learn(name)
	}
}

// check converts each value once, so that one that does not fit its type is found before anything is read.
func (p *partitionedFile) check() error {
	for i, v := range p.values {
		if _, ok := p.column(v, p.fields[i], 1); !ok {
			return fault.New(fault.Usage, "cannot read %s: partition %s=%s is no %s", p.name(), v.key, v.value, typeText(p.fields[i]))
		}
	}
	return nil
}

// column is n rows of a value.
func (p *partitionedFile) column(v partitionValue, f Field, n int) (Column, bool) {
	text := textColumn{loose: true}
	w := word{end: uint32(len(v.value)), kind: wordRaw}
	if f.Type >= Text {
		w.kind = wordString
	}
	if v.missing {
		w.kind = wordMissing
	}
	if text.fill(p.rules, f, []word{w}, []byte(v.value)) >= 0 {
		return Column{}, false
	}
	c := text.Column
	if c.Missing.Has(0) {
		c.Missing = make(Bits, (n+63)/64)
		c.Missing.fill(0, n)
	} else {
		c.Missing = nil
	}
	switch {
	case c.InTexts():
		one := &Texts{}
		one.Append([]byte(v.value))
		if v.missing {
			one.Reset()
			one.Append(nil)
		}
		c.Texts, c.Codes = one, make([]uint32, n)
	case f.Type == Float:
		c.Floats = slices.Repeat(c.Floats[:1], n)
	case f.Type != Null:
		c.Ints = slices.Repeat(c.Ints[:1], n)
	}
	return c, true
}

func (p *partitionedFile) units(ctx context.Context, want Schema) iter.Seq2[unit, error] {
	inner := make(Schema, 0, len(want))
	from := make([]int, len(want)) // where a column comes from: the inner file, or -1-i for value i of the folders
	for i, f := range want {
		if k := p.fields.Index(f.Name); k >= 0 {
			from[i] = -1 - k
			continue
		}
		from[i] = len(inner)
		inner = append(inner, f)
	}
	return func(yield func(unit, error) bool) {
		for u, err := range p.file.units(ctx, inner) {
			if u != nil {
				u = &partitionedUnit{unit: u, p: p, want: want, from: from}
			}
			if !yield(u, err) {
				return
			}
		}
	}
}

type partitionedUnit struct {
	unit
	p    *partitionedFile
	want Schema
	from []int
}

func (u *partitionedUnit) parts() int { return partsOf(u.unit) }

func (u *partitionedUnit) decode(ctx context.Context) iter.Seq2[*Batch, error] {
	return func(yield func(*Batch, error) bool) {
		whole := Batch{Columns: make([]Column, len(u.want))}
		have := 0 // rows that the columns of the folders have
		for b, err := range u.unit.decode(ctx) {
			if err != nil {
				yield(nil, err)
				return
			}
			fresh := b.Rows != have
			have = b.Rows
			for i, from := range u.from {
				if from >= 0 {
					whole.Columns[i] = b.Columns[from]
				} else if fresh {
					whole.Columns[i], _ = u.p.column(u.p.values[-1-from], u.want[i], b.Rows) // it was converted before
				}
			}
			whole.Rows = b.Rows
			if !yield(&whole, nil) {
				return
			}
		}
	}
}

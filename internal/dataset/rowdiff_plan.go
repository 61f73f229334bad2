package dataset

import (
	"slices"
	"strings"

	"mlx/internal/fault"
)

// rowKind is a family of types whose values can be compared with each other.
type rowKind uint8

const (
	rowAny     rowKind = iota // nothing but missing values: fits all
	rowNumber                 // bool, int, uint, float, decimal
	rowDay                    // dates and times without a zone
	rowInstant                // times with a zone
	rowClock
	rowBytes // text and bytes
	rowNested
)

func kindOfRow(f *Field) rowKind {
	switch f.Type {
	case Null:
		return rowAny
	case Date:
		return rowDay
	case Time:
		if f.Naive {
			return rowDay
		}
		return rowInstant
	case Clock:
		return rowClock
	case Text, Bytes:
		return rowBytes
	case Nested:
		return rowNested
	default:
		return rowNumber
	}
}

// rowMode is how the values of a pair of columns are compared.
type rowMode uint8

const (
	rowAsInts   rowMode = iota // both stand in Ints and mean the same there
	rowAsFloats                // both stand in Floats
	rowAsTexts                 // both stand in Texts and are compared as bytes
	rowAsValues                // by value, through canonical
)

// rowColumn is a column of both tables.
type rowColumn struct {
	name  string
	sides [2]Field
	kind  rowKind
	mode  rowMode
	float bool // a side is Float: decimals are compared as the nearest float
}

// rowPlan says which columns are compared, and how.
type rowPlan struct {
	key, rest []rowColumn
	schema    []RowSchema
}

// columns are the names of all, the key first.
func (p *rowPlan) columns() []string {
	names := make([]string, 0, len(p.key)+len(p.rest))
	for i := range p.key {
		names = append(names, p.key[i].name)
	}
	for i := range p.rest {
		names = append(names, p.rest[i].name)
	}
	return names
}

// fields are the columns of one side, the key first.
func (p *rowPlan) fields(side int) []Field {
	fields := make([]Field, 0, len(p.key)+len(p.rest))
	for _, columns := range [][]rowColumn{p.key, p.rest} {
		for i := range columns {
			fields = append(fields, columns[i].sides[side])
		}
	}
	return fields
}

// ordered says that tables sorted by the key can be merged.
func (p *rowPlan) ordered() bool {
	for i := range p.key {
		c := &p.key[i]
		if c.mode == rowAsValues || c.sides[0].Type == Null || c.sides[1].Type == Null || c.sides[0].Type == Uint {
			return false
		}
	}
	return len(p.key) > 0
}

func planRows(a, b *Table, key []string) (*rowPlan, error) {
	p := &rowPlan{}
	for i, name := range key {
		for _, t := range []*Table{a, b} {
			if t.schema.Index(name) < 0 {
				return nil, t.NoColumn(name)
			}
		}
		if slices.Contains(key[:i], name) {
			return nil, fault.New(fault.Usage, "cannot compare rows by %q twice", name)
		}
		c, ok := pairRows(&a.schema[a.schema.Index(name)], &b.schema[b.schema.Index(name)])
		if !ok {
			return nil, fault.New(fault.Usage, "cannot compare rows by %q: it is %s in %s and %s in %s", name,
				rowType(&c.sides[0]), a.files[0].name(), rowType(&c.sides[1]), b.files[0].name())
		}
		p.key = append(p.key, c)
		p.retyped(&c, true)
	}
	for i := range a.schema {
		f := &a.schema[i]
		j := b.schema.Index(f.Name)
		if j < 0 {
			p.schema = append(p.schema, RowSchema{Column: f.Name, A: rowType(f)})
			continue
		}
		if slices.Contains(key, f.Name) {
			continue
		}
		c, ok := pairRows(f, &b.schema[j])
		p.retyped(&c, ok)
		if ok {
			p.rest = append(p.rest, c)
		}
	}
	for i := range b.schema {
		if f := &b.schema[i]; a.schema.Index(f.Name) < 0 {
			p.schema = append(p.schema, RowSchema{Column: f.Name, B: rowType(f)})
		}
	}
	if len(p.key)+len(p.rest) == 0 {
		return nil, fault.New(fault.Usage, "cannot compare rows: no column of %s can be compared with one of %s", a.files[0].name(), b.files[0].name()).
			Hint("the columns are %s; %s", strings.Join(a.schema.Names(), ", "), strings.Join(b.schema.Names(), ", "))
	}
	return p, nil
}

// pairRows says how two columns are compared, and whether they can be.
func pairRows(a, b *Field) (rowColumn, bool) {
	c := rowColumn{name: a.Name, sides: [2]Field{*a, *b}, kind: kindOfRow(a), mode: rowAsValues}
	c.float = a.Type == Float || b.Type == Float
	other := kindOfRow(b)
	if c.kind == rowAny {
		c.kind, a = other, b
	}
	if other == rowAny {
		b = a
	}
	switch {
	case a.Type == Float && b.Type == Float:
		c.mode = rowAsFloats
	case c.kind == rowBytes, c.kind == rowNested:
		c.mode = rowAsTexts
	case a.Type == b.Type && a.Scale == b.Scale && a.Naive == b.Naive && !a.Wide && !b.Wide:
		c.mode = rowAsInts
	}
	return c, other == rowAny || other == c.kind
}

// retyped notes that a column has two types. Between numbers, and between days, a type that was only inferred from text is none that
// the file states: the values are compared, and that is all that can be said.
func (p *rowPlan) retyped(c *rowColumn, compared bool) {
	a, b := &c.sides[0], &c.sides[1]
	x, y := rowType(a), rowType(b)
	stated := a.From != "" && b.From != ""
	number := func(f *Field) bool { return f.Type >= Int && f.Type <= Decimal }
	switch {
	case x == y, a.Type == Null, b.Type == Null:
		return
	case compared && !stated && number(a) && number(b):
		return
	case compared && !stated && c.kind == rowDay, compared && !stated && c.kind == rowBytes:
		return
	}
	p.schema = append(p.schema, RowSchema{Column: c.name, A: x, B: y, Compared: compared})
}

// rowType is the type of a column as a person compares it: an int is one whether it needs the upper half of the numbers or not.
func rowType(f *Field) string {
	switch {
	case f.Type == Uint:
		return Int.String()
	case f.Type == Time && !f.Naive:
		return "time with zone"
	}
	return f.typed()
}

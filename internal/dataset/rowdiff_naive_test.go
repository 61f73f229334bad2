package dataset

import (
	"context"
	"fmt"
	"iter"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
)

// rowMem is a file of a table that stands in memory: batches, each a unit of its own.
type rowMem struct {
	named   string
	fields  Schema
	batches []*Batch
}

func (m *rowMem) name() string   { return m.named }
func (m *rowMem) schema() Schema { return m.fields }
func (m *rowMem) rows() int64 {
	n := 0
	for _, b := range m.batches {
		n += b.Rows
	}
	return int64(n)
}

func (m *rowMem) units(_ context.Context, want Schema) iter.Seq2[unit, error] {
	return func(yield func(unit, error) bool) {
		for _, b := range m.batches {
			if !yield(&rowMemUnit{b, want}, nil) {
				return
			}
		}
	}
}

type rowMemUnit struct {
	b    *Batch
	want Schema
}

func (u *rowMemUnit) decode(context.Context) iter.Seq2[*Batch, error] {
	return func(yield func(*Batch, error) bool) {
		out := &Batch{Rows: u.b.Rows}
		for _, f := range u.want {
			for _, c := range u.b.Columns {
				if c.Name == f.Name {
					out.Columns = append(out.Columns, c)
				}
			}
		}
		yield(out, nil)
	}
}

// rowCells of a test: nil is missing, else what its field says.
type rowGiven struct {
	fields Schema
	rows   [][]any // int64, uint64, float64, string
}

// table makes a table of the rows: split into files and batches at random.
func (g rowGiven) table(r *rand.Rand, name string, workers int) *Table {
	t := &Table{schema: slices.Clone(g.fields), opts: Options{Workers: workers}}
	left := g.rows
	for n := 0; n == 0 || len(left) > 0; n++ {
		m := &rowMem{named: fmt.Sprintf("%s%d", name, n), fields: g.fields}
		for range r.IntN(4) + 1 {
			k := min(r.IntN(130)*r.IntN(2)+r.IntN(5), len(left))
			m.batches = append(m.batches, g.batch(r, left[:k]))
			left = left[k:]
		}
		t.files = append(t.files, m)
	}
	return t
}

func (g rowGiven) batch(r *rand.Rand, rows [][]any) *Batch {
	b := &Batch{Rows: len(rows)}
	for k, f := range g.fields {
		c := Column{Field: f}
		missing := make(Bits, (len(rows)+63)/64)
		texts := &Texts{Offsets: []uint32{0}}
		codes := map[string]uint32{}
		dictionary := c.InTexts() && r.IntN(2) == 0
		for i, row := range rows {
			v := row[k]
			if v == nil {
				missing.Set(i)
			}
			switch {
			case c.InTexts() && dictionary:
				s, _ := v.(string)
				code, ok := codes[s]
				if !ok {
					code = uint32(len(codes))
					codes[s] = code
					texts.Append([]byte(s))
				}
				c.Codes = append(c.Codes, code)
			case c.InTexts():
				s, _ := v.(string)
				texts.Append([]byte(s))
			case f.Type == Float:
				x, _ := v.(float64)
				c.Floats = append(c.Floats, x)
			default:
				switch x := v.(type) {
				case int64:
					c.Ints = append(c.Ints, x)
				case uint64:
					c.Ints = append(c.Ints, int64(x))
				default:
					c.Ints = append(c.Ints, 0)
				}
			}
		}
		if c.InTexts() {
			c.Texts = texts
			if dictionary && c.Codes == nil {
				c.Codes = []uint32{}
			}
		}
		if missing.Count() > 0 {
			c.Missing = missing
		}
		b.Columns = append(b.Columns, c)
	}
	return b
}

// naiveValue writes a value so that equal values, and no others, are written alike: by the words of docs/row-diff.md, with big numbers.
func naiveValue(f Field, v any, besideFloat bool) string {
	if v == nil {
		return "missing"
	}
	number := func(r *big.Rat) string { return "number " + r.RatString() }
	switch f.Type {
	case Float:
		x := v.(float64)
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return fmt.Sprint("number ", x)
		}
		return number(new(big.Rat).SetFloat64(x))
	case Bool, Int:
		return number(new(big.Rat).SetInt64(v.(int64)))
	case Uint:
		return number(new(big.Rat).SetInt(new(big.Int).SetUint64(v.(uint64))))
	case Decimal:
		text, ok := v.(string)
		if !ok {
			text = string(appendDecimal(nil, v.(int64), f.Scale))
		}
		r, ok := new(big.Rat).SetString(text)
		if !ok {
			panic("no number: " + text)
		}
		if x, _ := r.Float64(); besideFloat && !r.IsInt() {
			return number(new(big.Rat).SetFloat64(x))
		}
		return number(r)
	case Date:
		return fmt.Sprint("time ", new(big.Int).Mul(big.NewInt(v.(int64)), big.NewInt(rowDayLength)))
	case Time, Clock:
		return fmt.Sprint("time ", v)
	default:
		return fmt.Sprintf("text %q", v)
	}
}

// naiveDiff is the answer as a list of lines, in order.
type naiveDiff struct {
	lines []string
	twice bool
}

func naiveRows(a, b rowGiven, key []string) naiveDiff {
	type column struct{ i, j int }
	var keys, rest []column
	for i, f := range a.fields {
		j := b.fields.Index(f.Name)
		if j < 0 {
			continue
		}
		if slices.Contains(key, f.Name) {
			keys = append(keys, column{i, j})
		} else if _, ok := pairRows(&f, &b.fields[j]); ok {
			rest = append(rest, column{i, j})
		}
	}
	float := func(c column) bool { return a.fields[c.i].Type == Float || b.fields[c.j].Type == Float }
	id := func(columns []column, side int, row []any) string {
		var words []string
		for _, c := range columns {
			if side == 0 {
				words = append(words, naiveValue(a.fields[c.i], row[c.i], float(c)))
			} else {
				words = append(words, naiveValue(b.fields[c.j], row[c.j], float(c)))
			}
		}
		return strings.Join(words, "|")
	}
	named := keys
	if len(key) == 0 {
		named = rest
	}
	where := map[string][]int{}
	for j, row := range b.rows {
		k := id(named, 1, row)
		where[k] = append(where[k], j)
	}
	var out naiveDiff
	met := map[string]int{}
	matched := make([]bool, len(b.rows))
	for i, row := range a.rows {
		k := id(named, 0, row)
		n := met[k]
		met[k]++
		out.twice = out.twice || len(key) > 0 && n > 0
		if n >= len(where[k]) {
			out.lines = append(out.lines, fmt.Sprint("removed ", i+1))
			continue
		}
		j := where[k][n]
		matched[j] = true
		var cells []string
		for _, c := range rest {
			if one := []column{c}; id(one, 0, row) != id(one, 1, b.rows[j]) {
				cells = append(cells, a.fields[c.i].Name)
			}
		}
		if len(cells) > 0 {
			out.lines = append(out.lines, fmt.Sprint("changed ", i+1, " ", j+1, " ", cells))
		}
	}
	for j, row := range b.rows {
		out.twice = out.twice || len(key) > 0 && len(where[id(named, 1, row)]) > 1
		if !matched[j] {
			out.lines = append(out.lines, fmt.Sprint("added ", j+1))
		}
	}
	return out
}

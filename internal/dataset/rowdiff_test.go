package dataset

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// rowTypes are fields whose values are drawn by rowDraw, in groups that can be compared with each other.
func rowTypes() [][]Field {
	return [][]Field{
		{{Type: Int}, {Type: Float}, {Type: Decimal, Scale: 2}, {Type: Decimal, Scale: 1}, {Type: Decimal, Scale: 3, Wide: true}, {Type: Uint}, {Type: Bool}},
		{{Type: Text}, {Type: Bytes}},
		{{Type: Date}, {Type: Time, Naive: true}},
		{{Type: Time}},
		{{Type: Clock}},
		{{Type: Nested}},
	}
}

// rowDraw draws a value of a type from few, so that equal ones are common, with the ends of the type among them.
func rowDraw(r *rand.Rand, f Field, spread int) any {
	small := int64(r.IntN(spread)) - int64(spread/3)
	odd := r.IntN(12) == 0
	switch f.Type {
	case Bool:
		return int64(r.IntN(2))
	case Int:
		if odd {
			return []int64{math.MinInt64, math.MaxInt64, 1 << 53, 1<<53 + 1, -1<<53 - 1}[r.IntN(5)]
		}
		return small
	case Uint:
		if odd {
			return []uint64{math.MaxUint64, 1 << 63, 1<<63 + 2048}[r.IntN(3)]
		}
		return uint64(max(small, 0))
	case Float:
		if odd {
			return []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 1 << 53, 1 << 63, -1 << 63, 1 << 64, 5e-324}[r.IntN(9)]
		}
		return float64(small) / float64(1+9*r.IntN(2))
	case Decimal:
		v := small * int64([]int{1, 10, 100}[r.IntN(3)])
		if odd && f.Wide {
			return []string{"123456789012345678901.5", "9007199254740993.000", "18446744073709551615", "-0.100"}[r.IntN(4)]
		}
		if f.Wide {
			return string(appendDecimal(nil, v, f.Scale))
		}
		return v
	case Date:
		return small
	case Time:
		return small * rowDayLength / int64(1+23*r.IntN(2))
	case Clock:
		return max(small, 0) * 1e9
	default:
		return []string{"", "a", "b\x00", "é"}[r.IntN(4)] + fmt.Sprint(small)
	}
}

func rowRandom(r *rand.Rand) (a, b rowGiven, key []string) {
	spread := []int{3, 40, 4000}[r.IntN(3)]
	keys := r.IntN(3)
	for k := range keys + r.IntN(5) + 1 {
		group := rowTypes()[r.IntN(len(rowTypes()))]
		x, y := group[r.IntN(len(group))], group[r.IntN(len(group))]
		if r.IntN(2) == 0 {
			y = x
		}
		if k >= keys && r.IntN(8) == 0 {
			other := rowTypes()[r.IntN(len(rowTypes()))]
			y = other[r.IntN(len(other))]
		}
		x.Name = fmt.Sprint("c", k)
		y.Name = x.Name
		a.fields, b.fields = append(a.fields, x), append(b.fields, y)
		if k < keys {
			key = append(key, x.Name)
		}
	}
	row := func(fields Schema) []any {
		var out []any
		for k, f := range fields {
			if k >= keys && r.IntN(6) == 0 {
				out = append(out, nil)
			} else {
				out = append(out, rowDraw(r, f, spread))
			}
		}
		return out
	}
	for range r.IntN(300) {
		a.rows = append(a.rows, row(a.fields))
	}
	if cmp.Equal(a.fields, b.fields) && r.IntN(2) == 0 { // mostly the same rows
		for _, x := range a.rows {
			x = slices.Clone(x)
			if r.IntN(20) == 0 {
				k := r.IntN(len(x))
				x[k] = rowDraw(r, a.fields[k], spread)
			}
			b.rows = append(b.rows, x)
		}
		r.Shuffle(len(b.rows), func(i, j int) { b.rows[i], b.rows[j] = b.rows[j], b.rows[i] })
	} else {
		for range r.IntN(300) {
			b.rows = append(b.rows, row(b.fields))
		}
	}
	if len(key) > 0 && r.IntN(4) > 0 {
		a.rows, b.rows = rowUnique(a, b, 0, key), rowUnique(a, b, 1, key)
	}
	if order := r.IntN(3); order > 0 && len(key) > 0 { // sorted, so that they are merged, or nearly
		rowSort(a, len(key))
		rowSort(b, len(key))
	}
	return a, b, key
}

// rowUnique leaves the first row of each key.
func rowUnique(a, b rowGiven, side int, key []string) [][]any {
	g := []rowGiven{a, b}[side]
	seen := map[string]bool{}
	return slices.DeleteFunc(slices.Clone(g.rows), func(row []any) bool {
		id := ""
		for k := range key {
			id += naiveValue(g.fields[k], row[k], a.fields[k].Type == Float || b.fields[k].Type == Float) + "|"
		}
		again := seen[id]
		seen[id] = true
		return again
	})
}

func rowSort(g rowGiven, keys int) {
	slices.SortStableFunc(g.rows, func(x, y []any) int {
		for k := range keys {
			n := 0
			switch v := x[k].(type) {
			case int64:
				n = int(max(min(v>>1-y[k].(int64)>>1, 1), -1))
				if n == 0 {
					n = int(max(min(v&1-y[k].(int64)&1, 1), -1))
				}
			case float64:
				n = int(max(min(rowFloatOrder(v)>>1-rowFloatOrder(y[k].(float64))>>1, 1), -1))
			case string:
				n = strings.Compare(v, y[k].(string))
			}
			if n != 0 {
				return n
			}
		}
		return 0
	})
}

func rowLine(c *RowChange) string {
	switch c.Change {
	case RowAdded:
		return fmt.Sprint("added ", c.B)
	case RowRemoved:
		return fmt.Sprint("removed ", c.A)
	}
	var cells []string
	for _, x := range c.Cells {
		cells = append(cells, x.Column)
	}
	return fmt.Sprint("changed ", c.A, " ", c.B, " ", cells)
}

// TestDiffRowsAgainstNaive compares random tables, of all types and orders, in memory and through the disk, with the plain way.
func TestDiffRowsAgainstNaive(t *testing.T) {
	merged, twice, spilled := 0, 0, 0
	for seed := range uint64(600) {
		r := rand.New(rand.NewPCG(seed, 7))
		a, b, key := rowRandom(r)
		want := naiveRows(a, b, key)
		workers := r.IntN(8) + 1
		var lines []string
		temp := t.TempDir()
		o := RowOptions{Key: key, Temp: temp, Memory: []int{1, 4000, 1 << 20}[r.IntN(3)], Sample: 3, Workers: workers,
			Each: func(_ context.Context, c *RowChange) error {
				lines = append(lines, rowLine(c))
				return nil
			}}
		d, err := DiffRows(t.Context(), a.table(r, "a", workers), b.table(r, "b", workers), o)
		if left, _ := os.ReadDir(temp); len(left) > 0 {
			t.Fatalf("seed %d: %v is left", seed, left)
		}
		if err != nil && strings.Contains(err.Error(), "no column of") && len(key) == 0 {
			continue
		}
		if want.twice {
			twice++
			if err == nil || !strings.Contains(err.Error(), "and again in row") {
				t.Fatalf("seed %d: a key stands twice, got %v", seed, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if diff := cmp.Diff(want.lines, lines); diff != "" {
			t.Fatalf("seed %d, key %v, %s, %s:\n%s", seed, key, a.fields, b.fields, diff)
		}
		if n := d.Added + d.Removed + d.Changed; n != int64(len(lines)) || d.Rows != [2]int64{int64(len(a.rows)), int64(len(b.rows))} {
			t.Fatalf("seed %d: counts %+v", seed, d)
		}
		o.Each = nil
		again, err := DiffRows(t.Context(), a.table(r, "a", workers), b.table(r, "b", workers), o)
		if err != nil {
			t.Fatal(err)
		}
		again.Spilled = d.Spilled
		if diff := cmp.Diff(d, again); diff != "" {
			t.Fatalf("seed %d: without Each:\n%s", seed, diff)
		}
		if d.Sorted {
			merged++
		}
		if d.Spilled > 0 {
			spilled++
		}
	}
	t.Logf("%d merged, %d with a key twice, %d through the disk", merged, twice, spilled)
	if merged < 30 || twice < 30 || spilled < 100 {
		t.Errorf("too few of a kind: %d merged, %d with a key twice, %d through the disk", merged, twice, spilled)
	}
}

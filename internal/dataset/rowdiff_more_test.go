package dataset

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mlx/internal/fault"
)

func rowsOf(fields Schema, rows ...[]any) *Table {
	return rowGiven{fields, rows}.table(rand.New(rand.NewPCG(1, 1)), "t", 2)
}

// TestDiffRowsValues holds what is the same and what is not, type by type.
func TestDiffRowsValues(t *testing.T) {
	text := func(s string) any { return s }
	for _, tt := range []struct {
		name string
		a, b Field
		x, y any
		same bool
	}{
		{"int and float", Field{Type: Int}, Field{Type: Float}, int64(1), 1.0, true},
		{"beyond 2^53", Field{Type: Int}, Field{Type: Float}, int64(1<<53 + 1), float64(1 << 53), false},
		{"2^53", Field{Type: Int}, Field{Type: Float}, int64(1 << 53), float64(1 << 53), true},
		{"largest int and 2^63", Field{Type: Int}, Field{Type: Float}, int64(math.MaxInt64), float64(1 << 63), false},
		{"int and uint", Field{Type: Int}, Field{Type: Uint}, int64(-1), uint64(math.MaxUint64), false},
		{"uint and 2^63", Field{Type: Uint}, Field{Type: Float}, uint64(1 << 63), float64(1 << 63), true},
		{"uint and 2^64", Field{Type: Uint}, Field{Type: Float}, uint64(math.MaxUint64), float64(1 << 64), false},
		{"true and 1", Field{Type: Bool}, Field{Type: Int}, int64(1), int64(1), true},
		{"scales", Field{Type: Decimal, Scale: 2}, Field{Type: Decimal, Scale: 1}, int64(1230), int64(123), true},
		{"decimal and float", Field{Type: Decimal, Scale: 2}, Field{Type: Float}, int64(1230), 12.3, true},
		{"decimal and int", Field{Type: Decimal, Scale: 2}, Field{Type: Int}, int64(1200), int64(12), true},
		{"wide and narrow", Field{Type: Decimal, Scale: 3, Wide: true}, Field{Type: Decimal, Scale: 1}, text("-0.100"), int64(-1), true},
		{"wide beyond floats", Field{Type: Decimal, Scale: 0, Wide: true}, Field{Type: Float}, text("9007199254740993"), float64(1 << 53), false},
		{"zeros", Field{Type: Float}, Field{Type: Float}, math.Copysign(0, -1), 0.0, true},
		{"zeros of two types", Field{Type: Float}, Field{Type: Int}, math.Copysign(0, -1), int64(0), true},
		{"NaN", Field{Type: Float}, Field{Type: Float}, math.NaN(), math.Float64frombits(0xFFF8000000000123), true},
		{"NaN and missing", Field{Type: Float}, Field{Type: Float}, math.NaN(), nil, false},
		{"missing", Field{Type: Float}, Field{Type: Int}, nil, nil, true},
		{"missing and zero", Field{Type: Int}, Field{Type: Int}, nil, int64(0), false},
		{"missing and empty", Field{Type: Text}, Field{Type: Text}, nil, "", false},
		{"nothing known", Field{Type: Null}, Field{Type: Text}, nil, "a", false},
		{"day and midnight", Field{Type: Date}, Field{Type: Time, Naive: true}, int64(-3), -3 * rowDayLength, true},
		{"day and noon", Field{Type: Date}, Field{Type: Time, Naive: true}, int64(3), 3*rowDayLength + rowDayLength/2, false},
		{"text and bytes", Field{Type: Text}, Field{Type: Bytes}, "é", "é", true},
		{"two forms of é", Field{Type: Text}, Field{Type: Text}, "é", "e\u0301", false},
	} {
		tt.a.Name, tt.b.Name = "v", "v"
		id := Field{Name: "id", Type: Int}
		d, err := DiffRows(t.Context(), rowsOf(Schema{id, tt.a}, []any{int64(1), tt.x}), rowsOf(Schema{tt.b, id}, []any{tt.y, int64(1)}),
			RowOptions{Key: []string{"id"}, Temp: t.TempDir()})
		if err != nil || (d.Changed == 0) != tt.same {
			t.Errorf("%s: %+v, %v", tt.name, d, err)
		}
		d, err = DiffRows(t.Context(), rowsOf(Schema{tt.a}, []any{tt.x}), rowsOf(Schema{tt.b}, []any{tt.y}), RowOptions{Temp: t.TempDir()})
		if err != nil || (d.Added+d.Removed == 0) != tt.same {
			t.Errorf("%s, as whole rows: %+v, %v", tt.name, d, err)
		}
	}
}

func TestDiffRowsSchema(t *testing.T) {
	stated := func(f Field) Field { f.From = "as the file says"; return f }
	a := Schema{{Name: "id", Type: Int}, stated(Field{Name: "x", Type: Int}), {Name: "y", Type: Int}, {Name: "z", Type: Int}, {Name: "old", Type: Text},
		{Name: "at", Type: Time}}
	b := Schema{{Name: "at", Type: Time, Naive: true}, {Name: "new", Type: Decimal, Scale: 2}, {Name: "z", Type: Text}, {Name: "y", Type: Float},
		stated(Field{Name: "x", Type: Float}), {Name: "id", Type: Uint}}
	d, err := DiffRows(t.Context(), rowsOf(a, []any{int64(1), int64(1), int64(2), int64(3), "o", int64(5)}),
		rowsOf(b, []any{int64(6), int64(1), "3", 2.0, 1.0, uint64(1)}), RowOptions{Key: []string{"id"}, Temp: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	want := []RowSchema{{"x", "int", "float", true}, {"z", "int", "text", false}, {"old", "text", "", false}, {"at", "time with zone", "time", false},
		{"new", "", "decimal(2)", false}}
	if diff := cmp.Diff(want, d.Schema); diff != "" || d.Changed != 0 || d.Equal() {
		t.Errorf("changed %d\n%s", d.Changed, diff)
	}
	_, err = DiffRows(t.Context(), rowsOf(a), rowsOf(b), RowOptions{Key: []string{"z"}})
	if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "it is int in t0 and text in t0") {
		t.Errorf("a key of two types: %v", err)
	}
}

// TestDiffRowsTrouble: a disk that cannot be written, a reader who stops, an interrupt and a table that changes are errors, and
// nothing is left behind.
func TestDiffRowsTrouble(t *testing.T) {
	fields := Schema{{Name: "id", Type: Int}, {Name: "v", Type: Int}}
	var rows, others [][]any
	for i := range 2000 {
		rows = append(rows, []any{int64(i * 7919 % 2003), int64(i)})
		others = append(others, []any{int64(i * 7919 % 2003), int64(i + 1)})
	}
	temp := t.TempDir()
	file := temp + "/file"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	diff := func(ctx context.Context, o RowOptions) error {
		o.Key, o.Memory = []string{"id"}, 100
		_, err := DiffRows(ctx, rowsOf(fields, rows...), rowsOf(fields, others...), o)
		return err
	}
	if err := diff(t.Context(), RowOptions{Temp: file + "/below"}); err == nil || !strings.Contains(err.Error(), "cannot keep rows on disk") {
		t.Errorf("no folder: %v", err)
	}
	full := newRowSpill(temp, 100)
	if err := full.failed(syscall.ENOSPC); fault.KindOf(err) != fault.Unavailable || len(fault.Hints(err)) == 0 {
		t.Errorf("a full disk is %v: %v", fault.KindOf(err), err)
	}
	stop := errors.New("enough")
	if err := diff(t.Context(), RowOptions{Temp: temp, Each: func(context.Context, *RowChange) error { return stop }}); !errors.Is(err, stop) {
		t.Errorf("a reader who stops: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := diff(ctx, RowOptions{Temp: temp}); !errors.Is(err, context.Canceled) {
		t.Errorf("an interrupt: %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	if err := diff(ctx, RowOptions{Temp: temp, Each: func(context.Context, *RowChange) error { cancel(); return nil }}); !errors.Is(err, context.Canceled) {
		t.Errorf("an interrupt while differences are told: %v", err)
	}
	for _, change := range []func(*rowMem){
		func(m *rowMem) { m.batches = nil },
		func(m *rowMem) { m.batches[0].Columns[0].Ints[0]++ },
	} {
		one := func(v int64) *Table { return rowsOf(fields, []any{int64(1), v}) }
		a, b := one(1), one(2)
		d := &rowDiffing{opts: RowOptions{Temp: temp, Memory: 100}, tables: [2]*Table{a, b}, lists: newRowLists(temp, 10)}
		var err error
		if d.plan, err = planRows(a, b, []string{"id"}); err == nil {
			err = d.find(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range a.files {
			if m := f.(*rowMem); m.rows() > 0 || len(m.batches) == 0 {
				kept := m.batches[:0]
				for _, b := range m.batches {
					if b.Rows > 0 {
						kept = append(kept, b)
					}
				}
				m.batches = kept
				change(m)
			}
		}
		if err := d.cells(t.Context()); fault.KindOf(err) != fault.Conflict {
			t.Errorf("a table that changed: %v", err)
		}
		d.lists.close()
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) != 1 {
		t.Errorf("%v is left, %v", left, err)
	}
}

// TestDiffRowsCopies joins tables of a few rows that stand there very often, which no cut of the hash divides.
func TestDiffRowsCopies(t *testing.T) {
	fields := Schema{{Name: "v", Type: Int}}
	table := func(n int) *Table {
		c := Column{Field: fields[0], Ints: make([]int64, n)}
		for i := range c.Ints {
			c.Ints[i] = int64(i % 2)
		}
		return &Table{schema: fields, opts: Options{Workers: 2}, files: []file{&rowMem{"t", fields, []*Batch{{n, []Column{c}}}}}}
	}
	d, err := DiffRows(t.Context(), table(rowJoinLarge+4), table(rowJoinLarge-2), RowOptions{Temp: t.TempDir(), Memory: 1 << 16, Sample: 9})
	if err != nil || d.Removed != 6 || d.Added != 0 || len(d.Sample) != 6 || d.Sample[5].A != rowJoinLarge+4 {
		t.Errorf("%+v, %v", d, err)
	}
}

// TestDiffRowsMasks: values of private columns are nowhere.
func TestDiffRowsMasks(t *testing.T) {
	fields := Schema{{Name: "id", Type: Text}, {Name: "pay", Type: Int}}
	a := func() *Table { return rowsOf(fields, []any{"secret1", int64(4711)}, []any{"secret2", int64(4712)}) }
	b := func() *Table { return rowsOf(fields, []any{"secret1", int64(4713)}, []any{"secret3", nil}) }
	var told []string
	o := RowOptions{Key: []string{"id"}, Sample: 9, Temp: t.TempDir(), Private: func(string) bool { return true },
		Each: func(_ context.Context, c *RowChange) error { told = append(told, fmt.Sprintf("%+v", *c)); return nil }}
	d, err := DiffRows(t.Context(), a(), b(), o)
	if err != nil || d.Changed != 1 {
		t.Fatalf("%+v, %v", d, err)
	}
	twice := rowsOf(fields, []any{"secret1", nil}, []any{"secret1", nil})
	_, err = DiffRows(t.Context(), twice, b(), o)
	text := fmt.Sprintf("%+v %+v %v %v", *d, d.Columns[0].Largest, told, err)
	if strings.Contains(text, "secret") || strings.Contains(text, "471") || !strings.Contains(text, "(private)") || err == nil {
		t.Error(text)
	}
}

// FuzzRowRecord: a damaged record is an error, and a whole one is read back.
func FuzzRowRecord(f *testing.F) {
	fields := []Field{{Type: Int}, {Type: Float}, {Type: Text}, {Type: Null}}
	columns := []Column{{Field: fields[0], Ints: []int64{-5}}, {Field: fields[1], Floats: []float64{2.5}, Missing: Bits{1}}, {Field: fields[2], Texts: &Texts{}},
		{Field: fields[3]}}
	columns[2].Texts.Append([]byte("text"))
	f.Add(appendRow(nil, 7, columns, 0))
	f.Add([]byte{1, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := newRowReader(fields)
		rest, err := r.read(b)
		if err != nil {
			return
		}
		again := appendRow(nil, r.row, r.columns, 0)
		other := newRowReader(fields)
		if more, err := other.read(again); err != nil || len(more) > 0 || len(rest) > len(b) {
			t.Errorf("%x: %v", again, err)
		}
		if diff := cmp.Diff(again, appendRow(nil, other.row, other.columns, 0)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestLikelyKeys(t *testing.T) {
	fields := Schema{{Name: "name", Type: Text}, {Name: "x", Type: Float}, {Name: "user_id", Type: Int}, {Name: "twice", Type: Int}, {Name: "hole", Type: Int}}
	table := func() *Table {
		return rowsOf(fields, []any{"a", 1.0, int64(1), int64(1), int64(1)}, []any{"b", 2.0, int64(2), int64(1), nil})
	}
	got, err := LikelyKeys(t.Context(), table(), table())
	if diff := cmp.Diff([]string{"user_id", "name"}, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

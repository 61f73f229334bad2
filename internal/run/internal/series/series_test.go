package series

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func write(t testing.TB, columns ...Column) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	longest := 0
	for _, c := range columns {
		if _, err := w.Name(c.Name); err != nil {
			t.Fatal(err)
		}
		longest = max(longest, c.Len())
	}
	for i := range longest { // as lines of a metrics file come: all names of one step, then the next
		for number, c := range columns {
			if i < c.Len() {
				if err := w.Add(number, c.Steps[i], c.Times[i], c.Values[i]); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	sum, err := w.Close()
	if err != nil || sum.Bytes != int64(b.Len()) {
		t.Fatalf("%+v %v, %d bytes", sum, err, b.Len())
	}
	return b.Bytes()
}

func read(t testing.TB, b []byte) []Column {
	t.Helper()
	f, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	var all []Column
	for _, name := range f.Names() {
		c, err := f.Column(name)
		if err != nil {
			t.Fatal(err)
		}
		if c.Len() != f.Len(name) {
			t.Errorf("%s: %d points, the index says %d", name, c.Len(), f.Len(name))
		}
		all = append(all, c)
	}
	return all
}

// differ says where two lists of columns differ, bit by bit: -0 is not 0, and NaN is NaN.
func differ(want, got []Column) string {
	if len(want) != len(got) {
		return fmt.Sprintf("%d columns, want %d", len(got), len(want))
	}
	for i, w := range want {
		g := got[i]
		equal := func(a, b float64) bool {
			return math.Float64bits(a) == math.Float64bits(b) || math.IsNaN(a) && math.IsNaN(b)
		}
		if w.Name != g.Name || !slices.Equal(w.Steps, g.Steps) || !slices.Equal(w.Times, g.Times) || !slices.EqualFunc(w.Values, g.Values, equal) {
			return fmt.Sprintf("column %d: got %q of %d points, want %q of %d", i, g.Name, g.Len(), w.Name, w.Len())
		}
	}
	return ""
}

// training is what a run writes: n steps that take about 120 ms each.
func training(n int) []Column {
	rng := rand.New(rand.NewPCG(1, 2))
	names := []string{"accuracy", "grad_norm", "learning_rate", "loss"}
	all := make([]Column, len(names))
	now := 1795447679137.0
	for i := range n {
		now += 120 + 6*rng.NormFloat64()
		x := float64(i) / float64(n)
		loss := 2.3*math.Exp(-4*x) + 0.2 + 0.03*rng.NormFloat64()
		for k, v := range []float64{math.Round(1e4*(1-loss/3)) / 1e4, float64(float32(math.Exp(rng.NormFloat64() / 3))),
			float64(float32(3e-4 * (1 + math.Cos(math.Pi*x)) / 2)), float64(float32(loss))} {
			all[k].Name = names[k]
			all[k].add(int64(i), int64(now), v)
		}
	}
	return all
}

func TestTrainingCurvesAreSmall(t *testing.T) {
	const n = 100_000
	for _, c := range training(n) {
		b := write(t, c)
		each := float64(len(b)) / n
		t.Logf("%-14s %.2f bytes a point", c.Name, each)
		if each > 4 {
			t.Errorf("%s takes %.2f bytes a point, at most 4", c.Name, each)
		}
	}
	all := training(n)
	if diff := differ(all, read(t, write(t, all...))); diff != "" {
		t.Error(diff)
	}
}

// Whatever is written comes back, bit by bit.
func TestRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	special := []float64{0, math.Copysign(0, -1), math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, 5e-324, 0.1, -0.1, 1e-9, 1e22, float64(float32(0.1))}
	values := []func() float64{
		rng.NormFloat64,
		func() float64 { return float64(float32(rng.NormFloat64())) },
		func() float64 { return float64(rng.IntN(1000)) },
		func() float64 { return float64(rng.IntN(1e9)) / 1e4 },
		func() float64 { return special[rng.IntN(len(special))] },
		func() float64 { return math.Float64frombits(rng.Uint64()) },
		func() float64 { return 7 },
	}
	whole := []func(int) int64{
		func(i int) int64 { return int64(i) },
		func(i int) int64 { return int64(10 * i) },
		func(int) int64 { return 0 },
		func(int) int64 { return rng.Int64N(2*MaxWhole+1) - MaxWhole },
		func(i int) int64 { return int64(1795447679137 + 50*i + rng.IntN(9)) },
	}
	for round := range 300 {
		n := 2 + rng.IntN(50)
		if round%50 == 0 {
			n = 2*blockMax + rng.IntN(10)
		}
		c := Column{Name: "a"}
		v, s, at := values[rng.IntN(len(values))], whole[rng.IntN(len(whole))], whole[rng.IntN(len(whole))]
		for i := range n {
			c.add(s(i), at(i), v())
		}
		if diff := differ([]Column{c}, read(t, write(t, c))); diff != "" {
			t.Fatalf("round %d: %s", round, diff)
		}
	}
}

// Many names at once do not stay in memory, and a name of one point is no series.
func TestManyNames(t *testing.T) {
	var all, want []Column
	for i := range 300 {
		c := Column{Name: "m/" + string(rune('a'+i/26)) + string(rune('a'+i%26))}
		for k := range 1 + i*20 {
			c.add(int64(k), 0, float64(k*i))
		}
		all = append(all, c)
		if c.Len() > 1 {
			want = append(want, c)
		}
	}
	if diff := differ(want, read(t, write(t, all...))); diff != "" {
		t.Error(diff)
	}
}

func TestWriterLimits(t *testing.T) {
	var b bytes.Buffer
	w, err := NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", string(make([]byte, MaxName+1))} {
		if _, err := w.Name(name); err == nil {
			t.Errorf("a name of %d bytes was taken", len(name))
		}
	}
	number, err := w.Name("a")
	if err != nil {
		t.Fatal(err)
	}
	w.points = MaxPoints
	if err := w.Add(number, 0, 0, 0); !errors.Is(err, ErrFull) {
		t.Errorf("got %v, want ErrFull", err)
	}
	if sum, err := w.Close(); err != nil || sum.Names != 0 {
		t.Errorf("%+v %v", sum, err)
	}
	if got := read(t, b.Bytes()); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

// A file that lies is refused, and costs no more than it says of itself.
func TestHostile(t *testing.T) {
	good := write(t, training(100)...)
	for name, change := range hostileFiles() {
		b := change(bytes.Clone(good))
		if f, err := Open(bytes.NewReader(b), int64(len(b))); err == nil {
			for _, n := range f.Names() {
				if _, err = f.Column(n); err != nil {
					break
				}
			}
			if err == nil {
				t.Errorf("%s was read", name)
			}
		}
	}
	for i := range good { // no byte can make it panic
		b := bytes.Clone(good)
		b[i] ^= 0xff
		decodeAll(b)
	}
	if _, err := Open(bytes.NewReader(good), int64(len(good))); err != nil {
		t.Fatal(err)
	}
}

func hostileFiles() map[string]func([]byte) []byte {
	tail := func(b []byte) []byte { return b[len(b)-tailSize:] }
	zeros := []byte{asFloat32, 0, 0, 0, 0, 0, 0, 0} // a block of any number of points
	behind := func(blocks, rows []byte) func([]byte) []byte {
		return func([]byte) []byte {
			c := &coder{}
			if c.ready() != nil {
				return nil
			}
			packed := c.enc.EncodeAll(rows, nil)
			b := append(append([]byte(magic), blocks...), packed...)
			b = binary.LittleEndian.AppendUint64(b, uint64(len(magic)+len(blocks)))
			b = binary.LittleEndian.AppendUint32(b, uint32(len(packed)))
			b = binary.LittleEndian.AppendUint32(b, uint32(len(rows)))
			return append(b, tailMark...)
		}
	}
	index := func(rows []byte) func([]byte) []byte { return behind(nil, rows) }
	return map[string]func([]byte) []byte{
		"empty":            func([]byte) []byte { return nil },
		"cut":              func(b []byte) []byte { return b[:len(b)-1] },
		"later version":    func(b []byte) []byte { b[11] = '2'; return b },
		"index of 4 GiB":   func(b []byte) []byte { binary.LittleEndian.PutUint32(tail(b)[12:], math.MaxUint32); return b },
		"index far away":   func(b []byte) []byte { binary.LittleEndian.PutUint64(tail(b), math.MaxUint64); return b },
		"index elsewhere":  func(b []byte) []byte { tail(b)[0]++; return b },
		"too many names":   index(binary.AppendUvarint(nil, MaxNames+1)),
		"names missing":    index([]byte{1}),
		"name too long":    index(binary.AppendUvarint([]byte{1}, MaxName+1)),
		"no name":          index([]byte{1, 0, 1, 13, 1, 2}),
		"no block":         index([]byte{1, 1, 'a', 0}),
		"block not there":  index([]byte{1, 1, 'a', 1, 200, 1, 9, 2}),
		"block in header":  index([]byte{1, 1, 'a', 1, 0, 9, 2}),
		"2^60 blocks":      index(append([]byte{1, 1, 'a'}, binary.AppendUvarint(nil, 1<<60)...)),
		"block of no kind": index([]byte{1, 1, 'a', 1, 13, 0, 2}),
		"block too short":  behind(zeros, []byte{1, 1, 'a', 1, 13, 7, 2}),
		"block twice":      behind(zeros, []byte{1, 1, 'a', 2, 13, 8, 2, 13, 8, 2}),
		"block of two":     behind(zeros, []byte{2, 1, 'a', 1, 13, 8, 2, 1, 'b', 1, 13, 8, 2}),
	}
}

func decodeAll(b []byte) {
	f, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return
	}
	for _, name := range f.Names() {
		if c, err := f.Column(name); err == nil && (len(c.Steps) != c.Len() || len(c.Times) != c.Len()) {
			panic("columns of different lengths")
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(write(f, training(3)...))
	for _, change := range hostileFiles() {
		f.Add(change(write(f, training(20)...)))
	}
	f.Fuzz(func(_ *testing.T, b []byte) { decodeAll(b) })
}

// FuzzBlock reaches what an index guards: any bytes as a block.
func FuzzBlock(f *testing.F) {
	dec, err := newDecoder()
	if err != nil {
		f.Fatal(err)
	}
	c := &coder{dec: dec}
	if err := c.ready(); err != nil {
		f.Fatal(err)
	}
	for _, col := range training(40) {
		f.Add(c.block(nil, &col), 40)
	}
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		if n < 1 || n > blockMax {
			return
		}
		var col Column
		if err := c.unblock(&col, b, n); err != nil {
			return
		}
		again := Column{}
		if err := c.unblock(&again, c.block(nil, &col), n); err != nil {
			t.Fatal(err)
		}
		if diff := differ([]Column{col}, []Column{again}); diff != "" {
			t.Error(diff)
		}
	})
}

// The vectors were written once. Code that does not read them is wrong.
func TestVectors(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "..", "testdata", "format", "v1", "series")
	for _, name := range []string{"training.series", "special.series", "empty.series"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join(dir, name+".csv"))
		if err != nil {
			t.Fatal(err)
		}
		if got := csvOf(read(t, b)); got != string(want) {
			t.Errorf("%s reads as\n%s", name, got)
		}
	}
	hostile, err := filepath.Glob(filepath.Join(dir, "hostile", "*.series"))
	if err != nil || len(hostile) < 10 {
		t.Fatal(hostile, err)
	}
	for _, name := range hostile {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if f, err := Open(bytes.NewReader(b), int64(len(b))); err == nil {
			if _, err = f.Column(f.Names()[0]); err == nil {
				t.Errorf("%s was read", name)
			}
		}
	}
}

func csvOf(all []Column) string {
	var b bytes.Buffer
	for _, c := range all {
		for i, v := range c.Values {
			fmt.Fprintf(&b, "%s,%d,%d,%v\n", c.Name, c.Steps[i], c.Times[i], v)
		}
	}
	return b.String()
}

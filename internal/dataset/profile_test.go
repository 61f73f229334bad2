package dataset

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"testing"
)

func tableOf(workers int, schema Schema, batches ...*Batch) *Table {
	return &Table{files: []file{&rowMem{"a", schema, batches}}, schema: schema, opts: Options{Workers: workers}}
}

// cutBatch returns rows [from, to).
func cutBatch(b *Batch, from, to int) *Batch {
	out := &Batch{Rows: to - from}
	for _, c := range b.Columns {
		d := Column{Field: c.Field}
		if c.Missing != nil {
			d.Missing = make(Bits, (to-from)/64+1)
			for i := from; i < to; i++ {
				if c.Missing.Has(i) {
					d.Missing.Set(i - from)
				}
			}
		}
		switch {
		case c.Texts != nil:
			d.Texts = new(Texts)
			for i := from; i < to; i++ {
				d.Texts.Append(c.Bytes(i))
			}
		case c.Floats != nil:
			d.Floats = c.Floats[from:to]
		default:
			d.Ints = c.Ints[from:to]
		}
		out.Columns = append(out.Columns, d)
	}
	return out
}

func profiled(t *testing.T, table *Table, o ProfileOptions) *Profile {
	t.Helper()
	p, err := ProfileOf(t.Context(), table, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func encoded(t *testing.T, p *Profile) []byte {
	t.Helper()
	doc, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// mixed makes a table with a column of every type; few says how many different values a column has.
func mixed(rng *rand.Rand, rows, few int) (*Batch, Schema) {
	b := &Batch{Rows: rows}
	for t := Null; t <= Nested; t++ {
		for _, wide := range []bool{false, true} {
			if wide && t != Decimal {
				continue
			}
			c := Column{Field: Field{Name: fmt.Sprintf("%s %v", t, wide), Type: t, Wide: wide}, Missing: make(Bits, rows/64+1)}
			if t == Decimal {
				c.Scale = 2
			}
			if c.InTexts() {
				c.Texts = new(Texts)
			}
			for i := range rows {
				miss := t == Null || rng.IntN(10) == 0
				if miss {
					c.Missing.Set(i)
				}
				fillValue(&c, rng, few, miss)
			}
			b.Columns = append(b.Columns, c)
		}
	}
	var s Schema
	for _, c := range b.Columns {
		s = append(s, c.Field)
	}
	return b, s
}

func fillValue(c *Column, rng *rand.Rand, few int, miss bool) {
	v := rng.IntN(few)
	switch {
	case c.Type == Float:
		f := float64(v)/8 - 3
		switch rng.IntN(40) {
		case 0:
			f = math.NaN()
		case 1:
			f = math.Inf(1)
		case 2:
			f = math.Inf(-1)
		case 3:
			f = math.Copysign(0, -1)
		case 4:
			f = math.MaxFloat64
		case 5:
			f = math.SmallestNonzeroFloat64
		}
		c.Floats = append(c.Floats, f)
	case c.Type == Bool:
		c.Ints = append(c.Ints, int64(v&1))
	case c.Type == Decimal && c.Wide:
		c.Texts.Append(fmt.Appendf(nil, "%d000000000000000000000.25", v))
	case c.InTexts():
		text := fmt.Appendf(nil, "value %d é", v)
		switch v {
		case 0:
			text = nil
		case 1:
			text = bytes.Repeat([]byte("long"), 500)
		case 2:
			text = []byte("\xff\xfe<b>")
		}
		if miss {
			text = nil
		}
		c.Texts.Append(text)
	default:
		n := int64(v)*1e9 - 5e9
		if c.Type == Uint {
			n = -int64(v) - 1
		}
		c.Ints = append(c.Ints, n)
	}
}

// cuts cuts rows at random places.
func cuts(rng *rand.Rand, b *Batch, parts int) []*Batch {
	at := []int{0, b.Rows}
	for range parts - 1 {
		at = append(at, rng.IntN(b.Rows+1))
	}
	slices.Sort(at)
	var all []*Batch
	for i := 1; i < len(at); i++ {
		all = append(all, cutBatch(b, at[i-1], at[i]))
	}
	return all
}

// TestProfileOfParts: while values are counted a profile has the same bytes whatever the batches, the workers, the parts and their order.
func TestProfileOfParts(t *testing.T) {
	for seed := range uint64(12) {
		rng := rand.New(rand.NewPCG(seed, 7))
		whole, schema := mixed(rng, 1+rng.IntN(3000), 1+rng.IntN(200))
		want := encoded(t, profiled(t, tableOf(1, schema, whole), ProfileOptions{}))
		got := profiled(t, tableOf(1+rng.IntN(6), schema, cuts(rng, whole, 1+rng.IntN(9))...), ProfileOptions{})
		if !bytes.Equal(encoded(t, got), want) {
			t.Fatalf("seed %d: other batches make another profile", seed)
		}
		parts := cuts(rng, whole, 2+rng.IntN(5))
		rng.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		var merged *Profile
		for _, part := range parts {
			one, err := DecodeProfile(encoded(t, profiled(t, tableOf(2, schema, part), ProfileOptions{})))
			if err != nil {
				t.Fatal(err)
			}
			if merged == nil {
				merged = one
			} else if err := merged.Merge(one, [2]string{"a", "b"}); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(encoded(t, merged), want) {
			t.Fatalf("seed %d: merged parts are another profile", seed)
		}
	}
}

// measured is a table with columns of too many values to count.
func measured(rng *rand.Rand, rows int) (*Batch, Schema) {
	b := &Batch{Rows: rows, Columns: make([]Column, 5)}
	for i, f := range []Field{{Name: "normal", Type: Float}, {Name: "skewed", Type: Float}, {Name: "id", Type: Int}, {Name: "user", Type: Text}, {Name: "rounded", Type: Float}} {
		b.Columns[i].Field = f
	}
	b.Columns[3].Texts = new(Texts)
	for i := range rows {
		b.Columns[0].Floats = append(b.Columns[0].Floats, rng.NormFloat64()*1e3+1e9)
		b.Columns[1].Floats = append(b.Columns[1].Floats, math.Exp(8*rng.NormFloat64()))
		b.Columns[2].Ints = append(b.Columns[2].Ints, int64(i)*3)
		user := rng.IntN(200000)
		if rng.IntN(10) == 0 {
			user = 7
		}
		b.Columns[3].Texts.Append(fmt.Appendf(nil, "user%d@example.com", user))
		b.Columns[4].Floats = append(b.Columns[4].Floats, math.Round(rng.NormFloat64()*20000)/4)
	}
	var s Schema
	for _, c := range b.Columns {
		s = append(s, c.Field)
	}
	return b, s
}

// TestProfileBounds: where values are too many, what is said is within the stated bounds for any cut, and what does not depend on the
// cut does not.
func TestProfileBounds(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 7))
	const rows = 400_000
	whole, schema := measured(rng, rows)
	sorted := make([][]float64, len(schema))
	for i, c := range whole.Columns {
		if c.Floats != nil {
			sorted[i] = slices.Sorted(slices.Values(c.Floats))
		} else if c.Ints != nil {
			for _, v := range c.Ints {
				sorted[i] = append(sorted[i], float64(v))
			}
		}
	}
	var first []*ProfileColumn
	for _, batch := range []int{512, 8192, 65536, 300_001} {
		var batches []*Batch
		for at := 0; at < rows; at += batch {
			batches = append(batches, cutBatch(whole, at, min(rows, at+batch)))
		}
		p := profiled(t, tableOf(1, schema, batches...), ProfileOptions{})
		if doc := encoded(t, p); !bytes.Equal(doc, encoded(t, profiled(t, tableOf(5, schema, batches...), ProfileOptions{}))) {
			t.Errorf("batch %d: five workers make another profile", batch)
		} else if again, err := DecodeProfile(doc); err != nil {
			t.Error(err)
		} else if !bytes.Equal(encoded(t, again), doc) {
			t.Errorf("batch %d: a profile that was read is another one", batch)
		}
		all := p.Columns()
		if first == nil {
			first = all
		}
		for i, c := range all {
			checkRanks(t, c, sorted[i], 2e-4)
			same := first[i]
			if c.Distinct != same.Distinct || c.Type != Text && (c.Mean() != same.Mean() || c.Std(1) != same.Std(1)) || c.Zeros != same.Zeros {
				t.Errorf("batch %d: %s: distinct %d and %d, mean %v and %v", batch, c.Name, c.Distinct, same.Distinct, c.Mean(), same.Mean())
			}
			if c.numbers != nil && !slices.Equal(c.numbers.cells.cells, same.numbers.cells.cells) {
				t.Errorf("batch %d: %s: the cells are not the same", batch, c.Name)
			}
			if c.DistinctExact != (c.Name == "rounded") {
				t.Errorf("%s: all values are counted; this test is of cells", c.Name)
			}
		}
	}
	for i, c := range first {
		checkDistinct(t, c, whole.Columns[i], rows)
	}
}

func checkRanks(t *testing.T, c *ProfileColumn, sorted []float64, rank float64) {
	t.Helper()
	if sorted == nil {
		return
	}
	if c.RankError > rank {
		t.Errorf("%s: states a rank error of %g, want at most %g", c.Name, c.RankError, rank)
	}
	n := float64(len(sorted))
	for q := 0.0; q <= 1; q += 0.001 {
		v := c.Quantile(q)
		low := float64(sort.SearchFloat64s(sorted, v)) / n
		high := float64(sort.SearchFloat64s(sorted, math.Nextafter(v, math.Inf(1)))) / n
		if off := max(low-q, q-high); off > c.RankError+1.5/n {
			t.Errorf("%s: quantile %.3f is %v, whose rank is %v to %v: off by %g, stated %g", c.Name, q, v, low, high, off, c.RankError)
		}
		if off := math.Abs(c.Share(v) - high); off > c.RankError+1.5/n {
			t.Errorf("%s: a share of %g is said to be at most %v, which is off by %g", c.Name, c.Share(v), v, off)
		}
	}
	if c.Quantile(0) != sorted[0] || c.Quantile(1) != sorted[len(sorted)-1] {
		t.Errorf("%s: the range is not exact", c.Name)
	}
}

func checkDistinct(t *testing.T, c *ProfileColumn, col Column, rows int) {
	t.Helper()
	counts := make(map[string]int64)
	for i := range rows {
		counts[string(col.AppendText(nil, i))]++
	}
	if off := math.Abs(float64(c.Distinct)/float64(len(counts)) - 1); off > 4*DistinctError {
		t.Errorf("%s: %d distinct, want about %d", c.Name, c.Distinct, len(counts))
	}
	if unique := len(counts) == rows; c.Unique != unique && c.UniqueCertain {
		t.Errorf("%s: unique %v, and certain", c.Name, c.Unique)
	}
	for _, top := range c.Top(5) {
		if n := counts[top.Text]; n < top.Count || n > top.Count+c.TopError {
			t.Errorf("%s: %s stands there %d times, stated %d to %d", c.Name, top.Text, n, top.Count, top.Count+c.TopError)
		}
	}
	if c.TopError > int64(rows)/sketchCounters {
		t.Errorf("%s: counts can be off by %d", c.Name, c.TopError)
	}
}

// TestProfileSays compares answers with values worked out by hand.
func TestProfileSays(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	floats := Column{Field: Field{Name: "x", Type: Float}, Floats: []float64{1, 0, nan, inf, -inf, 4, 0, -2}, Missing: Bits{2}}
	words := &Texts{}
	for _, w := range []string{"é", "", "b", "b", "", "b", "ccc", ""} {
		words.Append([]byte(w))
	}
	texts := Column{Field: Field{Name: "w", Type: Text}, Texts: words, Missing: Bits{16}}
	prices := Column{Field: Field{Name: "p", Type: Decimal, Scale: 2}, Ints: []int64{100, 250, 100, 100, 100, 100, 100, 150}}
	days := Column{Field: Field{Name: "d", Type: Date}, Ints: []int64{0, 1, 2, 3, 4, 5, 6, 7}}
	schema := Schema{floats.Field, texts.Field, prices.Field, days.Field}
	p := profiled(t, tableOf(2, schema, &Batch{8, []Column{floats, texts, prices, days}}), ProfileOptions{})
	x, w, d, day := p.Column(0), p.Column(1), p.Column(2), p.Column(3)
	if x.Missing != 1 || x.NaN != 1 || x.PlusInf != 1 || x.MinusInf != 1 || x.Zeros != 1 || x.Negatives != 1 || x.Count != 4 || x.Distinct != 4 {
		t.Errorf("x is %+v", x)
	}
	if x.Mean() != 0.75 || math.Abs(x.Std(1)-2.5) > 1e-15 || x.Quantile(0.5) != 0.5 || !x.Unique || !x.UniqueCertain {
		t.Errorf("x: mean %v, std %v, median %v, unique %v", x.Mean(), x.Std(1), x.Quantile(0.5), x.Unique)
	}
	if w.Missing != 1 || w.Empty != 2 || w.Distinct != 4 || w.Longest != 3 || w.Shortest != 0 || w.MeanLength != 1 {
		t.Errorf("w is %+v", w)
	}
	if top := w.Top(2); top[0].Text != "b" || top[0].Count != 3 || top[1].Text != "" || top[1].Count != 2 {
		t.Errorf("top of w is %v", top)
	}
	if low, high, _ := d.Range(); low.Text != "1.00" || high.Text != "2.50" || d.Mean() != 1.25 {
		t.Errorf("p is %v to %v, mean %v", low, high, d.Mean())
	}
	if m, _ := day.QuantileValue(0.5); m.Text != "1970-01-04" {
		t.Errorf("the median day is %v", m)
	}
	if h, ok := day.Histogram(5); !ok || !slices.Equal(h.Counts, []int64{2, 2, 2, 2}) || h.High != 8 {
		t.Errorf("the histogram of days is %+v", h)
	}
	if h, ok := x.Histogram(3); !ok || !slices.Equal(h.Counts, []int64{1, 2, 1}) {
		t.Errorf("the histogram of x is %+v", h)
	}
}

func TestProfilePrivate(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 7))
	b, schema := mixed(rng, 500, 40)
	p := profiled(t, tableOf(2, schema, b), ProfileOptions{Private: schema.Names()})
	doc := string(encoded(t, p))
	if strings.Contains(doc, "value") || strings.Contains(doc, "sum") {
		t.Errorf("a profile of private columns holds values: %.300s", doc)
	}
	open := profiled(t, tableOf(2, schema, b), ProfileOptions{})
	for i, c := range p.Columns() {
		o := open.Column(i)
		if _, _, ok := c.Range(); ok || c.Top(3) != nil || !math.IsNaN(c.Mean()) || c.Looks() != nil {
			t.Errorf("%s shows values", c.Name)
		}
		if c.Missing != o.Missing || c.NaN != o.NaN || math.Abs(float64(c.Distinct-o.Distinct)) > 2 {
			t.Errorf("%s: missing %d and %d, distinct %d and %d", c.Name, c.Missing, o.Missing, c.Distinct, o.Distinct)
		}
	}
	if _, err := ProfileOf(t.Context(), tableOf(1, schema, b), ProfileOptions{Private: []string{"salary"}}); err == nil {
		t.Error("a private column that is not there is no error")
	}
}

func TestProfileMergeRefuses(t *testing.T) {
	one := func(f Field) *Profile {
		c := Column{Field: f, Ints: []int64{1}, Floats: []float64{1}}
		return profiled(t, tableOf(1, Schema{f}, &Batch{1, []Column{c}}), ProfileOptions{})
	}
	for _, c := range []struct {
		a, b Field
		want string
	}{
		{Field{Name: "x", Type: Int}, Field{Name: "x", Type: Float}, `cannot merge a.csv and b.csv: column "x" is int in one and float in the other`},
		{Field{Name: "x", Type: Int}, Field{Name: "y", Type: Int}, `cannot merge a.csv and b.csv: only a.csv has the column "x"`},
		{Field{Name: "x", Type: Decimal, Scale: 1}, Field{Name: "x", Type: Decimal, Scale: 2}, `cannot merge a.csv and b.csv: column "x" is decimal(1) in one and decimal(2) in the other`},
	} {
		if err := one(c.a).Merge(one(c.b), [2]string{"a.csv", "b.csv"}); err == nil || err.Error() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
	null := profiled(t, tableOf(1, Schema{{Name: "x"}}, &Batch{3, []Column{{Field: Field{Name: "x"}}}}), ProfileOptions{})
	if err := null.Merge(one(Field{Name: "x", Type: Int}), [2]string{"a", "b"}); err != nil {
		t.Fatal(err)
	}
	if c := null.Column(0); c.Type != Int || c.Missing != 3 || c.Count != 1 || c.Mean() != 1 {
		t.Errorf("all missing and a number are %+v", c)
	}
}

// TestSketchSum compares with numbers whose sum is known and that float64 gets wrong.
func TestSketchSum(t *testing.T) {
	for _, c := range []struct {
		values []float64
		mean   float64
	}{
		{[]float64{1e308, 1e308, -1e308, -1e308, 4}, 0.8},
		{[]float64{1, 1e100, 1, -1e100}, 0.5},
		{[]float64{5e-324, 5e-324}, 5e-324},
		{[]float64{math.MaxFloat64, math.MaxFloat64}, math.MaxFloat64},
	} {
		var sum, squares sketchSum
		for _, v := range c.values {
			sketchMoments(sketchRuns{[]uint64{sketchFloatKey(v)}, []int64{1}}, sketchSplitFloat, &sum, &squares)
		}
		if got := sketchMean(&sum, int64(len(c.values)), 0); got != c.mean {
			t.Errorf("the mean of %v is %v, want %v", c.values, got, c.mean)
		}
		for _, s := range []*sketchSum{&sum, &squares} {
			again, ok := parseSketchSum(s.String())
			if !ok || *again != *s {
				t.Errorf("%q reads as another sum", s.String())
			}
		}
	}
	for _, bad := range []string{"", "0p0", "2p1", "1p", "p1", "1p-9999", "+1p0", "01p0", "A1p0", "1p99999999999999999999"} {
		if _, ok := parseSketchSum(bad); ok {
			t.Errorf("%q is no sum", bad)
		}
	}
}

// TestSketchKeys: keys keep the order of the values.
func TestSketchKeys(t *testing.T) {
	floats := []float64{math.Inf(-1), -math.MaxFloat64, -1, -5e-324, 0, 5e-324, 1, 2, math.MaxFloat64, math.Inf(1)}
	for i, v := range floats {
		if sketchFloatOf(sketchFloatKey(v)) != v || i > 0 && sketchFloatKey(v) <= sketchFloatKey(floats[i-1]) {
			t.Errorf("key of %v", v)
		}
	}
	if sketchFloatKey(math.Copysign(0, -1)) != sketchFloatKey(0) {
		t.Error("minus zero is another value")
	}
	rng := rand.New(rand.NewPCG(1, 1))
	var s sketchScratch
	for range 50 {
		keys := s.room(rng.IntN(5000))
		for i := range keys {
			keys[i] = rng.Uint64() >> rng.IntN(64)
		}
		want := slices.Sorted(slices.Values(keys))
		r := s.runs(keys)
		var got []uint64
		for i, key := range r.keys {
			for range r.counts[i] {
				got = append(got, key)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatal("runs are not the sorted keys")
		}
	}
}

// TestSketchDistinct: the estimate is within four standard errors, from none to many.
func TestSketchDistinct(t *testing.T) {
	var d sketchDistinct
	next := 1
	for i := range 3_000_000 {
		if i == next {
			if off := math.Abs(float64(d.count())/float64(i) - 1); off > 4*DistinctError {
				t.Errorf("%d values are estimated as %d", i, d.count())
			}
			next *= 3
		}
		d.add(sketchHash(sketchIntKey(int64(i))))
	}
}

func FuzzDecodeProfile(f *testing.F) {
	rng := rand.New(rand.NewPCG(2, 7))
	b, schema := mixed(rng, 60, 9)
	whole, many := measured(rng, 3000)
	for _, o := range []ProfileOptions{{}, {Private: []string{"text false", "int false"}}} {
		p, err := ProfileOf(f.Context(), tableOf(1, schema, b), o)
		if err != nil {
			f.Fatal(err)
		}
		doc, err := p.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(doc)
	}
	p, err := ProfileOf(f.Context(), tableOf(1, many, whole), ProfileOptions{})
	if err != nil {
		f.Fatal(err)
	}
	p.columns[0].numbers.reduce()
	p.columns[0].numbers.cells.most = 900
	p.columns[0].numbers.cells.collapse()
	p.columns[3].texts.reduce()
	doc, err := p.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(doc)
	shard, err := ProfileOf(f.Context(), tableOf(1, many, cuts(rng, whole, 4)...).Shard(1, 3), ProfileOptions{})
	if err != nil {
		f.Fatal(err)
	}
	if doc, err = shard.Encode(); err != nil {
		f.Fatal(err)
	}
	f.Add(doc)
	f.Fuzz(func(t *testing.T, doc []byte) {
		p, err := DecodeProfile(doc)
		if err != nil {
			return
		}
		again, err := p.Encode()
		if err != nil {
			t.Fatal(err)
		}
		other, err := DecodeProfile(again)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range p.Columns() {
			c.Mean()
			c.Std(1)
			c.QuantileValue(0.3)
			c.Top(5)
			c.Histogram(20)
			c.Looks()
			c.Range()
		}
		if p.shards != nil { // as if the other were the rest of its table
			p.shards, other.shards = &profileShards{2, []int{0}}, &profileShards{2, []int{1}}
		}
		if err := p.Merge(other, [2]string{"a", "b"}); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Encode(); err != nil {
			t.Fatal(err)
		}
	})
}

package dataset

import (
	"math"
	"sort"
)

// ProfileColumn is what a profile says of a column. What a private column has is how much there is of it and nothing of what it is.
type ProfileColumn struct {
	Field
	Private       bool
	Rows          int64
	Missing       int64
	NaN           int64
	PlusInf       int64
	MinusInf      int64
	Zeros         int64
	Negatives     int64
	Empty         int64 // texts without a character
	Count         int64 // of values: neither missing nor NaN nor infinite
	Distinct      int64
	DistinctExact bool // false: an estimate with the standard error DistinctError
	Unique        bool // no value stands there twice
	UniqueCertain bool
	Rising        bool // each value is larger than the one before
	Shortest      int64
	Longest       int64
	MeanLength    float64 // NaN without texts
	RankError     float64 // bound of how far a quantile is off, as a share of the values; 0: it is not
	TopError      int64   // bound of how much the count of a frequent value is too small
	numbers       *profileNumbers
	texts         *profileTexts
	before        []int64 // values before each cell
}

// ProfileValue is a value as text, and whether it is a number that JSON can hold.
type ProfileValue struct {
	Text    string
	Numeric bool
}

// ProfileCount is a value and how often it stands in the column.
type ProfileCount struct {
	ProfileValue
	Count int64
}

// Rows is the number of rows.
func (p *Profile) Rows() int64 { return p.rows }

// Schema is the columns and their types.
func (p *Profile) Schema() Schema {
	s := make(Schema, len(p.columns))
	for i, c := range p.columns {
		s[i] = c.field
	}
	return s
}

// Columns is what is said of each column.
func (p *Profile) Columns() []*ProfileColumn {
	all := make([]*ProfileColumn, len(p.columns))
	for i := range p.columns {
		all[i] = p.Column(i)
	}
	return all
}

// Column is what is said of column i.
func (p *Profile) Column(i int) *ProfileColumn {
	c := p.columns[i]
	v := &ProfileColumn{Field: c.field, Private: c.private, Rows: p.rows, Missing: c.missing, NaN: c.nan, PlusInf: c.plusInf,
		MinusInf: c.minusInf, MeanLength: math.NaN(), numbers: c.numbers, texts: c.texts}
	v.Count = p.rows - c.missing - c.nan - c.plusInf - c.minusInf
	switch {
	case c.numbers != nil:
		v.ofNumbers(c.numbers)
	case c.texts != nil:
		v.ofTexts(c.texts)
	default:
		v.Distinct, v.DistinctExact, v.UniqueCertain = c.hidden.count(), v.Count == 0, v.Count == 0
		v.Unique = v.Count > 0 && profileAsMany(v.Distinct, v.Count)
	}
	v.Distinct = min(v.Distinct, v.Count)
	return v
}

func (v *ProfileColumn) ofNumbers(n *profileNumbers) {
	v.Zeros, v.Negatives = n.zeros, n.negatives
	v.Unique, v.UniqueCertain = n.unique()
	if !n.reduced {
		v.Distinct, v.DistinctExact = int64(len(n.cells.cells)), true
	} else {
		v.Distinct, v.Rising, v.TopError = n.distinct.count(), n.rising, n.top.short
		if v.Rising {
			v.Distinct = n.count
		}
	}
	v.before = make([]int64, len(n.cells.cells))
	var sum, most int64
	for i, c := range n.cells.cells {
		v.before[i] = sum
		sum += c.count()
		if !c.single() {
			most = max(most, c.count())
		}
	}
	v.RankError = float64(most) / float64(max(n.count, 1))
}

func (v *ProfileColumn) ofTexts(t *profileTexts) {
	v.Empty, v.Shortest, v.Longest = t.empty, t.shortest, t.longest
	v.Unique, v.UniqueCertain = t.unique()
	if t.count > 0 {
		v.MeanLength = float64(t.letters) / float64(t.count)
	}
	if t.counted() {
		v.Distinct, v.DistinctExact = int64(len(t.fresh)+len(t.exact)), true
	} else {
		v.Distinct, v.TopError = t.distinct.count(), t.top.short
	}
}

// Constant says whether every row has the same value.
func (v *ProfileColumn) Constant() bool {
	return v.Rows > 0 && v.Missing+v.NaN+v.PlusInf+v.MinusInf == 0 && v.DistinctExact && v.Distinct == 1
}

// value writes a key as the values of the column are written.
func (v *ProfileColumn) value(key uint64) ProfileValue {
	c := v.holding(key)
	return ProfileValue{Text: string(c.AppendText(nil, 0)), Numeric: v.Type >= Int && v.Type <= Decimal}
}

// holding is a column that holds nothing but the value of a key.
func (v *ProfileColumn) holding(key uint64) *Column {
	c := &Column{Field: v.Field}
	switch {
	case profileFloats(v.Field):
		c.Type, c.Wide = Float, false
		c.Floats = []float64{sketchFloatOf(key)}
	case v.Type == Uint:
		c.Ints = []int64{int64(key)}
	default:
		c.Ints = []int64{sketchIntOf(key)}
	}
	return c
}

// number is the value of a key as Column.Number has it.
func (v *ProfileColumn) number(key uint64) float64 { return v.holding(key).Number(0) }

// Range returns the smallest and the largest value; of texts those that come first and last by their bytes.
func (v *ProfileColumn) Range() (low, high ProfileValue, ok bool) {
	switch {
	case v.numbers != nil && v.numbers.count > 0:
		return v.value(v.numbers.low), v.value(v.numbers.high), true
	case v.texts != nil && v.texts.count > 0:
		return ProfileValue{Text: v.texts.low}, ProfileValue{Text: v.texts.high}, true
	}
	return low, high, false
}

// Mean is the mean of the values as Column.Number has them, correctly rounded; NaN without any.
func (v *ProfileColumn) Mean() float64 {
	if v.numbers == nil || v.numbers.count == 0 {
		return math.NaN()
	}
	return sketchMean(&v.numbers.sum, v.numbers.count, v.scale()) / v.unit()
}

// Std is the standard deviation that divides by n - ddof; NaN if there are too few values.
func (v *ProfileColumn) Std(ddof int) float64 {
	if v.numbers == nil || v.numbers.count <= int64(ddof) {
		return math.NaN()
	}
	return sketchStd(&v.numbers.sum, &v.numbers.squares, v.numbers.count, sketchStdOf{ddof, v.scale()}) / v.unit()
}

func (v *ProfileColumn) scale() int {
	if v.Type == Decimal && !v.Wide {
		return v.Scale
	}
	return 0
}

// unit is what the sums count in, of one as Column.Number has it.
func (v *ProfileColumn) unit() float64 {
	if v.Type == Time || v.Type == Clock {
		return 1e9
	}
	return 1
}

// key returns the value of a rank, from 0.
func (v *ProfileColumn) key(rank int64) uint64 {
	switch {
	case rank <= 0:
		return v.numbers.low
	case rank >= v.numbers.count-1:
		return v.numbers.high
	}
	i := sort.Search(len(v.before), func(i int) bool { return v.before[i] > rank })
	c := v.numbers.cells.cells[i-1]
	if c.single() {
		return c.key
	}
	start, end := max(c.start(), v.numbers.low), min(c.end(), v.numbers.high)
	part := (float64(rank-v.before[i-1]) + 0.5) / float64(c.count()) // as if they lay evenly
	return min(start+uint64(part*float64(end-start)), end)
}

// Quantile returns the value below which the share q of the values lies, between two values linearly as numpy has it; NaN where
// there is none.
func (v *ProfileColumn) Quantile(q float64) float64 {
	if v.numbers == nil || v.numbers.count == 0 {
		return math.NaN()
	}
	at := q * float64(v.numbers.count-1)
	low := math.Floor(at)
	a, b := v.number(v.key(int64(low))), v.number(v.key(int64(math.Ceil(at))))
	if a == b {
		return a
	}
	share := at - low
	return a*(1-share) + b*share
}

// QuantileValue is Quantile as a value: of dates and times the lower of the two between which it lies.
func (v *ProfileColumn) QuantileValue(q float64) (ProfileValue, bool) {
	if v.numbers == nil || v.numbers.count == 0 {
		return ProfileValue{}, false
	}
	at := q * float64(v.numbers.count-1)
	if v.Type > Decimal || at == math.Floor(at) || v.Type == Bool {
		return v.value(v.key(int64(at))), true
	}
	return ProfileValue{Text: string(appendFloat(nil, v.Quantile(q))), Numeric: true}, true
}

// Share returns the share of the values that are at most x, x as Column.Number has it.
func (v *ProfileColumn) Share(x float64) float64 {
	if v.numbers == nil || v.numbers.count == 0 {
		return math.NaN()
	}
	cells := v.numbers.cells.cells
	i := sort.Search(len(cells), func(i int) bool { return v.number(max(cells[i].start(), v.numbers.low)) > x })
	if i == 0 {
		return 0
	}
	part := float64(cells[i-1].count())
	if c := cells[i-1]; !c.single() { // as if they lay evenly
		low, high := v.number(max(c.start(), v.numbers.low)), v.number(min(c.end(), v.numbers.high))
		if x < high {
			part *= (x - low) / (high - low)
		}
	}
	return (float64(v.before[i-1]) + part) / float64(v.numbers.count)
}

// Top returns the n most frequent values, the most frequent first. Where not all values are counted a count can be too small, by
// TopError at most, and a value that stands there no more often than that can be absent.
func (v *ProfileColumn) Top(n int) []ProfileCount {
	var all []ProfileCount
	switch {
	case v.numbers != nil:
		top := v.numbers.top
		if !v.numbers.reduced {
			top = sketchTop[uint64]{items: v.numbers.items()}
		}
		for _, it := range top.first(n) {
			all = append(all, ProfileCount{v.value(it.key), it.count})
		}
	case v.texts != nil:
		top := v.texts.top
		if v.texts.counted() {
			top = sketchTop[string]{items: v.texts.items()}
		}
		for _, it := range top.first(n) {
			all = append(all, ProfileCount{ProfileValue{Text: it.key}, it.count})
		}
	}
	return all
}

// Values returns every value with its count, in their order, if all are counted.
func (v *ProfileColumn) Values() ([]ProfileCount, bool) {
	if !v.DistinctExact || v.Private {
		return nil, false
	}
	all := make([]ProfileCount, 0, v.Distinct)
	if v.texts != nil {
		for _, it := range v.texts.sorted() {
			all = append(all, ProfileCount{ProfileValue{Text: it.key}, it.count})
		}
		return all, true
	}
	if v.numbers != nil {
		for _, it := range v.numbers.items() {
			all = append(all, ProfileCount{v.value(it.key), it.count})
		}
	}
	return all, true
}

// ProfileBins are bins of equal width, from Low to High; the last one holds High itself as well.
type ProfileBins struct {
	Low, High float64
	Counts    []int64
}

// Histogram counts the values in at most n bins of equal width. Whole numbers get bins of whole width.
func (v *ProfileColumn) Histogram(n int) (ProfileBins, bool) {
	if v.numbers == nil || v.numbers.count == 0 || v.Type == Bool || n < 1 {
		return ProfileBins{}, false
	}
	low, high := v.number(v.numbers.low), v.number(v.numbers.high)
	width := high/float64(n) - low/float64(n) // the difference itself may be infinite
	if v.Type == Int || v.Type == Uint || v.Type == Date {
		width = math.Ceil(((high - low) + 1) / float64(n))
		n = int(math.Ceil((high - low + 1) / width))
	}
	if width <= 0 || n < 1 {
		return ProfileBins{low, high, []int64{v.numbers.count}}, true
	}
	b := ProfileBins{Low: low, High: low + width*float64(n), Counts: make([]int64, n)}
	for _, c := range v.numbers.cells.cells {
		key := min(max(c.key, v.numbers.low), v.numbers.high) // the middle of several
		at := (v.number(key) - low) / width
		if math.IsInf(at, 0) { // the range is wider than a float
			at = v.number(key)/width - low/width
		}
		b.Counts[max(0, min(int(at), n-1))] += c.count()
	}
	return b, true
}

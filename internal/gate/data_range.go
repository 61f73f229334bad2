package gate

import (
	"context"
	"math"

	"mlx/internal/dataset"
)

// planRange holds the values of a column between two limits.
func planRange(_ context.Context, f *dataFrame, c dataColumn) (dataJudge, error) {
	mark, err := f.rangeOf(c)
	if err != nil {
		return nil, err
	}
	r := c.rule
	is := "outside " + r.needs()
	switch {
	case r.Max == nil:
		is = "below " + r.Min.Text
	case r.Min == nil:
		is = "above " + r.Max.Text
	}
	j, err := f.judgeRows(c, is, r.needs(), mark)
	if err != nil {
		return nil, err
	}
	j.limit = r.finding().Limit
	return j, nil
}

// rangeOf makes the comparison for the type of a column.
func (f *dataFrame) rangeOf(c dataColumn) (func(b *dataBatch, bad dataset.Bits), error) {
	r := c.rule
	for _, limit := range []*Bound{r.Min, r.Max} {
		if err := f.comparable(c, limit); err != nil {
			return nil, err
		}
	}
	switch c.Type {
	case dataset.Float:
		low, high := math.Inf(-1), math.Inf(1)
		if r.Min != nil {
			low = r.Min.Value
		}
		if r.Max != nil {
			high = r.Max.Value
		}
		return func(b *dataBatch, bad dataset.Bits) { markFloats(b.Columns[c.at].Floats, low, high, bad) }, nil
	case dataset.Uint:
		low, high := dataUints(r.Min, r.Max)
		return func(b *dataBatch, bad dataset.Bits) { markUints(b.Columns[c.at].Ints, low, high, bad) }, nil
	case dataset.Decimal:
		if c.Wide {
			return rangeWide(c), nil
		}
	case dataset.Null:
		return func(*dataBatch, dataset.Bits) {}, nil
	default:
	}
	low, high := dataInts(r.Min, r.Max, dataPer(c.Field))
	return func(b *dataBatch, bad dataset.Bits) { markInts(b.Columns[c.at].Ints, low, high, bad) }, nil
}

// comparable refuses a limit that the values of a column cannot be compared with.
func (f *dataFrame) comparable(c dataColumn, limit *Bound) error {
	if limit == nil || c.Type == dataset.Null {
		return nil
	}
	switch {
	case !c.Type.Ordered():
		return f.unfit(c, "column %q is %s, which has no least and no greatest value", c.Name, c.Type)
	case c.Type == dataset.Clock && limit.Unit != "s":
		return f.unfit(c, "column %q is clock, and %s is no time since midnight such as 8h", c.Name, limit.Text)
	case c.Type == dataset.Date || c.Type == dataset.Time:
		if limit.Unit != "time" {
			return f.unfit(c, "column %q is %s, and %s is no %s such as 2013-01-31", c.Name, c.Type, limit.Text, c.Type)
		}
	case c.Type != dataset.Clock && limit.Unit == "time":
		return f.unfit(c, "column %q is %s, and %s is a time", c.Name, c.Type, limit.Text)
	}
	return nil
}

// rangeWide compares decimals of any length.
func rangeWide(c dataColumn) func(b *dataBatch, bad dataset.Bits) {
	var low, high []byte
	if c.rule.Min != nil {
		low = dataPlain(c.rule.Min, c.Scale)
	}
	if c.rule.Max != nil {
		high = dataPlain(c.rule.Max, c.Scale)
	}
	return func(b *dataBatch, bad dataset.Bits) {
		markTexts(&b.Columns[c.at], b.Rows, bad, func(v []byte) bool {
			return low != nil && dataDecimal(v, low) < 0 || high != nil && dataDecimal(v, high) > 0
		})
	}
}

// dataUints are the least and the greatest uint64 that two limits allow.
func dataUints(lower, upper *Bound) (low, high uint64) {
	high = math.MaxUint64
	if lower != nil {
		if r := dataExact(lower); r.Sign() > 0 {
			if q := dataCeil(r); q.IsUint64() {
				low = q.Uint64()
			} else {
				return 1, 0
			}
		}
	}
	if upper != nil {
		r := dataExact(upper)
		if r.Sign() < 0 {
			return 1, 0
		}
		if q := dataFloor(r); q.IsUint64() {
			high = q.Uint64()
		}
	}
	return low, high
}

// markInts marks the values that are not low to high.
func markInts(v []int64, low, high int64, bad dataset.Bits) {
	if low > high {
		dataFill(bad)
		return
	}
	base, span := uint64(low), uint64(high)-uint64(low)
	for w := range bad {
		var m uint64
		for i, x := range v[w*64 : min(w*64+64, len(v))] {
			if uint64(x)-base > span {
				m |= 1 << i
			}
		}
		bad[w] |= m
	}
}

func markUints(v []int64, low, high uint64, bad dataset.Bits) {
	for i, x := range v {
		if u := uint64(x); u < low || u > high {
			bad.Set(i)
		}
	}
}

// markFloats marks the values that are not low to high, NaN among them.
func markFloats(v []float64, low, high float64, bad dataset.Bits) {
	for w := range bad {
		var m uint64
		for i, x := range v[w*64 : min(w*64+64, len(v))] {
			if !(x >= low && x <= high) {
				m |= 1 << i
			}
		}
		bad[w] |= m
	}
}

func dataFill(set dataset.Bits) {
	for i := range set {
		set[i] = math.MaxUint64
	}
}

// markTexts marks the rows whose text is bad. What a dictionary holds is judged once.
func markTexts(c *dataset.Column, rows int, bad dataset.Bits, isBad func(v []byte) bool) {
	if c.Codes != nil {
		verdicts, any := make([]bool, c.Texts.Len()), false
		for i := range verdicts {
			verdicts[i] = isBad(c.Texts.At(i))
			any = any || verdicts[i]
		}
		if !any {
			return
		}
		for i, code := range c.Codes[:rows] {
			if int(code) < len(verdicts) && verdicts[code] {
				bad.Set(i)
			}
		}
		return
	}
	if c.InTexts() {
		for i := range rows {
			if !c.Missing.Has(i) && isBad(c.Texts.At(i)) {
				bad.Set(i)
			}
		}
		return
	}
	var text []byte
	for i := range rows {
		if c.Missing.Has(i) {
			continue
		}
		if text = c.AppendText(text[:0], i); isBad(text) {
			bad.Set(i)
		}
	}
}

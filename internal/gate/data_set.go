package gate

import (
	"context"
	"fmt"
	"math"
	"math/big"
	"strconv"

	"mlx/internal/dataset"
)

// planIn holds the values of a column in a list.
func planIn(_ context.Context, f *dataFrame, c dataColumn) (dataJudge, error) {
	mark, err := f.setOf(c, c.rule.In, false)
	if err != nil {
		return nil, err
	}
	words := dataList(c.rule.In)
	return f.judgeRows(c, "not in "+words, "one of "+words, mark)
}

// planNotIn keeps the values of a list out of a column.
func planNotIn(_ context.Context, f *dataFrame, c dataColumn) (dataJudge, error) {
	mark, err := f.setOf(c, c.rule.NotIn, true)
	if err != nil {
		return nil, err
	}
	words := dataList(c.rule.NotIn)
	return f.judgeRows(c, "in "+words, "none of "+words, mark)
}

// dataList writes the first values of a list as they read in a gate: [DE, FR].
func dataList(values []any) string {
	const most = 8
	text := "["
	for i, v := range values {
		if i == most {
			return text + fmt.Sprintf(", and %d more]", len(values)-most)
		}
		if i > 0 {
			text += ", "
		}
		text += dataCut(dataScalar(v))
	}
	return text + "]"
}

// dataScalar writes a value of a gate as a table of text would hold it.
func dataScalar(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

// setOf makes the look-up of a list for the type of a column. What is in the list is bad, or what is not. The values are compared by
// value: 1, 1.0 and "1" are the same for a column of numbers.
func (f *dataFrame) setOf(c dataColumn, values []any, inIsBad bool) (func(b *dataBatch, bad dataset.Bits), error) {
	switch {
	case c.Type == dataset.Null:
		return func(*dataBatch, dataset.Bits) {}, nil
	case (&dataset.Column{Field: c.Field}).InTexts():
		set := make(map[string]struct{}, len(values))
		for _, v := range values {
			text := dataScalar(v)
			if c.Type == dataset.Decimal {
				d, ok := dataCanonical(text)
				if !ok {
					return nil, f.never(c, v)
				}
				text = d
			}
			set[text] = struct{}{}
		}
		wide := c.Type == dataset.Decimal
		return func(b *dataBatch, bad dataset.Bits) {
			markTexts(&b.Columns[c.at], b.Rows, bad, func(v []byte) bool {
				_, in := set[string(v)]
				if wide {
					d, _ := dataCanonical(string(v))
					_, in = set[d]
				}
				return in == inIsBad
			})
		}, nil
	case c.Type == dataset.Float:
		return f.setOfFloats(c, values, inIsBad)
	}
	ints := make([]int64, 0, len(values))
	for _, v := range values {
		i, ok := dataIntOf(c.Field, v)
		if !ok {
			return nil, f.never(c, v)
		}
		ints = append(ints, i)
	}
	return func(b *dataBatch, bad dataset.Bits) { markIn(b.Columns[c.at].Ints, ints, inIsBad, bad) }, nil
}

func (f *dataFrame) setOfFloats(c dataColumn, values []any, inIsBad bool) (func(b *dataBatch, bad dataset.Bits), error) {
	set, nan := make(map[float64]struct{}, len(values)), false
	for _, v := range values {
		n, err := strconv.ParseFloat(dataScalar(v), 64)
		if err != nil {
			return nil, f.never(c, v)
		}
		set[n] = struct{}{}
		nan = nan || math.IsNaN(n)
	}
	return func(b *dataBatch, bad dataset.Bits) {
		last, lastIn := math.NaN(), false
		for i, v := range b.Columns[c.at].Floats {
			if v != last {
				last = v
				if _, lastIn = set[v]; v != v {
					lastIn = nan
				}
			}
			if lastIn == inIsBad {
				bad.Set(i)
			}
		}
	}, nil
}

// never is the error for a listed value that a column of its type cannot hold: the check would not say what its author meant.
func (f *dataFrame) never(c dataColumn, v any) error {
	return f.unfit(c, "column %q is %s, which %s is not", c.Name, c.Type, dataQuote(dataScalar(v)))
}

// dataIntOf turns a value of a gate into what a column of integers, decimals or times holds.
func dataIntOf(field dataset.Field, v any) (int64, bool) {
	text := dataScalar(v)
	switch field.Type {
	case dataset.Bool:
		switch text {
		case "true", "1":
			return 1, true
		case "false", "0":
			return 0, true
		}
		return 0, false
	case dataset.Date, dataset.Time:
		t, ok := dataTime(text)
		if field.Type == dataset.Date {
			return t.Unix() / 86400, ok && t.Unix()%86400 == 0
		}
		return t.UnixNano(), ok && t.Year() > 1677 && t.Year() < 2262
	case dataset.Clock:
		return dataClock(text)
	default:
	}
	if len(text) > 64 {
		return 0, false
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && field.Type == dataset.Int {
		return n, true
	}
	float, err := strconv.ParseFloat(text, 64)
	if err != nil || math.Abs(float) > 1e40 || math.IsNaN(float) {
		return 0, false
	}
	r := new(big.Rat).Mul(dataExact(&Bound{Value: float, Text: text}), dataPer(field))
	if !r.IsInt() {
		return 0, false
	}
	if field.Type == dataset.Uint && r.Num().IsUint64() {
		return int64(r.Num().Uint64()), true
	}
	return r.Num().Int64(), r.Num().IsInt64()
}

// dataCanonical is a decimal in its one form: no zeros that say nothing.
func dataCanonical(text string) (string, bool) {
	negative, whole, part := dataDigits([]byte(text))
	for _, d := range string(whole) + string(part) {
		if d < '0' || d > '9' {
			return "", false
		}
	}
	canonical := string(whole) + "." + string(part)
	if negative && canonical != "." {
		canonical = "-" + canonical
	}
	return canonical, text != ""
}

// markIn looks integers up: by comparing when there are few, in a table of bits when they lie together, else in a map.
func markIn(v, set []int64, inIsBad bool, bad dataset.Bits) {
	if len(set) == 0 {
		if !inIsBad {
			dataFill(bad)
		}
		return
	}
	low, high := set[0], set[0]
	for _, x := range set {
		low, high = min(low, x), max(high, x)
	}
	span := uint64(high) - uint64(low)
	if span >= 1<<16 {
		all := make(map[int64]struct{}, len(set))
		for _, x := range set {
			all[x] = struct{}{}
		}
		for i, x := range v {
			if _, in := all[x]; in == inIsBad {
				bad.Set(i)
			}
		}
		return
	}
	table := make(dataset.Bits, span/64+1)
	for _, x := range set {
		table.Set(int(uint64(x) - uint64(low)))
	}
	for i, x := range v {
		at := uint64(x) - uint64(low)
		if in := at <= span && table[at>>6]&(1<<(at&63)) != 0; in == inIsBad {
			bad.Set(i)
		}
	}
}

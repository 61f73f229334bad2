package gate

import (
	"context"
	"math"
	"math/bits"
	"strconv"

	"mlx/internal/dataset"
)

// distinctJudge counts the different values, and how often the most frequent appears. Counts are exact.
type distinctJudge struct {
	statBase
	store *keyStore
	in    map[[2]uint64]bool // keys of the values that coverage looks for, and whether they were seen
}

type distinctPart struct {
	keys   []uint64
	counts []uint64
	n      int64
}

func (f *dataFrame) distinct(base statBase) (dataJudge, error) {
	c := base.column
	j := &distinctJudge{statBase: base, store: newKeyStore(newDataKey([]dataset.Field{c.Field}), f.world.Temp)}
	if c.rule.Stat != "coverage" {
		return j, nil
	}
	j.in = make(map[[2]uint64]bool)
	for _, v := range c.rule.In {
		key, ok := j.keyOf(v)
		if !ok {
			return nil, f.never(c, v)
		}
		j.in[key] = false
	}
	return j, nil
}

// keyOf is the key of a value of the gate.
func (j *distinctJudge) keyOf(v any) (key [2]uint64, ok bool) {
	if j.store.narrow {
		n, ok := dataIntOf(j.column.Field, v)
		return [2]uint64{j.store.scramble(uint64(n))}, ok
	}
	text := []byte(dataScalar(v))
	if j.column.Type == dataset.Float {
		n, err := strconv.ParseFloat(string(text), 64)
		if err != nil {
			return key, false
		}
		text = (&dataset.Column{Field: j.column.Field, Floats: []float64{n}}).AppendText(nil, 0)
	}
	key[0], key[1] = j.store.text(text)
	return key, true
}

// part counts within the batch first: of few different values little is kept.
func (j *distinctJudge) part(b *dataBatch) (any, error) {
	c := &b.Columns[j.column.at]
	skip := j.skip(b, true)
	if c.Type == dataset.Null {
		return distinctPart{}, nil
	}
	if c.Codes != nil && c.Texts.Len() <= b.Rows {
		return j.partOfCodes(b, c, skip), nil
	}
	if j.store.narrow {
		if p, ok := j.partOfRange(b, c, skip); ok {
			return p, nil
		}
	}
	keys := j.store.add(nil, []*dataset.Column{c}, b.Rows, skip)
	return distinctPart{keys: keys, n: int64(b.Rows - skip.Count())}, nil
}

func (j *distinctJudge) partOfCodes(b *dataBatch, c *dataset.Column, skip dataset.Bits) distinctPart {
	counts := make([]uint64, c.Texts.Len())
	p := distinctPart{}
	for i, code := range c.Codes[:b.Rows] {
		if !skip.Has(i) {
			counts[code]++
			p.n++
		}
	}
	for code, n := range counts {
		if n > 0 {
			x, y := j.store.text(keyNormal(nil, c, c.Texts.At(code)))
			p.keys, p.counts = append(p.keys, x, y), append(p.counts, n)
		}
	}
	return p
}

// partOfRange counts integers that lie together.
func (j *distinctJudge) partOfRange(b *dataBatch, c *dataset.Column, skip dataset.Bits) (distinctPart, bool) {
	low, high := int64(math.MaxInt64), int64(math.MinInt64)
	for w, word := range skip {
		for m := ^word; m != 0; m &= m - 1 {
			if i := w*64 + bits.TrailingZeros64(m); i < b.Rows {
				low, high = min(low, c.Ints[i]), max(high, c.Ints[i])
			}
		}
	}
	span := uint64(high) - uint64(low)
	if low > high || span >= uint64(b.Rows) {
		return distinctPart{}, low > high
	}
	counts := make([]uint64, span+1)
	p := distinctPart{}
	for i, v := range c.Ints {
		if !skip.Has(i) {
			counts[uint64(v)-uint64(low)]++
			p.n++
		}
	}
	for at, n := range counts {
		if n > 0 {
			p.keys, p.counts = append(p.keys, j.store.scramble(uint64(low)+uint64(at))), append(p.counts, n)
		}
	}
	return p, true
}

func (j *distinctJudge) merge(_ dataset.Span, part any) error {
	p := part.(distinctPart)
	j.judged += p.n
	words := j.store.words()
	for i := 0; i*words < len(p.keys); i++ {
		key := p.keys[i*words : (i+1)*words]
		count := uint64(1)
		if p.counts != nil {
			count = p.counts[i]
		}
		if j.in != nil {
			var k [2]uint64
			copy(k[:], key)
			if _, listed := j.in[k]; listed {
				j.in[k] = true
			}
			continue
		}
		if err := j.store.put(key, count); err != nil {
			return err
		}
	}
	return nil
}

func (j *distinctJudge) finish(context.Context) ([]Finding, error) {
	defer j.store.spill.close()
	if j.in != nil {
		seen := 0.0
		for _, was := range j.in {
			if was {
				seen++
			}
		}
		return []Finding{j.finding(seen / float64(len(j.in)))}, nil
	}
	var distinct, most uint64
	err := j.store.each(func(seen *keySeen, n uint64) {
		if seen.count == 0 {
			distinct++
		}
		seen.count += n
		most = max(most, seen.count)
	}, nil)
	if err != nil {
		return nil, err
	}
	value := float64(distinct)
	switch j.column.rule.Stat {
	case "distinct_share":
		value /= float64(j.judged)
	case "mode_share":
		value = float64(most) / float64(j.judged)
	}
	return []Finding{j.finding(value)}, nil
}

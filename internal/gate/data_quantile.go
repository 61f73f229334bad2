package gate

import (
	"context"
	"math"

	"mlx/internal/dataset"
)

// quantileJudge keeps the values, beyond some memory in a file, and selects exactly: no sketch, so that no verdict is off by an error of
// one.
type quantileJudge struct {
	statBase
	values *spill
}

type valuesPart struct {
	values []uint64
	left   int64
}

// ordered are numbers as words that sort as the numbers do.
func ordered(v float64) uint64 {
	w := math.Float64bits(v)
	if w>>63 != 0 {
		return ^w
	}
	return w | 1<<63
}

func unordered(w uint64) float64 {
	if w>>63 != 0 {
		return math.Float64frombits(w &^ (1 << 63))
	}
	return math.Float64frombits(^w)
}

func (j *quantileJudge) part(b *dataBatch) (any, error) {
	values, left := j.numbers(b)
	p := valuesPart{values: make([]uint64, len(values)), left: left}
	for i, v := range values {
		p.values[i] = ordered(v + 0) // a negative zero is zero
	}
	return p, nil
}

func (j *quantileJudge) merge(_ dataset.Span, part any) error {
	p := part.(valuesPart)
	j.judged += int64(len(p.values))
	j.left += p.left
	return j.values.addAll(0, p.values)
}

// addAll appends many words, wherever blocks end.
func (s *spill) addAll(list int, words []uint64) error {
	for len(words) > 0 {
		n := min(len(words), spillBlock)
		if room := spillBlock - len(s.lists[list].last); room > 0 {
			n = min(n, room)
		}
		if err := s.add(list, words[:n]...); err != nil {
			return err
		}
		words = words[n:]
	}
	return nil
}

func (j *quantileJudge) finish(context.Context) ([]Finding, error) {
	defer j.values.close()
	stat := j.column.rule.Stat
	quantile := func(q float64) (float64, error) { return j.values.quantile(j.judged, q) }
	if j.judged == 0 {
		return []Finding{j.finding(math.NaN())}, nil
	}
	q := 0.5
	switch stat {
	case "iqr":
		low, err := quantile(0.25)
		if err != nil {
			return nil, err
		}
		high, err := quantile(0.75)
		return []Finding{j.finding(high - low)}, err
	case "median":
	default:
		q, _ = statQuantile(stat)
	}
	v, err := quantile(q)
	return []Finding{j.finding(v)}, err
}

// quantile is the linear quantile of n kept numbers, as numpy and pandas have it.
func (s *spill) quantile(n int64, q float64) (float64, error) {
	at := q * float64(n-1)
	low := int64(math.Floor(at))
	a, err := s.rank(low)
	if err != nil || at == float64(low) || low+1 >= n {
		return a, err
	}
	b, err := s.rank(low + 1)
	return a + (b-a)*(at-float64(low)), err
}

// rank is the number that stands at a place, from 0, among the sorted ones: sixteen bits are settled in each of four readings.
func (s *spill) rank(at int64) (float64, error) {
	var prefix, mask uint64
	for shift := 48; shift >= 0; shift -= 16 {
		counts := make([]int64, 1<<16)
		err := s.each(0, func(words []uint64) {
			for _, w := range words {
				if w&mask == prefix {
					counts[w>>shift&0xffff]++
				}
			}
		})
		if err != nil {
			return 0, err
		}
		digit := 0
		for ; digit < len(counts)-1 && at >= counts[digit]; digit++ {
			at -= counts[digit]
		}
		prefix |= uint64(digit) << shift
		mask |= 0xffff << shift
	}
	return unordered(prefix), nil
}

package gate

import (
	"context"
	"math"
	"unicode/utf8"

	"mlx/internal/dataset"
)

// moments are the sums of powers of the deviations from the mean, which merge without loss of what matters (Chan, Golub and LeVeque
// 1983; Pébay 2008 for the third and fourth).
type moments struct {
	n, mean, m2, m3, m4 float64
	sum, carry          float64 // Neumaier's sum
	min, max            float64
}

func momentsOf(v []float64) moments {
	m := moments{n: float64(len(v)), min: math.Inf(1), max: math.Inf(-1)}
	for _, x := range v {
		m.sum += x
		m.min, m.max = min(m.min, x), max(m.max, x)
	}
	if m.n == 0 {
		return m
	}
	m.mean = m.sum / m.n
	for _, x := range v {
		d := x - m.mean
		q := d * d
		m.m2 += q
		m.m3 += q * d
		m.m4 += q * q
	}
	return m
}

func (m *moments) merge(o moments) {
	if o.n == 0 {
		return
	}
	sum := m.sum + o.sum
	if math.Abs(m.sum) >= math.Abs(o.sum) {
		m.carry += m.sum - sum + o.sum
	} else {
		m.carry += o.sum - sum + m.sum
	}
	m.carry += o.carry
	m.sum = sum
	if m.n == 0 {
		carry := m.carry
		*m = o
		m.carry = carry
		return
	}
	n, d := m.n+o.n, o.mean-m.mean
	m4 := m.m4 + o.m4 + d*d*d*d*m.n*o.n*(m.n*m.n-m.n*o.n+o.n*o.n)/(n*n*n) +
		6*d*d*(m.n*m.n*o.m2+o.n*o.n*m.m2)/(n*n) + 4*d*(m.n*o.m3-o.n*m.m3)/n
	m3 := m.m3 + o.m3 + d*d*d*m.n*o.n*(m.n-o.n)/(n*n) + 3*d*(m.n*o.m2-o.n*m.m2)/n
	m.m2 += o.m2 + d*d*m.n*o.n/n
	m.m3, m.m4 = m3, m4
	m.mean += d * o.n / n
	m.n = n
	m.min, m.max = min(m.min, o.min), max(m.max, o.max)
}

// value is a statistic; NaN where it is not defined. std and var are those of a sample (n-1), skew and kurtosis those of the population,
// kurtosis less 3.
func (m *moments) value(stat string) float64 {
	variance := math.NaN()
	if m.n > 1 {
		variance = m.m2 / (m.n - 1)
	}
	std := math.Sqrt(variance)
	switch stat {
	case "mean":
		return (m.sum + m.carry) / m.n
	case "sum":
		return m.sum + m.carry
	case "var":
		return variance
	case "std":
		return std
	case "min":
		return m.min
	case "max":
		return m.max
	case "range":
		return m.max - m.min
	case "max_z":
		return max(m.max-m.mean, m.mean-m.min) / std
	case "skew":
		return m.m3 / m.n / math.Pow(m.m2/m.n, 1.5)
	}
	return m.m4/m.n/(m.m2/m.n*m.m2/m.n) - 3
}

// momentsJudge holds a statistic that sums make.
type momentsJudge struct {
	statBase
	moments
}

type momentsPart struct {
	moments
	left int64
}

func (j *momentsJudge) part(b *dataBatch) (any, error) {
	values, left := j.numbers(b)
	return momentsPart{momentsOf(values), left}, nil
}

func (j *momentsJudge) merge(_ dataset.Span, part any) error {
	p := part.(momentsPart)
	if j.judged == 0 {
		j.moments.min, j.moments.max = math.Inf(1), math.Inf(-1)
	}
	j.judged += int64(p.n)
	j.left += p.left
	j.moments.merge(p.moments)
	return nil
}

func (j *momentsJudge) finish(context.Context) ([]Finding, error) {
	return []Finding{j.finding(j.value(j.column.rule.Stat))}, nil
}

// sharesJudge counts the rows whose value is of a sort.
type sharesJudge struct {
	statBase
	n int64
}

type countPart struct{ n, judged int64 }

func (j *sharesJudge) part(b *dataBatch) (any, error) {
	c := &b.Columns[j.column.at]
	skip := j.skip(b, false)
	p := countPart{judged: int64(b.Rows - skip.Count())}
	stat := j.column.rule.Stat
	for i := range b.Rows {
		switch missing := c.Missing.Has(i) || c.Type == dataset.Null; {
		case skip.Has(i):
		case stat == "nulls" || stat == "null_share":
			if missing {
				p.n++
			}
		case missing:
		case stat == "nan_share":
			if c.Type == dataset.Float && c.Floats[i] != c.Floats[i] {
				p.n++
			}
		case stat == "inf_share":
			if c.Type == dataset.Float && math.IsInf(c.Floats[i], 0) {
				p.n++
			}
		default:
			if v := c.Number(i); stat == "zero_share" && v == 0 || stat == "negative_share" && v < 0 {
				p.n++
			}
		}
	}
	return p, nil
}

func (j *sharesJudge) merge(_ dataset.Span, part any) error {
	p := part.(countPart)
	j.n, j.judged = j.n+p.n, j.judged+p.judged
	return nil
}

func (j *sharesJudge) finish(context.Context) ([]Finding, error) {
	value := float64(j.n)
	if j.column.rule.Stat != "nulls" {
		value /= float64(j.judged)
	}
	return []Finding{j.finding(value)}, nil
}

// lengthsJudge measures texts, in characters.
type lengthsJudge struct {
	statBase
	moments
}

func (j *lengthsJudge) part(b *dataBatch) (any, error) {
	c := &b.Columns[j.column.at]
	skip := j.skip(b, true)
	values := b.floats()[:0]
	var text []byte
	for i := range b.Rows {
		if skip.Has(i) || c.Type == dataset.Null {
			continue
		}
		text = c.AppendText(text[:0], i)
		values = append(values, float64(utf8.RuneCount(text)))
	}
	return momentsOf(values), nil
}

func (j *lengthsJudge) merge(_ dataset.Span, part any) error {
	p := part.(moments)
	if j.judged == 0 {
		j.moments.min, j.moments.max = math.Inf(1), math.Inf(-1)
	}
	j.judged += int64(p.n)
	j.moments.merge(p)
	return nil
}

func (j *lengthsJudge) finish(context.Context) ([]Finding, error) {
	stat := map[string]string{"min_length": "min", "max_length": "max", "mean_length": "mean"}[j.column.rule.Stat]
	return []Finding{j.finding(j.value(stat))}, nil
}

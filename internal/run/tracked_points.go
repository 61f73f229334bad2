package run

import "math"

// points are the points of one metric, by column.
type points struct {
	Curve
	seen map[point]bool // nil while every point came behind the one before, so that none can be there twice
}

type point struct {
	step, time int64
	value      uint64
}

// bits are those of the value; all NaN are one.
func bits(v float64) uint64 {
	if v != v {
		return 0x7ff8000000000000
	}
	return math.Float64bits(v)
}

// add takes a point, and reports whether it was new.
func (p *points) add(step, time int64, value float64) bool {
	n := len(p.Values)
	if p.seen == nil && n > 0 && !(step > p.Steps[n-1] || step == p.Steps[n-1] && time > p.Times[n-1]) {
		p.seen = make(map[point]bool, n+1)
		for i, v := range p.Values {
			p.seen[point{p.Steps[i], p.Times[i], bits(v)}] = true
		}
	}
	if p.seen != nil {
		key := point{step, time, bits(value)}
		if p.seen[key] {
			return false
		}
		p.seen[key] = true
	}
	p.Steps, p.Times, p.Values = append(p.Steps, step), append(p.Times, time), append(p.Values, value)
	return true
}

// copy is a curve of the caller's own.
func (p *points) copy(name string) Curve {
	return Curve{
		Name: name, Steps: append([]int64(nil), p.Steps...), Times: append([]int64(nil), p.Times...),
		Values: append([]float64(nil), p.Values...),
	}
}

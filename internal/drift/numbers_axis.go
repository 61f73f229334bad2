package drift

import (
	"math"

	"mlx/internal/dataset"
)

// axis is the line on which the numbers of both sides lie: how keys are numbers. While both sides are integers of one sort their keys
// are too, and whatever floats would round away counts. Dates and times are seconds since 1970.
type axis struct {
	kind axisKind
	by   float64 // the number is the integer / by
}

type axisKind uint8

const (
	axisInts axisKind = iota
	axisUints
	axisFloats
)

func nativeAxis(f dataset.Field) axis {
	switch {
	case floatKeys(f):
		return axis{axisFloats, 1}
	case f.Type == dataset.Uint:
		return axis{axisUints, 1}
	case f.Type == dataset.Time, f.Type == dataset.Clock:
		return axis{axisInts, 1e9}
	case f.Type == dataset.Decimal:
		return axis{axisInts, math.Pow10(f.Scale)}
	}
	return axis{axisInts, 1}
}

// axisOf is the axis of two columns, and how the keys of either become those of the axis; nil: they are.
func axisOf(a, b dataset.Field) (axis, [2]func(uint64) uint64) {
	x, y := nativeAxis(a), nativeAxis(b)
	none := [2]func(uint64) uint64{}
	switch {
	case a.Type == dataset.Date && b.Type == dataset.Time:
		return y, [2]func(uint64) uint64{dayIn(dayNanos), nil}
	case a.Type == dataset.Time && b.Type == dataset.Date:
		return x, [2]func(uint64) uint64{nil, dayIn(dayNanos)}
	case a.Type == dataset.Date || b.Type == dataset.Date: // the other is one too, or has no values
		seconds := dayIn(daySeconds)
		return axis{axisInts, 1}, [2]func(uint64) uint64{seconds, seconds}
	case a.Type == dataset.Null:
		return y, none
	case b.Type == dataset.Null:
		return x, none
	case x == y:
		return x, none
	}
	return axis{axisFloats, 1}, [2]func(uint64) uint64{x.floatKey(), y.floatKey()}
}

// dayIn makes of the key of a day that of the midnight that it begins with, in parts of which a day has so many.
func dayIn(parts int64) func(uint64) uint64 {
	return func(key uint64) uint64 { return intKey(scaled(int64(key^signBit), parts)) }
}

func (a axis) floatKey() func(uint64) uint64 {
	if a.kind == axisFloats {
		return nil
	}
	return func(key uint64) uint64 { return floatKey(a.value(key)) }
}

// value is the number of a key: exact, or the nearest float.
func (a axis) value(key uint64) float64 {
	switch a.kind {
	case axisFloats:
		return floatOf(key)
	case axisUints:
		return float64(key)
	default:
		return float64(int64(key^signBit)) / a.by
	}
}

// gap is how far two keys are apart, in units of 1/by. The second is not the smaller one.
func (a axis) gap(low, high uint64) float64 {
	if a.kind == axisFloats {
		return floatOf(high) - floatOf(low)
	}
	return float64(high - low)
}

// values writes the numbers of keys to dst.
func (a axis) values(dst []float64, keys []uint64) []float64 {
	dst = dst[:len(keys)]
	switch a.kind {
	case axisFloats:
		for i, k := range keys {
			dst[i] = floatOf(k)
		}
	case axisUints:
		for i, k := range keys {
			dst[i] = float64(k)
		}
	case axisInts:
		if a.by == 1 {
			for i, k := range keys {
				dst[i] = float64(int64(k ^ signBit))
			}
			break
		}
		for i, k := range keys {
			dst[i] = float64(int64(k^signBit)) / a.by
		}
	}
	return dst
}

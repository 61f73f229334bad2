package drift

import "math"

// adwin is ADWIN2 (Bifet and Gavaldà 2007): a window of the newest values that is cut where its two parts have means which differ by more
// than chance allows. The window is an exponential histogram, so that it takes memory with the logarithm of its length. As in the
// implementation of its inventors it looks for a cut every 32 values, and parts of fewer than five values are never cut off.
type adwin struct {
	delta    float64
	warmup   int
	n        int
	rows     [][]adwinBucket // of buckets of 1, 2, 4, ... values, the oldest first in each
	width    int
	total    float64
	variance float64 // sum of squared distances from the mean
}

type adwinBucket struct{ total, variance float64 }

const (
	adwinBuckets = 5  // of each size, one more before two are merged
	adwinClock   = 32 // values between two searches
	adwinPart    = 5  // least values of a part
)

func newADWIN(delta float64, warmup int) *adwin {
	return &adwin{delta: delta, warmup: warmup, rows: [][]adwinBucket{nil}}
}

func (a *adwin) add(x float64) (change, up bool) {
	a.n++
	a.insert(x)
	if a.n%adwinClock != 0 || a.width <= a.warmup {
		return false, false
	}
	return a.shrink()
}

func (a *adwin) insert(x float64) {
	a.width++
	if n := float64(a.width); a.width > 1 {
		d := x - a.total/(n-1)
		a.variance += (n - 1) * d * d / n
	}
	a.total += x
	a.rows[0] = append(a.rows[0], adwinBucket{total: x})
	for size := 0; len(a.rows[size]) > adwinBuckets; size++ {
		if size+1 == len(a.rows) {
			a.rows = append(a.rows, nil)
		}
		n := float64(int64(1) << size)
		x, y := a.rows[size][0], a.rows[size][1]
		d := x.total/n - y.total/n
		a.rows[size+1] = append(a.rows[size+1], adwinBucket{x.total + y.total, x.variance + y.variance + n*n*d*d/(n+n)})
		a.rows[size] = append(a.rows[size][:0], a.rows[size][2:]...)
	}
}

// drop forgets the oldest bucket.
func (a *adwin) drop() {
	last := len(a.rows) - 1
	oldest := a.rows[last][0]
	n := 1 << last
	a.width -= n
	a.total -= oldest.total
	if a.width > 0 {
		d := oldest.total/float64(n) - a.total/float64(a.width)
		a.variance -= oldest.variance + float64(n)*float64(a.width)*d*d/float64(n+a.width)
	}
	a.rows[last] = append(a.rows[last][:0], a.rows[last][1:]...)
	for last > 0 && len(a.rows[last]) == 0 {
		a.rows = a.rows[:last]
		last--
	}
}

// shrink drops the oldest buckets as long as the window is no one sample.
func (a *adwin) shrink() (change, up bool) {
	for {
		differ, rose := a.differs()
		if !differ {
			return change, up
		}
		if !change {
			change, up = true, rose
		}
		a.drop()
	}
}

// differs says whether some cut leaves two parts with different means, and whether that of the newer part is the greater.
func (a *adwin) differs() (differ, rose bool) {
	var n0, u0 float64
	for size := len(a.rows) - 1; size >= 0; size-- {
		for _, b := range a.rows[size] {
			n0 += float64(int64(1) << size)
			u0 += b.total
			n1, u1 := float64(a.width)-n0, a.total-u0
			if n1 < adwinPart {
				return false, false
			}
			if n0 >= adwinPart && math.Abs(u0/n0-u1/n1) > a.bound(n0, n1) {
				return true, u1/n1 > u0/n0
			}
		}
	}
	return false, false
}

// bound is the difference that chance allows.
func (a *adwin) bound(n0, n1 float64) float64 {
	width := float64(a.width)
	d := math.Log(2 * math.Log(width) / a.delta)
	m := 1/(n0-adwinPart+1) + 1/(n1-adwinPart+1)
	return math.Sqrt(2*m*a.variance/width*d) + 2.0/3.0*d*m
}

func (a *adwin) warned() bool { return false }

package drift

import "math"

// ddm is the drift detection method (Gama, Medas, Castillo, Rodrigues 2004): the error rate p of all rows so far, with its standard
// deviation s, is compared with the least p+s that was seen; above it by two deviations is a warning, by three a change.
type ddm struct {
	warmup     int
	n          int
	p          float64
	pMin, sMin float64
	known      bool
	warning    bool
}

const (
	ddmWarning = 2.0
	ddmDrift   = 3.0
)

func (d *ddm) add(x float64) (change, up bool) {
	d.n++
	d.p += (x - d.p) / float64(d.n)
	s := math.Sqrt(d.p * (1 - d.p) / float64(d.n))
	if d.n <= d.warmup {
		return false, false
	}
	if !d.known || d.p+s <= d.pMin+d.sMin {
		d.known, d.pMin, d.sMin = true, d.p, s
	}
	switch {
	case d.p+s > d.pMin+ddmDrift*d.sMin:
		*d = ddm{warmup: d.warmup}
		return true, true
	default:
		d.warning = d.p+s > d.pMin+ddmWarning*d.sMin
	}
	return false, false
}

func (d *ddm) warned() bool { return d.warning }

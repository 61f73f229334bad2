package stats

import "math"

// random is SplitMix64 (Steele, Lea and Flood 2014): number i of a stream is a hash of key + i x constant, so that each resample has
// a stream of its own, whoever computes it.
type random struct{ state uint64 }

func newRandom(seed, stream uint64) *random {
	return &random{mix(mix(seed) + stream*0xd1342543de82ef95 + 0x2545f4914f6cdd1d)}
}

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func (r *random) next() uint64 {
	r.state += 0x9e3779b97f4a7c15
	return mix(r.state)
}

// below is a number under n, each equally likely to within n/2^64.
func (r *random) below(n uint32) uint32 {
	v := r.next()
	return uint32(((v>>32)*uint64(n) + (v&0xffffffff)*uint64(n)>>32) >> 32)
}

// normal is a standard normal, by the inverse of its distribution function.
func (r *random) normal() float64 {
	return normalQuantile((float64(r.next()>>12) + 0.5) / (1 << 52))
}

// poisson draws Poisson variables of mean 1: how often one of many is drawn.
type poisson struct {
	below  [12]uint64 // below[k] is P(X <= k) of 2^53
	direct [256]uint8 // the answer for the upper 8 bits, where these decide
}

const undecided = 255

func newPoisson() *poisson {
	t := new(poisson)
	p, sum := math.Exp(-1), 0.0
	for k := range t.below {
		sum += p
		p /= float64(k + 1)
		t.below[k] = uint64(sum * (1 << 53))
	}
	for i := range t.direct {
		first, last := uint64(i)<<45, uint64(i+1)<<45-1
		if t.direct[i] = undecided; t.search(first) == t.search(last) {
			t.direct[i] = uint8(t.search(first))
		}
	}
	return t
}

// search is the smallest k with u < below[k]; more than 12 has a chance of 6e-11 and counts as 12.
func (t *poisson) search(u uint64) int {
	k := 0
	for k < len(t.below) && u >= t.below[k] {
		k++
	}
	return k
}

func (t *poisson) draw(r *random) float64 {
	u := r.next() >> 11
	if k := t.direct[u>>45]; k != undecided {
		return float64(k)
	}
	return float64(t.search(u))
}

package stats

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

// poisson1 is how often one of many is drawn: a Poisson variable of mean 1, by inversion.
func (r *random) poisson1() float64 {
	u := float64(r.next()>>11) / (1 << 53)
	const inverseE = 0.36787944117144232159552377016146
	k, p := 0.0, inverseE
	for u >= p && k < 20 {
		u -= p
		k++
		p /= k
	}
	return k
}

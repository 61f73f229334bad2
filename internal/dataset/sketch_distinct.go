package dataset

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// sketchDistinct estimates how many different values there are: a HyperLogLog of 2^14 registers (Flajolet et al. 2007, with the
// estimator of Ertl 2017, which needs no table of corrections). The standard error is 0.81 %. It depends only on which values there
// are, not on their order or on how the table is cut.
type sketchDistinct struct {
	registers []uint8 // nil while empty
}

const (
	sketchDistinctBits = 14
	sketchRegisters    = 1 << sketchDistinctBits
	// DistinctError is the standard error of an estimated number of distinct values, as a share.
	DistinctError = 0.0081
)

func (d *sketchDistinct) add(hash uint64) {
	if d.registers == nil {
		d.registers = make([]uint8, sketchRegisters)
	}
	rank := uint8(bits.LeadingZeros64(hash<<sketchDistinctBits|1<<(sketchDistinctBits-1)) + 1)
	if r := &d.registers[hash>>(64-sketchDistinctBits)]; rank > *r {
		*r = rank
	}
}

func (d *sketchDistinct) merge(o sketchDistinct) {
	if d.registers == nil {
		d.registers = o.registers
		return
	}
	for i, r := range o.registers {
		d.registers[i] = max(d.registers[i], r)
	}
}

// count is the estimate: the maximum of the likelihood is close to m^2 alpha / (m sigma(C0/m) + sum C_k 2^-k + m tau(1-Cq/m) 2^-q).
func (d *sketchDistinct) count() int64 {
	if d.registers == nil {
		return 0
	}
	const q = 64 - sketchDistinctBits
	var histogram [q + 2]float64
	for _, r := range d.registers {
		histogram[r]++
	}
	const m = float64(sketchRegisters)
	z := m * sketchTau(1-histogram[q+1]/m)
	for k := q; k >= 1; k-- {
		z = 0.5 * (z + histogram[k])
	}
	z += m * sketchSigma(histogram[0]/m)
	return int64(math.Round(m * m / (2 * math.Ln2) / z))
}

func sketchSigma(x float64) float64 {
	if x == 1 {
		return math.Inf(1)
	}
	z, y := x, 1.0
	for {
		x *= x
		before := z
		z += x * y
		y += y
		if z == before {
			return z
		}
	}
}

func sketchTau(x float64) float64 {
	if x == 0 || x == 1 {
		return 0
	}
	z, y := 1-x, 1.0
	for {
		x = math.Sqrt(x)
		before := z
		y *= 0.5
		z -= (1 - x) * (1 - x) * y
		if z == before {
			return z / 3
		}
	}
}

// Constants of the hash: odd, half of their bits set. They stand in profiles that are kept and never change.
const (
	sketchHash0 = 0xa0761d6478bd642f
	sketchHash1 = 0xe7037ed1a0b428db
	sketchHash2 = 0x8ebc6af09c88c6e3
)

func sketchFold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// sketchHash hashes a key.
func sketchHash(key uint64) uint64 {
	return sketchFold(sketchFold(key^sketchHash0, sketchHash1)^key, sketchHash2)
}

// sketchHashBytes hashes text.
func sketchHashBytes(s []byte) uint64 {
	h := uint64(len(s)) ^ sketchHash0
	for len(s) >= 8 {
		h = sketchFold(h^binary.LittleEndian.Uint64(s), sketchHash1)
		s = s[8:]
	}
	var last uint64
	for i, c := range s {
		last |= uint64(c) << (8 * i)
	}
	return sketchFold(sketchFold(h^last, sketchHash2)^last, sketchHash1)
}

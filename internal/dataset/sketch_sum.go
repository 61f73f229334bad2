package dataset

import (
	"math"
	"math/big"
	"math/bits"
	"strconv"
	"strings"
)

// sketchSum is an exact sum of numbers times powers of two: it does not depend on their order, so that no cut of a table changes a
// mean. Limb i counts multiples of 2^(32i-sketchBias); it covers the squares of all float64. The idea is the small superaccumulator
// of R. Neal, "Fast exact summation using small and large superaccumulators" (2015).
type sketchSum struct {
	limbs [sketchLimbs]int64
}

const (
	sketchBias  = 2176
	sketchLimbs = 140
)

// add adds the magnitude hi:lo times 2^exp, or takes it away. A limb takes 2^30 of them before carry must be called.
func (s *sketchSum) add(negative bool, hi, lo uint64, exp int) {
	at := exp + sketchBias
	i, shift := at>>5, uint(at&31)
	top := uint64(0)
	if shift > 0 {
		top = hi >> (64 - shift)
		hi = hi<<shift | lo>>(64-shift)
		lo <<= shift
	}
	limbs := s.limbs[i : i+5 : i+5]
	if negative {
		limbs[0] -= int64(lo & math.MaxUint32)
		limbs[1] -= int64(lo >> 32)
		limbs[2] -= int64(hi & math.MaxUint32)
		limbs[3] -= int64(hi >> 32)
		limbs[4] -= int64(top)
		return
	}
	limbs[0] += int64(lo & math.MaxUint32)
	limbs[1] += int64(lo >> 32)
	limbs[2] += int64(hi & math.MaxUint32)
	limbs[3] += int64(hi >> 32)
	limbs[4] += int64(top)
}

// sketchPile gathers magnitudes of one sign and exponent before they are added: of keys in order there are few such piles.
type sketchPile struct {
	negative bool
	exp      int
	sum      [2]uint64 // the low word first
	squares  [3]uint64
}

func (p *sketchPile) put(mantissa uint64, count int64) {
	var carry uint64
	hi, lo := bits.Mul64(mantissa, uint64(count))
	p.sum[0], carry = bits.Add64(p.sum[0], lo, 0)
	p.sum[1] += hi + carry
	hi, lo = bits.Mul64(mantissa, mantissa)
	top := uint64(0)
	if count != 1 {
		var over, middle uint64
		over, lo = bits.Mul64(lo, uint64(count))
		top, middle = bits.Mul64(hi, uint64(count))
		hi, carry = bits.Add64(middle, over, 0)
		top += carry
	}
	p.squares[0], carry = bits.Add64(p.squares[0], lo, 0)
	p.squares[1], carry = bits.Add64(p.squares[1], hi, carry)
	p.squares[2] += top + carry
}

func (p *sketchPile) pour(sum, squares *sketchSum) {
	sum.add(p.negative, p.sum[1], p.sum[0], p.exp)
	squares.add(false, p.squares[1], p.squares[0], 2*p.exp)
	squares.add(false, 0, p.squares[2], 2*p.exp+128)
}

// sketchMoments adds values and their squares, each as often as it stands in the runs; split takes a key apart.
func sketchMoments(r sketchRuns, split func(uint64) (mantissa uint64, exp int, negative bool), sum, squares *sketchSum) {
	var pile sketchPile
	for i, key := range r.keys {
		mantissa, exp, negative := split(key)
		if exp != pile.exp || negative != pile.negative {
			pile.pour(sum, squares)
			pile = sketchPile{negative: negative, exp: exp}
		}
		pile.put(mantissa, r.counts[i])
	}
	pile.pour(sum, squares)
	sum.carry()
	squares.carry()
}

func sketchSplitInt(key uint64) (mantissa uint64, exp int, negative bool) {
	v := sketchIntOf(key)
	if v < 0 {
		return -uint64(v), 0, true
	}
	return uint64(v), 0, false
}

func sketchSplitUint(key uint64) (mantissa uint64, exp int, negative bool) { return key, 0, false }

// sketchSplitFloat returns the finite number of a key as mantissa times 2^exp.
func sketchSplitFloat(key uint64) (mantissa uint64, exp int, negative bool) {
	return sketchSplit(sketchFloatOf(key))
}

// sketchSplit returns a finite number as mantissa times 2^exp.
func sketchSplit(v float64) (mantissa uint64, exp int, negative bool) {
	b := math.Float64bits(v)
	mantissa, exp = b&(1<<52-1), int(b>>52&2047)
	if exp == 0 {
		exp = 1
	} else {
		mantissa |= 1 << 52
	}
	return mantissa, exp - 1075, b&sketchSign != 0
}

// carry brings every limb but the last into 0..2^32-1, so that equal sums have equal limbs.
func (s *sketchSum) carry() {
	for i := range sketchLimbs - 1 {
		up := s.limbs[i] >> 32
		s.limbs[i] -= up << 32
		s.limbs[i+1] += up
	}
}

func (s *sketchSum) merge(o *sketchSum) {
	for i := range s.limbs {
		s.limbs[i] += o.limbs[i]
	}
	s.carry()
}

// int returns the sum times 2^sketchBias.
func (s *sketchSum) int() *big.Int {
	v := new(big.Int)
	for i := sketchLimbs - 1; i >= 0; i-- {
		v.Lsh(v, 32)
		v.Add(v, big.NewInt(s.limbs[i]))
	}
	return v
}

// rat returns the sum.
func (s *sketchSum) rat() *big.Rat {
	return new(big.Rat).SetFrac(s.int(), new(big.Int).Lsh(big.NewInt(1), sketchBias))
}

// String writes the sum in its one form: an odd hexadecimal number, p, and the power of two that it is multiplied by.
func (s *sketchSum) String() string {
	v := s.int()
	if v.Sign() == 0 {
		return "0"
	}
	zeros := v.TrailingZeroBits()
	return new(big.Int).Rsh(v, zeros).Text(16) + "p" + strconv.Itoa(int(zeros)-sketchBias)
}

// parseSketchSum reads what String writes.
func parseSketchSum(text string) (*sketchSum, bool) {
	s := new(sketchSum)
	if text == "0" {
		return s, true
	}
	digits, power, found := strings.Cut(text, "p")
	exp, err := strconv.Atoi(power)
	most := 32*(sketchLimbs-1) + 30 // bits
	if !found || err != nil || len(digits) > most/4 || exp < -sketchBias || exp > most-sketchBias {
		return nil, false
	}
	v, ok := new(big.Int).SetString(digits, 16)
	if !ok || v.BitLen()+exp+sketchBias > most {
		return nil, false
	}
	v.Lsh(v, uint(exp+sketchBias))
	negative := v.Sign() < 0
	v.Abs(v)
	mask := big.NewInt(math.MaxUint32)
	for i := range s.limbs {
		limb := new(big.Int).And(v, mask).Int64()
		if negative {
			limb = -limb
		}
		s.limbs[i] = limb
		v.Rsh(v, 32)
	}
	s.carry()
	return s, s.String() == text
}

// sketchMean returns the mean of n numbers times 10^-scale.
func sketchMean(sum *sketchSum, n int64, scale int) float64 {
	r := sum.rat()
	r.Quo(r, new(big.Rat).SetInt64(n))
	v, _ := r.Quo(r, sketchPower(scale)).Float64()
	return v
}

// sketchStd returns the standard deviation of n numbers times 10^-scale, dividing by n-ddof.
func sketchStd(sum, squares *sketchSum, n int64, o sketchStdOf) float64 {
	count := new(big.Rat).SetInt64(n)
	mean := sum.rat()
	mean.Mul(mean, mean).Quo(mean, count)
	v := squares.rat()
	v.Sub(v, mean).Quo(v, new(big.Rat).SetInt64(n-int64(o.ddof)))
	p := sketchPower(o.scale)
	v.Quo(v, p.Mul(p, p))
	root, _ := new(big.Float).Sqrt(new(big.Float).SetPrec(200).SetRat(v)).Float64()
	return root
}

type sketchStdOf struct{ ddof, scale int }

func sketchPower(scale int) *big.Rat {
	return new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(scale, 0))), nil))
}

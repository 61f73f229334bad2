package dataset

import (
	"encoding/binary"
	"math"
	"math/bits"
	"strconv"
)

// exactPowers are the powers of ten that a float64 holds exactly.
var exactPowers = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// floatText is a number taken apart: mantissa times 10^power.
type floatText struct {
	mantissa uint64
	power    int
	negative bool
	whole    bool // there is neither point nor exponent
	long     bool // more digits than the mantissa keeps
}

// decimalFloat reads [+-] digits [. digits] [e [+-] digits] as the float64 that strconv would return; whole says that there is neither
// point nor exponent. Needless zeros in front, and a plus in front of a whole number, are no number: codes and phone numbers have such.
func decimalFloat(v []byte) (f float64, whole, ok bool) {
	t, ok := takeFloat(v)
	if !ok {
		return 0, false, false
	}
	if !t.long {
		if f, ok := t.value(); ok {
			return f, t.whole, true
		}
	}
	f, err := strconv.ParseFloat(string(v), 64)
	return f, t.whole, err == nil
}

// takeFloat takes a number apart.
func takeFloat(v []byte) (t floatText, ok bool) {
	i := 0
	if len(v) > 0 && (v[0] == '-' || v[0] == '+') {
		t.negative, i = v[0] == '-', 1
	}
	start := i
	for i < len(v) && v[i]-'0' <= 9 {
		t.mantissa = t.mantissa*10 + uint64(v[i]-'0')
		i++
	}
	digits := i - start
	if digits > 1 && v[start] == '0' {
		return t, false
	}
	if i == len(v) {
		t.whole, t.long = true, digits > 19
		return t, digits > 0 && (start == 0 || t.negative)
	}
	if v[i] == '.' {
		i++
		point := i
		for i+8 <= len(v) {
			eight := binary.LittleEndian.Uint64(v[i:])
			if !allDigits(eight) {
				break
			}
			t.mantissa = t.mantissa*100_000_000 + eightDigits(eight)
			i += 8
		}
		for i < len(v) && v[i]-'0' <= 9 {
			t.mantissa = t.mantissa*10 + uint64(v[i]-'0')
			i++
		}
		t.power = point - i
		digits += i - point
		if digits > 19 && v[start] == '0' { // zeros in front are no digits of the mantissa
			for k := point; k < i && v[k] == '0'; k++ {
				digits--
			}
			digits--
		}
	}
	if t.long = digits > 19; i == len(v) {
		return t, i-start > 1
	}
	return t, i > start && t.exponent(v, i) && (i-start > 1 || v[start] != '.')
}

// exponent reads what stands behind the digits.
func (t *floatText) exponent(v []byte, i int) bool {
	if v[i]|0x20 != 'e' {
		return false
	}
	i++
	minus := false
	if i < len(v) && (v[i] == '-' || v[i] == '+') {
		minus = v[i] == '-'
		i++
	}
	if i == len(v) {
		return false
	}
	power := 0
	for ; i < len(v); i++ {
		if v[i]-'0' > 9 {
			return false
		}
		power = min(power*10+int(v[i]-'0'), 100_000)
	}
	if minus {
		power = -power
	}
	t.power += power
	return true
}

// allDigits says whether eight bytes are digits.
func allDigits(v uint64) bool {
	return (v&0xf0f0f0f0f0f0f0f0)|((v+0x0606060606060606)&0xf0f0f0f0f0f0f0f0)>>4 == 0x3333333333333333
}

// eightDigits is the number that eight digits are, the first of them in the lowest byte.
func eightDigits(v uint64) uint64 {
	v -= 0x3030303030303030
	v = v*10 + v>>8
	return (v&0x000000ff000000ff*0x000f424000000064 + v>>16&0x000000ff000000ff*0x0000271000000001) >> 32
}

// value computes the float64: exactly where both parts are exact (Clinger), else by the method of Eisel and Lemire, which knows when it
// cannot tell.
func (t *floatText) value() (float64, bool) {
	if t.mantissa < 1<<53 && t.power >= -22 && t.power <= 22 {
		f := float64(t.mantissa)
		if t.power < 0 {
			f /= exactPowers[-t.power]
		} else {
			f *= exactPowers[t.power]
		}
		if t.negative {
			f = -f
		}
		return f, true
	}
	if t.mantissa == 0 || t.power < floatPowerLeast || t.power > floatPowerMost {
		return 0, false
	}
	zeros := bits.LeadingZeros64(t.mantissa)
	m := t.mantissa << zeros
	exp2 := uint64((217706*t.power)>>16+64+1023) - uint64(zeros)
	p := &floatPowers[t.power-floatPowerLeast]
	hi, lo := bits.Mul64(m, p[0])
	if hi&0x1ff == 0x1ff && lo+m < m { // the low half of the power may carry into what counts
		yhi, ylo := bits.Mul64(m, p[1])
		sum, carry := bits.Add64(lo, yhi, 0)
		hi, lo = hi+carry, sum
		if hi&0x1ff == 0x1ff && lo+1 == 0 && ylo+m < m {
			return 0, false
		}
	}
	top := hi >> 63
	mantissa := hi >> (top + 9)
	exp2 -= 1 ^ top
	if lo == 0 && hi&0x1ff == 0 && mantissa&3 == 1 { // half way between two
		return 0, false
	}
	mantissa = (mantissa + mantissa&1) >> 1
	if mantissa>>53 > 0 {
		mantissa >>= 1
		exp2++
	}
	if exp2-1 >= 0x7ff-1 {
		return 0, false
	}
	f := math.Float64frombits(exp2<<52 | mantissa&(1<<52-1))
	if t.negative {
		f = -f
	}
	return f, true
}

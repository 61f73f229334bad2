package dataset

import (
	"math"
	"math/big"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func TestFloatPowers(t *testing.T) {
	for q := floatPowerLeast; q <= floatPowerMost; q++ {
		x := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(q, -q))), nil))
		if q < 0 {
			x.Inv(x)
		}
		num, den := x.Num(), x.Denom()
		m := new(big.Int)
		for shift := 128 + den.BitLen() - num.BitLen() + 1; ; shift-- {
			if shift >= 0 {
				m.Quo(new(big.Int).Lsh(num, uint(shift)), den)
			} else {
				m.Rsh(new(big.Int).Quo(num, den), uint(-shift))
			}
			if m.BitLen() == 128 {
				break
			}
		}
		hi := new(big.Int).Rsh(m, 64).Uint64()
		lo := new(big.Int).And(m, new(big.Int).SetUint64(math.MaxUint64)).Uint64()
		if p := floatPowers[q-floatPowerLeast]; p != [2]uint64{hi, lo} {
			t.Errorf("1e%d is %x, want %x %x", q, p, hi, lo)
		}
	}
}

// floatShape is what decimalFloat reads: what strconv reads, less hexadecimal, underscores, words, and what is a code.
var floatShape = regexp.MustCompile(`^(-?(0|[1-9][0-9]*)|[-+]?((0|[1-9][0-9]*)\.[0-9]*|\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?[eE][-+]?[0-9]+|\.[0-9]+[eE][-+]?[0-9]+))$`)

func checkFloat(t *testing.T, v string) {
	t.Helper()
	got, whole, ok := decimalFloat([]byte(v))
	want, err := strconv.ParseFloat(v, 64)
	shape := floatShape.MatchString(v)
	if ok != (shape && err == nil) {
		t.Fatalf("%q: read %v, strconv %v, shape %v", v, ok, err, shape)
	}
	if !ok {
		return
	}
	if math.Float64bits(got) != math.Float64bits(want) {
		t.Fatalf("%q: %v, strconv %v", v, got, want)
	}
	if isWhole := !strings.ContainsAny(v, ".eE"); whole != isWhole {
		t.Fatalf("%q: whole %v", v, whole)
	}
}

func TestFloatsAsStrconv(t *testing.T) {
	for _, v := range []string{"", "-", "+", ".", "-.", "e", "1e", "1e+", ".e1", "1.", ".5", "-.5e3", "00.5", "0.5", "007", "-0", "+5", "+5.0", "1e5", "1E-5", "1e400", "1e-400",
		"0.000000000000000000000000000001", "0.0000000000000000001234567890123456789", "12345678901234567890", "123456789012345678901234567890", "9007199254740993",
		"9007199254740993.5", "1.7976931348623157e308", "1.7976931348623159e308", "5e-324", "2.2250738585072011e-308", "0x10", "1_000", "nan", "1,5", "1.2.3", "1.5e3e", "0.", "-0.0", "0e0"} {
		checkFloat(t, v)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		f := math.Float64frombits(rng.Uint64())
		if math.IsNaN(f) || math.IsInf(f, 0) {
			continue
		}
		checkFloat(t, strconv.FormatFloat(f, 'g', -1, 64))
		near := math.Ldexp(rng.Float64(), rng.IntN(120)-60)
		checkFloat(t, strconv.FormatFloat(near, 'f', -1, 64))
		checkFloat(t, strconv.FormatFloat(near, 'e', rng.IntN(20), 64))
		checkFloat(t, strconv.FormatFloat(near, 'f', rng.IntN(20), 64))
		// Half way between two neighbours, and a little beside it: where rounding is decided.
		half := new(big.Float).SetPrec(100).Add(big.NewFloat(near), big.NewFloat(math.Nextafter(near, 1e300)))
		half.Quo(half, big.NewFloat(2))
		checkFloat(t, half.Text('g', 17+rng.IntN(4)))
		checkFloat(t, half.Text('g', 60))
	}
}

func FuzzFloat(f *testing.F) {
	for _, v := range []string{"1.5", "-12e-7", "0.7450625927609041", "9007199254740993", "1e23"} {
		f.Add(v)
	}
	f.Fuzz(checkFloat)
}

package gate

import (
	"bytes"
	"math"
	"math/big"
	"strings"
	"time"

	"mlx/internal/dataset"
)

// dataExact is a limit as a number without loss: as it is written, for numbers beyond 2^53. Absurd exponents are taken as floats, whose
// size is bounded.
func dataExact(b *Bound) *big.Rat {
	if a := math.Abs(b.Value); b.Unit == "" && len(b.Text) <= 64 && (a == 0 || a > 1e-40 && a < 1e40) && !strings.ContainsAny(b.Text, "eE/") {
		if r, ok := new(big.Rat).SetString(b.Text); ok {
			return r
		}
	}
	if r := new(big.Rat).SetFloat64(b.Value); r != nil {
		return r
	}
	return new(big.Rat).SetFloat64(math.Copysign(math.MaxFloat64, b.Value)) // infinite
}

// dataInts are the least and the greatest int64 that two limits allow, for values that are counted in units of 1/per; low > high when
// none is.
func dataInts(lower, upper *Bound, per *big.Rat) (low, high int64) {
	low, high = math.MinInt64, math.MaxInt64
	if lower != nil {
		q := dataCeil(new(big.Rat).Mul(dataExact(lower), per))
		switch {
		case q.IsInt64():
			low = q.Int64()
		case q.Sign() > 0:
			return 1, 0
		}
	}
	if upper != nil {
		q := dataFloor(new(big.Rat).Mul(dataExact(upper), per))
		switch {
		case q.IsInt64():
			high = q.Int64()
		case q.Sign() < 0:
			return 1, 0
		}
	}
	return low, high
}

// dataPer is how many units of the values of a column make one unit of its limits: a decimal counts by its scale; limits on times and
// clocks are in seconds, on dates in seconds as well.
func dataPer(f dataset.Field) *big.Rat {
	switch f.Type {
	case dataset.Decimal:
		return new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(min(max(f.Scale, 0), 1000))), nil))
	case dataset.Time, dataset.Clock:
		return big.NewRat(1e9, 1)
	case dataset.Date:
		return big.NewRat(1, 86400)
	default:
		return big.NewRat(1, 1)
	}
}

// dataTime reads a moment or a day as it is written in a gate, in UTC when it names no zone.
func dataTime(text string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04",
		"2006-01-02 15:04", time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// dataClock reads a time of day as nanoseconds since midnight.
func dataClock(text string) (int64, bool) {
	for _, layout := range []string{"15:04:05.999999999", "15:04"} {
		if t, err := time.Parse(layout, text); err == nil {
			return int64(t.Sub(time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC))), true
		}
	}
	return 0, false
}

// dataDecimal compares two decimals in plain digits, of any length.
func dataDecimal(a, b []byte) int {
	negA, wholeA, partA := dataDigits(a)
	negB, wholeB, partB := dataDigits(b)
	zeroA, zeroB := len(wholeA)+len(partA) == 0, len(wholeB)+len(partB) == 0
	switch {
	case zeroA && zeroB:
		return 0
	case negA && !zeroA && (!negB || zeroB):
		return -1
	case negB && !zeroB && (!negA || zeroA):
		return 1
	}
	sign := 1
	if negA && !zeroA {
		sign = -1
	}
	if len(wholeA) != len(wholeB) {
		if len(wholeA) < len(wholeB) {
			return -sign
		}
		return sign
	}
	if c := bytes.Compare(wholeA, wholeB); c != 0 {
		return sign * c
	}
	return sign * bytes.Compare(partA, partB)
}

// dataDigits parts a decimal into its sign and its digits before and after the point, without zeros that say nothing.
func dataDigits(s []byte) (negative bool, whole, part []byte) {
	if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
		negative, s = s[0] == '-', s[1:]
	}
	whole, part, _ = bytes.Cut(s, []byte("."))
	return negative, bytes.TrimLeft(whole, "0"), bytes.TrimRight(part, "0")
}

// dataPlain writes a limit in plain digits, exactly enough to be compared with a decimal of this scale.
func dataPlain(b *Bound, scale int) []byte {
	return []byte(dataExact(b).FloatString(max(scale, 0) + 60))
}

func dataCeil(r *big.Rat) *big.Int {
	q, m := new(big.Int).DivMod(r.Num(), r.Denom(), new(big.Int))
	if m.Sign() != 0 {
		q.Add(q, big.NewInt(1))
	}
	return q
}

func dataFloor(r *big.Rat) *big.Int { return new(big.Int).Div(r.Num(), r.Denom()) }

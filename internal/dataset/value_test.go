package dataset

import (
	"math"
	"testing"
)

func TestDecimalText(t *testing.T) {
	for _, c := range []struct {
		v     int64
		scale int
		want  string
	}{
		{0, 0, "0"}, {-7, 0, "-7"}, {7, -1, "7"}, {0, 2, "0.00"}, {5, 2, "0.05"}, {-5, 1, "-0.5"}, {-50, 2, "-0.50"}, {123, 3, "0.123"}, {1234, 3, "1.234"},
		{math.MaxInt64, 18, "9.223372036854775807"}, {math.MinInt64, 19, "-0.9223372036854775808"}, {math.MinInt64, 20, "-0.09223372036854775808"},
	} {
		if got := string(appendDecimal([]byte("x"), c.v, c.scale)); got != "x"+c.want {
			t.Errorf("%d, scale %d: %s, want %s", c.v, c.scale, got[1:], c.want)
		}
	}
	dst := make([]byte, 0, 64)
	if n := testing.AllocsPerRun(10, func() { appendDecimal(dst, 5, 18) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

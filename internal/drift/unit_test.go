package drift

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// mapped are numbers turned into others.
func mapped(s sampleOf, by func(float64) float64) (to sampleOf) {
	for _, v := range s.numbers {
		to.numbers = append(to.numbers, by(v))
	}
	return to
}

func TestUnits(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 9))
	heavy := func(n int) (s sampleOf) { // distances: from 80 to 5000, half of them below 900
		for range n {
			s.numbers = append(s.numbers, 80+math.Exp(6.5+0.7*r.NormFloat64()))
		}
		return s
	}
	delays := func(n int) (s sampleOf) { // around -2, with a tail
		for range n {
			s.numbers = append(s.numbers, -2+5*r.NormFloat64()+math.Exp(1.5*r.NormFloat64()))
		}
		return s
	}
	times := func(n int, scale float64) (s sampleOf) {
		for i := range n {
			s.numbers = append(s.numbers, (1.36e9+3600*float64(i))*scale)
		}
		return s
	}
	for _, c := range []struct {
		name     string
		ref, cur sampleOf
		want     string // empty: no other unit
	}{
		{"°C as °F", normals(r, 3000, 55, 18, 0), mapped(normals(r, 900, 55, 18, 0), func(v float64) float64 { return (v - 32) / 1.8 }), "looks like °C read as °F"},
		{"°F as °C", normals(r, 3000, 12, 9, 0), mapped(normals(r, 900, 12, 9, 0), func(v float64) float64 { return v*1.8 + 32 }), "looks like °F read as °C"},
		{"K as °C", normals(r, 3000, 12, 9, 0), mapped(normals(r, 900, 12, 9, 0), func(v float64) float64 { return v + 273.15 }), "looks like K read as °C"},
		{"°C as °F, another week", normals(r, 3000, 55, 18, 0), mapped(normals(r, 900, 58, 17, 0), func(v float64) float64 { return (v - 32) / 1.8 }), "looks like °C read as °F"},
		{"km as mi", heavy(9000), mapped(heavy(5000), func(v float64) float64 { return v * 1.609344 }), "looks like km read as mi"},
		{"ft as m", heavy(9000), mapped(heavy(5000), func(v float64) float64 { return v / 0.3048 }), "looks like ft read as m"},
		{"inch as cm", heavy(9000), mapped(heavy(5000), func(v float64) float64 { return v / 2.54 }), "looks like inch read as cm"},
		{"1000 times", heavy(3000), mapped(heavy(900), func(v float64) float64 { return v * 1000 }), "looks like another unit: 1000 times as large"},
		{"a hundredth", heavy(3000), mapped(heavy(900), func(v float64) float64 { return v / 100 }), "looks like another unit: 1/100 as large"},
		{"seconds of delay", delays(9000), mapped(delays(5000), func(v float64) float64 { return v * 60 }), "looks like another unit: 60 times as large"},
		{"milliseconds", times(2000, 1), times(900, 1000), "looks like milliseconds since 1970 read as seconds"},
		{"seconds", times(2000, 1e6), times(900, 1), "looks like seconds since 1970 read as microseconds"},

		{"January and July", normals(r, 2000, 36, 10, 0), normals(r, 2000, 79, 7, 0), ""},
		{"dew point", normals(r, 2000, 26, 12, 0), normals(r, 2000, 66, 6, 0), ""},
		{"July and January", normals(r, 2000, 26, 4, 0), normals(r, 2000, 2, 5.6, 0), ""},
		{"pressure", normals(r, 2000, 1020, 8, 0), normals(r, 2000, 1013, 5, 0), ""},
		{"more delay", delays(3000), mapped(delays(900), func(v float64) float64 { return v*1.4 + 3 }), ""},
		{"more in few rows", heavy(900), mapped(heavy(300), func(v float64) float64 { return v * 1.6 }), ""},
		{"twice as much", heavy(9000), mapped(heavy(5000), func(v float64) float64 { return v * 2 }), ""},
		{"a half more", heavy(9000), mapped(heavy(5000), func(v float64) float64 { return v * 1.5 }), ""},
		{"wider only", normals(r, 3000, 0, 1, 0), normals(r, 900, 0, 3.28, 0), ""},
		{"later", times(2000, 1), mapped(times(900, 1), func(v float64) float64 { return v + 1e7 }), ""},
	} {
		got := only(t, comparedOf(measuredNumbers(t, "x", c.ref, c.cur)), Spec{})
		switch {
		case c.want == "" && got.Method == Unit:
			t.Errorf("%s: %q", c.name, got.Text)
		case c.want != "" && (got.Method != Unit || got.Verdict != Drift || !strings.HasPrefix(got.Text, c.want+", median ")):
			t.Errorf("%s: %s %q, not %q", c.name, got.Method, got.Text, c.want)
		case c.want != "" && (got.Value == nil || got.P == nil || got.Measures[1].Method != PSI):
			t.Errorf("%s: %+v", c.name, got.Measures)
		}
	}
}

// TestUnitMakesNoDrift: what is not drift is no change of unit.
func TestUnitMakesNoDrift(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 9))
	high := 100.0
	m := measuredNumbers(t, "x", normals(r, 500, 55, 18, 0), normals(r, 500, 13, 10, 0))
	if got := only(t, comparedOf(m), Spec{Threshold: &high}); got.Verdict != Stable || got.Method == Unit {
		t.Errorf("%s %s", got.Verdict, got.Method)
	}
}

func TestSpelling(t *testing.T) {
	for _, c := range []struct {
		ref, cur sampleOf
		want     string
	}{
		{sampleRepeated("1", 50, "2", 50), sampleRepeated("1.0", 50, "2.0", 50), "values are written another way: 1.0 for 1"},
		{sampleRepeated("AA", 50, "UA", 50), sampleRepeated("AA ", 50, "UA", 50), "values are written another way: AA  for AA"},
		{sampleRepeated("AA", 50, "UA", 50), sampleRepeated("aa", 50, "dl", 25, "wn", 25), ""},
		{sampleRepeated("AA", 50, "UA", 50), sampleRepeated("AA", 50, "UA", 50), ""},
	} {
		m := measuredWords(t, "x", c.ref, c.cur)
		if got := spelling(&m); got != c.want {
			t.Errorf("%q, not %q", got, c.want)
		}
	}
}

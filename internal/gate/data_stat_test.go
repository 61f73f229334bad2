package gate

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

const numbers = `x,k,t,day
1,a,ab,2013-01-01
2,a,abcd,2013-01-02
4,b,,2013-01-04
NaN,,x,
10,a,é,2013-01-05
inf,c,x,2013-01-01
`

const others = `x,k,t,day
1,a,ab,2013-01-01
2,a,abcd,2013-01-02
3,b,x,2013-01-04
`

// Values by hand, and by numpy and scipy for the rest.
func TestStatistics(t *testing.T) {
	w := dataWorld{"t.csv": numbers, "o.csv": others, "empty.csv": "x\n\n"}
	stat := func(name, stat, min, max string) Rule {
		r := column(name, func(r *Rule) { r.Stat = stat })
		if min != "" {
			r.Min = bounded(min)
		}
		if max != "" {
			r.Max = bounded(max)
		}
		return r
	}
	against := func(r Rule) Rule { r.Reference = "o.csv"; return r }
	for _, tc := range []struct {
		rule    Rule
		verdict Verdict
		text    string
	}{
		{stat("x", "mean", "4.25", "4.25"), Pass, "mean 4.250  4.25 to 4.25"},
		{stat("x", "sum", "17", "17"), Pass, "sum 17  17 to 17"},
		{stat("x", "var", "16", "17"), Pass, "var 16.250  16 to 17"},
		{stat("x", "std", "5", ""), Fail, "std 4.031  at least 5"},
		{stat("x", "min", "1", ""), Pass, "min 1  at least 1"},
		{stat("x", "max", "", "9"), Fail, "max 10  at most 9"},
		{stat("x", "range", "", "9"), Pass, "range 9  at most 9"},
		{stat("x", "skew", "", "0"), Fail, "skew 0.848  at most 0"},
		{stat("x", "kurtosis", "", "0"), Pass, "kurtosis -0.929  at most 0"},
		{stat("x", "max_z", "", "1"), Fail, "max_z 1.426  at most 1"},
		{stat("x", "median", "", "3"), Pass, "median 3  at most 3"},
		{stat("x", "q0.9", "", "3"), Fail, "q0.9 8.200  at most 3"},
		{stat("x", "iqr", "", "3"), Fail, "iqr 3.750  at most 3"},
		{stat("x", "nan_share", "", "10%"), Fail, "nan_share 16.7%  at most 10%"},
		{stat("x", "inf_share", "", "0.2"), Pass, "inf_share 0.167  at most 0.2"},
		{stat("k", "null_share", "", "10%"), Fail, "null_share 16.7%  at most 10%"},
		{stat("k", "nulls", "", "0"), Fail, "nulls 1  at most 0"},
		{stat("k", "distinct", "3", "3"), Pass, "distinct 3  3 to 3"},
		{stat("k", "distinct_share", "", "50%"), Fail, "distinct_share 60%  at most 50%"},
		{stat("k", "mode_share", "", "50%"), Fail, "mode_share 60%  at most 50%"},
		{column("k", func(r *Rule) { r.Stat, r.In, r.Min = "coverage", []any{"a", "z"}, bounded("100%") }), Fail, "coverage 50%  at least 100%"},
		{stat("t", "max_length", "", "3"), Fail, "max_length 4  at most 3"},
		{stat("t", "mean_length", "", "3"), Pass, "mean_length 1.800  at most 3"},
		{stat("day", "max", "", "2013-01-04"), Fail, "max 2013-01-05T00:00:00Z  at most 2013-01-04"},
		{stat("day", "distinct", "", "9"), Pass, "distinct 4  at most 9"},
		{against(stat("k", "tvd", "", "0.1")), Fail, "tvd 0.333  at most 0.1"},
		{against(stat("k", "psi", "", "0.1")), Fail, "psi 2.635  at most 0.1"},
		{against(stat("x", "ks", "", "0.3")), Fail, "ks 0.500  at most 0.3"},
		{against(stat("x", "wasserstein", "", "0.3")), Fail, "wasserstein 2.250  at most 0.3"},
	} {
		t.Run(tc.rule.Name+" "+tc.rule.Stat, func(t *testing.T) {
			found, troubles := judgeData(t, w, nil, tc.rule)
			if len(troubles) > 0 || len(found) != 1 {
				t.Fatalf("%d findings, errors %v", len(found), troubles)
			}
			if found[0].Verdict != tc.verdict || found[0].Text() != tc.text {
				t.Errorf("%s %q\nwant %s %q", found[0].Verdict, found[0].Text(), tc.verdict, tc.text)
			}
		})
	}
}

// Moments that come together from parts are those of the whole.
func TestMomentsMerge(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		all := make([]float64, 2+rng.IntN(300))
		for i := range all {
			all[i] = math.Exp(rng.NormFloat64() * 2)
		}
		whole, merged := momentsOf(all), momentsOf(nil)
		for rest := all; len(rest) > 0; {
			n := 1 + rng.IntN(len(rest))
			merged.merge(momentsOf(rest[:n]))
			rest = rest[n:]
		}
		for _, stat := range dataStats()["moments"] {
			a, b := whole.value(stat), merged.value(stat)
			if math.Abs(a-b) > 1e-9*max(1, math.Abs(a)) && !(math.IsNaN(a) && math.IsNaN(b)) {
				t.Errorf("%s of %d: %v whole, %v merged", stat, len(all), a, b)
			}
		}
	}
}

// Quantiles are exact, whether the values fit memory or not.
func TestQuantileOfSpill(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, room := range []int{0, 1 << 20} {
		s := newSpill(t.TempDir(), 1)
		s.room = room
		values := make([]float64, 30_000)
		for i := range values {
			values[i] = math.Round(rng.NormFloat64()*1000) / 8
			if err := s.addAll(0, []uint64{ordered(values[i])}); err != nil {
				t.Fatal(err)
			}
		}
		slices.Sort(values)
		for _, q := range []float64{0, 0.001, 0.25, 0.5, 0.99, 1} {
			at := q * float64(len(values)-1)
			low := int(at)
			want := values[low]
			if low+1 < len(values) {
				want += (values[low+1] - want) * (at - float64(low))
			}
			if got, err := s.quantile(int64(len(values)), q); err != nil || got != want {
				t.Errorf("room %d: q%v is %v, want %v (%v)", room, q, got, want, err)
			}
		}
		s.close()
	}
}

package drift

import (
	"errors"
	"math"
	"strings"
	"testing"
)

func TestParseRetirement(t *testing.T) {
	for text, want := range map[string]Retirement{
		"golden < 0.9 for 3 days": {0.9, "0.9", 3}, "golden<90% for 1 day": {0.9, "90%", 1}, "  golden  <  -1  for 365 days ": {-1, "-1", 365},
	} {
		if got, err := ParseRetirement(text); err != nil || got != want {
			t.Errorf("%q: %v %v", text, got, err)
		}
	}
	for text, why := range map[string]string{
		"": "it is empty", "silver < 0.9 for 3 days": `it begins with "silver"`, "golden > 0.9 for 3 days": "golden is followed by <",
		"golden <": "a limit is missing", "golden < much for 3 days": `"much" is no number or share`, "golden < NaN for 3 days": `"NaN" is no number`,
		"golden < 0.9": "followed by for", "golden < 0.9 for 3 weeks": "followed by for", "golden < 0.9 for 0 days": `"0" is no number of days from 1 to 365`,
		"golden < 0.9 for 3 days or so": "followed by for", "golden < 0.9 for 1e3 days": `"1e3" is no number of days`,
		strings.Repeat("golden ", 100): "longer than 200",
	} {
		if _, err := ParseRetirement(text); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestLow: days without rows neither count nor break, and nothing is asked beyond what decides.
func TestLow(t *testing.T) {
	const gap = -1
	for name, c := range map[string]struct {
		values     []float64 // the newest day first
		low, asked int
	}{
		"three low days":           {[]float64{0.8, 0.7, 0.6, 0.99}, 3, 3},
		"a good day ends it":       {[]float64{0.8, 0.95, 0.6, 0.5, 0.4}, 0, 2},
		"a good day now":           {[]float64{0.95, 0.6, 0.5, 0.4}, 0, 1},
		"at the limit is not low":  {[]float64{0.8, 0.7, 0.9}, 0, 3},
		"gaps":                     {[]float64{gap, 0.8, gap, gap, 0.7, 0.6}, 3, 6},
		"too few days":             {[]float64{0.8, 0.7}, 0, 2},
		"nothing":                  {nil, 0, 0},
		"nothing but gaps":         {[]float64{gap, gap, gap, gap}, 0, 4},
		"a good day behind a gap":  {[]float64{0.8, gap, 0.95, 0.7, 0.6}, 0, 3},
		"three low days and a gap": {[]float64{0.8, 0.7, gap, 0.6}, 3, 4},
	} {
		asked := 0
		low, err := Retirement{Limit: 0.9, Days: 3}.Low(func(yield func(GoldenDay, error) bool) {
			for i := range c.values {
				d := GoldenDay{Value: &c.values[i]}
				if c.values[i] == gap {
					d.Value = nil
				}
				asked++
				if !yield(d, nil) {
					return
				}
			}
		})
		if err != nil || len(low) != c.low || asked != c.asked {
			t.Errorf("%s: %d low, asked %d, %v", name, len(low), asked, err)
		}
	}
	failed := errors.New("the model is gone")
	if _, err := (Retirement{Days: 1}).Low(func(yield func(GoldenDay, error) bool) { yield(GoldenDay{}, failed) }); !errors.Is(err, failed) {
		t.Error(err)
	}
}

func TestEnough(t *testing.T) {
	r := Retirement{Limit: 0.9}
	for name, c := range map[string]struct {
		b    Better
		want bool
	}{
		"certainly better":               {Better{Value: 0.8, Other: 0.6, Interval: &[2]float64{0.1, 0.3}}, true},
		"better and good":                {Better{Value: 0.95, Other: 0.85, Interval: &[2]float64{-0.01, 0.2}}, true},
		"better, and below the limit":    {Better{Value: 0.85, Other: 0.8, Interval: &[2]float64{-0.01, 0.2}}, false},
		"as good":                        {Better{Value: 0.95, Other: 0.95}, false},
		"worse":                          {Better{Value: 0.5, Other: 0.6, Interval: &[2]float64{-0.2, -0.05}}, false},
		"no interval, better and good":   {Better{Value: 0.95, Other: 0.5}, true},
		"no interval, below the limit":   {Better{Value: 0.85, Other: 0.5}, false},
		"the lower bound is not above 0": {Better{Value: 0.85, Other: 0.8, Interval: &[2]float64{0, 0.2}}, false},
	} {
		if got := r.Enough(c.b); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestDayBefore: days are those of the calendar, of whatever length.
func TestDayBefore(t *testing.T) {
	if got := (Day{2026, 3, 1}).Before(1).String(); got != "2026-02-28" {
		t.Error(got)
	}
	if got := (Day{2026, 11, 2}).Before(2).String(); got != "2026-10-31" {
		t.Error(got)
	}
}

func FuzzParseRetirement(f *testing.F) {
	f.Add("golden < 0.9 for 3 days")
	f.Add("golden<90%for")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRetirement(text)
		if err == nil && (r.Days < 1 || r.Days > maxRetireDays || math.IsNaN(r.Limit)) {
			t.Errorf("%q: %+v", text, r)
		}
	})
}

// TestEnoughOfDays: with few days the interval of rows alone is not enough, and with many that of days is.
func TestEnoughOfDays(t *testing.T) {
	rule := Retirement{Limit: 0.9, Text: "0.9", Days: 3}
	above, across := &[2]float64{0.02, 0.2}, &[2]float64{-0.02, 0.2}
	for _, c := range []struct {
		name string
		b    Better
		want bool
	}{
		{"keeps the limit", Better{Value: 0.95, Other: 0.85, Interval: across, Days: 3, DaysWon: 2}, true},
		{"below it, and one day was lost", Better{Value: 0.85, Other: 0.75, Interval: above, Days: 3, DaysWon: 2}, false},
		{"below it, and better every day", Better{Value: 0.85, Other: 0.75, Interval: above, Days: 3, DaysWon: 3}, true},
		{"below it, by days", Better{Value: 0.85, Other: 0.75, Interval: above, Days: 7, Clustered: true}, true},
		{"uncertain", Better{Value: 0.85, Other: 0.75, Interval: across, Days: 7, Clustered: true}, false},
		{"worse", Better{Value: 0.7, Other: 0.75, Days: 3}, false},
	} {
		if got := rule.Enough(c.b); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

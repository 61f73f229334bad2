package drift

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"
)

func drawnOf(t *testing.T, s Source, d drawer, seed uint64) *drawing {
	t.Helper()
	d.category = make([]bool, len(d.columns))
	got, err := d.draw(t.Context(), s, seed)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func drawnNumbers(d *drawing) []float64 {
	all := make([]float64, len(d.cells))
	for i, c := range d.cells {
		all[i] = math.Float64frombits(c)
	}
	slices.Sort(all)
	return all
}

// TestDraw draws each row as often as any other.
func TestDraw(t *testing.T) {
	const rows, most, times = 200, 20, 2000
	s := madeSource(t, "x", rows, func(i int) string { return fmt.Sprint(i) })
	var seen [rows]int
	for seed := range times {
		d := drawnOf(t, s, drawer{columns: []string{"x"}, most: most}, uint64(seed))
		values := drawnNumbers(d)
		if d.rows != most || d.seen != rows || len(slices.Compact(values)) != most {
			t.Fatalf("%d rows of %d: %v", d.rows, d.seen, values)
		}
		for _, v := range values {
			seen[int(v)]++
		}
	}
	chi2, want := 0.0, float64(times*most)/rows
	for _, n := range seen {
		chi2 += (float64(n) - want) * (float64(n) - want) / want
	}
	if chi2 > 290 { // of 199 degrees: 1 in 30,000
		t.Errorf("chi-square %v: %v", chi2, seen)
	}
}

func TestDrawSomeRows(t *testing.T) {
	s := madeSource(t, "at,x", 96, func(i int) string {
		return time.Date(2013, 3, 9, i, 0, 0, 0, time.UTC).Format("2006-01-02T15:04:05") + "," + fmt.Sprint(i)
	})
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	between := func(from, to int, zone *time.Location) Rows {
		return Rows{Time: "at", From: time.Date(2013, 3, from, 0, 0, 0, 0, zone), To: time.Date(2013, 3, to, 0, 0, 0, 0, zone), Zone: zone}
	}
	for _, c := range []struct {
		name           string
		rows           Rows
		first, last, n int
	}{
		{"all", Rows{}, 0, 95, 96},
		{"skip and limit", Rows{Skip: 10, Limit: 5}, 10, 14, 5},
		{"skip all", Rows{Skip: 100}, 0, 0, 0},
		{"a day", between(10, 11, time.UTC), 24, 47, 24},
		{"a day of naive times is 24 hours where the clock is put forward", between(10, 11, zone), 24, 47, 24},
		{"the second hour of a day", Rows{Time: "at", From: time.Date(2013, 3, 10, 0, 0, 0, 0, time.UTC), Skip: 1, Limit: 1}, 25, 25, 1},
	} {
		s.Rows = c.rows
		d := drawnOf(t, s, drawer{columns: []string{"x"}, most: 1000}, 1)
		values := drawnNumbers(d)
		if d.rows != c.n || int(d.seen) != c.n || c.n > 0 && (values[0] != float64(c.first) || values[c.n-1] != float64(c.last)) {
			t.Errorf("%s: %d rows, %v", c.name, d.rows, values)
		}
	}
}

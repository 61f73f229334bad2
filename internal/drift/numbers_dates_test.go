package drift

import (
	"strings"
	"testing"
	"time"
)

// TestDatesAreSeconds: dates are seconds since 1970 as times are, of a table or of its profile, and are told as what they are.
func TestDatesAreSeconds(t *testing.T) {
	first := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	side := func(from int, layout string) Source {
		return madeSource(t, "at", 200, func(i int) string { return first.AddDate(0, 0, from+i%50).Format(layout) })
	}
	dates, later, times := side(0, time.DateOnly), side(30, time.DateOnly), side(30, time.RFC3339)
	spec := completed(t, Spec{Schema: SchemaIgnore})
	for name, sides := range map[string][2]Source{
		"dates": {dates, later}, "profile": {profileSource(t, dates, 0), later}, "times": {dates, times}, "profile and times": {profileSource(t, dates, 0), times},
	} {
		c, err := Compare(t.Context(), sides[0], sides[1], spec, Options{Temp: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		m := c.Columns[0]
		for i, s := range []Summary{m.Reference, m.Current} {
			if low := float64(first.AddDate(0, 0, 30*i).Unix()); *s.Min != low || *s.Max != low+49*86_400 || *s.Mean != low+24.5*86_400 {
				t.Errorf("%s: side %d is %v to %v about %v, want it from %v", name, i, *s.Min, *s.Max, *s.Mean, low)
			}
		}
		if edge := m.Bins.Edges[0]; edge < *m.Reference.Min || edge > *m.Reference.Max {
			t.Errorf("%s: bins begin at %v", name, edge)
		}
		if text := c.Judge(spec, first).Columns[0].Text; !strings.HasPrefix(text, "median 2026-01-25 -> 2026-02-24") {
			t.Errorf("%s: %s", name, text)
		}
	}
}

package drift

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"mlx/internal/dataset"
)

// dayTable is a CSV of days: temperatures that the days have in common, one of 80 places, and perhaps a new one.
func dayTable(r *rand.Rand, first, days int, temp func(float64) float64, fresh bool) string {
	var b strings.Builder
	b.WriteString("at,temp,place\n")
	for day := range days {
		mean := 55 + 10*r.NormFloat64()
		for hour := range 24 {
			place := fmt.Sprintf("p%02d", r.IntN(80))
			if fresh && hour%6 == 0 {
				place = "new"
			}
			at := time.Date(2026, 3, first+day, hour, 0, 0, 0, time.UTC)
			fmt.Fprintf(&b, "%s,%.2f,%s\n", at.Format(time.RFC3339), temp(mean+8*r.NormFloat64()), place)
		}
	}
	return b.String()
}

// TestJudgedFiles goes from files to answers.
func TestJudgedFiles(t *testing.T) {
	r := rand.New(rand.NewPCG(17, 18))
	same := func(v float64) float64 { return v }
	ref := csvSource(t, dayTable(r, 1, 60, same, false), dataset.Options{})
	for _, c := range []struct {
		name        string
		cur         string
		temp, place string
	}{
		{"the same", dayTable(r, 70, 7, same, false), "pass median ", "pass "},
		{"another unit", dayTable(r, 70, 7, func(v float64) float64 { return (v - 32) / 1.8 }, false), "fail looks like °C read as °F, median ", "pass "},
		{"a new place", dayTable(r, 70, 7, same, true), "pass median ", "fail new "},
		{"three days", dayTable(r, 70, 3, same, true), "inconclusive 3 days, 5 are needed", "inconclusive 3 days, 5 are needed"},
	} {
		spec := completed(t, Spec{Time: "at"})
		a := comparedTables(t, ref, csvSource(t, c.cur, dataset.Options{}), spec, Options{}).Judge(spec, time.Unix(0, 0))
		if a.Grouped != "day" || len(a.Columns) != 2 || len(a.Notes) != 0 {
			t.Fatalf("%s: %q %d %q", c.name, a.Grouped, len(a.Columns), a.Notes)
		}
		for i, want := range []string{c.temp, c.place} {
			if got := string(a.Columns[i].Verdict) + " " + a.Columns[i].Text; !strings.HasPrefix(got, want) {
				t.Errorf("%s: %s: %q, not %q", c.name, a.Columns[i].Name, got, want)
			}
		}
	}
}

package drift

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// tableOfColumn is a CSV table of one column, and of another that is the same on both sides.
func tableOfColumn(n int, value func(i int) string) string {
	var b strings.Builder
	b.WriteString("x,same\n")
	for i := range n {
		fmt.Fprintf(&b, "%s,%d\n", value(i), i%7)
	}
	return b.String()
}

func TestColumnsThatNameRows(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	number := func(from int) func(int) string { return func(i int) string { return fmt.Sprint(from + i) } }
	stamp := func(from int64) func(int) string {
		return func(i int) string { return time.Unix(from+int64(i)*7, 0).UTC().Format(time.RFC3339) }
	}
	slow := func(scale float64) func(int) string {
		return func(int) string { return fmt.Sprint(int64(scale * r.ExpFloat64())) }
	}
	for name, c := range map[string]struct {
		n        int
		ref, cur func(int) string
		want     Verdict
		weight   float64
	}{
		"numbers of rows":            {500, number(1), number(90_000), CannotTell, 0},
		"numbers with gaps":          {500, func(i int) string { return fmt.Sprint(3*i + r.IntN(3)) }, func(i int) string { return fmt.Sprint(5000 + 9*i + r.IntN(9)) }, CannotTell, 0},
		"texts":                      {500, func(i int) string { return fmt.Sprintf("a%x", i) }, func(i int) string { return fmt.Sprintf("b%x", i) }, CannotTell, 0},
		"times":                      {500, stamp(1_700_000_000), stamp(1_710_000_000), CannotTell, 0},
		"too few to say":             {99, number(1), number(90_000), Drift, 1},
		"one of them twice":          {500, number(1), func(i int) string { return fmt.Sprint(90_000 + max(i, 1)) }, Drift, 1},
		"measured in floating point": {500, func(i int) string { return fmt.Sprintf("%d.5", i) }, func(i int) string { return fmt.Sprintf("%d.5", i+9000) }, Drift, 1},
		"measured in nanoseconds":    {500, slow(1e12), slow(3e12), Drift, 1},
	} {
		t.Run(name, func(t *testing.T) {
			ref := Source{Name: "a.csv", Table: csvTable(t, "a.csv", tableOfColumn(c.n, c.ref))}
			cur := Source{Name: "b.csv", Table: csvTable(t, "b.csv", tableOfColumn(c.n, c.cur))}
			spec := completed(t, Spec{})
			compared, err := Compare(context.Background(), ref, cur, spec, Options{Temp: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			a := compared.Judge(spec, time.Unix(0, 0))
			if x := a.Columns[0]; x.Verdict != c.want || x.Weight != c.weight || (x.Why == namesRowsWhy) != (c.weight == 0) {
				t.Errorf("%s, weight %v: %s", x.Verdict, x.Weight, x.Text)
			}
			if want := map[bool]Verdict{true: Stable, false: Drift}[c.weight == 0]; a.Verdict != want {
				t.Errorf("the table: %s, want %s (%s)", a.Verdict, want, a.Why)
			}
		})
	}
}

func TestNamesAloneSayNothing(t *testing.T) {
	text := func(from int) string {
		var b strings.Builder
		b.WriteString("id\n")
		for i := range 200 {
			fmt.Fprintln(&b, from+i)
		}
		return b.String()
	}
	spec := completed(t, Spec{})
	compared, err := Compare(context.Background(), Source{Name: "a.csv", Table: csvTable(t, "a.csv", text(1))},
		Source{Name: "b.csv", Table: csvTable(t, "b.csv", text(900))}, spec, Options{Temp: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if a := compared.Judge(spec, time.Unix(0, 0)); a.Verdict != CannotTell || a.Why != namesRowsWhy {
		t.Errorf("%s: %s", a.Verdict, a.Why)
	}
}

package drift

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

// TestLateKeys: a key of JSON that comes after what was looked at first is a column as any other.
func TestLateKeys(t *testing.T) {
	side := func(late string) Source {
		var b strings.Builder
		for i := range 60_000 {
			if i < 40_000 {
				fmt.Fprintf(&b, "{\"x\":%d}\n", i%100)
				continue
			}
			fmt.Fprintf(&b, "{\"x\":%d,\"late\":%s%d}\n", i%100, late, i%7)
		}
		return sourceOf(t, "a.jsonl", b.String())
	}
	c, err := Compare(t.Context(), side(""), side("1"), Spec{}, Options{Temp: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Columns) != 2 || c.Columns[1].Name != "late" || c.Columns[1].Reference.Missing != 40_000 || !(c.Columns[1].Distances[PSI].Value > 1) || len(c.Schema) > 0 {
		t.Errorf("%+v, %v", c.Columns, c.Schema)
	}
}

// TestLargeNumbers: numbers whose squares are none have no distance in standard deviations, and it is not 0.
func TestLargeNumbers(t *testing.T) {
	side := func(by float64) Source {
		return madeSource(t, "x", 100, func(i int) string { return fmt.Sprint(by * float64(i-30) * 1e200) })
	}
	c, err := Compare(t.Context(), side(1), side(2), Spec{}, Options{Temp: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	d := c.Columns[0].Distances
	if !math.IsNaN(d[Wasserstein].Value) || !(d[KS].Value > 0.1) || !(d[PSI].Value > 0.1) {
		t.Error(d)
	}
}

// TestTypeSaysWhere: one wrong word makes a column a text, and its line is named.
func TestTypeSaysWhere(t *testing.T) {
	ref := madeSource(t, "x,y", 50, func(i int) string { return fmt.Sprint(i, ".5,a") })
	cur := madeSource(t, "x,y", 50, func(i int) string { return fmt.Sprint(map[bool]string{true: "oops", false: "1.5"}[i == 20], ",a") })
	c, err := Compare(t.Context(), ref, cur, Spec{}, Options{Temp: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Schema) != 1 || schemaText(c.Schema[0]) != "x was float and is text (line 22 of a.csv)" || len(c.Columns) != 1 {
		t.Errorf("%+v", c.Schema)
	}
}

package dataset

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

// smooth is a table of columns of many values.
func smooth(rng *rand.Rand, rows, columns int) (*Batch, Schema) {
	b := &Batch{Rows: rows}
	var schema Schema
	for k := range columns {
		c := Column{Field: Field{Name: fmt.Sprint("c", k), Type: Float}}
		for range rows {
			x := rng.NormFloat64()
			switch k % 4 {
			case 1:
				x = rng.Float64() * 100
			case 2:
				x = rng.NormFloat64() / rng.Float64()
			case 3:
				if x < 0 {
					x = 0
				}
			}
			c.Floats = append(c.Floats, x)
		}
		b.Columns = append(b.Columns, c)
		schema = append(schema, c.Field)
	}
	return b, schema
}

// TestProfileCompact: a kept profile of 20 columns has at most 1 MB, no rank is off by more than stated, and coarse cells, means and
// counts are what they were; also of those that are merged.
func TestProfileCompact(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 7))
	b, schema := smooth(rng, 60_000, 20)
	whole := profiled(t, tableOf(2, schema, b), ProfileOptions{})
	var parts *Profile
	for _, part := range cuts(rng, b, 2) {
		p := profiled(t, tableOf(2, schema, part), ProfileOptions{})
		p = p.Compact()
		if parts == nil {
			parts = p
		} else if err := parts.Merge(p, [2]string{"a", "b"}); err != nil {
			t.Fatal(err)
		}
	}
	before := whole.Columns()
	full := encoded(t, whole)
	doc := encoded(t, whole.Compact())
	if !bytes.Equal(encoded(t, whole), full) {
		t.Error("what was made compact is another profile now")
	}
	if len(doc) > 1_000_000 {
		t.Errorf("a profile of 20 columns has %d bytes", len(doc))
	}
	again, err := DecodeProfile(doc)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(encoded(t, again), doc) {
		t.Error("a profile that was read is another one")
	}
	for name, p := range map[string]*Profile{"kept": again, "merged": parts} {
		for i, c := range p.Columns() {
			if !reflect.DeepEqual(flat(c.CoarseCells()), flat(before[i].CoarseCells())) {
				t.Errorf("%s: coarse cells of %s are not what they were", name, c.Name)
			}
			if c.Mean() != before[i].Mean() || c.Zeros != before[i].Zeros || c.Count != before[i].Count {
				t.Errorf("%s: %s: mean %v, want %v", name, c.Name, c.Mean(), before[i].Mean())
			}
			if name == "kept" && (c.RankError == 0 || c.RankError > 8.1e-5) {
				t.Errorf("a rank of %s can be off by %g", c.Name, c.RankError)
			}
		}
	}
}

// flat leaves of cells where they begin and how much they hold: that a cell holds one value only can be forgotten.
func flat(cells []ProfileCell) (all [][2]float64) {
	for _, c := range cells {
		all = append(all, [2]float64{0, float64(c.Count)})
	}
	return all
}

func TestProfileOfOldKind(t *testing.T) {
	_, err := DecodeProfile([]byte(`{"kind":"profile.data/v1","rows":1}`))
	if err == nil || !strings.Contains(err.Error(), "it is not of the kind profile.data/v2") {
		t.Errorf("an old profile: %v", err)
	}
	if !IsProfile([]byte(`{"kind":"profile.data/v1","rows":1}`)) {
		t.Error("an old profile is taken for a table")
	}
}

package lineage

import (
	"slices"
	"testing"
)

// TestTailGrows: a reader that looks after each record of several writers adds what is new to what it knows, and sees what one sees that reads all
// at once, also when segments are sealed in between.
func TestTailGrows(t *testing.T) {
	reader := fresh(t)
	writers := []*Ledger{open(t, reader.opts.Dir), open(t, reader.opts.Dir)}
	ids := func(l *Ledger) (all []string) {
		for _, r := range selected(t, l, Query{Where: "metrics.auc >= 0.5"}) {
			all = append(all, r.ID.Hex())
		}
		return all
	}
	want := 0
	for i := range 150 {
		addRuns(t, writers[i%2], 1)
		want++
		if got := ids(reader); len(got) != want {
			t.Fatalf("%d records after %d", len(got), want)
		}
		if n := len(reader.tail.parts); n > 8 {
			t.Fatalf("%d parts for %d records", n, want)
		}
		if i == 70 || i == 111 {
			if err := writers[0].Seal(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	got, all := ids(reader), ids(open(t, reader.opts.Dir))
	slices.Sort(got)
	slices.Sort(all)
	if !slices.Equal(got, all) {
		t.Error("who has looked all the time sees other records")
	}
	if len(slices.Compact(got)) != want {
		t.Error("a record is seen twice")
	}
}

// TestTailKeepsWhatItKnows: nothing that was read is read into an index again for one record more.
func TestTailKeepsWhatItKnows(t *testing.T) {
	l := fresh(t)
	addRuns(t, l, 100)
	selected(t, l, Query{})
	first := l.tail.parts[0]
	addRuns(t, l, 3)
	if got := selected(t, l, Query{}); len(got) != 103 || len(l.tail.parts) < 2 || l.tail.parts[0] != first {
		t.Errorf("%d records in %d parts", len(got), len(l.tail.parts))
	}
	addRuns(t, l, 60)
	if got := selected(t, l, Query{}); len(got) != 163 || len(l.tail.parts) != 1 {
		t.Errorf("%d records in %d parts: what is not much larger is made one with what is new", len(got), len(l.tail.parts))
	}
}

package lineage

import "testing"

// TestSteady: reads with one context see the ledger as it was at the first of them, before and after sealing; other reads see
// what is there.
func TestSteady(t *testing.T) {
	l := open(t, t.TempDir())
	add := func(n int) Record {
		t.Helper()
		recs, err := l.AppendAll(t.Context(), Draft{Kind: "note.made/v1", Body: map[string]any{"n": n}})
		if err != nil {
			t.Fatal(err)
		}
		return recs[0]
	}
	count := func(steady bool) int {
		t.Helper()
		ctx := t.Context()
		if steady {
			ctx = Steady(ctx)
		}
		n, err := l.Count(ctx, Query{})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	first := add(1)
	ctx := Steady(t.Context())
	for round, change := range []func(){
		func() {},
		func() { add(2) },
		func() {
			if err := l.Seal(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
		func() { add(3) },
	} {
		change()
		n, err := l.Count(Steady(ctx), Query{}) // steady already: the same moment
		if err != nil || n != 1 {
			t.Errorf("round %d: %d records, %v; want the one of before", round, n, err)
		}
		if rec, err := l.Get(ctx, first.ID); err != nil || rec.ID != first.ID {
			t.Errorf("round %d: the record of before: %v", round, err)
		}
	}
	if n := count(false); n != 3 {
		t.Errorf("now: %d records, want 3", n)
	}
	if n := count(true); n != 3 {
		t.Errorf("another moment: %d records, want 3", n)
	}
	late := add(4)
	if _, err := l.Get(ctx, late.ID); err == nil {
		t.Error("a record of later is seen")
	}
	if _, err := l.Get(unsteady(ctx), late.ID); err != nil {
		t.Error(err)
	}
}

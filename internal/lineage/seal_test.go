package lineage

import (
	"os"
	"slices"
	"testing"

	"mlx/internal/lineage/internal/segment"
	"mlx/internal/object"
)

func logged(t *testing.T, l *Ledger) []sealed {
	t.Helper()
	o, _, err := l.lastOrder()
	if err != nil {
		t.Fatal(err)
	}
	return o.Packs
}

func allFacts(t *testing.T, l *Ledger, packs []sealed) (out []fact) {
	t.Helper()
	for _, s := range packs {
		facts, _, err := l.readPack(s.Pack)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, facts...)
	}
	return out
}

// A merged pack that is not in the log yet looks like a leftover. Another sealer condemns it; the one that made it must notice, else the log
// would name a pack that is about to be removed. (The crash harness has found this one.)
func TestMergeThatIsTakenForALeftover(t *testing.T) {
	for _, removed := range []bool{false, true} {
		a := fresh(t)
		for range 3 {
			addRuns(t, a, 4)
			if err := a.Seal(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		run := logged(t, a)
		packs, err := a.writePacks(t.Context(), allFacts(t, a, run))
		if err != nil {
			t.Fatal(err)
		}
		b := open(t, a.opts.Dir)
		addRuns(t, b, 1)
		if err := b.Seal(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(a.packPath(packs[0].Pack)); !os.IsNotExist(err) {
			t.Fatalf("the leftover is still there: %v", err)
		}
		if !removed { // condemned, but the remover has not come to it
			if err := os.WriteFile(a.packPath(packs[0].Pack), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if done, err := a.replaceRun(packIDs(run), packs); done || err != nil {
			t.Fatalf("removed %v: a condemned pack was listed, %v", removed, err)
		}
		if got := logged(t, a); !slices.Equal(got[:3], run) {
			t.Errorf("removed %v: the log has changed", removed)
		}
	}
}

// Two sealers pack the same segment, because the first seemed dead: the log takes each record once.
func TestTwoSealersOfOneSegment(t *testing.T) {
	a := fresh(t)
	recs := addRuns(t, a, 5)
	base := segment.Base(a.seg.Name())
	path, mine, err := segment.Claim(a.path(segFolder), base)
	if err != nil || !mine {
		t.Fatal(mine, err)
	}
	facts, err := readClaimed([]string{path}, map[string]bool{}, false)
	if err != nil || len(facts) != 5 {
		t.Fatal(len(facts), err)
	}
	b := open(t, a.opts.Dir)
	if err := b.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.addPacks(t.Context(), facts, nil, &order{}); err != nil {
		t.Fatal(err)
	}
	if got := logged(t, a); len(got) != 1 || got[0].Records != 5 {
		t.Errorf("%+v", got)
	}
	if n, err := a.Count(t.Context(), Query{}); n != len(recs) || err != nil {
		t.Errorf("%d records, %v", n, err)
	}
}

// A sealer takes a pack of repeated records for a stray and is about to condemn it, when the pack's own sealer, which was
// slow and not dead, puts it into the log. It must not be condemned any more: the log would name a pack that is gone.
func TestStrayThatIsListedMeanwhile(t *testing.T) {
	l := fresh(t)
	recs := addRuns(t, l, 5)
	if err := l.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	again, err := l.writePacks(t.Context(), []fact{{recs[0].ID, recs[0].Raw}})
	if err != nil || len(again) != 1 {
		t.Fatal(again, err)
	}
	b := &addition{l: l, ctx: t.Context(), strays: packIDs(again), without: &order{}, checked: map[object.Digest]bool{}}
	before, _, err := l.lastOrder()
	if err != nil {
		t.Fatal(err)
	}
	if changed, err := b.change(&before); !changed || err != nil || len(before.Replaced) != 1 {
		t.Fatalf("the stray is not condemned: %v, %+v, %v", changed, before, err)
	}
	err = l.reorder(func(o *order) (bool, error) { // its own sealer is first
		o.Packs = append(o.Packs, again...)
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	now, _, err := l.lastOrder()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.change(&now); err != nil || len(now.Replaced) != 0 || len(b.replaced) != 0 {
		t.Errorf("a pack of the log is condemned: %+v, %v", now.Replaced, err)
	}
}

// A sealer that dies between any two steps leaves what the next one completes: nothing lost, nothing twice.
func TestSealerThatDies(t *testing.T) {
	steps := []string{"claimed", "packed", "logged"}
	for i, step := range steps {
		l := fresh(t)
		recs := addRuns(t, l, 5)
		path, _, err := segment.Claim(l.path(segFolder), segment.Base(l.seg.Name()))
		if err != nil {
			t.Fatal(err)
		}
		facts, err := readClaimed([]string{path}, map[string]bool{}, false)
		if err == nil && i == 1 {
			_, err = l.writePacks(t.Context(), facts)
		}
		if err == nil && i == 2 {
			err = l.addPacks(t.Context(), facts, nil, &order{})
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, when := range []string{"dead", "sealed"} {
			o := open(t, l.opts.Dir)
			if n, err := o.Count(t.Context(), Query{All: true}); n != len(recs) || err != nil {
				t.Errorf("%s, %s: %d records, %v", step, when, n, err)
			}
			if size, _, err := o.Head(t.Context()); size != uint64(len(recs)) || err != nil {
				t.Errorf("%s, %s: %d leaves, %v", step, when, size, err)
			}
			if err := o.Seal(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if left, err := segment.Names(l.path(segFolder)); len(left) != 0 || err != nil {
			t.Errorf("%s: segments %v are left, %v", step, left, err)
		}
		if got := logged(t, l); len(got) != 1 || got[0].Records != len(recs) {
			t.Errorf("%s: the log has %+v", step, got)
		}
	}
}

func TestLogEntriesThatFillAGap(t *testing.T) {
	l := fresh(t)
	addRuns(t, l, 1)
	if err := l.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range keepLog + 10 {
		if err := l.reorder(func(*order) (bool, error) { return true, nil }); err != nil {
			t.Fatal(err)
		}
	}
	seqs, err := l.seqs()
	if err != nil || len(seqs) != keepLog || seqs[len(seqs)-1] != keepLog+11 {
		t.Fatalf("%d entries kept, %v", len(seqs), err)
	}
	// A sealer that slept since entry 1 was the newest makes entry 2 again: it wins that number, and must not believe it.
	calls := 0
	stale, _, err := l.lastOrder()
	if err != nil {
		t.Fatal(err)
	}
	stale.Seq = 1
	err = l.reorder(func(o *order) (bool, error) {
		if calls++; calls == 1 {
			*o = stale
		}
		o.Replaced = append(o.Replaced, object.Sum([]byte("x")))
		return true, nil
	})
	if err != nil || calls != 2 {
		t.Errorf("tried %d times, %v", calls, err)
	}
}

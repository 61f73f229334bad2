package lineage

import (
	"iter"
	"slices"
	"testing"

	"mlx/internal/object"
)

func never(object.Digest) bool { return false }

func exported(t testing.TB, l *Ledger, known func(object.Digest) bool) (out []SyncPack) {
	t.Helper()
	for p, err := range l.Export(t.Context(), known) {
		if err != nil {
			t.Fatal(err)
		}
		if object.Sum(p.Data) != p.Pack || len(p.IDs) != p.Records {
			t.Fatalf("pack %s is not what it says", p.Pack.Short())
		}
		if ids, err := PackIDs(p.Data); err != nil || !slices.Equal(ids, p.IDs) {
			t.Fatalf("pack %s: %v", p.Pack.Short(), err)
		}
		out = append(out, p)
	}
	return out
}

func each(packs []SyncPack) iter.Seq2[SyncPack, error] {
	return func(yield func(SyncPack, error) bool) {
		for _, p := range packs {
			if !yield(p, nil) {
				return
			}
		}
	}
}

func leavesOf(t testing.TB, l *Ledger) []object.Digest {
	t.Helper()
	ids, _, err := l.leaves(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func TestExportImport(t *testing.T) {
	a, b := fresh(t), fresh(t)
	addRuns(t, a, 2500)
	packs := exported(t, a, never)
	ids, added, err := b.ImportAll(t.Context(), each(packs))
	if err != nil || added != 2500 || !slices.Equal(ids, leavesOf(t, a)) || !slices.Equal(ids, leavesOf(t, b)) {
		t.Fatal(len(ids), added, err)
	}
	if _, added, err = b.ImportAll(t.Context(), each(packs)); added != 0 || err != nil {
		t.Fatal(added, err)
	}
	known, n, err := b.Known(t.Context())
	if err != nil || n != 2500 || len(exported(t, a, known)) != 0 {
		t.Fatal(n, err)
	}
	addRuns(t, a, 10)
	more := exported(t, a, known)
	if len(more) != 1 || more[0].Records != 10 {
		t.Fatal(more)
	}
	if report, err := b.Verify(t.Context(), nil); err != nil || !report.OK() || report.Records != 2500 || len(report.Notes) > 0 {
		t.Fatal(report, err)
	}
}

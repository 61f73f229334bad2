package lineage

import (
	"fmt"
	"slices"
	"testing"

	"mlx/internal/object"
)

// TestInputs: of many digests, the current records that name one of them in In, not those that have it in their body alone.
func TestInputs(t *testing.T) {
	l := fresh(t)
	sum := func(i int) object.Digest { return object.Sum(fmt.Append(nil, i)) }
	said := func(target, n int, prev ...object.Digest) Record {
		return add(t, l, tagKind(), Entry[tagBody]{Body: tagBody{Name: fmt.Sprint(n)}, Prev: prev, In: []Input{{Role: "target", ID: sum(target)}}})
	}
	var last [8]Record
	for target := range last {
		for n := range target % 3 {
			last[target] = said(target, n)
		}
	}
	last[4] = said(4, 9, last[4].ID) // what it replaces is not current any more
	if _, err := l.AppendAll(t.Context(), Draft{Kind: "run.ended/v1", Body: map[string]any{"key": sum(2)}, In: []Input{{Role: "data", ID: sum(5)}}}); err != nil {
		t.Fatal(err)
	}
	stages(t, l, func(t *testing.T, l *Ledger) {
		for _, c := range []struct {
			q    Query
			want []string
		}{
			{Query{Inputs: []object.Digest{}}, nil},
			{Query{Inputs: []object.Digest{sum(0), sum(77)}}, nil},
			{Query{Inputs: []object.Digest{sum(4)}}, []string{last[4].ID.Hex()}},
			{Query{Inputs: []object.Digest{sum(4)}, All: true, Limit: 1}, []string{last[4].ID.Hex()}},
			{Query{Inputs: []object.Digest{sum(7), sum(1), sum(7)}, Nouns: []string{"tag"}}, []string{last[7].ID.Hex(), last[1].ID.Hex()}},
			{Query{Inputs: []object.Digest{sum(2), sum(5)}, Nouns: []string{"tag"}, Where: `name == "1"`}, []string{last[5].ID.Hex(), last[2].ID.Hex()}},
			{Query{Inputs: []object.Digest{sum(5)}, Nouns: []string{"gate"}}, nil},
		} {
			var got []string
			for _, r := range selected(t, l, c.q) {
				got = append(got, r.ID.Hex())
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%+v: %v, want %v", c.q, got, c.want)
			}
			if n, err := l.Count(t.Context(), c.q); err != nil || n != len(selected(t, l, Query{Inputs: c.q.Inputs, Nouns: c.q.Nouns, Where: c.q.Where, All: c.q.All})) {
				t.Errorf("%+v: counted %d, %v", c.q, n, err)
			}
		}
	})
}

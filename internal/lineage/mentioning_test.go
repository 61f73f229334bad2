package lineage

import (
	"fmt"
	"slices"
	"testing"

	"mlx/internal/object"
)

// TestMentioning: of many digests, the records of one kind that hold them in their body, before and after sealing.
func TestMentioning(t *testing.T) {
	l := open(t, t.TempDir())
	var ids []object.Digest
	sum := func(i int) object.Digest { return object.Sum(fmt.Append(nil, i)) }
	for i := range 20 {
		for _, kind := range []string{"run.started/v1", "run.ended/v1"} {
			recs, err := l.AppendAll(t.Context(), Draft{Kind: kind, Body: map[string]any{"key": sum(i), "twice": sum(i)}, In: []Input{{Role: "data", ID: sum(i + 1)}}})
			if err != nil {
				t.Fatal(err)
			}
			if kind == "run.ended/v1" {
				ids = append(ids, recs[0].ID)
			}
		}
	}
	for _, ask := range [][]int{{}, {3}, {3, 4, 19, 3}, {77}, {0, 1, 2, 3, 4, 5, 6, 7}} {
		var digests, want, got []object.Digest
		for _, i := range ask {
			digests = append(digests, sum(i))
			if i < len(ids) && !slices.Contains(want, ids[i]) {
				want = append(want, ids[i])
			}
		}
		slices.SortFunc(want, func(a, b object.Digest) int { return slices.Index(ids, b) - slices.Index(ids, a) })
		for rec, err := range l.Mentioning(t.Context(), digests, "run.ended/v1") {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, rec.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%v: %v, want %v", ask, got, want)
		}
	}
}

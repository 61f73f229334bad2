package lineage

import (
	"fmt"
	"slices"
	"testing"

	"mlx/internal/object"
)

type namer struct {
	Root  object.Digest `json:"root"`
	Other object.Digest `json:"other"`
	List  []namer       `json:"list,omitempty"`
}

// Every digest that is not known is in one of the records, and no record comes that is not needed.
func TestNaming(t *testing.T) {
	l := open(t, t.TempDir())
	saved, seen := Define[namer]("snapshot.saved/v1"), Define[namer]("import.made/v1")
	d := func(i int) object.Digest { return object.Sum(fmt.Append(nil, i)) }
	add := func(k Kind[namer], body namer) object.Digest {
		t.Helper()
		r, err := k.Append(t.Context(), l, Entry[namer]{Body: body})
		if err != nil {
			t.Fatal(err)
		}
		return r.ID
	}
	add(seen, namer{Root: d(1), Other: d(9)}) // of another noun
	one := add(saved, namer{Root: d(1), Other: d(8)})
	add(saved, namer{Root: d(1), Other: d(7)}) // again
	add(saved, namer{Root: d(2), Other: d(1)}) // known
	both := add(saved, namer{Root: d(2), Other: d(1), List: []namer{{Root: d(3)}, {Root: d(4)}}})
	for range 2 {
		var got []object.Digest
		for r, err := range l.Naming(t.Context(), []string{"snapshot"}, []string{"root"}, func(x object.Digest) bool { return x == d(2) }) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, r.ID)
		}
		if !slices.Equal(got, []object.Digest{one, both}) {
			t.Errorf("got %v", got)
		}
		if err := l.Seal(t.Context()); err != nil { // and again from a pack
			t.Fatal(err)
		}
	}
}

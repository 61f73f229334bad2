package registry

import (
	"slices"
	"testing"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// TestARecordIsOfTheModelThatBothItsInputAndItsBodyName: what is found by its input alone, or what no input leads to, is none of it.
func TestARecordIsOfTheModelThatBothItsInputAndItsBodyName(t *testing.T) {
	r := clone(t, "ana")
	register(t, r, "flights", "one")
	body := Registration{Model: "cars", Version: 7, Digest: object.Sum([]byte("seven")), Kind: "file"}
	for _, in := range [][]lineage.Input{nil, {Named("flights")}} {
		if _, err := Registered.Append(t.Context(), r.Ledger, lineage.Entry[Registration]{Body: body, In: in}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.Model(t.Context(), "cars"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("cars: %v", err)
	}
	m, err := r.Model(t.Context(), "flights")
	if err != nil || len(m.Versions) != 1 {
		t.Errorf("flights: %v %v", m, err)
	}
	all, err := r.Models(t.Context())
	if err != nil || len(all) != 1 || all[0].Name != "flights" {
		t.Errorf("all: %v %v", all, err)
	}
}

// TestContested: two clones that claim the same number, alias or stage make a model contested, and nothing else does.
func TestContested(t *testing.T) {
	ana, li := clone(t, "ana"), clone(t, "li")
	contested := func(want ...string) {
		t.Helper()
		for range 2 { // unsealed and sealed
			got, err := ana.Contested(t.Context())
			if err != nil || !slices.Equal(got, want) {
				t.Fatalf("contested: %v %v, want %v", got, err, want)
			}
			if err := ana.Ledger.Seal(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	point := func(r Registry, model string, version int) {
		t.Helper()
		if _, err := r.SetAlias(t.Context(), Alias{Model: model, Alias: "champion", Version: version}); err != nil {
			t.Fatal(err)
		}
	}
	var versions [3][2]*Version
	for i, model := range []string{"cars", "flights", "trains"} {
		versions[i] = [2]*Version{register(t, ana, model, model+" one"), register(t, ana, model, model+" two")}
		move(t, ana, versions[i][0], Production, false)
		move(t, ana, versions[i][1], Production, false)
		point(ana, model, 1)
		point(ana, model, 2)
	}
	contested()
	meet(t, ana, li)
	move(t, ana, versions[0][0], Production, false)
	move(t, li, versions[0][1], Staging, false)
	move(t, li, versions[0][1], Production, false)
	point(ana, "flights", 1)
	point(li, "flights", 0)
	register(t, ana, "trains", "three")
	register(t, li, "trains", "another three")
	contested()
	meet(t, ana, li)
	contested("cars", "flights", "trains")
	move(t, ana, versions[0][0], Production, false)
	contested("flights", "trains")
}

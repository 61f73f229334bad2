package registry

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// TestCacheKnowsWhatTheLedgerSays compares with a registry that remembers nothing after each change, also of another clone.
func TestCacheKnowsWhatTheLedgerSays(t *testing.T) {
	ana, li := clone(t, "ana"), clone(t, "li")
	c := &Cache{Registry: ana}
	check := func(when string) {
		t.Helper()
		want, err := ana.Models(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.Models(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got, cmpopts.IgnoreFields(Model{}, "Events"), cmpopts.IgnoreUnexported(Version{}), cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%s: %s", when, d)
		}
	}
	check("nothing")
	v := register(t, ana, "flights", "one")
	register(t, ana, "cars", "two")
	check("two models")
	move(t, ana, v, Production, false)
	register(t, ana, "cars", "three")
	check("a move and a version")
	if err := ana.SetLogged(t.Context(), LoggedModel{ID: "m-1", Status: "LOGGED_MODEL_READY"}); err != nil {
		t.Fatal(err)
	}
	check("a logged model is none")
	register(t, li, "trains", "of another clone")
	register(t, li, "flights", "the same number")
	if _, err := ana.Ledger.Union(t.Context(), li.Ledger); err != nil {
		t.Fatal(err)
	}
	check("what another clone knew")
	if err := ana.Describe(t.Context(), Description{Model: "cars", Renamed: "wagons"}); err != nil {
		t.Fatal(err)
	}
	check("renamed")
	if err := ana.Describe(t.Context(), Description{Model: "flights", Deleted: true}); err != nil {
		t.Fatal(err)
	}
	check("deleted")
}

func TestLoggedModels(t *testing.T) {
	r := clone(t, "ana")
	m := LoggedModel{ID: "m-1", Name: "model", Experiment: "3", Status: "LOGGED_MODEL_READY"}
	for _, tag := range []string{"a", "b"} {
		m.Tags = map[string]string{"tag": tag}
		if err := r.SetLogged(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if got, heads, err := r.LoggedModel(t.Context(), "m-1"); err != nil || got.Tags["tag"] != "b" || len(heads) != 1 {
		t.Errorf("%+v %d %v", got, len(heads), err)
	}
	for where, want := range map[string]int{"": 1, `experiment == "3"`: 1, `experiment == "4"`: 0} {
		if all, err := r.LoggedModels(t.Context(), where); err != nil || len(all) != want {
			t.Errorf("%s: %v %v", where, all, err)
		}
	}
}

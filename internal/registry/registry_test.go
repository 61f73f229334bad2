package registry

import (
	"context"
	"slices"
	"testing"
	"time"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// clone is a ledger in a folder of its own, with a clock that goes on by a second a record.
func clone(t *testing.T, by string) Registry {
	t.Helper()
	at := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	now := func() time.Time { at = at.Add(time.Second); return at }
	l, err := lineage.Open(lineage.Options{Dir: t.TempDir(), Now: now, By: by, Host: by, PID: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return Registry{Ledger: l, Now: now}
}

func register(t *testing.T, r Registry, model, bytes string) *Version {
	t.Helper()
	v, err := r.Register(t.Context(), Registration{Model: model, Digest: object.Sum([]byte(bytes)), Root: object.Sum([]byte("root of " + bytes)), Kind: "file", Path: "model.pkl"})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func move(t *testing.T, r Registry, v *Version, to Stage, keep bool) {
	t.Helper()
	if _, err := r.Move(t.Context(), Step{Version: v, To: to, Keep: keep}); err != nil {
		t.Fatal(err)
	}
}

func meet(t *testing.T, a, b Registry) {
	t.Helper()
	for _, pair := range [][2]Registry{{a, b}, {b, a}} {
		if _, err := pair[0].Ledger.Union(context.Background(), pair[1].Ledger); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAStageIsHeldByOne(t *testing.T) {
	r := clone(t, "ana")
	v1, v2 := register(t, r, "flights", "one"), register(t, r, "flights", "two")
	if v1.Version != 1 || v2.Version != 2 {
		t.Fatalf("versions %d and %d", v1.Version, v2.Version)
	}
	move(t, r, v1, Production, false)
	before := r.Now()
	move(t, r, v2, Staging, false)
	move(t, r, v2, Production, false)
	m, v, err := r.Resolve(t.Context(), "flights@production")
	if err != nil || v.Version != 2 || m.Versions[0].Stage != Archived || m.Versions[1].Stage != Production {
		t.Fatalf("%v %v, stages %s and %s", v, err, m.Versions[0].Stage, m.Versions[1].Stage)
	}
	if _, _, err := r.Resolve(t.Context(), "flights@staging"); fault.KindOf(err) != fault.NotFound {
		t.Fatalf("staging: %v", err)
	}
	then, err := r.At(t.Context(), "flights", before)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := then.Pick("production"); err != nil || v.Version != 1 {
		t.Fatalf("production then: %v %v", v, err)
	}
	move(t, r, v1, Production, true)
	m, v, err = r.Resolve(t.Context(), "flights@production")
	if err != nil || v.Version != 1 || m.Versions[1].Stage != Production {
		t.Fatalf("beside: %v %v", v, err)
	}
	move(t, r, v1, Archived, false)
	if _, v, err = r.Resolve(t.Context(), "flights@production"); err != nil || v.Version != 2 {
		t.Fatalf("after it left: %v %v", v, err)
	}
}

func TestTwoPeopleMoveTheSame(t *testing.T) {
	ana, li := clone(t, "ana"), clone(t, "li")
	v1, v2 := register(t, ana, "flights", "one"), register(t, ana, "flights", "two")
	if _, err := ana.SetAlias(t.Context(), Alias{Model: "flights", Alias: "champion", Version: 1}); err != nil {
		t.Fatal(err)
	}
	meet(t, ana, li)
	move(t, ana, v1, Production, false)
	move(t, li, v2, Production, false)
	for _, s := range []struct {
		r Registry
		v int
	}{{ana, 1}, {li, 2}} {
		if _, err := s.r.SetAlias(t.Context(), Alias{Model: "flights", Alias: "champion", Version: 3 - s.v}); err != nil {
			t.Fatal(err)
		}
	}
	meet(t, ana, li)
	for _, r := range []Registry{ana, li} {
		for _, ref := range []string{"flights@production"} {
			if _, _, err := r.Resolve(t.Context(), ref); fault.KindOf(err) != fault.Conflict {
				t.Fatalf("%s: %v", ref, err)
			}
		}
	}
	move(t, ana, v2, Production, false)
	meet(t, ana, li)
	for _, r := range []Registry{ana, li} {
		m, v, err := r.Resolve(t.Context(), "flights@production")
		if err != nil || v.Version != 2 || m.Versions[0].Stage != Archived {
			t.Fatalf("resolved: %v %v", v, err)
		}
	}
}

func TestTwoClonesGiveTheSameNumber(t *testing.T) {
	ana, li := clone(t, "ana"), clone(t, "li")
	register(t, ana, "flights", "one")
	register(t, li, "flights", "another")
	meet(t, ana, li)
	if _, _, err := ana.Resolve(t.Context(), "flights@v1"); fault.KindOf(err) != fault.Conflict {
		t.Fatalf("%v", err)
	}
	if v := register(t, li, "flights", "third"); v.Version != 2 {
		t.Fatalf("the next number is %d", v.Version)
	}
}

func TestNamesGoOn(t *testing.T) {
	r := clone(t, "ana")
	register(t, r, "old", "one")
	if err := r.Describe(t.Context(), Description{Model: "old", Renamed: "new"}); err != nil {
		t.Fatal(err)
	}
	register(t, r, "new", "two")
	m, err := r.Model(t.Context(), "new")
	if err != nil || len(m.Versions) != 2 {
		t.Fatalf("%v %v", m, err)
	}
	if _, err := r.Model(t.Context(), "old"); fault.KindOf(err) != fault.NotFound {
		t.Fatalf("old: %v", err)
	}
	register(t, r, "old", "anew")
	if m, err = r.Model(t.Context(), "old"); err != nil || len(m.Versions) != 1 {
		t.Fatalf("a name that is used again: %v %v", m, err)
	}
	if m, err = r.Model(t.Context(), "new"); err != nil || len(m.Versions) != 2 {
		t.Fatalf("new: %v %v", m, err)
	}
	all, err := r.Models(t.Context())
	names := []string{}
	for _, m := range all {
		names = append(names, m.Name)
	}
	if err != nil || !slices.Equal(names, []string{"new", "old"}) {
		t.Fatalf("%v %v", names, err)
	}
}

func TestNames(t *testing.T) {
	for _, name := range []string{"flights", "catalog.schema.model", "Ein Modell", "模型"} {
		if err := CheckName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", " ", "a/b", "a:b", "a@b", "..", "a\nb", string(make([]byte, 251))} {
		if CheckName(name) == nil {
			t.Errorf("%q is allowed", name)
		}
	}
	for _, alias := range []string{"v1", "7", "latest", "", "a b", "a@b"} {
		if CheckAlias(alias) == nil {
			t.Errorf("alias %q is allowed", alias)
		}
	}
	if err := CheckAlias("champion"); err != nil {
		t.Error(err)
	}
}

package registry

import (
	"math/rand/v2"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

func TestWhoWasInProductionWhen(t *testing.T) {
	r := clone(t, "ana")
	v1, v2 := register(t, r, "flights", "one"), register(t, r, "flights", "two")
	move(t, r, v1, Staging, false)
	move(t, r, v1, Production, false)
	move(t, r, v2, Production, false)
	move(t, r, v2, Archived, false)
	m, err := r.Model(t.Context(), "flights")
	if err != nil {
		t.Fatal(err)
	}
	type stay struct {
		version int
		stage   Stage
		ended   bool
		next    int
	}
	var got []stay
	for _, s := range m.Tenures() {
		got = append(got, stay{s.Version, s.Stage, s.Until != nil, s.Next})
		if s.Until != nil && s.Until.Before(s.From) {
			t.Errorf("v%d left before it came", s.Version)
		}
	}
	if want := []stay{{1, Staging, true, 0}, {1, Production, true, 2}, {2, Production, true, 0}}; !slices.Equal(got, want) {
		t.Errorf("%v, not %v", got, want)
	}
	if b := m.Before(2); b == nil || b.Version != 1 || m.Before(1) != nil {
		t.Errorf("before v2: %v, before v1: %v", b, m.Before(1))
	}
}

func TestANumberThatTwoClonesGaveIsGivenAgain(t *testing.T) {
	ana, li := clone(t, "ana"), clone(t, "li")
	register(t, ana, "flights", "one")
	other := register(t, li, "flights", "another")
	meet(t, ana, li)
	if names, err := ana.Contested(t.Context()); err != nil || !slices.Equal(names, []string{"flights"}) {
		t.Fatalf("contested: %v %v", names, err)
	}
	v, err := li.Renumber(t.Context(), other)
	if err != nil || v.Version != 2 || v.Digest != other.Digest {
		t.Fatalf("%v %v", v, err)
	}
	meet(t, ana, li)
	for _, r := range []Registry{ana, li} {
		for ref, bytes := range map[string]string{"flights@v1": "one", "flights@v2": "another"} {
			if _, v, err := r.Resolve(t.Context(), ref); err != nil || v.Digest != object.Sum([]byte(bytes)) {
				t.Errorf("%s: %v %v", ref, v, err)
			}
		}
	}
	if names, err := li.Contested(t.Context()); err != nil || len(names) != 0 {
		t.Errorf("still contested: %v %v", names, err)
	}
}

func TestALogHoldsTheEvidence(t *testing.T) {
	r := clone(t, "ana")
	v1, v2 := register(t, r, "flights", "one"), register(t, r, "flights", "two")
	scan, err := Scanned.Append(t.Context(), r.Ledger, lineage.Entry[Scan]{Body: Scan{Digest: v1.Digest, Root: v1.Root, Verdict: "pass"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Scanned.Append(t.Context(), r.Ledger, lineage.Entry[Scan]{Body: Scan{Digest: object.Sum([]byte("other")), Verdict: "pass"}}); err != nil {
		t.Fatal(err)
	}
	m, err := r.Model(t.Context(), "flights")
	if err != nil {
		t.Fatal(err)
	}
	all, err := r.Log(t.Context(), m)
	if err != nil || len(all) != 3 || all[2].ID != scan.ID {
		t.Fatalf("%d records, %v", len(all), err)
	}
	if !v1.About(scan) || v2.About(scan) || !v1.About(all[0]) || v1.About(all[1]) {
		t.Error("a record is about the wrong version")
	}
}

// TestTheOrderOfRecordsDoesNotMatter: clones get records in any order.
func TestTheOrderOfRecordsDoesNotMatter(t *testing.T) {
	r := clone(t, "ana")
	rng := rand.New(rand.NewPCG(6, 1))
	var versions []*Version
	for i := range 6 {
		versions = append(versions, register(t, r, "flights", string(rune('a'+i))))
	}
	for range 40 {
		v := versions[rng.IntN(len(versions))]
		switch rng.IntN(3) {
		case 0:
			move(t, r, v, Stages()[rng.IntN(4)], rng.IntN(4) == 0)
		case 1:
			if _, err := r.SetAlias(t.Context(), Alias{Model: "flights", Alias: []string{"champion", "next"}[rng.IntN(2)], Version: rng.IntN(7)}); err != nil {
				t.Fatal(err)
			}
		case 2:
			text := "said"
			if err := r.Describe(t.Context(), Description{Model: "flights", Version: v.Version, Text: &text}); err != nil {
				t.Fatal(err)
			}
		}
	}
	m, err := r.Model(t.Context(), "flights")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range m.Held {
		if p.Conflict() {
			t.Errorf("one clone disagrees with itself about %s: %v", p.Name, p.Versions)
		}
	}
	var records []told
	for _, e := range m.Events {
		record, ok, err := tell(e.Record)
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		records = append(records, record)
	}
	shown := func(m *Model) []any {
		var all []any
		for _, v := range m.Versions {
			all = append(all, v.Version, v.Stage, v.StageSince, v.Aliases, v.Description)
		}
		for _, p := range slices.Concat(m.Aliases, m.Held) {
			all = append(all, p.Name, p.Versions, p.Records)
		}
		return all
	}
	want := shown(m)
	for range 20 {
		rng.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
		again := fold("flights", slices.Clone(records))
		if diff := cmp.Diff(want, shown(again)); diff != "" {
			t.Fatal(diff)
		}
	}
}

func TestNothingIsRegisteredUnderABadName(t *testing.T) {
	r := clone(t, "ana")
	if _, err := r.Register(t.Context(), Registration{Model: "a/b"}); fault.KindOf(err) != fault.Usage {
		t.Errorf("%v", err)
	}
}

func TestFormats(t *testing.T) {
	file := func(name, text string) fstest.MapFS { return fstest.MapFS{name: {Data: []byte(text)}} }
	for _, c := range []struct {
		files  fstest.MapFS
		format string
	}{
		{file("m.pkl", "\x80\x04\x95"), "pickle"},
		{file("m.joblib", "\x80\x04\x95"), "joblib"},
		{file("m", "\x80\x04\x95"), "pickle"},
		{file("m.onnx", "\x08\x07"), "onnx"},
		{file("m.pt", "PK\x03\x04"), "torch"},
		{file("m.zip", "PK\x03\x04"), ""},
		{file("m.gguf", "GGUF\x03"), "gguf"},
		{file("m.txt", "tree\nversion=v4\n"), "lightgbm"},
		{file("m.txt", "hello"), ""},
		{file("m.safetensors", "\x08\x00\x00\x00\x00\x00\x00\x00{\"a\":{}}"), "safetensors"},
		{fstest.MapFS{}, ""},
		{fstest.MapFS{"saved_model.pb": {}, "variables/x": {}}, "tensorflow"},
		{fstest.MapFS{"a.pkl": {Data: []byte("\x80\x04.")}, "README": {Data: []byte("x")}}, "pickle"},
		{fstest.MapFS{"a.pkl": {Data: []byte("\x80\x04.")}, "b.onnx": {}}, ""},
		{file("MLmodel", "flavors:\n  python_function:\n    env: x\n"), "pyfunc"},
		{file("MLmodel", "flavors:\n  python_function:\n    env: x\n  xgboost:\n    data: m\n"), "xgboost"},
		{file("MLmodel", "not: yaml: at all\n\x00"), ""},
	} {
		if got := Look(c.files); got.Format != c.format {
			t.Errorf("%v: %q, not %q", c.files, got.Format, c.format)
		}
	}
	signed := Look(file("MLmodel", "signature:\n  inputs: '[{\"name\": \"it''s\",\n    \"type\": \"double\"}]'\n  outputs: 'no JSON'\n  params: null\n"))
	if string(signed.Signature) != `{"inputs":[{"name":"it's","type":"double"}]}` {
		t.Errorf("%s", signed.Signature)
	}
}

// FuzzMLmodel: whoever can log a model can write this file.
func FuzzMLmodel(f *testing.F) {
	f.Add("flavors:\n  sklearn:\n    x: y\nsignature:\n  inputs: '[{\"type\": \"double\"}]'\n")
	f.Add("signature:\n  inputs: '[''\n")
	f.Fuzz(func(t *testing.T, text string) {
		k := readMLmodel(text)
		if _, err := object.Encode(Registration{Format: k.Format, Signature: k.Signature}); err != nil {
			t.Errorf("%q %s: %v", k.Format, k.Signature, err)
		}
	})
}

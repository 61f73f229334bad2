package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

func TestReadRef(t *testing.T) {
	for typed, want := range map[string]reading{
		"5be0":                        {word: "5be0"},
		"run:5be0":                    {kind: "run", word: "5be0"},
		"v1.2:data/flights/01.csv":    {word: "v1.2", inner: "data/flights/01.csv"},
		"snapshot:5be0:a/b/":          {kind: "snapshot", word: "5be0", inner: "a/b"},
		"./x:y":                       {kind: "path", word: "./x:y"},
		"path:x:y":                    {kind: "path", word: "x:y"},
		"..":                          {kind: "path", word: ".."},
		"/abs":                        {kind: "path", word: "/abs"},
		`C:\data`:                     {word: `C:\data`},
		"@last~2":                     {word: "@last~2"},
		"gate:quality":                {kind: "gate", word: "quality"},
		"HEAD@{1}":                    {word: "HEAD@{1}"},
		"nokind:x":                    {word: "nokind", inner: "x"},
		"":                            {},
		"git:main:data/flights/a.csv": {kind: "git", word: "main", inner: "data/flights/a.csv"},
	} {
		want.typed = typed
		if got := readRef(typed); got != want {
			t.Errorf("%q: got %+v, want %+v", typed, got, want)
		}
	}
}

func TestAmbiguousSaysHowToBeCertain(t *testing.T) {
	a := &app{args: []string{"show", "5be0", "--json"}}
	run := target{Kind: refRun, ID: object.Sum([]byte("a"))}
	snapshot := target{Kind: refSnapshot, ID: object.Sum([]byte("b"))}
	other := target{Kind: refRun, ID: object.Sum([]byte("c"))}
	err := a.ambiguous(readRef("5be0"), []target{run, snapshot})
	want := []string{"mlx show run:5be0 --json", "mlx show snapshot:5be0 --json"}
	if diff := cmp.Diff(want, fault.Hints(err)); diff != "" || fault.KindOf(err) != fault.Conflict {
		t.Errorf("%v: %s", err, diff)
	}
	err = a.ambiguous(readRef("5be0"), []target{run, other})
	want = []string{"mlx show run:" + run.ID.Short() + " --json", "mlx show run:" + other.ID.Short() + " --json"}
	if diff := cmp.Diff(want, fault.Hints(err)); diff != "" {
		t.Error(diff)
	}
}

func TestRetypedQuotesForTheShell(t *testing.T) {
	a := &app{args: []string{"log", "-w", "a > 1 and b == 'x'", "old"}}
	if got, want := a.retyped("old", "new"), `mlx log -w 'a > 1 and b == '\''x'\''' new`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestExplain(t *testing.T) {
	id := object.Sum([]byte("digest"))
	for _, m := range []lineage.Match{
		{ID: id, Role: "in", Record: lineage.Record{Kind: "gate.judged/v1"}},
		{ID: id, Role: "prev", Record: lineage.Record{Kind: "run.ended/v1"}},
		{ID: id, Role: "body", Record: lineage.Record{Kind: "later.kind/v9", Body: []byte("{}")}},
		{ID: id, Role: "body", Record: lineage.Record{Kind: "run.ended/v1", Body: []byte(`{"data":[]}`)}},
		{ID: id, Role: "body", Record: lineage.Record{Kind: "run.ended/v1", Body: []byte(`no JSON`)}},
	} {
		if got, ok := explain(m); ok {
			t.Errorf("%s as %s became %+v", m.Record.Kind, m.Role, got)
		}
	}
	rec := lineage.Record{ID: id, Kind: "later.kind/v9", Body: []byte("{}")}
	if got, ok := explain(lineage.Match{ID: id, Role: "id", Record: rec}); !ok || got.Kind != refRecord {
		t.Errorf("got %+v", got)
	}
}

func TestParseTag(t *testing.T) {
	for word, want := range map[string]tagBody{
		"baseline": {Name: "baseline"}, "region=eu": {Name: "region", Value: "eu"}, "a=b=c": {Name: "a", Value: "b=c"},
		"hidden": {Name: "hidden"}, "v1.2": {Name: "v1.2"}, "beef": {Name: "beef"},
	} {
		if got, err := parseTag(word); err != nil || got != want {
			t.Errorf("%s: got %+v, %v", word, got, err)
		}
	}
	for _, word := range []string{"", "=x", "x=", "a b", "-a", ".a", "a:b", "a@b", "a~1", "5be01d7c", "1234"} {
		if got, err := parseTag(word); err == nil {
			t.Errorf("%q became %+v", word, got)
		}
	}
}

func TestFilterSelectsWhatTheLedgerWould(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	rec := func(name, kind string, lc uint64, prev ...object.Digest) lineage.Record {
		return lineage.Record{ID: object.Sum([]byte(name)), Kind: kind, LC: lc, At: at.Add(time.Duration(lc) * time.Hour), Prev: prev}
	}
	started := rec("started", "run.started/v1", 1)
	ended := rec("ended", "run.ended/v1", 2, started.ID)
	verdict := rec("verdict", "gate.judged/v1", 3, ended.ID) // of another noun: it supersedes nothing
	f := &filter{all: make(map[object.Digest]lineage.Record)}
	for _, r := range []lineage.Record{started, ended, verdict} {
		f.all[r.ID] = r
	}
	for _, c := range []struct {
		q    lineage.Query
		want []object.Digest
	}{
		{lineage.Query{}, []object.Digest{verdict.ID, ended.ID}},
		{lineage.Query{Nouns: []string{"run"}}, []object.Digest{ended.ID}},
		{lineage.Query{Since: at.Add(3 * time.Hour)}, []object.Digest{verdict.ID}},
	} {
		var got []object.Digest
		for r := range f.selected(c.q) {
			got = append(got, r.ID)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Error(diff)
		}
	}
}

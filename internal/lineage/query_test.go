package lineage

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
)

type tagBody struct {
	Name   string        `json:"name"`
	Value  string        `json:"value,omitempty"`
	Target object.Digest `json:"target,omitzero"`
}

func tagKind() Kind[tagBody] { return Define[tagBody]("tag.set/v1") }

func add[T any](t testing.TB, l *Ledger, k Kind[T], e Entry[T]) Record {
	t.Helper()
	r, err := k.Append(t.Context(), l, e)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func ids(recs []Record) []string {
	var out []string
	for _, r := range recs {
		out = append(out, r.ID.Short())
	}
	return out
}

// stages runs check on the same records in every state that a ledger can be in.
func stages(t *testing.T, l *Ledger, check func(t *testing.T, l *Ledger)) {
	t.Run("unsealed", func(t *testing.T) { check(t, l) })
	if err := l.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Run("sealed", func(t *testing.T) { check(t, l) })
	t.Run("another process", func(t *testing.T) { check(t, open(t, l.opts.Dir)) })
	if err := os.RemoveAll(l.path(idxFolder)); err != nil {
		t.Fatal(err)
	}
	t.Run("read-only without an index", func(t *testing.T) {
		r, err := Open(Options{Dir: l.opts.Dir, ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = r.Close() }()
		check(t, r)
		if _, err := os.Stat(l.path(idxFolder)); !os.IsNotExist(err) {
			t.Error("a reader has written")
		}
	})
}

func TestCurrentValueAndConflict(t *testing.T) {
	l := fresh(t)
	a := add(t, l, tagKind(), Entry[tagBody]{Body: tagBody{Name: "best", Value: "1"}})
	b := add(t, l, tagKind(), Entry[tagBody]{Body: tagBody{Name: "best", Value: "2"}, Prev: []object.Digest{a.ID}})
	if err := l.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := add(t, l, tagKind(), Entry[tagBody]{Body: tagBody{Name: "best", Value: "3"}, Prev: []object.Digest{a.ID}})
	other := add(t, l, tagKind(), Entry[tagBody]{Body: tagBody{Name: "other"}})
	add(t, l, runKind(), Entry[runBody]{Body: runBody{Name: "follows a tag"}, Prev: []object.Digest{other.ID}}) // another noun hides nothing
	stages(t, l, func(t *testing.T, l *Ledger) {
		got, err := l.Current(t.Context(), "tag", `name == "best"`)
		if err != nil || !slices.Equal(ids(got), ids([]Record{c, b})) {
			t.Errorf("current: %v, %v, want the two that conflict", ids(got), err)
		}
		if n, err := l.Count(t.Context(), Query{Nouns: []string{"tag"}}); n != 3 || err != nil {
			t.Errorf("%d current tags, %v", n, err)
		}
		if n, err := l.Count(t.Context(), Query{Nouns: []string{"tag"}, All: true}); n != 4 || err != nil {
			t.Errorf("%d tags, %v", n, err)
		}
		if n, err := l.Count(t.Context(), Query{Since: c.At}); n != 3 || err != nil {
			t.Errorf("%d since, %v", n, err)
		}
	})
	d := add(t, l, tagKind(), Entry[tagBody]{Body: tagBody{Name: "best", Value: "4"}, Prev: []object.Digest{b.ID, c.ID}})
	got, err := l.Current(t.Context(), "tag", `name == "best"`)
	if err != nil || !slices.Equal(ids(got), ids([]Record{d})) {
		t.Errorf("after the resolution: %v, %v", ids(got), err)
	}
}

func TestFindReferAncestors(t *testing.T) {
	l := fresh(t)
	data, model := object.Sum([]byte("data")), object.Sum([]byte("model"))
	snap := add(t, l, Define[runBody]("snapshot.saved/v1"), Entry[runBody]{Body: runBody{Root: data}})
	started := add(t, l, Define[runBody]("run.started/v1"), Entry[runBody]{In: []Input{{"data", data}}})
	ended := add(t, l, runKind(), Entry[runBody]{Body: runBody{Root: model}, In: []Input{{"data", data}}, Prev: []object.Digest{started.ID}})
	tag := add(t, l, tagKind(), Entry[tagBody]{Body: tagBody{Name: "x", Target: data}})
	gate := add(t, l, Define[tagBody]("gate.judged/v1"), Entry[tagBody]{In: []Input{{"for", model}}})
	collect := func(t *testing.T, seq func(func(Record, error) bool)) []string {
		var out []string
		for r, err := range seq {
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, r.ID.Short())
		}
		return out
	}
	stages(t, l, func(t *testing.T, l *Ledger) {
		ctx := t.Context()
		if got, want := collect(t, l.Referring(ctx, data)), ids([]Record{tag, ended, started, snap}); !slices.Equal(got, want) {
			t.Errorf("referring %v, want %v", got, want)
		}
		if got, want := collect(t, l.Ancestors(ctx, gate.ID)), ids([]Record{ended, started, snap}); !slices.Equal(got, want) {
			t.Errorf("ancestors %v, want %v", got, want)
		}
		for _, c := range []struct {
			id   object.Digest
			want Match
		}{
			{data, Match{ID: data, Noun: "snapshot", Role: "body", Field: "root", Record: snap}},
			{model, Match{ID: model, Noun: "run", Role: "body", Field: "root", Record: ended}},
			{started.ID, Match{ID: started.ID, Noun: "run", Role: "id", Record: started}},
		} {
			p, err := object.ParsePrefix(c.id.Hex()[:12])
			if err != nil {
				t.Fatal(err)
			}
			got, err := l.Find(ctx, p)
			if err != nil || len(got) != 1 || got[0].ID != c.id || got[0].Noun != c.want.Noun || got[0].Role != c.want.Role ||
				got[0].Field != c.want.Field || got[0].Record.ID != c.want.Record.ID {
				t.Errorf("find %s: %+v, %v", c.id.Short(), got, err)
			}
		}
		if _, err := l.Get(ctx, data); fault.KindOf(err) != fault.NotFound {
			t.Errorf("get what is no record: %v", err)
		}
	})
}

func TestSortingAndLimits(t *testing.T) {
	l := fresh(t)
	r := rand.New(rand.NewPCG(5, 5))
	for i := range 300 {
		m := map[string]float64{}
		if r.IntN(4) > 0 {
			m["auc"] = float64(r.IntN(50))
		}
		add(t, l, runKind(), Entry[runBody]{Body: runBody{Name: fmt.Sprint(r.IntN(40)), Metrics: m}})
		if i == 120 || i == 200 {
			if err := l.Seal(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, sort := range []string{"metrics.auc", "-metrics.auc", "name", "-name", "lc", "-at", "id", "kind", ""} {
		all := ids(selected(t, l, Query{Sort: sort}))
		if len(all) != 300 {
			t.Fatalf("%s: %d records", sort, len(all))
		}
		for _, n := range []int{1, 7, 299, 400} {
			if got := ids(selected(t, l, Query{Sort: sort, Limit: n})); !slices.Equal(got, all[:min(n, 300)]) {
				t.Errorf("sort %q limit %d is not the beginning of the whole", sort, n)
			}
		}
	}
	got := selected(t, l, Query{Sort: "-metrics.auc"})
	last, missing := 1e9, false
	for _, rec := range got {
		b, err := runKind().Decode(rec)
		if err != nil {
			t.Fatal(err)
		}
		v, ok := b.Metrics["auc"]
		if ok && (missing || v > last) {
			t.Fatal("not descending with missing values last")
		}
		missing, last = !ok, v
	}
	for _, q := range []Query{{Where: "a ="}, {Sort: "-"}, {Sort: "a b"}, {Limit: -1}} {
		if _, err := l.Count(t.Context(), q); (fault.KindOf(err) != fault.Usage) != (q.Sort == "-") {
			t.Errorf("%+v: %v", q, err)
		}
	}
}

func TestWideRecordsAreSearchedToo(t *testing.T) {
	l := fresh(t)
	params := map[string]any{}
	for i := range 5000 {
		params[fmt.Sprintf("p%04d", i)] = i
	}
	wide := add(t, l, runKind(), Entry[runBody]{Body: runBody{Params: params}})
	narrow := add(t, l, runKind(), Entry[runBody]{Body: runBody{Params: map[string]any{"p4999": 1}}})
	stages(t, l, func(t *testing.T, l *Ledger) {
		if got := ids(selected(t, l, Query{Where: "params.p4999 == 4999"})); !slices.Equal(got, ids([]Record{wide})) {
			t.Errorf("got %v", got)
		}
		if got := ids(selected(t, l, Query{Sort: "-params.p4999"})); !slices.Equal(got, ids([]Record{wide, narrow})) {
			t.Errorf("sorted: %v", got)
		}
		if got := ids(selected(t, l, Query{Where: "not params.p4999 == 4999"})); !slices.Equal(got, ids([]Record{narrow})) {
			t.Errorf("negated: %v", got)
		}
	})
}

func TestClockJumps(t *testing.T) {
	l := fresh(t)
	add(t, l, runKind(), Entry[runBody]{Body: runBody{Name: "before"}})
	l.clock = 1 << 52 // a process with a broken clock
	add(t, l, runKind(), Entry[runBody]{Body: runBody{Name: "jumped"}})
	l.opts.Now = func() time.Time { return time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC) }
	other := open(t, l.opts.Dir)
	other.opts.Now = l.opts.Now // the wall clock went back 36 years
	last := add(t, other, runKind(), Entry[runBody]{Body: runBody{Name: "after"}})
	if last.LC != 2 {
		t.Errorf("lc %d: the jump was believed", last.LC)
	}
	stages(t, other, func(t *testing.T, l *Ledger) {
		got := selected(t, l, Query{})
		if len(got) != 3 || got[0].ID != last.ID {
			t.Errorf("order: %v, want the newest true one first", ids(got))
		}
	})
}

func TestReadOnly(t *testing.T) {
	l := fresh(t)
	recs := addRuns(t, l, 3)
	r, err := Open(Options{Dir: l.opts.Dir, ReadOnly: true, Now: clock()})
	if err != nil {
		t.Fatal(err)
	}
	if got := selected(t, r, Query{}); len(got) != 3 {
		t.Errorf("%d records", len(got))
	}
	for name, err := range map[string]error{
		"append": func() error { _, err := runKind().Append(t.Context(), r, Entry[runBody]{}); return err }(), "seal": r.Seal(t.Context()),
	} {
		if fault.KindOf(err) != fault.Denied {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := r.Get(t.Context(), recs[0].ID); err != nil {
		t.Error(err)
	}
}

// What one process writes, another that has been open all the time sees.
func TestOthersAreSeen(t *testing.T) {
	a := fresh(t)
	b := open(t, a.opts.Dir)
	for i := range 30 {
		addRuns(t, a, 1)
		if got := selected(t, b, Query{}); len(got) != i+1 {
			t.Fatalf("after %d: %d records", i+1, len(got))
		}
		if i == 12 || i == 25 {
			if err := b.Seal(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestManyShortProcesses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ledger")
	const n = 100
	for range n {
		l, err := Open(Options{Dir: dir, Now: func() time.Time { return time.Now().Add(2 * idleAfter) }})
		if err != nil {
			t.Fatal(err)
		}
		addRuns(t, l, 1)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(filepath.Join(dir, segFolder))
	if err != nil || len(entries) >= manySegments {
		t.Errorf("%d segments are left, %v", len(entries), err)
	}
	l := open(t, dir)
	recs := selected(t, l, Query{})
	if len(recs) != n {
		t.Fatalf("%d records", len(recs))
	}
	for i, r := range recs {
		if r.LC != uint64(n-i) {
			t.Fatalf("record %d has lc %d", i, r.LC)
		}
	}
}

func TestConsolidationKeepsOrderAndContent(t *testing.T) {
	l := fresh(t)
	var want []string
	var sizes []int
	var roots []object.Digest
	for range 40 {
		want = append(want, ids(addRuns(t, l, 5))...)
		if err := l.Seal(t.Context()); err != nil {
			t.Fatal(err)
		}
		size, root, err := l.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		sizes, roots = append(sizes, int(size)), append(roots, root)
	}
	packs, err := filepath.Glob(l.path(packFolder, "*"))
	if err != nil || len(packs) >= 40 {
		t.Fatalf("%d packs: nothing was consolidated, %v", len(packs), err)
	}
	leaves, sealed, err := l.leaves(t.Context())
	if err != nil || sealed != 200 {
		t.Fatal(sealed, err)
	}
	for i, id := range leaves {
		if id.Short() != want[i] {
			t.Fatalf("leaf %d changed its place", i)
		}
	}
	for i, size := range sizes {
		g, err := l.ProveGrowth(t.Context(), uint64(size))
		if err != nil || VerifyGrowth(g) != nil || g.OldRoot != roots[i] {
			t.Fatalf("growth from %d: %v %v", size, err, VerifyGrowth(g))
		}
	}
	report, err := l.Verify(t.Context(), nil)
	if err != nil || !report.OK() || report.Records != 200 {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestWrongDraftsAreRefused(t *testing.T) {
	l := fresh(t)
	deep := any(1)
	for range 40 {
		deep = []any{deep}
	}
	for name, d := range map[string]Draft{
		"kind": {Kind: "run", Body: runBody{}}, "list": {Kind: "a.b/v1", Body: []int{1}}, "deep": {Kind: "a.b/v1", Body: map[string]any{"a": deep}},
		"large": {Kind: "a.b/v1", Body: map[string]any{"a": strings.Repeat("x", 1<<20)}}, "nan": {Kind: "a.b/v1", Body: map[string]any{"a": 0.0 / zero()}},
		"prev": {Kind: "a.b/v1", Body: runBody{}, Prev: make([]object.Digest, 9)}, "utf-8": {Kind: "a.b/v1", Body: runBody{}, Op: "\xff"},
	} {
		if _, err := l.AppendAll(t.Context(), d); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if n, err := l.Count(t.Context(), Query{}); n != 0 || err != nil {
		t.Errorf("%d records, %v", n, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.AppendAll(ctx, runKind().Draft(Entry[runBody]{})); fault.KindOf(err) != fault.Interrupted {
		t.Errorf("cancelled: %v", err)
	}
}

func zero() float64 { return 0 }

func TestFolderThatMayNotBeWritten(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may write everywhere")
	}
	dir := filepath.Join(t.TempDir(), "ledger")
	if err := os.Mkdir(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	l := open(t, dir)
	if _, err := runKind().Append(t.Context(), l, Entry[runBody]{}); fault.KindOf(err) != fault.Denied {
		t.Errorf("%v", err)
	}
}

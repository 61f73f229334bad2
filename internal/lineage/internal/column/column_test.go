package column

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"mlx/internal/lineage/internal/line"
	"mlx/internal/lineage/internal/where"
	"mlx/internal/object"
)

type rec struct {
	id   object.Digest
	raw  []byte
	body map[string]any
	h    line.Header
}

func newRec(t testing.TB, i int, kind string, body map[string]any, prev ...object.Digest) rec {
	t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	var p line.Parser
	h := line.Header{Kind: kind, LC: uint64(i + 1), At: 1795426200000000 + int64(i)*1e6, By: "ana", Prev: prev, Body: b, Nonce: [16]byte{byte(i), byte(i >> 8)}}
	raw, err := p.Format(h)
	if err != nil {
		t.Fatal(err)
	}
	return rec{object.Sum(raw), raw, body, h}
}

func random(t testing.TB, r *rand.Rand, n int) []rec {
	t.Helper()
	out := make([]rec, n)
	for i := range out {
		m, p := map[string]any{}, map[string]any{"depth": r.IntN(5), "opt": []string{"adam", "sgd", "Adam W"}[r.IntN(3)], "big": "x" + strings.Repeat("y", r.IntN(30))}
		for k := range r.IntN(8) {
			m["m"+strconv.Itoa(k)] = float64(r.IntN(1000)) / 250
		}
		body := map[string]any{"metrics": m, "params": p, "tags": []string{"a", "b", "c"}[:r.IntN(4)], "ok": r.IntN(2) == 0}
		if r.IntN(3) == 0 {
			body["sometimes"] = []any{1.5, "text", true, nil}[r.IntN(4)]
		}
		if r.IntN(20) == 0 {
			p["key"+strconv.Itoa(i)] = i // sparse
		}
		out[i] = newRec(t, i, []string{"run.ended/v1", "gate.judged/v1"}[r.IntN(2)], body)
	}
	return out
}

func index(t testing.TB, recs []rec) *Index {
	t.Helper()
	b := NewBuilder(0)
	for _, r := range recs {
		if err := b.Add(r.id, r.raw, Loc{Frame: 1, Offset: 2, Length: uint32(len(r.raw))}); err != nil {
			t.Fatal(err)
		}
	}
	ix, err := Parse(b.Finish(object.Sum([]byte("pack"))), object.Sum([]byte("pack")))
	if err != nil {
		t.Fatal(err)
	}
	return ix
}

var expressions = []string{
	"metrics.m0 > 2", "metrics.m0 >= 2", "metrics.m7 < 1.5", "metrics.m3 <= 1.5", "metrics.m1 == 2", "metrics.m1 != 2", "2 < metrics.m0",
	"metrics.m0 > 1 and params.depth == 3", "metrics.m0 > 3 or not params.depth == 3", "not (metrics.m6 > 1)", "metrics == null", "metrics != null",
	"metrics.m5 == null", "metrics.m5 != null", `params.opt == "adam"`, `params.opt != "adam"`, `params.opt in ["sgd", 'Adam W', 3]`,
	`params.opt contains "dam"`, `params.opt startsWith "a"`, `params.opt endsWith "W"`, `params.opt matches "^[as]"`, `params.opt < "b"`, `params.opt >= "adam"`,
	"ok", "not ok", "ok == false", "ok != true", `tags contains "b"`, `tags == "c"`, `tags != "a"`, "tags == null", `sometimes == 1.5`, `sometimes == "text"`,
	"sometimes", "sometimes == null", "sometimes in [null, true]", "params.key17 == 17", "params.nothing == 1", "params.nothing != 1", "params.nothing == null",
	`kind == "run.ended/v1"`, `kind startsWith "gate"`, "lc > 50", "lc <= 3", `id startsWith "0"`, "params.depth contains 3", "params.depth > '1'",
}

func TestFilterAgreesWithTheObviousWay(t *testing.T) {
	for seed := range uint64(4) {
		recs := random(t, rand.New(rand.NewPCG(seed, 2)), 150+int(seed)*63)
		ix := index(t, recs)
		hits := 0
		for _, src := range expressions {
			e, err := where.Parse(src)
			if err != nil {
				t.Fatal(err)
			}
			var want, got []int
			for i, r := range recs {
				if r.passes(e) {
					want = append(want, i)
				}
			}
			for row := range ix.Filter(e, Scope{}).Each {
				got = append(got, row)
			}
			if !slices.Equal(got, want) {
				t.Errorf("seed %d: %s: rows %v, want %v", seed, src, got, want)
			}
			hits += len(got)
		}
		if hits == 0 || ix.Damaged() {
			t.Errorf("%d hits, damaged %v", hits, ix.Damaged())
		}
	}
}

func TestTimes(t *testing.T) {
	recs := random(t, rand.New(rand.NewPCG(1, 1)), 100)
	ix := index(t, recs)
	for src, want := range map[string]int{
		`at > "2026-11-23"`: 100, `at < "2026-11-23"`: 0, `at >= "2026-11-23T09:30:50Z"`: 50, `at == "2026-11-23T09:30:50Z"`: 1, `at startsWith "2026-11-23T09:30:0"`: 10,
		`by == "ana"`: 100, `by != "ana"`: 0,
	} {
		e, err := where.Parse(src)
		if err != nil {
			t.Fatal(err)
		}
		if got := ix.Filter(e, Scope{}).Count(); got != want {
			t.Errorf("%s: %d rows, want %d", src, got, want)
		}
	}
}

func TestLinksAndReferences(t *testing.T) {
	data := object.Sum([]byte("data"))
	a := newRec(t, 0, "tag.set/v1", map[string]any{"name": "x", "target": data.String()})
	b := newRec(t, 1, "tag.set/v1", map[string]any{"name": "x"}, a.id)
	c := newRec(t, 2, "gate.judged/v1", map[string]any{"for": []string{a.id.String()}}, a.id, object.Sum([]byte("elsewhere")))
	ix := index(t, []rec{a, b, c})
	if got := slices.Collect(ix.Superseded().Each); !slices.Equal(got, []int{0}) {
		t.Errorf("superseded %v", got)
	}
	var foreign []int
	for id, row := range ix.Foreign {
		if id != object.Sum([]byte("elsewhere")) {
			t.Errorf("foreign %v", id)
		}
		foreign = append(foreign, row)
	}
	if !slices.Equal(foreign, []int{2}) {
		t.Errorf("foreign rows %v", foreign)
	}
	var refs []string
	for r := range ix.Refs(a.id, a.id) {
		refs = append(refs, fmt.Sprintf("%d %d %s", r.Row, r.Role, r.Field))
	}
	if want := []string{"1 2 ", "2 0 for", "2 2 "}; !slices.Equal(refs, want) {
		t.Errorf("references %q, want %q", refs, want)
	}
	for i, r := range []rec{a, b, c} {
		if row, ok := ix.Find(r.id); !ok || row != i {
			t.Errorf("find %d: %d, %v", i, row, ok)
		}
	}
	if _, ok := ix.Find(data); ok {
		t.Error("found what is not there")
	}
}

func TestClockThatJumps(t *testing.T) {
	var recs []rec
	for i, lc := range []uint64{5, 6, 1<<53 - 1, 7, 6 + 1<<32} {
		r := newRec(t, i, "a.b/v1", map[string]any{})
		r.h.LC = lc
		var p line.Parser
		raw, err := p.Format(r.h)
		if err != nil {
			t.Fatal(err)
		}
		recs = append(recs, rec{object.Sum(raw), raw, nil, r.h})
	}
	ix := index(t, recs)
	if ix.Low != 5 || ix.High != 6+1<<32 || !slices.Equal(ix.Clock(), []uint64{5, 6, 0, 7, 6 + 1<<32}) {
		t.Errorf("low %d, high %d, clock %v", ix.Low, ix.High, ix.Clock())
	}
}

func TestRecordsBeyondTheLimits(t *testing.T) {
	wide := map[string]any{}
	for i := range maxLeaves + 10 {
		wide["k"+strconv.Itoa(i)] = i
	}
	recs := []rec{newRec(t, 0, "a.b/v1", map[string]any{"k1": 1}), newRec(t, 1, "a.b/v1", wide), newRec(t, 2, "a.b/v1", map[string]any{"k1": 1})}
	if got := index(t, recs).Overflow(); !slices.Equal(got, []uint32{1}) {
		t.Errorf("overflow %v", got)
	}
}

func TestEveryFlippedByteIsNoticed(t *testing.T) {
	recs := random(t, rand.New(rand.NewPCG(3, 3)), 10)
	pack := object.Sum([]byte("p"))
	b := NewBuilder(0)
	for _, r := range recs {
		if err := b.Add(r.id, r.raw, Loc{}); err != nil {
			t.Fatal(err)
		}
	}
	data := b.Finish(pack)
	answers := func(ix *Index) string {
		var s strings.Builder
		for _, src := range expressions {
			e, err := where.Parse(src)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprint(&s, slices.Collect(ix.Filter(e, Scope{}).Each))
			ix.Keys(where.Path{"params", "opt"}, nil)(3)
		}
		fmt.Fprint(&s, slices.Collect(ix.Refs(object.Digest{}, object.Sum(nil))), ix.IDs(), ix.Clock(), ix.Times(), ix.Locs(), ix.Kind(3))
		ix.Touch()
		return s.String()
	}
	whole, err := Parse(data, pack)
	if err != nil {
		t.Fatal(err)
	}
	want := answers(whole)
	noticed := 0
	for i := range data {
		mutant := slices.Clone(data)
		mutant[i] ^= byte(1 << (i % 8))
		ix, err := Parse(mutant, pack)
		if err != nil {
			noticed++
			continue
		}
		if got := answers(ix); ix.Damaged() {
			noticed++
		} else if got != want {
			t.Fatalf("byte %d: a wrong answer", i)
		}
	}
	if noticed < len(data)*3/4 {
		t.Errorf("only %d of %d flips were noticed", noticed, len(data))
	}
	for n := range data {
		if _, err := Parse(data[:n], pack); err == nil {
			t.Fatalf("cut at %d: accepted", n)
		}
	}
	if _, err := Parse(data, object.Sum([]byte("other"))); err == nil {
		t.Error("the index of another pack was accepted")
	}
}

func TestNumbersAreExact(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	for range 20000 {
		s := strconv.FormatFloat(r.NormFloat64()*[]float64{1, 1e-3, 1e6, 1e-300, 1e300}[r.IntN(5)], 'g', 1+r.IntN(17), 64)
		if r.IntN(2) == 0 {
			s = fmt.Sprintf("%d.%0*d", r.IntN(1e6), 1+r.IntN(9), r.IntN(1e6))
		}
		want, err := strconv.ParseFloat(s, 64)
		if err != nil {
			continue
		}
		if got, ok := number([]byte(s)); !ok || got != want {
			t.Fatalf("%s: %v, want %v", s, got, want)
		}
	}
	if _, ok := number([]byte("1e999")); ok {
		t.Error("1e999 is a number")
	}
}

func FuzzParse(f *testing.F) {
	pack := object.Sum([]byte("p"))
	b := NewBuilder(0)
	for _, r := range random(f, rand.New(rand.NewPCG(3, 3)), 5) {
		if err := b.Add(r.id, r.raw, Loc{}); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(b.Finish(pack))
	e, err := where.Parse(`metrics.m0 > 1 or params.opt contains "a" or tags == null or at > "2026-01-01"`)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		ix, err := Parse(data, pack)
		if err != nil {
			return
		}
		ix.Filter(e, Scope{})
		ix.Superseded()
		ix.OfNouns([]string{"run"})
		ix.Find(pack)
		for range ix.Refs(object.Digest{}, pack) {
			break
		}
		ix.Overflow()
		ix.Touch()
	})
}

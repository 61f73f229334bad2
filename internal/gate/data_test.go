package gate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mlx/internal/dataset"
	"mlx/internal/fault"
)

// dataWorld is a world of tables in memory.
type dataWorld map[string]string

func (w dataWorld) world(t *testing.T) World {
	return World{
		Temp: t.TempDir(), Now: time.Date(2026, 5, 3, 12, 0, 0, 0, time.UTC),
		Table: func(ctx context.Context, where string) (Table, error) {
			text, ok := w[where]
			if !ok {
				return Table{}, fault.New(fault.NotFound, "cannot read %s: there is no such file", where)
			}
			open := func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }
			table, err := dataset.Open(ctx, []dataset.File{{Name: where, Size: int64(len(text)), Open: open}}, dataset.Options{Format: "csv", Temp: t.TempDir()})
			return Table{Table: table}, err
		},
	}
}

func bounded(text string) *Bound {
	b := &Bound{Text: text}
	if at, ok := dataTime(text); ok {
		b.Value, b.Unit = float64(at.Unix()), "time"
		return b
	}
	if d, err := time.ParseDuration(text); err == nil {
		b.Value, b.Unit = d.Seconds(), "s"
		return b
	}
	if share, ok := strings.CutSuffix(text, "%"); ok {
		fmt.Sscan(share, &b.Value)
		b.Value, b.Unit = b.Value/100, "share"
		return b
	}
	fmt.Sscan(text, &b.Value)
	return b
}

// judgeData judges rules over the table t of a world.
func judgeData(t *testing.T, w dataWorld, m *Meaning, rules ...Rule) ([]Finding, []error) {
	t.Helper()
	s := &session{spec: Spec{Name: "data", Table: "t.csv"}}
	for i := range rules {
		rules[i].At = fault.Position{File: "mlx.yaml", Line: i + 1}
	}
	s.spec.Rules = rules
	checks, err := s.compile()
	if err != nil {
		return nil, []error{err}
	}
	world := w.world(t)
	world.Meaning = func(where string) (Meaning, bool) {
		if m == nil || where != "t.csv" && !strings.HasSuffix(where, ".yaml") {
			return Meaning{}, false
		}
		return *m, true
	}
	var all []Finding
	var troubles []error
	for _, c := range checks {
		found, err := c.Check(t.Context(), Subject{World: world})
		if err != nil {
			troubles = append(troubles, err)
		}
		all = append(all, found...)
	}
	return all, troubles
}

func share(v float64) *float64 { return &v }

func column(name string, set func(r *Rule)) Rule {
	r := Rule{Kind: "column", Name: name}
	set(&r)
	return r
}

const people = `id,user_age,country_code,name,score,born,seen,big,ok
1,30,DE,ada,0.5,1990-01-02,2026-05-01T10:00:00Z,9007199254740993,true
2,-1,FR,bob,NaN,1991-02-03,2026-05-02T10:00:00Z,9007199254740992,false
3,,XX,,inf,,2026-05-03T10:00:00Z,9007199254740994,true
4,17,DE,Ünal,1.5,1992-03-04,,9007199254740995,
4,200,DE,eve,2.5,1993-04-05,2026-05-01T11:00:00Z,9007199254740996,true
`

func TestDataChecks(t *testing.T) {
	w := dataWorld{"t.csv": people, "c.csv": "code,n\nDE,1\nFR,2\n", "same.csv": people, "mixed.csv": "mixed\n1\n2\nx\n4\n", "zero.csv": "n,m\n0,1\n,1\n2,1\n",
		"far.csv": "began,ended,seen,first\n2020-01-01,9999-12-31,2020-01-01T10:00:00Z,0001-01-01\n2021-01-01,2022-01-01,2021-01-01T10:00:00Z,2020-01-01\n"}
	for _, tc := range []struct {
		rule    Rule
		verdict Verdict
		text    string
	}{
		{column("user_age", func(r *Rule) { r.Min = bounded("0") }), Fail, "1 of 4 rows is below 0: row 2  at least 0"},
		{column("user_age", func(r *Rule) { r.Min, r.Max = bounded("-1"), bounded("200") }), Pass, "4 rows  -1 to 200"},
		{column("user_age", func(r *Rule) { r.Min, r.Max = bounded("0"), bounded("120") }), Fail, "2 of 4 rows are outside 0 to 120: rows 2, 5  0 to 120"},
		{column("user_age", func(r *Rule) { r.Min, r.Mostly = bounded("0"), share(.75) }), Pass, "1 of 4 rows is below 0 (25%): row 2  at least 0 in 75% of the rows"},
		{column("user_age", func(r *Rule) { r.Min, r.Mostly = bounded("0"), share(.76) }), Fail, "1 of 4 rows is below 0 (25%): row 2  at least 0 in 76% of the rows"},
		{column("user_age", func(r *Rule) { r.Min, r.Where = bounded("0"), `country_code == "DE"` }), Pass, `3 rows  at least 0, where country_code == "DE"`},
		{column("user_age", func(r *Rule) { r.Min, r.Where = bounded("0"), `country_code == "IT"` }), Inconclusive, `no row to judge  at least 0, where country_code == "IT"`},
		{column("user_age", func(r *Rule) { r.Min, r.MinRows = bounded("-9"), 5 }), Inconclusive, "4 rows  at least -9"},
		{column("user_age", func(r *Rule) { r.Nulls = share(.2) }), Pass, "1 of 5 rows is missing (20%): row 3  at most 20% missing"},
		{column("user_age", func(r *Rule) { r.Nulls = share(.1) }), Fail, "1 of 5 rows is missing (20%): row 3  at most 10% missing"},
		{column("country_code", func(r *Rule) { r.In = []any{"DE", "FR"} }), Fail, "1 of 5 rows is not in [DE, FR]: row 3  one of [DE, FR]"},
		{column("country_code", func(r *Rule) { r.NotIn = []any{"XX"} }), Fail, "1 of 5 rows is in [XX]: row 3  none of [XX]"},
		{column("id", func(r *Rule) { r.In = []any{int64(1), "2", 3.0, int64(4)} }), Pass, "5 rows  one of [1, 2, 3, 4]"},
		{column("score", func(r *Rule) { r.Min = bounded("0") }), Fail, "1 of 5 rows is below 0, 1 of them NaN: row 2  at least 0"},
		{column("score", func(r *Rule) { r.Max = bounded("9") }), Fail, "2 of 5 rows are above 9, 1 of them NaN: rows 2, 3  at most 9"},
		{column("big", func(r *Rule) { r.Min = bounded("9007199254740993") }), Fail, "1 of 5 rows is below 9007199254740993: row 2  at least 9007199254740993"},
		{column("born", func(r *Rule) { r.Min = bounded("1991-02-03") }), Fail, "1 of 4 rows is below 1991-02-03: row 1  at least 1991-02-03"},
		{column("name", func(r *Rule) { r.Regex = "[a-z]+" }), Fail, "1 of 4 rows is not like [a-z]+: row 4  like [a-z]+"},
		{column("name", func(r *Rule) { r.NotRegex = "^b" }), Fail, "1 of 4 rows is matched by ^b: row 2  without ^b"},
		{column("name", func(r *Rule) { r.MinLength, r.MaxLength = bounded("3"), bounded("3") }), Fail, "1 of 4 rows is not 3 characters long: row 4  3 characters"},
		{column("id", func(r *Rule) { r.Unique = true }), Fail, "2 of 5 rows are not unique: rows 4, 5  no value twice"},
		{column("id", func(r *Rule) { r.Unique, r.Columns = true, []string{"name"} }), Pass, "4 rows  no two rows with the same id, name"},
		{column("name", func(r *Rule) { r.Unique = true }), Pass, "4 rows  no value twice"},
		{column("id", func(r *Rule) { r.Order = "increasing" }), Pass, "5 rows  increasing rows"},
		{column("id", func(r *Rule) { r.Order = "strictly_increasing" }), Fail, "1 of 5 rows is out of order: row 5  strictly increasing rows"},
		{column("country_code", func(r *Rule) { r.References = "c.csv:code" }), Fail, "1 of 5 rows is not in c.csv:code: row 3  in c.csv:code"},
		{column("user_age", func(r *Rule) { r.Type = "int" }), Pass, "int  int"},
		{column("mixed", func(r *Rule) { r.Type, r.Table = "int", "mixed.csv" }), Fail, `text because of "x" in mixed.csv line 4  int`},
		{Rule{Kind: "expr", Name: "user_age >= 0 or country_code == \"FR\""}, Pass, "4 rows  user_age >= 0 or country_code == \"FR\""},
		{Rule{Kind: "expr", Name: "user_age + id > 3"}, Fail, "1 of 4 rows is not so: row 2  user_age + id > 3"},
		{Rule{Kind: "expr", Name: "user_age != nil"}, Fail, "1 of 5 rows is not so: row 3  user_age != nil"},
		{Rule{Kind: "expr", Name: "len(name) == 3"}, Fail, "1 of 4 rows is not so: row 4  len(name) == 3"},
		{Rule{Kind: "expr", Name: "seen > born"}, Pass, "3 rows  seen > born"},
		{Rule{Kind: "expr", Name: "seen >= \"2026-05-01\" and ok"}, Fail, "1 of 4 rows is not so: row 2  seen >= \"2026-05-01\" and ok"},
		{Rule{Kind: "measure", Name: "rows", Min: bounded("6")}, Fail, "5 rows  at least 6"},
		{Rule{Kind: "measure", Name: "rows", Where: "ok", Min: bounded("3")}, Pass, "3 rows  at least 3"},
		{Rule{Kind: "expr", Name: "ended >= began", Table: "far.csv"}, Pass, "2 rows  ended >= began"},
		{Rule{Kind: "expr", Name: "ended >= seen", Table: "far.csv"}, Pass, "2 rows  ended >= seen"},
		{Rule{Kind: "expr", Name: "seen > first", Table: "far.csv"}, Pass, "2 rows  seen > first"},
		{Rule{Kind: "expr", Name: `ended < "9999-12-31"`, Table: "far.csv"}, Fail, `1 of 2 rows is not so: row 1  ended < "9999-12-31"`},
		{Rule{Kind: "expr", Name: `began > "2020-01-01T12:00:00Z"`, Table: "far.csv"}, Fail, `1 of 2 rows is not so: row 1  began > "2020-01-01T12:00:00Z"`},
		{Rule{Kind: "measure", Name: "rows", Reference: "c.csv", Max: bounded("200%")}, Fail, "5 rows, 2 in c.csv (250%)  at most 200% of it"},
		{Rule{Kind: "measure", Name: "columns", Min: bounded("9"), Max: bounded("9")}, Pass, "9 columns  9 to 9"},
		{Rule{Kind: "measure", Name: "freshness", Columns: []string{"seen"}, Max: bounded("1h")}, Fail, "2h old, newest 2026-05-03T10:00:00Z  at most 1h old"},
		{Rule{Kind: "measure", Name: "duplicates"}, Pass, "5 rows  no row twice"},
		{Rule{Kind: "measure", Name: "duplicates", Columns: []string{"country_code"}, Max: bounded("10%")}, Fail, "2 of 5 rows are repeated: rows 4, 5 (40%)  at most 10%"},
		{Rule{Kind: "measure", Name: "duplicates", Columns: []string{"n"}, Table: "zero.csv"}, Pass, "3 rows  no row twice in n"},
		{Rule{Kind: "measure", Name: "null_rows", Columns: []string{"user_age", "name"}}, Fail, "1 of 5 rows is empty: row 3  no row without a value"},
		{Rule{Kind: "measure", Name: "schema", Schema: "same.csv"}, Pass, "9 columns  columns of same.csv"},
		{Rule{Kind: "measure", Name: "schema", Schema: "c.csv"}, Fail, "no code; no n; additional id; additional user_age; additional country_code; additional name; additional score; additional born; additional seen; additional big; additional ok  columns of c.csv"},
	} {
		t.Run(tc.rule.Name+" "+tc.text, func(t *testing.T) {
			found, troubles := judgeData(t, w, nil, tc.rule)
			if len(troubles) > 0 || len(found) != 1 {
				t.Fatalf("%d findings, errors %v", len(found), troubles)
			}
			if found[0].Verdict != tc.verdict || found[0].Text() != tc.text {
				t.Errorf("%s %q\nwant %s %q", found[0].Verdict, found[0].Text(), tc.verdict, tc.text)
			}
		})
	}
}

func TestDataTroubles(t *testing.T) {
	w := dataWorld{"t.csv": people, "mixed.csv": "mixed\n1\n2\nx\n4\n"}
	for _, tc := range []struct {
		rule Rule
		text string
		hint string
	}{
		{column("user_agee", func(r *Rule) { r.Min = bounded("0") }), `cannot judge data: t.csv has no column "user_agee" (mlx.yaml line 1)`, `did you mean "user_age"?`},
		{column("mixed", func(r *Rule) { r.Min, r.Table = bounded("0"), "mixed.csv" }), `cannot judge data: column "mixed" is text, which has no least and no greatest value (mlx.yaml line 1)`, `column "mixed" is text because of "x" in mixed.csv line 4`},
		{column("id", func(r *Rule) { r.In = []any{"a"} }), `cannot judge data: column "id" is int, which "a" is not (mlx.yaml line 1)`, ""},
		{column("id", func(r *Rule) {}), `cannot judge data: column "id" has no limit (mlx.yaml line 1)`, "nulls: 0%, min: 0, in: [a, b], unique: true, stat: mean, ..."},
		{column("name", func(r *Rule) { r.Regex = "(" }), "cannot judge data: regex: error parsing regexp: missing closing ): `(` (mlx.yaml line 1)", "patterns are those of RE2: no look-ahead and no back-references"},
		{column("x_*", func(r *Rule) { r.Nulls = share(0) }), `cannot judge data: no column of t.csv is called like "x_*" (mlx.yaml line 1)`, "its columns are id, user_age, country_code, name, score, born, seen, big and 1 more"},
		{Rule{Kind: "expr", Name: "user_age >"}, "cannot judge data: unexpected token EOF at character 10 of the expression (mlx.yaml line 1)", ""},
		{Rule{Kind: "expr", Name: "all(1..9, # > 2)"}, "cannot judge data: function all has no place in an expression (mlx.yaml line 1)", ""},
		{Rule{Kind: "expr", Name: "user_age + 1"}, "cannot judge data: the expression is no condition: it is neither true nor false (mlx.yaml line 1)", ""},
		{Rule{Kind: "expr", Name: "uper(name) == \"A\""}, "cannot judge data: function uper has no place in an expression (mlx.yaml line 1)", `did you mean "upper"?`},
		{Rule{Kind: "expr", Name: "big * big > 0"}, "cannot judge data: 9007199254740993 * 9007199254740993 does not fit 64 bits (mlx.yaml line 1)", ""},
		{Rule{Kind: "column", Name: "id", Unique: true, Table: "none.csv"}, "cannot judge data: cannot read none.csv: there is no such file", ""},
	} {
		t.Run(tc.text, func(t *testing.T) {
			found, troubles := judgeData(t, w, nil, tc.rule)
			if len(troubles) != 1 || len(found) > 0 {
				t.Fatalf("findings %v, errors %v", found, troubles)
			}
			var e *fault.Error
			if troubles[0].Error() != tc.text && !strings.HasSuffix(troubles[0].Error(), ": "+tc.text) {
				t.Errorf("%s\nwant %s", troubles[0], tc.text)
			}
			if hints := fault.Hints(troubles[0]); tc.hint != "" && (len(hints) == 0 || hints[0] != tc.hint) {
				t.Errorf("hints %q, want %q", hints, tc.hint)
			}
			if !errors.As(troubles[0], &e) || e.Kind.Row().Status != 2 {
				t.Errorf("no trouble of status 2: %#v", troubles[0])
			}
		})
	}
}

// Values of the table stay as they are in a finding, but short, as text, and masked where somebody said so.
func TestDataSamples(t *testing.T) {
	hostile := "<script>alert(1)</script>" + strings.Repeat("x", 100)
	w := dataWorld{"t.csv": "id,secret,note\n1,abc,\x1b[31mred\n2,def,=cmd()\n3,ghi," + hostile + "\n"}
	m := &Meaning{Key: []string{"id"}, Columns: map[string]ColumnMeaning{"secret": {Private: true}}}
	found, troubles := judgeData(t, w, m, column("note", func(r *Rule) { r.Regex = "ok" }), column("secret", func(r *Rule) { r.In = []any{"ok"} }))
	if len(troubles) > 0 {
		t.Fatal(troubles)
	}
	notes, secrets := found[0].Failing, found[1].Failing
	if notes.Header[0] != "id" || notes.Sample[0][1] != "\x1b[31mred" || notes.Sample[1][1] != "=cmd()" {
		t.Errorf("sample %q of %q", notes.Sample, notes.Header)
	}
	if long := notes.Sample[2][1]; len([]rune(long)) != dataSampleRunes || !strings.HasSuffix(long, "…") {
		t.Errorf("a long value is kept as %q", long)
	}
	if _, err := json.Marshal(found); err != nil {
		t.Error(err)
	}
	for _, row := range secrets.Sample {
		if row[1] != "(private)" {
			t.Errorf("a private value is shown: %q", row)
		}
	}
}

// What does not fit memory is told apart from what cannot be kept.
func TestSpillCannotWrite(t *testing.T) {
	s := newSpill(filepath.Join(t.TempDir(), "missing"), 1)
	s.room = 0
	err := s.addAll(0, make([]uint64, 2*spillBlock+1))
	if fault.KindOf(err) != fault.NotFound {
		t.Errorf("no such folder: %v", err)
	}
}

// Keys that do not fit memory are found again in the file, whatever their number.
func TestKeysSpill(t *testing.T) {
	for _, narrow := range []bool{true, false} {
		store := newKeyStore(newDataKey([]dataset.Field{{Type: dataset.Int}}), t.TempDir())
		store.narrow = narrow
		store.spill.room = 0
		const n = 300_000
		for i := range uint64(n) {
			if err := store.put([]uint64{store.scramble(i % (n - 5)), 7}, i); err != nil {
				t.Fatal(err)
			}
		}
		twice := firstRows{}
		err := store.each(func(seen *keySeen, row uint64) {
			if seen.count++; seen.count == 2 {
				twice.add(row)
			}
		}, nil)
		if err != nil || twice.count != 5 || twice.first[0] != n-5 {
			t.Errorf("narrow %v: %v, %v", narrow, twice, err)
		}
		store.spill.close()
		if left, _ := os.ReadDir(store.spill.temp); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
}

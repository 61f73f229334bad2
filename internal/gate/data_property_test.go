package gate

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	exprlang "github.com/expr-lang/expr"

	"mlx/internal/dataset"
)

// dataGrid is a table of texts; "" is missing.
type dataGrid struct {
	names []string
	rows  [][]string
}

// randomGrid has integers, floats with NaN, texts and days, some of each missing.
func randomGrid(rng *rand.Rand, rows int) dataGrid {
	g := dataGrid{names: []string{"i", "j", "f", "s", "d", "b"}}
	for range rows {
		row := []string{
			strconv.Itoa(rng.IntN(20) - 10), strconv.Itoa(rng.IntN(1 << 30)), strconv.FormatFloat(float64(rng.IntN(80)-40)/8, 'f', 3, 64),
			[]string{"a", "bb", "ccc", "ünü", "x y"}[rng.IntN(5)], time.Unix(int64(rng.IntN(40))*86400, 0).UTC().Format(time.DateOnly),
			strconv.FormatBool(rng.IntN(2) == 0),
		}
		if rng.IntN(15) == 0 {
			row[2] = "NaN"
		}
		for i := range row {
			if rng.IntN(8) == 0 {
				row[i] = ""
			}
		}
		g.rows = append(g.rows, row)
	}
	return g
}

func (g dataGrid) csv() string {
	var b strings.Builder
	b.WriteString(strings.Join(g.names, ",") + "\n")
	for _, row := range g.rows {
		b.WriteString(strings.Join(row, ",") + "\n")
	}
	return b.String()
}

func (g dataGrid) column(name string) []string {
	var all []string
	for i, n := range g.names {
		if n == name {
			for _, row := range g.rows {
				all = append(all, row[i])
			}
		}
	}
	return all
}

// naive is the rows that break a rule, by going through the texts one by one, and how many are judged.
func (g dataGrid) naive(r Rule) (bad []int, judged int) {
	values := g.column(r.Name)
	seen := map[string]int{}
	for _, v := range values {
		seen[v]++
	}
	last := ""
	for row, v := range values {
		if v == "" && r.Nulls == nil {
			continue
		}
		judged++
		n, _ := strconv.ParseFloat(v, 64)
		broken := false
		switch {
		case r.Nulls != nil:
			broken = v == ""
		case r.Unique:
			broken = seen[v] > 1
		case r.Order != "":
			before, _ := strconv.ParseFloat(last, 64)
			broken, last = last != "" && n < before, v
		case r.In != nil:
			broken = true
			for _, allowed := range r.In {
				broken = broken && fmt.Sprint(allowed) != v
			}
		case r.Regex != "":
			broken = regexp.MustCompile("^("+r.Regex+")$").FindString(v) == ""
		case r.MaxLength != nil:
			broken = float64(len([]rune(v))) > r.MaxLength.Value
		case r.Name == "d":
			broken = r.Min != nil && v < r.Min.Text || r.Max != nil && v > r.Max.Text
		default:
			broken = n != n || r.Min != nil && n < r.Min.Value || r.Max != nil && n > r.Max.Value
		}
		if broken {
			bad = append(bad, row)
		}
	}
	return bad, judged
}

func randomRules() []Rule {
	return []Rule{
		column("i", func(r *Rule) { r.Min = bounded("-3") }),
		column("i", func(r *Rule) { r.Min, r.Max = bounded("-2.5"), bounded("4.5") }),
		column("f", func(r *Rule) { r.Max = bounded("1.125") }),
		column("f", func(r *Rule) { r.Min, r.Max = bounded("-1"), bounded("1") }),
		column("d", func(r *Rule) { r.Min, r.Max = bounded("1970-01-05"), bounded("1970-01-30") }),
		column("i", func(r *Rule) { r.In = []any{int64(1), int64(2), int64(-3)} }),
		column("s", func(r *Rule) { r.In = []any{"a", "ünü"} }),
		column("s", func(r *Rule) { r.Regex = "[a-c]+" }),
		column("s", func(r *Rule) { r.MaxLength = bounded("2") }),
		column("s", func(r *Rule) { r.Nulls = share(0) }),
		column("j", func(r *Rule) { r.Unique = true }),
		column("i", func(r *Rule) { r.Unique = true }),
		column("s", func(r *Rule) { r.Unique = true }),
		column("i", func(r *Rule) { r.Order = "increasing" }),
	}
}

// What a gate finds in one vectorised reading is what going through the rows one by one finds, for any number of workers.
func TestDataIsNaive(t *testing.T) {
	for seed := range uint64(12) {
		rng := rand.New(rand.NewPCG(seed, 9))
		g := randomGrid(rng, []int{1, 63, 64, 65, 500, 20_000}[seed%6])
		rules := randomRules()
		one := judgeWith(t, g.csv(), 1, rules)
		if many := judgeWith(t, g.csv(), 5, rules); text(t, one) != text(t, many) {
			t.Fatalf("seed %d: the findings depend on the number of workers", seed)
		}
		for i, f := range one {
			bad, judged := g.naive(rules[i])
			count, rows := int64(0), []RowAt{}
			if f.Failing != nil {
				count, rows = f.Failing.Count, f.Failing.Rows
			}
			if count != int64(len(bad)) || *f.Rows != int64(judged) {
				t.Errorf("seed %d, %s: %d of %d rows, want %d of %d", seed, f.Text(), count, *f.Rows, len(bad), judged)
				continue
			}
			for k, at := range rows {
				if at.Row != int64(bad[k]+1) {
					t.Errorf("seed %d, %s: row %d, want %d", seed, f.Text(), at.Row, bad[k]+1)
				}
			}
			if want := verdictOf(len(bad), judged); f.Verdict != want {
				t.Errorf("seed %d, %s: %s, want %s", seed, f.Text(), f.Verdict, want)
			}
		}
	}
}

func verdictOf(bad, judged int) Verdict {
	switch {
	case judged == 0:
		return Inconclusive
	case bad > 0:
		return Fail
	}
	return Pass
}

func text(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// judgeWith judges rules, each on its own check but in one reading, with so many workers.
func judgeWith(t *testing.T, csv string, workers int, rules []Rule) []Finding {
	t.Helper()
	s := &session{spec: Spec{Name: "data", Table: "t.csv", Rules: rules}}
	checks, err := s.compile()
	if err != nil {
		t.Fatal(err)
	}
	world := World{Temp: t.TempDir(), Table: func(ctx context.Context, where string) (Table, error) {
		open := func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(csv)), nil }
		table, err := dataset.Open(ctx, []dataset.File{{Name: where, Size: int64(len(csv)), Open: open}}, dataset.Options{Format: "csv", Workers: workers})
		return Table{Table: table}, err
	}}
	var all []Finding
	for _, c := range checks {
		found, err := c.Check(t.Context(), Subject{World: world})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, found...)
	}
	return all
}

// What is computed for a whole batch is what expr-lang says of each row; a row in which something is missing that decides is not judged.
func TestExprIsTheLanguage(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, text := range []string{
		"i > 0", "i >= f", "i + 2 * i < f - 1", "f / 2 == 1", "i == nil or f > 0", "not (i > 0) and s != \"a\"", "i in [1, 2, 3]", "i in -2..5",
		"s in [\"a\", \"bb\"]", "s contains \"b\" or s startsWith \"ü\"", "s matches \"^[abc]+$\"", "b and i < 5", "b == (i > 0)", "s < \"bb\"",
		"i != 3.0", "i < 2.5", "-i > 2", "f != f", "s endsWith \"y\"", "i == nil and f == nil", "i != nil", "1 < i and i < 5 || f >= 0.5", "b != true",
		"len(s) > 1", "abs(i) < 4", "(i ?? 3) > 2", "i > 0 ? f > 0 : b",
	} {
		program, err := exprlang.Compile(text, exprlang.AllowUndefinedVariables(), exprlang.AsBool())
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		judged := 0
		for range 25 {
			g := randomGrid(rng, 18) // so that every failing row is named
			got := map[int64]bool{}
			if failing := judgeWith(t, g.csv(), 2, []Rule{{Kind: "expr", Name: text}})[0].Failing; failing != nil {
				for _, at := range failing.Rows {
					got[at.Row] = true
				}
			}
			for row := range g.rows {
				env := g.env(row)
				answer, err := exprlang.Run(program, env)
				if err != nil || !strings.Contains(text, "nil") && !strings.Contains(text, "??") && unsettled(text, env) {
					continue
				}
				if judged++; got[int64(row+1)] != (answer == false) {
					t.Errorf("%s: row %d %v is %v", text, row+1, env, answer)
				}
			}
		}
		if judged < 200 {
			t.Errorf("%s: only %d rows were compared", text, judged)
		}
	}
}

// unsettled says whether a row lacks a value of the expression.
func unsettled(text string, env map[string]any) bool {
	for name, v := range env {
		if v == nil && regexp.MustCompile(`\b`+name+`\b`).MatchString(text) {
			return true
		}
	}
	return false
}

func (g dataGrid) env(row int) map[string]any {
	env := map[string]any{}
	for i, name := range g.names {
		text := g.rows[row][i]
		switch {
		case text == "":
			env[name] = nil
		case name == "i" || name == "j":
			env[name], _ = strconv.Atoi(text)
		case name == "f":
			env[name], _ = strconv.ParseFloat(text, 64)
		case name == "b":
			env[name] = text == "true"
		default:
			env[name] = text
		}
	}
	return env
}

// An expression is refused or judged, and never does anything else.
func FuzzExpr(f *testing.F) {
	for _, text := range []string{"i > 0", "i in 1..9", "len(s) == 2 ? i : f", "all(s, # > 1)", "s matches \"(\"", "i ?? 0 > 1", "[i][0] == 1", "$env[\"i\"] > 1",
		"let x = i; x > 1", "i % 0 == 1", "date(s) > d", "{\"a\": i}.a > 1", "not not not b", "((((i))))>1", "repeat(s, 1000000) == s"} {
		f.Add(text)
	}
	csv := "i,f,s,d,b\n1,0.5,a,2020-01-01,true\n,,,,\n-9223372036854775808,NaN,x,2020-01-02,false\n"
	f.Fuzz(func(t *testing.T, text string) {
		s := &session{spec: Spec{Name: "data", Table: "t.csv", Rules: []Rule{{Kind: "expr", Name: text}}}}
		checks, err := s.compile()
		if err != nil {
			return
		}
		world := World{Table: func(ctx context.Context, where string) (Table, error) {
			open := func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(csv)), nil }
			table, err := dataset.Open(ctx, []dataset.File{{Name: where, Size: int64(len(csv)), Open: open}}, dataset.Options{Format: "csv", Workers: 1})
			return Table{Table: table}, err
		}}
		found, err := checks[0].Check(t.Context(), Subject{World: world})
		if err == nil && len(found) != 1 {
			t.Errorf("%q: %v", text, found)
		}
	})
}

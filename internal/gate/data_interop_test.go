//go:build interop

package gate

import (
	"context"
	"encoding/json"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"mlx/internal/dataset"
)

// TestInteropChecks holds verdicts, counts of failing rows and statistics against Great Expectations, pandera and pandas, on the real
// flights.
func TestInteropChecks(t *testing.T) {
	python := os.Getenv("MLX_TEST_GATE")
	if python == "" {
		t.Fatal("MLX_TEST_GATE is not set: export MLX_TEST_GATE=$(.ci/python cmd/mlx/testdata/python/gate.txt)")
	}
	folder := t.TempDir()
	command := exec.CommandContext(t.Context(), python, "testdata/peers.py", folder)
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	var theirs map[string]struct {
		Success *bool
		Count   *int64
		Value   *float64
	}
	if err := json.Unmarshal(out, &theirs); err != nil {
		t.Fatal(err)
	}
	stat := func(name, stat string) Rule {
		return column(name, func(r *Rule) { r.Stat, r.Min = stat, bounded("-1000000000000") })
	}
	delay := column("dep_delay", func(r *Rule) { r.Min, r.Max, r.Mostly = bounded("-20"), bounded("120"), share(.9) })
	carrier := column("carrier", func(r *Rule) { r.Regex = "[A-Z]{2}" })
	origin := column("origin", func(r *Rule) { r.In = []any{"EWR", "JFK"} })
	tail := column("tailnum", func(r *Rule) { r.MinLength, r.MaxLength = bounded("6"), bounded("6") })
	ours := map[string]Rule{
		"nulls": column("arr_delay", func(r *Rule) { r.Nulls = share(.05) }), "origin": origin, "carrier": carrier, "tail_length": tail, "dep_delay": delay,
		"origin_not": column("origin", func(r *Rule) { r.NotIn = []any{"LGA"} }),
		"tailnum":    column("tailnum", func(r *Rule) { r.NotRegex = "[A-Z]{2}$" }),
		"dest":       column("dest", func(r *Rule) { r.MinLength, r.MaxLength = bounded("3"), bounded("3") }),
		"dep_time":   column("dep_time", func(r *Rule) { r.Max = bounded("2359") }),
		"unique":     column("flight", func(r *Rule) { r.Unique = true }),
		"compound":   column("year", func(r *Rule) { r.Unique, r.Columns = true, []string{"month", "day", "carrier", "flight"} }),
		"increasing": column("hour", func(r *Rule) { r.Order = "increasing" }),
		"pair":       {Kind: "expr", Name: "arr_time > dep_time"},
		"mean":       stat("distance", "mean"), "median": stat("air_time", "median"), "std": stat("distance", "std"), "sum": stat("distance", "sum"),
		"min": stat("dep_delay", "min"), "max": stat("dep_delay", "max"), "distinct": stat("dest", "distinct"), "distinct_share": stat("tailnum", "distinct_share"),
		"rows": {Kind: "measure", Name: "rows", Min: bounded("1")}, "columns": {Kind: "measure", Name: "columns", Min: bounded("1")},
		"pandera_dep_delay": column("dep_delay", func(r *Rule) { r.Min, r.Max = bounded("-20"), bounded("120") }), "pandera_origin": origin, "pandera_carrier": carrier,
		"pandera_tailnum": tail, "quantile": stat("air_time", "q0.95"), "skew": stat("distance", "skew"), "mode_share": stat("carrier", "mode_share"),
		"references": column("dest", func(r *Rule) { r.References = filepath.Join(folder, "airports.csv") + ":faa" }),
		"tails":      column("tailnum", func(r *Rule) { r.References = filepath.Join(folder, "planes.csv") + ":tailnum" }),
		"duplicates": {Kind: "measure", Name: "duplicates", Columns: []string{"carrier", "flight", "origin", "dest"}},
	}
	var names []string
	var rules []Rule
	for name := range theirs {
		rule, ok := ours[name]
		if !ok {
			t.Fatalf("no rule for %s", name)
		}
		rule.Title = name
		names, rules = append(names, name), append(rules, rule)
	}
	if len(theirs) != len(ours) {
		t.Fatalf("%d answers for %d rules", len(theirs), len(ours))
	}
	s := &session{spec: Spec{Name: "flights", Table: filepath.Join(folder, "flights.csv"), Rules: rules}}
	checks, err := s.compile()
	if err != nil {
		t.Fatal(err)
	}
	world := World{Temp: t.TempDir(), Table: func(ctx context.Context, where string) (Table, error) {
		open := func(context.Context) (io.ReadCloser, error) { return os.Open(where) }
		table, err := dataset.Open(ctx, []dataset.File{{Name: where, Size: -1, Open: open}}, dataset.Options{})
		return Table{Table: table}, err
	}}
	for i, check := range checks {
		found, err := check.Check(t.Context(), Subject{World: world})
		if err != nil {
			t.Errorf("%s: %v", names[i], err)
			continue
		}
		f, want := found[0], theirs[names[i]]
		count := int64(0)
		if f.Failing != nil {
			count = f.Failing.Count
		}
		switch {
		case want.Success != nil && *want.Success != (f.Verdict == Pass):
			t.Errorf("%s: %s, want success %v: %s", names[i], f.Verdict, *want.Success, f.Text())
		case want.Count != nil && *want.Count != count:
			t.Errorf("%s: %d rows, want %d: %s", names[i], count, *want.Count, f.Text())
		case want.Value != nil && (f.Value == nil || math.Abs(*f.Value-*want.Value) > 1e-9*math.Abs(*want.Value)):
			t.Errorf("%s: %s, want %v", names[i], f.Text(), *want.Value)
		default:
			t.Logf("%s: %s", names[i], f.Text())
		}
	}
}

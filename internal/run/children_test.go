package run

import (
	"math"
	"strings"
	"testing"
)

func TestParseChildren(t *testing.T) {
	good := `{"name": "trial-0", "params": {"x": 1.5, "net": {"layers": 2}}, "metrics": {"value": NaN, "auc": 0.7}, "started": 1795447679.5}

{"name": "trial-1", "state": "cancelled", "cause": "pruned", "metrics": {"value": "inf"}}
`
	all, err := parseChildren("f", []byte(good))
	if err != nil || len(all) != 2 {
		t.Fatalf("%+v %v", all, err)
	}
	a, b := all[0], all[1]
	if a.Name != "trial-0" || a.State != Succeeded || a.Params["net.layers"] != 2.0 || !math.IsNaN(float64(a.numbers["value"])) || a.numbers["auc"] != 0.7 {
		t.Errorf("%+v", a)
	}
	if b.State != Cancelled || b.Cause != "pruned" || !math.IsInf(float64(b.numbers["value"]), 1) {
		t.Errorf("%+v", b)
	}
	for _, tt := range []struct{ line, want string }{
		{`{"name": 3}`, "line 2 of f"},
		{`{"nam": "x"}`, `unknown field "nam"`},
		{`{"state": "running"}`, `state "running" is none of`},
		{`{"metrics": {"auc": true}}`, `metric "auc" is not a number`},
		{"{\"name\": \"\xff\"}", "not UTF-8"},
		{`{"name": "` + strings.Repeat("x", maxChildBytes) + `"}`, "more than"},
		{`[]`, "line 2"},
	} {
		all, err := parseChildren("f", []byte(`{"name": "first"}`+"\n"+tt.line))
		if err == nil || !strings.Contains(err.Error(), tt.want) || len(all) != 1 {
			t.Errorf("%.40s: %v, %d before it", tt.line, err, len(all))
		}
	}
}

func FuzzParseChildren(f *testing.F) {
	f.Add([]byte(`{"name": "trial-0", "params": {"x": [1, null]}, "metrics": {"value": NaN}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		all, err := parseChildren("f", text)
		if err == nil && len(all) > 1+strings.Count(string(text), "\n") {
			t.Errorf("%d children of %q", len(all), text)
		}
	})
}

package where

import (
	"strings"
	"testing"

	"mlx/internal/fault"
)

// show writes an expression with every parenthesis.
func show(e Expr) string {
	switch e := e.(type) {
	case *And:
		return "(" + show(e.X) + " and " + show(e.Y) + ")"
	case *Or:
		return "(" + show(e.X) + " or " + show(e.Y) + ")"
	case *Not:
		return "not " + show(e.X)
	case *Test:
		return strings.Join(e.Path, "/")
	}
	return ""
}

func TestPrecedence(t *testing.T) {
	for src, want := range map[string]string{
		"":                                  "",
		"a == 1":                            "a",
		"a == 1 or b == 2 and not c == 3":   "(a or (b and not c))",
		"(a == 1 or b == 2) and c":          "((a or b) and c)",
		"not not a and b":                   "(not not a and b)",
		`params["learning-rate"].x > -1e3`:  "params/learning-rate/x",
		`params.learning-rate != 'x'`:       "params/learning-rate",
		`0.5 < metrics.auc`:                 "metrics/auc",
		`tags in ["a", 'b', 3, true, null]`: "tags",
		`x.in == 1 and x.not == 2`:          "(x/in and x/not)",
		`größe matches '^\d+$'`:             "größe",
		`at >= "2026-05-01"`:                "at",
	} {
		e, err := Parse(src)
		if err != nil || show(e) != want {
			t.Errorf("%s: %s, %v, want %s", src, show(e), err, want)
		}
	}
}

func TestErrorsSayWhere(t *testing.T) {
	for src, want := range map[string]string{
		"a = 1":                            "column 3",
		"a == ":                            "column 6",
		"a == b":                           "column 6",
		"é == 1 & b":                       "column 8",
		"(a == 1":                          "column 8",
		"a == 1 b":                         "column 8",
		"a in 3":                           "column 6",
		"a in [1 2]":                       "column 9",
		"a matches '('":                    "column 11",
		"a startsWith 3":                   "column 14",
		"a < true":                         "column 5",
		"a < null":                         "column 5",
		"at > 'yesterday'":                 "column 6",
		"'x":                               "column 1",
		"1":                                "column 2",
		"a.":                               "column 3",
		"a[1]":                             "column 3",
		"0x10 < a":                         "column 1",
		strings.Repeat("(", 200) + "a":     "column 101",
		strings.Repeat("not ", 200) + " a": "column 401",
		"a contains null":                  "column 12",
		"and == 1":                         "column 1",
	} {
		_, err := Parse(src)
		if err == nil || fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), want+":") {
			t.Errorf("%.60s: %v, want %s", src, err, want)
		}
	}
	for _, src := range []string{"", "a b", "a ==", "-a", "a\xff", strings.Repeat("a", maxSource+1)} {
		if p, err := ParsePath(src); err == nil {
			t.Errorf("path %.20q: %v", src, p)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, src := range []string{"a == 1 or b.c['d'] in [1, 'x'] and not (e matches 'f+')", "1 < a", "at > '2026-01-01'"} {
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src string) {
		e, err := Parse(src)
		if err != nil && fault.KindOf(err) != fault.Usage {
			t.Fatalf("%q: %v is no usage error", src, err)
		}
		_ = show(e)
	})
}

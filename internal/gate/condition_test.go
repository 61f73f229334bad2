package gate

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

func TestConditions(t *testing.T) {
	for text, c := range map[string]struct {
		values map[string]any
		holds  bool
		fails  bool
	}{
		"score >= 0.2 and score <= 0.8":    {values: map[string]any{"score": 0.5}, holds: true},
		"score < 0.2":                      {values: map[string]any{"score": 0.5}},
		"score < 0.3":                      {values: map[string]any{"other": 0.1}, fails: true},
		"score < 0.4":                      {values: map[string]any{"score": nil}, fails: true},
		"score < 0.5":                      {values: map[string]any{"score": "high"}, fails: true},
		"score > 1":                        {values: map[string]any{"score": math.NaN()}},
		`label == "unsure"`:                {values: map[string]any{"label": "unsure"}, holds: true},
		`$env["/predictions/0"] > 1`:       {values: map[string]any{"/predictions/0": 2.0}, holds: true},
		"sure == nil or not sure":          {values: map[string]any{}, holds: true},
		"sure == nil or sure == false":     {values: map[string]any{"sure": false}, holds: true},
		"abs(score - 0.5) < 0.1 and score": {values: map[string]any{"score": 0.5}, fails: true},
	} {
		cond, err := ParseCondition(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		holds, err := cond.Holds(c.values)
		if holds != c.holds || (err != nil) != c.fails {
			t.Errorf("%s of %v: %v, %v", text, c.values, holds, err)
		}
	}
	for _, text := range []string{"", "score <", "score", "1 + 1", "map(score, # > 1)", "score.x > 1", "sleep(1)"} {
		if c, err := ParseCondition(text); err == nil {
			if _, err := c.Holds(map[string]any{"score": 0.5}); err == nil {
				t.Errorf("%q is a condition", text)
			}
		} else if strings.Contains(err.Error(), "()") {
			t.Errorf("%q: %v names no place", text, err)
		}
	}
}

func TestComparisons(t *testing.T) {
	for text, want := range map[string]string{
		"score >= 0.2 and 1 > score":              `[{score >= 0.2} {score < 1}]`,
		`label == "unsure" && $env["/a/0"] != -2`: `[{label == unsure} {/a/0 != -2}]`,
		"sure == false":                           `[{sure == false}]`,
		"a < 1 and (b < 2 and c <= 3)":            `[{a < 1} {b < 2} {c <= 3}]`,
		"a < 1 or b < 2":                          "",
		"a < b":                                   "",
		"not (a < 1)":                             "",
		"abs(a) < 1":                              "",
		"a + 1 < 2":                               "",
		"sure":                                    "",
		`label matches "x"`:                       "",
	} {
		c, err := ParseCondition(text)
		if err != nil {
			t.Fatal(err)
		}
		all, ok := c.Comparisons()
		if got := fmt.Sprint(all); ok != (want != "") || ok && got != want {
			t.Errorf("%s: %s, %v", text, got, ok)
		}
	}
}

func FuzzCondition(f *testing.F) {
	for _, text := range []string{"score >= 0.2 and score <= 0.8", `label matches "^b" or x ?? 1 > 2`, `$env["/a/0"] in [1, 2]`, "-1 ** -score > 2", `"a" * 3`} {
		f.Add(text, 0.5, "word")
	}
	f.Fuzz(func(_ *testing.T, text string, number float64, word string) {
		c, err := ParseCondition(text)
		if err != nil {
			return
		}
		_, _ = c.Comparisons()
		_, _ = c.Holds(map[string]any{"score": number, "label": word, "/a/0": number}) // an error is an answer; to panic is none
	})
}

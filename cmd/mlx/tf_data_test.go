package main

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"mlx/internal/deploy"
)

func TestQueriesOfTerraform(t *testing.T) {
	for text, want := range map[string]string{
		`{"service":"flights","env":"staging"}`:   "flights staging",
		`{"service":"flights","env":null}` + "\n": "flights ",
		`{"service":"flights"}`:                   "flights ",
	} {
		got, err := readTFQuery(strings.NewReader(text))
		if err != nil || got["service"]+" "+got["env"] != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"": "the query is empty", " \n": "the query is empty", "[]": "no JSON object of strings", `{"service":7}`: "no JSON object of strings", `{"service":["a"]}`: "no JSON object",
		"null": "names no service", "{}": "names no service", `{"service":" "}`: "names no service", `{"service":"a"} x`: "followed by something else",
		`{"service":"a","region":"eu"}`:                         `has "region"`,
		`{"service":"` + strings.Repeat("a", maxTFQuery) + `"}`: "too long",
	} {
		if got, err := readTFQuery(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v, %v", text, got, err)
		}
	}
}

// TestResultsAreStrings holds the answer against the protocol: an object whose values are strings, the same keys whatever is known.
func TestResultsAreStrings(t *testing.T) {
	for _, r := range []deploy.Release{{}, {Model: "m", Version: 3, Image: "sha256:1", Key: "k", Commit: "c"}} {
		text, err := json.Marshal(tfResult(r))
		if err != nil {
			t.Fatal(err)
		}
		var all map[string]any
		if err := json.Unmarshal(text, &all); err != nil {
			t.Fatal(err)
		}
		for key, value := range all {
			if _, is := value.(string); !is {
				t.Errorf("%s is %T", key, value)
			}
		}
		if keys := slices.Sorted(maps.Keys(all)); strings.Join(keys, " ") != "commit digest image model release version" {
			t.Errorf("the keys are %v", keys)
		}
	}
}

func TestNamesOfTerraform(t *testing.T) {
	for name, want := range map[string]string{"flights": "flights", "flights@staging": "flights_staging", "a.b-c": "a_b-c", "7days": "_7days", "-x": "_-x"} {
		if got := tfLabel(name); got != want {
			t.Errorf("%s is called %s", name, got)
		}
	}
	if got := tfText("a\"b\\c${d}%{e}\n"); got != `"a\"b\\c$${d}%%{e}\n"` {
		t.Errorf("it is %s", got)
	}
	f := tfFile{labels: map[string]string{}}
	if f.add("a.b") != nil || f.add("a_b") == nil {
		t.Error("two services of one name were taken")
	}
}

func FuzzQueriesOfTerraform(f *testing.F) {
	f.Add(`{"service":"flights","env":"staging"}`)
	f.Add(`{"service":1}`)
	f.Fuzz(func(t *testing.T, text string) {
		if query, err := readTFQuery(strings.NewReader(text)); err == nil && query["service"] == "" {
			t.Errorf("%q names no service", text)
		}
	})
}

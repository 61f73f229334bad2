package object

import (
	"encoding/json"
	"testing"
)

func TestQuoteWords(t *testing.T) {
	for text, want := range map[string]string{
		``:                           ``,
		`{"a": 1}`:                   `{"a": 1}`,
		`NaN`:                        `"NaN"`,
		`[NaN,Infinity,-Infinity]`:   `["NaN","Infinity","-Infinity"]`,
		`{"NaN": NaN}`:               `{"NaN": "NaN"}`,
		`["a -Infinity", -Infinity]`: `["a -Infinity", "-Infinity"]`,
		`["say \"NaN\"", NaN]`:       `["say \"NaN\"", "NaN"]`,
		`["\\", NaN]`:                `["\\", "NaN"]`,
		"{\"x\":\n NaN}\n{\"y\": 1}": "{\"x\":\n \"NaN\"}\n{\"y\": 1}",
		`["NaN`:                      `["NaN`,
		`["NaN\`:                     `["NaN\`,
	} {
		if got := string(QuoteWords([]byte(text))); got != want {
			t.Errorf("%s: %s instead of %s", text, got, want)
		}
	}
}

// FuzzQuoteWords holds that JSON is left as it is, and that nothing is left to be quoted in what was quoted.
func FuzzQuoteWords(f *testing.F) {
	for _, text := range []string{`{"a": [NaN, "NaN", -Infinity]}`, `["\\\"Infinity", 1]`, `"NaN`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		quoted := QuoteWords(text)
		if json.Valid(text) && string(quoted) != string(text) {
			t.Errorf("%q became %q", text, quoted)
		}
		if again := QuoteWords(quoted); json.Valid(quoted) && string(again) != string(quoted) {
			t.Errorf("%q, again %q", quoted, again)
		}
	})
}

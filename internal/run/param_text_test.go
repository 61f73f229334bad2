package run

import (
	"encoding/json"
	"testing"
)

func TestParamText(t *testing.T) {
	for _, c := range []struct {
		text string
		want any
	}{
		{"20", 20.0}, {"-3", -3.0}, {"0", 0.0}, {"0.1", 0.1}, {"0.30000000000000004", 0.30000000000000004},
		{"1e-05", 1e-05}, {"2.5e-07", 2.5e-07}, {"0.0001", 0.0001}, {"1234567.5", 1234567.5}, {"9007199254740991", 9007199254740991.0},
		{"true", true}, {"false", false},
		{"", ""}, {"1.0", "1.0"}, {"-0", "-0"}, {"1e3", "1e3"}, {"1e-5", "1e-5"}, {"007", "007"}, {"+1", "+1"}, {"0.10", "0.10"}, {"True", "True"},
		{"None", "None"}, {"nan", "nan"}, {"9007199254740993", "9007199254740993"}, {"1e+16", "1e+16"}, {"1e999", "1e999"}, {" 1", " 1"},
		{"0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"}, {"[1, 2]", "[1, 2]"},
	} {
		if got := ParamValue(c.text); got != c.want {
			t.Errorf("ParamValue(%q) = %v (%T), not %v", c.text, got, got, c.want)
		}
		if back := ParamText(c.want); back != c.text {
			t.Errorf("ParamText(%v) = %q, not %q", c.want, back, c.text)
		}
	}
	for _, c := range []struct {
		value any
		want  string
	}{{nil, ""}, {json.Number("1.50"), "1.50"}, {[]any{1.0, "a"}, `[1,"a"]`}, {1e16, "1e+16"}} {
		if got := ParamText(c.value); got != c.want {
			t.Errorf("ParamText(%v) = %q, not %q", c.value, got, c.want)
		}
	}
}

func FuzzParamText(f *testing.F) {
	for _, text := range []string{"1", "1.0", "-0.0", "1e-05", "1e22", "true", "0.1", "5e-324", "9007199254740992"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if back := ParamText(ParamValue(text)); back != text {
			t.Errorf("%q came back as %q", text, back)
		}
	})
}

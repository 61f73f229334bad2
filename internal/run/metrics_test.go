package run

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mlx/internal/fault"
)

func TestParseMetrics(t *testing.T) {
	tests := []struct {
		name, text string
		want       string // sorted by fmt: map[auc:0.5]
		wrong      string // part of the error
	}{
		{"object", `{"auc": 0.741, "n": 3}`, "map[auc:0.741 n:3]", ""},
		{"empty file", "", "map[]", ""},
		{"empty object", "{}", "map[]", ""},
		{"nested", `{"val": {"auc": 0.5, "by": {"LGA": 1}}, "loss": [1, 2]}`, "map[loss.0:1 loss.1:2 val.auc:0.5 val.by.LGA:1]", ""},
		{"the last object counts", "{\"auc\": 0.1, \"old\": 1}\n{\"auc\": 0.2}\n", "map[auc:0.2]", ""},
		{"what Python writes", `{"a": NaN, "b": Infinity, "c": -Infinity, "NaN": 1}`, "map[NaN:1 a:NaN b:+Inf c:-Inf]", ""},
		{"null is not known", `{"a": null}`, "map[a:NaN]", ""},
		{"beyond floats", `{"a": 1e999}`, "map[a:+Inf]", ""},
		{"words", `{"a": "nan", "b": "-inf"}`, "map[a:NaN b:-Inf]", ""},
		{"quotes in names", `{"a\"NaN": 1, "é": 2}`, `map[a"NaN:1 é:2]`, ""},
		{"plain text", "auc=0.5\n", "map[]", "line 1 of m.json: invalid character 'a'"},
		{"text in a later line", "{\"auc\": 0.5}\n\nloss 3\n", "map[auc:0.5]", "line 3 of m.json"},
		{"cut off", "{\"auc\": 0.5,\n", "map[]", "line 2 of m.json: it ends too early"},
		{"a list", "[1, 2]", "map[]", "line 1 of m.json: a metrics file holds a JSON object of numbers"},
		{"a string", "{\"auc\": 0.5,\n\"model\": \"rf\"}", "map[auc:0.5]", `line 2 of m.json: metric "model" is a string, not a number`},
		{"a truth", `{"ok": true}`, "map[]", `metric "ok" is true or false`},
		{"not UTF-8", "{\"a\": 1}\n{\"\xff\": 1}", "map[]", "line 2 of m.json: not UTF-8 text"},
		{"no name", `{"": 1}`, "map[]", "the name of a metric"},
		{"too deep", strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100), "map[]", "nested too deep"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseMetrics("m.json", []byte(tt.text))
			if text := fmt.Sprint(got); text != tt.want {
				t.Errorf("got %s, want %s", text, tt.want)
			}
			if tt.wrong == "" && err != nil || tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong)) {
				t.Fatalf("got error %v, want %q", err, tt.wrong)
			}
			if err != nil && (fault.At(err) == nil || fault.At(err).File != "m.json" || len(fault.Hints(err)) == 0) {
				t.Errorf("position %v, hints %v", fault.At(err), fault.Hints(err))
			}
		})
	}
}

func TestReadMetricsLimits(t *testing.T) {
	dir := t.TempDir()
	if got, err := readMetrics(filepath.Join(dir, "none")); err != nil || len(got) > 0 {
		t.Errorf("no file: %v %v", got, err)
	}
	if _, err := readMetrics(dir); err == nil {
		t.Error("a folder was read")
	}
	big := filepath.Join(dir, "big")
	f, err := os.Create(big)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(1 << 30); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if _, err := readMetrics(big); err == nil || !strings.Contains(err.Error(), "1073741824 bytes") {
		t.Errorf("a file of 1 GB: %v", err)
	}
	var many strings.Builder
	for i := range maxMetrics + 1 {
		fmt.Fprintf(&many, "%c\"m%d\":1", "{,"[min(i, 1)], i)
	}
	if _, err := parseMetrics("m", []byte(many.String()+"}")); err == nil || !strings.Contains(err.Error(), "more than 5000 metrics") {
		t.Errorf("too many: %v", err)
	}
}

// The longest file of metrics that is accepted fits into a record, beside everything else.
func TestMetricsFitARecord(t *testing.T) {
	var long strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&long, "%c\"%0200d\":%v", "{,"[min(i, 1)], i, -1.2345678901234567e-300)
	}
	got, err := parseMetrics("m", []byte(long.String()+"}"))
	if len(got) > 0 || err == nil || !strings.Contains(err.Error(), "bytes of metrics") {
		t.Errorf("%d metrics, %v", len(got), err)
	}
}

func FuzzParseMetrics(f *testing.F) {
	f.Add([]byte(`{"a": NaN, "b": [1, {"c": "inf"}]}` + "\n{}"))
	f.Add([]byte("{\"a\":\n-Infinity"))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := parseMetrics("m", text)
		for name, n := range got {
			if back, ok := numberOf(n.stored()); !ok || back != n && !(math.IsNaN(float64(back)) && math.IsNaN(float64(n))) {
				t.Errorf("%q: %v comes back as %v", name, n, back)
			}
		}
		if err != nil && fault.At(err) == nil {
			t.Errorf("no position: %v", err)
		}
	})
}

func TestParam(t *testing.T) {
	tests := map[string]any{
		"k=6": 6.0, "k=-1.5e-3": -1.5e-3, "k=true": true, "k=false": false, "k=": "", "k=a=b": "a=b", "k=007": "007", "k=1_000": "1_000",
		"k=0x10": "0x10", "k=NaN": "NaN", "k=True": "True", "k=null": "null", "k=9007199254740993": "9007199254740993",
		"k=1e400": "1e400", "k=-0": 0.0, "k= 1": " 1",
	}
	for text, want := range tests {
		key, got, err := Param(text)
		if err != nil || key != "k" || got != want {
			t.Errorf("Param(%q) = %q %#v %v, want %#v", text, key, got, err, want)
		}
	}
	for _, text := range []string{"k", "=1", ""} {
		if _, _, err := Param(text); fault.KindOf(err) != fault.Usage {
			t.Errorf("Param(%q): %v", text, err)
		}
	}
}

func TestFlatten(t *testing.T) {
	got, err := Flatten(map[string]any{
		"train": map[string]any{"depth": int64(6), "rate": 0.1, "layers": []any{int64(1), "two"}, "none": nil},
		"seed":  uint64(1 << 63), "on": true, "zone": "EWR", "nan": math.NaN(),
	})
	want := "map[nan:NaN on:true seed:9223372036854775808 train.depth:6 train.layers:[1,\"two\"] train.rate:0.1 zone:EWR]"
	if text := fmt.Sprint(got); err != nil || text != want {
		t.Errorf("got %s %v\nwant %s", text, err, want)
	}
}

package run

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

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
		{"the last line of a name counts", "{\"auc\": 0.1, \"old\": 1}\n{\"auc\": 0.2}\n", "map[auc:0.2 old:1]", ""},
		{"the highest step counts", `{"step": 2, "a": 5}{"step": 1, "a": 6}`, "map[a:5]", ""},
		{"of one step the last", `{"step": 2, "a": 5}{"a": 6, "step": 2.0}`, "map[a:6]", ""},
		{"time is no metric", `{"time": 1795447679.137, "a": 1}`, "map[a:1]", ""},
		{"a duration is one", `{"time": 12.5, "a": 1}`, "map[a:1 time:12.5]", ""},
		{"only at the top", `{"val": {"step": 1, "time": 1795447679}}`, "map[val.step:1 val.time:1.795447679e+09]", ""},
		{"half a step", `{"step": 0.5, "a": 1}`, "map[a:1]", "line 1 of m.json: step is 0.5, not a whole number"},
		{"twice in an object", `{"a": 1, "a": 2}`, "map[a:2]", ""},
		{"the machine has no results", `{"system/cpu_percent": 1, "a": 2}`, "map[a:2]", ""},
		{"a comma too many", `{"a": 1,}`, "map[]", "invalid character '}'"},
		{"a number that is none", `{"a": 007}`, "map[]", "invalid character"},
		{"control characters", "{\"a\nb\": 1}", "map[]", "invalid character '\\n'"},
		{"what Python writes", `{"a": NaN, "b": Infinity, "c": -Infinity, "NaN": 1}`, "map[NaN:1 a:NaN b:+Inf c:-Inf]", ""},
		{"null is not known", `{"a": null}`, "map[a:NaN]", ""},
		{"beyond floats", `{"a": 1e999}`, "map[a:+Inf]", ""},
		{"words", `{"a": "nan", "b": "-inf"}`, "map[a:NaN b:-Inf]", ""},
		{"quotes in names", `{"a\"NaN": 1, "é": 2}`, `map[a"NaN:1 é:2]`, ""},
		{"plain text", "auc=0.5\n", "map[]", "line 1 of m.json: invalid character 'a'"},
		{"text in a later line", "{\"auc\": 0.5}\n\nloss 3\n", "map[auc:0.5]", "line 3 of m.json"},
		{"cut off", "{\"auc\": 0.5,\n", "map[]", "line 2 of m.json: it ends too early"},
		{"a list", "[1, 2]", "map[]", "line 1 of m.json: a metrics file holds JSON objects of numbers"},
		{"a string", "{\"auc\": 0.5,\n\"model\": \"rf\"}", "map[auc:0.5]", `line 2 of m.json: metric "model" is a string, not a number`},
		{"a truth", `{"ok": true}`, "map[]", `metric "ok" is true or false`},
		{"not UTF-8", "{\"a\": 1}\n{\"\xff\": 1}", "map[a:1]", "line 2 of m.json: not UTF-8 text"},
		{"no name", `{"": 1}`, "map[]", "the name of a metric"},
		{"too deep", strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100), "map[]", "nested too deep"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, _, err := parse(tt.text)
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

func parse(text string) (got map[string]Number, torn bool, err error) {
	table := newMetricsTable(nil)
	torn, err = table.read("m.json", strings.NewReader(text), maxMetricsFile)
	return table.values(), torn, err
}

// However a file is cut into reads, and wherever it is cut off, everything before the cut is there.
func TestMetricsInPieces(t *testing.T) {
	text := "{\"step\": 1, \"loss\": 0.5, \"é\\n\": [1, {\"x\": -Infinity}]}\n{\n \"step\": 2,\n \"loss\": 2.5e-1\n}\n{\"step\":3,\"loss\":null}"
	ends := []int{strings.Index(text, "\n{") + 1, strings.Index(text, "}\n{\"step\":3") + 1, len(text)}
	for cut := range len(text) + 1 {
		table := newMetricsTable(nil)
		torn, err := table.read("m.json", iotest.OneByteReader(strings.NewReader(text[:cut])), maxMetricsFile)
		objects := 0
		for _, end := range ends {
			if cut >= end {
				objects++
			}
		}
		rest := strings.TrimSpace(text[:cut])
		whole := rest == "" || slices.Contains(ends, len(rest)) || len(rest) == ends[0]-1
		if torn == whole || (err == nil) != whole {
			t.Fatalf("%q: torn %v, %v", text[:cut], torn, err)
		}
		if got := table.rowCount("loss"); got != int64(objects) && !(cut == ends[0]-1 && got == 1) {
			t.Fatalf("%q: %d points, want %d", text[:cut], got, objects)
		}
	}
}

func (t *metricsTable) rowCount(name string) int64 {
	id, ok := t.ids[name]
	if !ok {
		return 0
	}
	return t.rows[id].count
}

// An object that is longer than the window is read as well, in time that grows with its length only.
func TestMetricsOfManyLines(t *testing.T) {
	var b strings.Builder
	b.WriteString("{")
	for range 4000 {
		b.WriteString("\n\"a\":" + strings.Repeat(" ", 1000) + "1,")
	}
	b.WriteString("\"a\": 2}")
	if got, _, err := parse(b.String()); err != nil || got["a"] != 2 {
		t.Errorf("%v %v", got, err)
	}
}

func TestReadMetricsLimits(t *testing.T) {
	dir := t.TempDir()
	if got, err := ReadMetricsFile(filepath.Join(dir, "none")); err != nil || len(got) > 0 {
		t.Errorf("no file: %v %v", got, err)
	}
	if _, err := ReadMetricsFile(dir); err == nil {
		t.Error("a folder was read")
	}
	big := filepath.Join(dir, "big")
	if err := os.WriteFile(big, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(big, 1<<30); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadMetricsFile(big); err == nil || !strings.Contains(err.Error(), "line 1 of "+big) {
		t.Errorf("a file of 1 GB: %v", err)
	}
	endless := endlessMetrics{}
	table := newMetricsTable(nil)
	if _, err := table.read("m", &endless, 1<<20); err == nil || !strings.Contains(err.Error(), "more than 1048576 bytes") {
		t.Errorf("a file without end: %v", err)
	}
	if table.rowCount("loss") < 50_000 {
		t.Errorf("%d points were read before the limit", table.rowCount("loss"))
	}
	open := io.MultiReader(strings.NewReader("{\"loss\":"), blanks{})
	if _, err := table.read("m", open, maxMetricsFile); err == nil || !strings.Contains(err.Error(), "an object of more than") {
		t.Errorf("a long object: %v", err)
	}
	var many strings.Builder
	for i := range maxMetrics + 1 {
		fmt.Fprintf(&many, "%c\"m%d\":1", "{,"[min(i, 1)], i)
	}
	if _, _, err := parse(many.String() + "}"); err == nil || !strings.Contains(err.Error(), "more than 5000 metrics") {
		t.Errorf("too many: %v", err)
	}
}

type blanks struct{}

func (blanks) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}

// endlessMetrics is a file that never ends.
type endlessMetrics struct{}

func (endlessMetrics) Read(b []byte) (int, error) {
	const line = "{\"loss\":1}\n\n\n\n\n\n"
	n := 0
	for n+len(line) <= len(b) {
		n += copy(b[n:], line)
	}
	if n == 0 {
		n = copy(b, "\n")
	}
	return n, nil
}

// The longest file of metrics that is accepted fits into a record, beside everything else.
func TestMetricsFitARecord(t *testing.T) {
	var long strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&long, "%c\"%0200d\":%v", "{,"[min(i, 1)], i, -1.2345678901234567e-300)
	}
	got, _, err := parse(long.String() + "}")
	if len(got) > 0 || err == nil || !strings.Contains(err.Error(), "bytes of metrics") {
		t.Errorf("%d metrics, %v", len(got), err)
	}
}

func FuzzParseMetrics(f *testing.F) {
	f.Add("{\"a\": NaN, \"b\": [1, {\"c\": \"inf\"}]}\n{}")
	f.Add("{\"a\":\n-Infinity")
	f.Add(`{"step": 3, "time": 1795447679.137, "a\u00e9": -0.5e-3}`)
	f.Fuzz(func(t *testing.T, text string) {
		got, torn, err := parse(text)
		for name, n := range got {
			if back, ok := numberOf(n.stored()); !ok || back != n && !(math.IsNaN(float64(back)) && math.IsNaN(float64(n))) {
				t.Errorf("%q: %v comes back as %v", name, n, back)
			}
		}
		if err != nil && fault.At(err) == nil {
			t.Errorf("no position: %v", err)
		}
		if torn && err == nil {
			t.Error("torn, and no error")
		}
		agreeWithStandard(t, text, got, err)
	})
}

// agreeWithStandard compares the parser that is made for speed with that of the standard library, on one object.
func agreeWithStandard(t *testing.T, text string, got map[string]Number, err error) {
	t.Helper()
	var flat map[string]float64
	if json.Unmarshal([]byte(text), &flat) != nil || err != nil || len(flat) != len(got) || !utf8.ValidString(text) {
		return
	}
	for name, v := range flat {
		if n, ok := got[name]; !ok || float64(n) != v && json.Valid([]byte(text)) && !strings.Contains(text, "null") {
			t.Errorf("%q: %v, want %v", name, n, v)
		}
	}
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

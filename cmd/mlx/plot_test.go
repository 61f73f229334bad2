package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"mlx/internal/cli"
	"mlx/internal/run"
)

// tracedFrom is a run that wrote these lines of metrics.
func tracedFrom(t *testing.T, label, lines string) tracedRun {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "metrics.json"), []byte(lines), 0o666); err != nil {
		t.Fatal(err)
	}
	curves, _, err := run.LiveSeries(dir)
	if err != nil {
		t.Fatal(err)
	}
	return tracedRun{id: strings.Repeat("5", 64), label: label, curves: curves}
}

// metricLines writes a metric point by point.
func metricLines(name string, values ...float64) string {
	var b strings.Builder
	for i, v := range values {
		text := strconv.FormatFloat(v, 'g', -1, 64)
		if math.IsNaN(v) || math.IsInf(v, 0) {
			text = strconv.Quote(text)
		}
		key, _ := json.Marshal(name) // a string has a form in JSON
		b.WriteString(`{"step": ` + strconv.Itoa(10*i) + `, ` + string(key) + `: ` + text + "}\n")
	}
	return b.String()
}

// wellFormed reads XML to its end and returns how often each element stands in it.
func wellFormed(t *testing.T, text []byte) map[string]int {
	t.Helper()
	dec := xml.NewDecoder(bytes.NewReader(text))
	found := make(map[string]int)
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if start, ok := token.(xml.StartElement); ok {
			found[start.Name.Local]++
		}
	}
}

func TestDrawSVG(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	tests := []struct {
		name, lines     string
		polylines, dots int
	}{
		{"a curve", metricLines("loss", 3, 2, 1), 1, 0},
		{"a gap", metricLines("loss", 3, 2, nan, 1, 0), 2, 0},
		{"an island", metricLines("loss", 3, 2, nan, 1, inf, 4, 4), 2, 1},
		{"constant", metricLines("loss", 2, 2), 1, 0},
		{"nothing finite", metricLines("loss", nan, inf), 0, 0},
		{"as large as can be", metricLines("loss", -math.MaxFloat64, math.MaxFloat64, 0), 1, 0},
		{"the largest only", metricLines("loss", math.MaxFloat64, math.MaxFloat64), 1, 0},
		{"as small as can be", metricLines("loss", 5e-324, 0, 5e-324), 1, 0},
		{"hardly different", metricLines("loss", 1e16, 1e16+2), 1, 0},
		{"a name that is markup", metricLines("</svg><script>&\"'\x01", 1, 2), 1, 0},
		{"two metrics", metricLines("a", 1, 2) + metricLines("b", 1, 2), 2, 0},
		{"one step", `{"step":1,"a":1}{"step":1,"a":2}`, 0, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text, err := drawSVG([]tracedRun{tracedFrom(t, "run </g>", tt.lines)}, nil)
			if err != nil {
				t.Fatal(err)
			}
			found := wellFormed(t, text)
			if found["polyline"] != tt.polylines || found["circle"] != tt.dots || found["script"] > 0 {
				t.Errorf("%v", found)
			}
			for _, word := range []string{"NaN", "Inf"} {
				if bytes.Contains(text, []byte(word)) {
					t.Errorf("%s in\n%s", word, text)
				}
			}
		})
	}
}

// A long curve is drawn with few points, and its peaks stay.
func TestLongCurve(t *testing.T) {
	values := make([]float64, 50_000)
	values[31_234], values[77] = 1000, -1000
	d := drawCurve(run.Curve{Name: "loss", Values: values, Steps: make([]int64, len(values)), Times: make([]int64, len(values))})
	if len(d.x) != 1 {
		t.Errorf("points of one step: %d, want the last one", len(d.x))
	}
	steps := make([]int64, len(values))
	for i := range steps {
		steps[len(steps)-1-i] = int64(i)
	}
	d = drawCurve(run.Curve{Name: "loss", Values: values, Steps: steps, Times: make([]int64, len(values))})
	if d.x[0] != 0 || d.y[len(values)-1-77] != -1000 {
		t.Error("the curve is not in the order of its steps")
	}
	thin := d.thin(lineMax)
	low, high, _ := thin.bounds()
	if len(thin.x) > 2*lineMax || low != -1000 || high != 1000 {
		t.Errorf("%d points from %v to %v", len(thin.x), low, high)
	}
}

func TestOverlay(t *testing.T) {
	runs := []tracedRun{tracedFrom(t, "one", metricLines("loss", 3, 2)+metricLines("own", 1, 1)), tracedFrom(t, "two", metricLines("loss", 2, 1)), {id: "x", label: "none"}}
	text, err := drawSVG(runs, []string{"loss"})
	if err != nil {
		t.Fatal(err)
	}
	found := wellFormed(t, text)
	if found["polyline"] != 3+2 || found["g"] != 1 || !bytes.Contains(text, []byte(`stroke-dasharray="6 3"`)) {
		t.Errorf("%v", found) // three in the legend, two in the panel
	}
	text, err = curvesCSV(runs, nil)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil || len(rows) != 7 || rows[1][0] != runs[0].id || rows[1][1] != "loss" {
		t.Errorf("%v %v", rows, err)
	}
	if _, err := drawSVG(runs[2:], nil); err == nil {
		t.Error("a drawing without a curve")
	}
}

func TestSpark(t *testing.T) {
	tests := []struct {
		want   string
		values []float64
	}{
		{"▁█", []float64{0, 1}},
		{"▅▅▅", []float64{2, 2, 2}},
		{"▁▂▃▄▅▆▇█", []float64{0, 1, 2, 3, 4, 5, 6, 7}},
		{"█ ▁", []float64{1, math.NaN(), 0}},
		{"", []float64{math.NaN(), math.Inf(1)}},
		{"▁█", []float64{-math.MaxFloat64, math.MaxFloat64}},
	}
	for _, tt := range tests {
		views, err := tracedFrom(t, "", metricLines("a", tt.values...)).views(nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := spark(views[0].drawn, sparkWidth); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.values, got, tt.want)
		}
	}
	long := make([]float64, 1000)
	for i := range long {
		long[i] = float64(i)
	}
	views, err := tracedFrom(t, "", metricLines("a", long...)).views(nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := spark(views[0].drawn, sparkWidth); utf8.RuneCountInString(got) != sparkWidth || !strings.HasPrefix(got, "▁") || !strings.HasSuffix(got, "█") {
		t.Errorf("%q", got)
	}
}

// A plot in a terminal is as wide as it says, whatever is in it.
func TestPlot(t *testing.T) {
	for _, unicode := range []bool{true, false} {
		for _, values := range [][]float64{{1, 2}, {1, 1}, {math.NaN(), 1, math.Inf(1), 5}, {-math.MaxFloat64, math.MaxFloat64}, {1e300, math.Nextafter(1e300, 2e300)}, {math.NaN(), math.NaN()}} {
			views, err := tracedFrom(t, "", metricLines("a", values...)).views(nil)
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			s := &cli.Streams{Out: &out, OutTTY: true}
			if err := s.Emit(nil, func(text *cli.Text) { plot(views[0].drawn, unicode, text) }); err != nil {
				t.Fatal(err)
			}
			_, _, finite := views[0].drawn.bounds()
			if rows := strings.Count(out.String(), "\n"); finite && rows != plotHeight+2 || !finite && rows != 0 {
				t.Errorf("%v: %d rows", values, rows)
			}
			for line := range strings.Lines(out.String()) {
				if n := utf8.RuneCountInString(line); n > plotWidth+30 || !unicode && n != len(strings.TrimRight(line, "\n"))+1 {
					t.Errorf("%v: %q", values, line)
				}
			}
		}
	}
}

func TestMarkdownOfARun(t *testing.T) {
	name := "a|b\n<script>"
	v := runShown{View: run.View{Name: &name, Command: []string{"train"}, Metrics: map[string]run.Number{"x|y": 1}}}
	text := string(v.markdown())
	if strings.Contains(text, "<script>") || !strings.Contains(text, `| x\|y | 1 |`) {
		t.Error(text)
	}
}

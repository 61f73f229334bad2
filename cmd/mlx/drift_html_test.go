package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"mlx/internal/drift"
	"mlx/internal/gate"
	"mlx/internal/object"
)

// trendTold is an answer with a past.
func trendTold() driftTold {
	d := flightsTold()
	for i := range 12 {
		r := flightsAnswer()
		from, to := r.Window.From.AddDate(0, 0, -7*(i+1)), r.Window.To.AddDate(0, 0, -7*(i+1))
		r.Window.From, r.Window.To = &from, &to
		r.Verdict, r.DriftedShare = drift.Stable, ptr(float64(i%3)/30)
		d.Earlier = append(d.Earlier, driftPast{object.Sum([]byte{byte(i)}), d.At.AddDate(0, 0, -7*(i+1)), r})
	}
	return d
}

func TestDriftPageNeedsNothingElse(t *testing.T) {
	d := trendTold()
	d.Answer.Checks = []gate.Finding{{Name: "volume", Verdict: gate.Fail, Severity: gate.SeverityFail, Shown: "12 rows a day", Needs: "within 50% of 900"}}
	text := string(driftViewOf([]driftTold{d}).html())
	for _, foreign := range []string{"http:", "https:", "<script", "<link", "@import", "url(", "src=", "%!"} {
		if strings.Contains(text, foreign) {
			t.Errorf("the page holds %q", foreign)
		}
	}
	for _, want := range []string{"prefers-color-scheme:dark", "DRIFT</span> flights-daily", "2 of 12 columns (17%), limit 10%", "exactly 10", "median 26 -&gt; 66 F",
		"9 columns without drift", "limit 10%", "2026-11-16 to 2026-11-22", "12 rows a day", "missing, NaN or infinite: 0%, now 1%", "94% of the reference is zero"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if file := os.Getenv("MLX_TEST_PAGE"); file != "" { // to look at it
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDriftPageIsWellFormed: what is opened is closed, whatever the names are.
func TestDriftPageIsWellFormed(t *testing.T) {
	d := trendTold()
	d.Answer.Columns[0].Name = `</svg></table><b onclick="x">`
	text := string(driftViewOf([]driftTold{d}).html())
	body := text[strings.Index(text, "<body>"):strings.Index(text, "</html>")]
	dec := xml.NewDecoder(strings.NewReader(body))
	dec.Strict, dec.AutoClose = false, xml.HTMLAutoClose
	dec.Entity = xml.HTMLEntity
	for {
		if _, err := dec.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestDriftPageOfManyColumnsEnds(t *testing.T) {
	d := flightsTold()
	d.Answer.Columns = nil
	for i := range 2500 {
		d.Answer.Columns = append(d.Answer.Columns, driftedColumn(fmt.Sprintf("c%d", i), "median 1 -> 2", 1))
	}
	text := string(driftViewOf([]driftTold{d}).html())
	if len(text) > driftPageRoom+(2<<20) || !strings.Contains(text, "more columns found no room here") || !strings.Contains(text, "c2499") {
		t.Errorf("%d bytes; the table must have every column, the drawings must end", len(text))
	}
}

func TestDriftMarkdownAndCI(t *testing.T) {
	d := flightsTold()
	d.Written.File, d.Written.Line = "mlx.yaml", 12
	v := driftViewOf([]driftTold{d})
	for form, wants := range map[string][]string{
		"markdown": {"### mlx drift: **flights-daily drift**", "| dewp | median 26 -&gt; 66 F | PSI 8.2 | 0.25 | &lt; 1e-9 | **drift** |", "9 columns without drift", "mlx show "},
		"junit":    {`<testsuite name="flights-daily" tests="12" failures="2" errors="1"`, `name="mlx drift `, `classname="mlx.flights-daily" name="dewp"`},
		"github":   {"::error file=mlx.yaml,line=12,title=drift flights-daily%3A fail::dewp  median 26", "::notice title=mlx drift::fail"},
		"gitlab":   {`"check_name": "flights-daily: dewp"`, `"begin": 12`},
		"azure":    {"##vso[task.logissue type=error;sourcepath=mlx.yaml;linenumber=12]drift flights-daily: fail  dewp", "result=Failed]mlx drift: fail"},
		"csv":      {"monitor,from,to,record,column", "flights-daily,2026-11-16T05:00:00Z,2026-11-23T05:00:00Z,", ",dewp,fail,numbers,psi,8.2,0.25,1e-30,1e-29,up,6642,0.01,0,"},
		"json":     {`"kind": "drift/v1"`},
	} {
		text, err := v.render(form)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range wants {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s: no %q in\n%s", form, want, text)
			}
		}
	}
}

func TestDriftExposition(t *testing.T) {
	d := flightsTold()
	older := flightsTold()
	older.Answer.AsOf, older.Answer.Verdict = older.Answer.AsOf.Add(-24*time.Hour), drift.Stable
	never := driftTold{Answer: drift.Answer{Monitor: "a\"quo\\ted\nname"}}
	got := string(driftExposition([]driftTold{d, older, never}, true))
	for _, want := range []string{
		`mlx_drift_verdict{monitor="flights-daily",verdict="fail"} 1`, `mlx_drift_verdict{monitor="flights-daily",verdict="pass"} 0`,
		`mlx_drift_check_timestamp_seconds{monitor="a\"quo\\ted\nname"} 0`, "# UNIT mlx_drift_drifted_ratio ratio\n",
		`mlx_drift_column_effect{monitor="flights-daily",column="dewp",method="psi"} 8.2`, `mlx_drift_column_drifted{monitor="flights-daily",column="precip"} NaN`,
		`mlx_drift_column_missing_ratio{monitor="flights-daily",column="dewp",side="current"} 0.01`, `mlx_drift_window_end_timestamp_seconds{monitor="flights-daily"} 1.7954`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if !strings.HasSuffix(got, "# EOF\n") {
		t.Error("no # EOF")
	}
	plain := string(driftExposition([]driftTold{never, older, d}, false))
	if strings.Contains(plain, "# EOF") || strings.Contains(plain, "# UNIT") {
		t.Error("the text format has neither units nor an end")
	}
	if again := string(driftExposition([]driftTold{d, never, older}, false)); again != plain {
		t.Error("the order of the answers shows")
	}
}

// TestBinsHaveLabels: what lies behind a single value says so, also in the last place.
func TestBinsHaveLabels(t *testing.T) {
	slots := slotsOf(drift.Column{Kind: drift.Numbers, Reference: drift.Summary{Type: "float"},
		Bins: drift.Bins{Edges: []float64{0, 0.5}, Atoms: []bool{false, true, false}, Reference: []int64{0, 9, 1}, Current: []int64{0, 5, 5}}})
	if last := slots[2]; last.label != "> 0" || last.title != "above 0" {
		t.Errorf("the last place is labelled %q, %q", last.label, last.title)
	}
}

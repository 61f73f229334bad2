package gate

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mlx/internal/object"
)

var updateReports = flag.Bool("update-reports", false, "write testdata/report.*")

func number(v float64) *float64 { return &v }
func whole(n int64) *int64      { return &n }

// hostile is text that every form of report must keep from being more than text.
const hostile = "a|b`<img src=x onerror=alert(1)>\n::error::@team\x1b[31m =cmd() ]##vso[x]\u202e"

func rich() View {
	compared := func(name string, value, base, lo, hi float64, verdict Verdict) Finding {
		return Finding{Name: name, Subject: "measure", Verdict: verdict, Severity: SeverityFail, Value: &value, Baseline: &base,
			Difference: number(value - base), Interval: &[2]float64{lo, hi}, Limit: Limit{Margin: number(0.01)}, Rows: whole(28330),
			Shown: "0.731 against 0.752  -0.021 (95%: -0.024 to -0.018)", Needs: "margin 0.010", At: at(7)}
	}
	sliced := compared("roc_auc origin="+hostile, 0.702, 0.748, -0.053, -0.039, Fail)
	sliced.Slice = map[string]string{"origin": hostile}
	unclear := compared("pr_auc", 0.749, 0.752, -0.016, 0.010, Inconclusive)
	unclear.Note = "2,000 rows can show a drop of 0.019; about 7,300 rows would decide"
	unclear.RowsNeeded, unclear.Detectable = whole(7300), number(0.019)
	size := Finding{Name: "size", Subject: "measure", Verdict: Fail, Severity: SeverityWarn, Value: number(41e6), Baseline: number(38e6),
		Difference: number(3e6), Unit: "bytes", Shown: "41 MB", Needs: "at most 40 MB", At: at(8)}
	rows := Finding{Name: "user_age", Subject: "column", Verdict: Fail, Severity: SeverityFail, Value: number(3), Shown: "3 of 1,000 rows are below 0",
		Needs: "at least 0", At: at(9), Failing: &Failing{Count: 3, Rows: []RowAt{{"a.csv", 17}, {"a.csv", 208}, {"b.csv", 1911}},
			Header: []string{"user_id", hostile}, Sample: [][]string{{"1", "-4"}, {hostile, "-1"}}}}
	waived := Finding{Name: "brier", Subject: "measure", Verdict: Fail, Severity: SeverityFail, Value: number(0.2), Shown: "0.200", Needs: "at most 0.1",
		At: at(10), Waiver: &Waiver{Owner: "ana", Reason: "known until " + hostile, Until: "2026-12-31"}}
	passed := Finding{Name: "ece", Subject: "measure", Verdict: Pass, Severity: SeverityFail, Value: number(0.012), Shown: "0.012", Needs: "at most 0.05",
		Note: "rows are assumed independent", At: at(11), Plot: &Plot{Kind: "calibration", XLabel: "predicted", YLabel: "observed share",
			Lines: []PlotLine{{Name: "candidate", X: []float64{0, 0.5, 1}, Y: []float64{0.1, 0.45, math.NaN()}}}, Guide: &[4]float64{0, 0, 1, 1}}}
	g := Result{Name: "release", For: Ref{Kind: "run", ID: object.Sum([]byte("run"))}, As: "flights@production",
		Against: &Ref{Kind: "run", ID: object.Sum([]byte("old")), Name: "flights@v6"},
		Checks:  []Finding{passed, size, unclear, compared("roc_auc", 0.731, 0.752, -0.024, -0.018, Fail), sliced, rows, waived}}
	g.Verdict = fold(g.Checks)
	r := Report{Verdict: g.Verdict, Gates: []Result{g}, For: g.For, Against: g.Against, Counts: count([]Result{g}), MlxVersion: "test", Code: "4c1e9aa"}
	return View{Report: r, Verdict: r.Verdict, Record: object.Sum([]byte("rec")), At: time.Date(2026, 11, 23, 16, 2, 11, 0, time.UTC), MlxVersion: "test"}
}

func plain(t *testing.T) View {
	r := judge(t, map[string]float64{hostile: 0.5, "auc": 0.74, "nan": math.NaN(), "slow": 9},
		Spec{Name: "quality", Rules: []Rule{
			metric("auc", 3, bound(0.72, "0.72"), nil), metric(hostile, 4, bound(0.7, "0.7"), nil), metric("nan", 5, bound(1, "1"), nil),
			{Kind: "metric", Name: "slow", Max: bound(1, "1"), Severity: SeverityWarn, At: at(6)},
		}})
	return View{Report: r, Verdict: r.Verdict, Record: object.Sum([]byte("rec")), At: time.Date(2026, 11, 23, 16, 2, 11, 0, time.UTC), MlxVersion: "test"}
}

// Reports in every form: hostile names stay text, and the bytes are those that were looked at once.
func TestReports(t *testing.T) {
	for name, v := range map[string]View{"report": plain(t), "compared": rich()} {
		junit, err := v.JUnit()
		if err != nil {
			t.Fatal(err)
		}
		gitlab, err := v.GitLab()
		if err != nil {
			t.Fatal(err)
		}
		for suffix, got := range map[string][]byte{"md": v.Markdown(), "xml": junit, "github": v.GitHub(), "gitlab.json": gitlab, "azure": v.Azure(),
			"html": v.HTML()} {
			file := "testdata/" + name + "." + suffix
			if *updateReports {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", file, diff)
			}
		}
		if err := xml.Unmarshal(junit, new(struct{})); err != nil {
			t.Errorf("JUnit is no XML: %v", err)
		}
		if !json.Valid(gitlab) {
			t.Error("the report for GitLab is no JSON")
		}
	}
}

// No form lets a name, a value or a note become markup, a command or a control sequence.
func TestReportsEscape(t *testing.T) {
	v := rich()
	junit, err := v.JUnit()
	if err != nil {
		t.Fatal(err)
	}
	for form, text := range map[string]string{"markdown": string(v.Markdown()), "html": string(v.HTML()), "junit": string(junit),
		"github": string(v.GitHub()), "azure": string(v.Azure())} {
		if strings.ContainsAny(text, "\x1b\x00\r") {
			t.Errorf("%s holds a control character", form)
		}
		if form != "github" && form != "azure" && strings.Contains(text, "<img") {
			t.Errorf("%s holds a tag of the input", form)
		}
		for line := range strings.Lines(text) {
			if form == "github" && !strings.HasPrefix(line, "::") || form == "azure" && !strings.HasPrefix(line, "##vso[task.") {
				t.Errorf("%s: the input began a line: %q", form, line)
			}
			if strings.HasPrefix(line, "::error::@team") {
				t.Errorf("%s: the input is a command: %q", form, line)
			}
		}
	}
	dec := xml.NewDecoder(strings.NewReader(string(v.HTML())))
	dec.Strict, dec.AutoClose, dec.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("HTML: %v", err)
		}
		if e, ok := tok.(xml.StartElement); ok && (e.Name.Local == "script" || e.Name.Local == "img") {
			t.Errorf("HTML holds <%s>", e.Name.Local)
		}
	}
}

// A report of many checks fits into a record: pictures go before rows, numbers stay.
func TestReportFits(t *testing.T) {
	one := rich().Report
	line := PlotLine{X: make([]float64, 200), Y: make([]float64, 200)}
	for i := range line.Y {
		line.X[i], line.Y[i] = float64(i)/7, float64(i)/3
	}
	g := one.Gates[0]
	for _, f := range slices.Repeat(g.Checks, 400) {
		f.Plot = &Plot{Lines: []PlotLine{line}}
		g.Checks = append(g.Checks, f)
	}
	big := one
	big.Gates = []Result{g}
	got := big.fitted()
	text, err := object.Encode(got)
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > 2*maxReport || got.Gates[0].Checks[5].Plot != nil || len(got.Gates[0].Checks) != len(g.Checks) {
		t.Errorf("%d bytes, %d checks", len(text), len(got.Gates[0].Checks))
	}
	small := one.fitted()
	if points := small.Gates[0].Checks[0].Plot.Lines[0].Y; len(points) != 2 {
		t.Errorf("a point that is no number stays: %v", points)
	}
	small.Gates[0].Checks[0].Plot = one.Gates[0].Checks[0].Plot
	if diff := cmp.Diff(one, small, cmp.Comparer(func(a, b float64) bool { return a == b || a != a && b != b })); diff != "" {
		t.Errorf("a small report is not as it was: %s", diff)
	}
	if g.Checks[9].Plot == nil {
		t.Error("the report itself lost its plots")
	}
}

package drift

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestHideLeavesNoValue(t *testing.T) {
	number := func(v float64) *float64 { return &v }
	secret := Summary{Rows: 10, Top: "s3cret", Min: number(77123), Max: number(77124), Mean: number(77123.5), Median: number(77123), Std: number(77123.25)}
	columns := func() []Column {
		return []Column{
			{Name: "mail", Verdict: Drift, Method: PSI, Value: number(0.41), Text: "s3cret 10% -> 20%, PSI 0.41", Measures: []Measure{{Method: PSI, Value: number(0.41)}}},
			{Name: "mail", Verdict: Drift, Method: Unseen, Value: number(0.2), Text: "new value s3cret, 20% of the rows"},
			{Name: "mail", Verdict: Drift, Method: Unit, Value: number(3), Text: "s3cret for x, PSI 3", Measures: []Measure{{Method: Unit, Value: number(3)}, {Method: PSI, Value: number(3)}}},
			{Name: "mail", Verdict: CannotTell, Method: PSI, Why: "constant: always s3cret", Text: "constant: always s3cret"},
			{Name: "mail", Verdict: CannotTell, Method: PSI, Why: "most of the reference is 77123: one bin", Text: "most of the reference is 77123: one bin"},
			{Name: "mail", Verdict: Drift, Method: Missing, Value: number(0.3), Text: "missing 0% -> 30%"},
		}
	}
	a := Answer{Columns: columns()}
	for i := range a.Columns {
		a.Columns[i].Reference, a.Columns[i].Current = secret, secret
		a.Columns[i].Bins = Bins{Edges: []float64{77123, 77124}, Categories: []string{"s3cret", "x"}, Atoms: []bool{true}, Reference: []int64{1, 2}, Current: []int64{2, 1}}
	}
	open := Answer{Columns: columns()}
	open.Hide(func(string) bool { return false })
	if got := open.Columns[0].Text; !strings.Contains(got, "s3cret") {
		t.Fatalf("a column that is not private lost its text: %q", got)
	}
	a.Hide(func(name string) bool { return name == "mail" })
	text, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	for _, leak := range []string{"s3cret", "77123", "77124"} {
		if strings.Contains(string(text), leak) {
			t.Errorf("%q is still there: %s", leak, text)
		}
	}
	for i, want := range []string{"private, PSI 0.41", "values that the reference does not have, 20% of the rows", "private, PSI 3", "constant",
		"most of the reference is one value: one bin", "missing 0% -> 30%"} {
		if got := a.Columns[i].Text; got != want {
			t.Errorf("column %d: %q, want %q", i, got, want)
		}
	}
	if len(a.Columns[0].Bins.Reference) != 2 {
		t.Error("how many rows each bin has says nothing of what they hold")
	}
}

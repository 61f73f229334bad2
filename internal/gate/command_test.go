package gate

import (
	"context"
	"strings"
	"testing"
)

// The verdict of a command is its status, joined with what it prints and with the limits: no beats cannot tell, which beats yes.
func TestCommand(t *testing.T) {
	low := limit(0.9)
	tests := []struct {
		name    string
		status  int
		out     string
		rule    Rule
		verdict Verdict
		shown   string
		trouble string
	}{
		{"pass", 0, "", Rule{}, Pass, "exit status 0", ""},
		{"talk is no answer", 0, "looks fine", Rule{}, Pass, "exit status 0", ""},
		{"fail", 1, "", Rule{}, Fail, "exit status 1", ""},
		{"inconclusive", 3, "", Rule{}, Inconclusive, "exit status 3", ""},
		{"trouble", 2, "", Rule{}, "", "", "ended with status 2: Traceback / KeyError: 'x'"},
		{"killed", 137, "", Rule{}, "", "", "ended with status 137"},
		{"value", 0, `{"value": 0.93}`, Rule{Min: low}, Pass, "0.930", ""},
		{"value too low", 0, `{"value": 0.83}`, Rule{Min: low}, Fail, "0.830", ""},
		{"value NaN", 0, `{"value": NaN}`, Rule{Min: low}, Inconclusive, "NaN", ""},
		{"value null", 0, `{"value": null}`, Rule{Min: low}, Inconclusive, "NaN", ""},
		{"status beats value", 1, `{"value": 0.93}`, Rule{Min: low}, Fail, "0.930", ""},
		{"words beat status", 0, `{"verdict": "fail", "text": "worse for\nwomen"}`, Rule{}, Fail, "worse for / women", ""},
		{"metric", 0, `{"metrics": {"a": 1, "b": 0.1}}`, Rule{Min: low, Stat: "b"}, Fail, "0.100", ""},
		{"no metric", 0, `{"metrics": {"a": 1}}`, Rule{Min: low, Stat: "b"}, "", "", `no metric "b"`},
		{"no value", 0, `{}`, Rule{Min: low}, "", "", "no value to compare"},
		{"no number", 0, `{"value": "high"}`, Rule{Min: low}, "", "", "cannot be read"},
		{"broken", 0, `{"value": `, Rule{}, "", "", "printed no answer"},
		{"two", 0, `{} {}`, Rule{}, "", "", "something follows"},
		{"word", 0, `{"verdict": "maybe"}`, Rule{}, "", "", "none of pass, fail, inconclusive"},
		{"long", 0, strings.Repeat("x", commandMost+1), Rule{}, "", "", "more than 1048576 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.rule.Kind, tt.rule.Name = "command", "check.sh"
			r, err := askJudge(Spec{Name: "g", Predictions: "p.csv", Rules: []Rule{tt.rule}}, "", func(w *World) {
				w.Command = func(_ context.Context, c Call) (Reply, error) {
					if c.Command != "check.sh" || c.Files["MLX_GATE_PREDICTIONS"] != "p.csv" || c.Timeout != commandTime {
						t.Errorf("%+v", c)
					}
					return Reply{Status: tt.status, Stdout: []byte(tt.out), Stderr: []byte("Traceback\nKeyError: 'x'\n")}, nil
				}
			})
			if tt.trouble != "" {
				if err == nil || !strings.Contains(err.Error(), tt.trouble) {
					t.Errorf("got %v, want %q", err, tt.trouble)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if f := r.Gates[0].Checks[0]; f.Verdict != tt.verdict || f.Shown != tt.shown {
				t.Errorf("%s %q, want %s %q", f.Verdict, f.Shown, tt.verdict, tt.shown)
			}
		})
	}
}

// An attack says what is left of a measure; what broke off is no answer.
func TestAttack(t *testing.T) {
	const out = `loading
{"accuracy": 0.95, "attacked_accuracy": 0.40, "method": "FGSM", "eps": 0.3, "rows": 200}
`
	tests := []struct {
		rule    Rule
		reply   Reply
		verdict Verdict
		trouble string
	}{
		{Rule{Min: limit(0.3)}, Reply{Stdout: []byte(out)}, Pass, ""},
		{Rule{Min: limit(0.8)}, Reply{Stdout: []byte(out)}, Fail, ""},
		{Rule{Margin: limit(0.1)}, Reply{Stdout: []byte(out)}, Fail, ""},
		{Rule{Margin: limit(0.6)}, Reply{Stdout: []byte(out)}, Pass, ""},
		{Rule{Margin: limit(0.6), MinRows: 1000}, Reply{Stdout: []byte(out)}, Inconclusive, ""},
		{Rule{Min: limit(0.3)}, Reply{Status: 1, Stderr: []byte("boom")}, "", "ended with status 1: boom"},
		{Rule{Min: limit(0.3)}, Reply{Stdout: []byte(`{"accuracy": 1}`)}, "", `it has no "attacked_accuracy"`},
		{Rule{Min: limit(0.3)}, Reply{Stdout: []byte(`{"accuracy": 1, "attacked_accuracy": NaN}`)}, Inconclusive, ""},
	}
	for _, tt := range tests {
		tt.rule.Kind, tt.rule.Name, tt.rule.Under = "measure", "accuracy", &Under{Attack: "attack.py"}
		r, err := askJudge(Spec{Name: "g", Rules: []Rule{tt.rule}}, "", func(w *World) {
			w.Command = func(context.Context, Call) (Reply, error) { return tt.reply, nil }
		})
		if tt.trouble != "" {
			if err == nil || !strings.Contains(err.Error(), tt.trouble) {
				t.Errorf("got %v, want %q", err, tt.trouble)
			}
			continue
		}
		if err != nil || r.Verdict != tt.verdict {
			t.Errorf("%+v: %s %v, want %s", tt.rule, r.Verdict, err, tt.verdict)
		}
	}
}

func TestSizeAndScan(t *testing.T) {
	size := func(b *Bound) Rule {
		b.Unit = "bytes"
		return Rule{Kind: "measure", Name: "size", Max: b}
	}
	world := func(w *World) {
		w.Size = func(context.Context) (int64, error) { return 41_234_567, nil }
		w.Scan = func(context.Context) (Scanned, error) {
			return Scanned{Verdict: Fail, Text: "os.system in model.pkl"}, nil
		}
	}
	r, err := askJudge(Spec{Name: "g", Rules: []Rule{size(limit(40e6)), size(limit(42e6)), {Kind: "measure", Name: "scan"}}}, "", world)
	if err != nil {
		t.Fatal(err)
	}
	c := r.Gates[0].Checks
	if c[0].Verdict != Fail || c[0].Shown != "41.2 MB" || c[1].Verdict != Pass || c[2].Verdict != Fail || c[2].Shown != "os.system in model.pkl" {
		t.Errorf("%+v", c)
	}
	margin := Rule{Kind: "measure", Name: "size", Margin: &Bound{Value: 1e6, Unit: "bytes", Text: "1MB"}}
	if r, err = askJudge(Spec{Name: "g", Rules: []Rule{margin}}, "", world); err != nil || r.Verdict != Inconclusive {
		t.Errorf("nothing to compare with: %s %v", r.Verdict, err)
	}
	if r, err = askJudge(Spec{Name: "g", WithoutBaseline: Pass, Rules: []Rule{margin}}, "", world); err != nil || r.Verdict != Pass {
		t.Errorf("nothing to compare with, which passes: %s %v", r.Verdict, err)
	}
	if _, err = askJudge(Spec{Name: "g", Rules: []Rule{{Kind: "measure", Name: "size", Max: limit(40)}}}, "", world); err == nil {
		t.Error("a size without a unit")
	}
}

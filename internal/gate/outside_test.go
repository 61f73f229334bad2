package gate

import (
	"math"
	"strings"
	"testing"

	"mlx/internal/fault"
)

func TestExpressionsOverNumbers(t *testing.T) {
	values := map[string]float64{"errors": 0.002, "latency_p99": 0.044, "psi": math.NaN()}
	for text, want := range map[string]Verdict{
		"errors < 0.01": Pass, "errors < 0.01 and latency_p99 < 0.04": Fail, "errors < 0.01 or psi < 0.1": Inconclusive, "1 < 2": Pass,
	} {
		if got, shown, err := Holds(text, values); err != nil || got != want || strings.Contains(text, "errors") && !strings.HasPrefix(shown, "errors 0.002") {
			t.Errorf("%s: %s, %q, %v; want %s", text, got, shown, err, want)
		}
	}
	for text, hint := range map[string]string{"erors < 1": "did you mean errors?", "latency": "", "errors <": "", "errors + 1": "", "system()": ""} {
		if _, _, err := Holds(text, values); err == nil || hint != "" && !strings.Contains(strings.Join(fault.Hints(err), " "), hint) {
			t.Errorf("%s: %v, hints %q", text, err, fault.Hints(err))
		}
	}
}

func TestCommandsAreHeard(t *testing.T) {
	for _, c := range []struct {
		reply Reply
		want  Verdict
		text  string
	}{
		{Reply{Status: 0}, Pass, "exit status 0"},
		{Reply{Status: 1, Stdout: []byte("revenue fell")}, Fail, "exit status 1"},
		{Reply{Status: 3}, Inconclusive, "exit status 3"},
		{Reply{Stdout: []byte(`{"verdict": "fail", "value": 0.2, "text": "12 orders"}`)}, Fail, "12 orders"},
		{Reply{Status: 1, Stdout: []byte(`{"verdict": "pass"}`)}, Fail, "exit status 1"},
	} {
		if got, err := Hear("check", c.reply); err != nil || got.Verdict != c.want || got.Text != c.text {
			t.Errorf("%+v: %+v, %v", c.reply, got, err)
		}
	}
	for _, bad := range []Reply{{Status: 2, Stderr: []byte("no such table")}, {Stdout: []byte(`{"value": "many"}`)}, {Stdout: []byte(`{"verdict": "maybe"}`)}} {
		if _, err := Hear("check", bad); err == nil {
			t.Errorf("%+v was heard", bad)
		}
	}
}

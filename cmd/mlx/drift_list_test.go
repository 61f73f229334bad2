package main

import (
	"bytes"
	"testing"
	"time"

	"mlx/internal/cli"
	"mlx/internal/drift"
)

// shownMonitor is the list of one monitor as a terminal of 80 columns shows it, or a pipe.
func shownMonitor(t *testing.T, v monitorView, person bool) string {
	t.Helper()
	var out bytes.Buffer
	s := cli.Streams{Out: &out, OutTTY: person, Width: 80}
	err := s.List(monitorHead(), func(yield func(cli.Item, error) bool) { yield(cli.Item{Value: v, Cells: v.cells()}, nil) })
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestMonitorsOnATerminal(t *testing.T) {
	answer := flightsAnswer()
	next := drift.Span{From: answer.Window.From.AddDate(0, 0, 7), To: answer.Window.To.AddDate(0, 0, 7)}
	v := monitorView{Name: "flights-daily", last: &answer, span: next, wait: 7 * time.Hour, Due: ptr(false), Next: &spanView{next.From, next.To, next.To},
		Action: &actionView{What: "repro train", State: drift.ActionOverBudget}}
	const head = "MONITOR        ANSWER  WINDOW               DRIFTED  DUE     ACTION\n"
	for _, tt := range []struct {
		due          bool
		person, pipe string
	}{
		{false, head + "flights-daily  drift   2026-11-16 to 11-22  2 of 12  in 7 h  over budget: repro…\n",
			"flights-daily\tdrift\t2026-11-16 to 2026-11-22\t2 of 12\t2026-11-30T05:00:00Z\t2026-11-23 to 2026-11-29\trepro train\tover_budget\n"},
		{true, "MONITOR        ANSWER  WINDOW               DRIFTED  DUE  ACTION\n" +
			"flights-daily  drift   2026-11-16 to 11-22  2 of 12  now  over budget: repro tr…\n",
			"flights-daily\tdrift\t2026-11-16 to 2026-11-22\t2 of 12\tnow\t2026-11-23 to 2026-11-29\trepro train\tover_budget\n"},
	} {
		v.Due = &tt.due
		if got := shownMonitor(t, v, true); got != tt.person {
			t.Errorf("due %v:\n%swant\n%s", tt.due, got, tt.person)
		}
		if got := shownMonitor(t, v, false); got != tt.pipe {
			t.Errorf("due %v: a program gets %q, want %q", tt.due, got, tt.pipe)
		}
	}
	never := monitorView{Name: "new"}
	if got, want := shownMonitor(t, never, false), "new\t\t\t\t\t\t\t\n"; got != want {
		t.Errorf("without an answer %q, want %q", got, want)
	}
}

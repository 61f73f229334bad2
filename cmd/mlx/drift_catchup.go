package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"mlx/internal/cli"
	"mlx/internal/drift"
)

// errNoData is about a window that has passed without any data. Nothing is recorded of it: a machine that was off for a month would fill the
// log of a monitor with what nobody can judge.
var errNoData = errors.New("the window has no data")

// passed says of a window that there is a later one, that nobody has judged it, and that without data of its own it has no predictions.
func (t *driftTurn) passed(w driftWindow) bool {
	predictions := t.monitor.Predictions.Table
	return w.span != nil && !w.newest && w.judged == nil && (predictions == "" || predictions == t.table())
}

// neverJudged are the windows before one that had no data when they were due, which may have come since. Those from before the monitor was
// as it is now are nobody's.
func (t *driftTurn) neverJudged(judged []drift.Kept, before drift.Span, back time.Duration) []driftWindow {
	var began time.Time
	for _, k := range judged {
		if k.Config == t.config && k.Window.To != nil && (began.IsZero() || k.Window.To.Before(began)) {
			began = *k.Window.To
		}
	}
	if began.IsZero() {
		return nil
	}
	if earliest := before.To.Add(-back); began.Before(earliest) {
		began = earliest
	}
	var all []driftWindow
	spans, _, _ := t.calendar.Since(began, t.now)
	for _, span := range spans {
		if span.To.Before(before.To) && sameTime(judged, span) == nil {
			all = append(all, driftWindow{span: &span})
		}
	}
	return all
}

// maxStretches is how many stretches of time one line names.
const maxStretches = 3

// tellNothing tells in one line of windows that were caught up and have no data: "24 windows without data: 2013-06-01 to 2013-06-24".
func (t *driftTurn) tellNothing(spans []drift.Span) {
	if len(spans) == 0 {
		return
	}
	var stretches []drift.Span
	for _, s := range spans {
		if last := len(stretches) - 1; last >= 0 && !s.From.After(stretches[last].To) {
			stretches[last].To = s.To
		} else {
			stretches = append(stretches, s)
		}
	}
	var said []string
	for _, s := range stretches[:min(len(stretches), maxStretches)] {
		said = append(said, spanDays(s))
	}
	more := ""
	if n := len(stretches) - len(said); n > 0 {
		more = fmt.Sprintf(" and %d more times", n)
	}
	t.app.streams.Note("%s: %s without data: %s%s", t.name, cli.FormatNum(int64(len(spans)), "window"), strings.Join(said, ", "), more)
}

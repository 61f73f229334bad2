package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"mlx/internal/drift"
	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/repo"
)

// driftTurn is one monitor, or two tables that somebody typed, on its way.
type driftTurn struct {
	app      *app
	name     string // of the monitor; empty: there is none
	monitor  repo.Monitor
	spec     drift.Spec
	config   object.Digest
	calendar *drift.Calendar // nil: windows are not of time
	now      time.Time
	fresh    bool
	noAction bool

	reference, current string // as typed, without a monitor
	ledger             *lineage.Ledger
	weights            *gate.Ref // the model whose importances are weights
}

// driftWindow is what one answer is about.
type driftWindow struct {
	span   *drift.Span // nil: not of time
	judged *drift.Kept // the newest answer about the same time; nil: there is none
	newest bool        // no later window is due
	caught bool        // it was due before, and nobody judged it
}

// driftTurns are the comparisons of a command line: of two tables, of the monitors that are named, else of all.
func (a *app) driftTurns(o driftOptions) ([]*driftTurn, error) {
	if o.adHoc() {
		t, err := a.driftTyped(o)
		return []*driftTurn{t}, err
	}
	config, err := a.config()
	if err != nil {
		return nil, err
	}
	if config.Monitors.Len() == 0 {
		return nil, noMonitors("check")
	}
	names, err := chosenMonitors(config, o.monitors, "check", "mlx drift check ")
	if err != nil {
		return nil, err
	}
	turns := make([]*driftTurn, len(names))
	for i, name := range names {
		m, _ := config.Monitors.Get(name)
		turns[i] = &driftTurn{app: a, name: name, monitor: m, now: o.now, fresh: o.fresh, noAction: o.noAction}
	}
	return turns, nil
}

// driftTyped is the comparison of two tables. Outside a repository its answer is not recorded.
func (a *app) driftTyped(o driftOptions) (*driftTurn, error) {
	t := &driftTurn{app: a, now: o.now, fresh: o.fresh, reference: o.reference, current: o.current}
	var err error
	if t.spec, err = o.spec(); err != nil {
		return nil, err
	}
	if t.config, err = drift.ConfigOf(t.spec); err != nil {
		return nil, err
	}
	return t, nil
}

// noMonitors is the error of a command that needs one.
func noMonitors(doing string) error {
	return fault.New(fault.NotFound, "cannot %s: %s has no monitors", doing, repo.ConfigName).Hint("mlx help drift check   # shows how one is written")
}

// chosenMonitors are the monitors that words name, behind monitor: or not; a word can be a pattern. Without words all. command is what is
// proposed before the name that a wrong word was meant to be.
func chosenMonitors(config *repo.Config, words []string, verb, command string) ([]string, error) {
	known := config.Monitors.Names()
	if len(words) == 0 {
		return known, nil
	}
	var chosen []string
	for _, word := range words {
		word = strings.TrimPrefix(word, "monitor:")
		found := slices.DeleteFunc(slices.Clone(known), func(name string) bool { return name != word && !repo.Match(word, name) })
		if len(found) == 0 {
			err := fault.New(fault.NotFound, "cannot %s %s: %s has no such monitor", verb, word, repo.ConfigName)
			if near := fault.Nearest(word, known); near != "" {
				return nil, err.Hint("%s%s", command, shellWord(near))
			}
			return nil, err.Hint("mlx drift list")
		}
		for _, name := range found {
			if !slices.Contains(chosen, name) {
				chosen = append(chosen, name)
			}
		}
	}
	return chosen, nil
}

// judge judges what is due. Two checks of one monitor wait for each other, so that a doubled line changes nothing.
func (t *driftTurn) judge(ctx context.Context) (told []driftTold, err error) {
	if t.name == "" {
		return t.judgeTyped(ctx)
	}
	if err := t.prepare(ctx); err != nil {
		return nil, err
	}
	r, err := t.app.repo()
	if err != nil {
		return nil, err
	}
	release, err := r.Lock(ctx, []string{"drift " + t.name}, func() { t.app.streams.Why("%s is being checked by another mlx: waiting for it", t.name) })
	if err != nil {
		return nil, err
	}
	told, err = t.judgeDue(ctx)
	release()
	return told, err
}

// judgeTyped compares the two tables that were typed.
func (t *driftTurn) judgeTyped(ctx context.Context) ([]driftTold, error) {
	var err error
	if !t.app.outside() {
		if t.ledger, err = t.app.ledger(); err != nil {
			return nil, err
		}
	}
	one, err := t.window(ctx, driftWindow{newest: true})
	if err != nil {
		return nil, err
	}
	return []driftTold{one}, nil
}

// judgeDue judges every window that is due, the oldest first. What came of those before a trouble is told.
func (t *driftTurn) judgeDue(ctx context.Context) (told []driftTold, err error) {
	windows, err := t.due(ctx)
	if err != nil {
		return nil, err
	}
	var nothing []drift.Span
	defer func() { t.tellNothing(nothing) }()
	for _, w := range windows {
		one, err := t.window(ctx, w)
		switch {
		case errors.Is(err, errNoData):
			if w.caught {
				nothing = append(nothing, *w.span)
			}
		case err != nil:
			return told, err
		case one.New || w.newest:
			told = append(told, one)
		}
	}
	return told, nil
}

// prepare reads what mlx.yaml says of the monitor.
func (t *driftTurn) prepare(ctx context.Context) (err error) {
	m := t.monitor
	if t.ledger, err = t.app.ledger(); err != nil {
		return err
	}
	if t.spec, err = monitorSpec(m); err != nil {
		return err
	}
	if err := t.written(ctx); err != nil {
		return err
	}
	more := []any{t.table(), m.Reference, m.Window.Rows, m.Window.String(), m.Step.String(), m.Lag.String(), m.Weights.Importance, m.Model}
	if t.config, err = drift.ConfigOf(t.spec, append(more, t.qualityConfig()...)...); err != nil {
		return err
	}
	if err := t.calendarOf(); err != nil {
		return err
	}
	return t.importances(ctx)
}

// calendarOf reads how the windows lie in time, if they do.
func (t *driftTurn) calendarOf() error {
	m := t.monitor
	if m.Window.Duration.Duration == 0 {
		return nil
	}
	zone, err := drift.Zone(m.TimeZone)
	if err != nil {
		return err
	}
	t.calendar = &drift.Calendar{Zone: zone, Length: m.Window.Duration.Duration, Step: m.Step.Duration, Lag: m.Lag.Duration}
	return nil
}

// table is the table of the window: without one of its own that of the predictions.
func (t *driftTurn) table() string {
	if t.monitor.Current == "" {
		return t.monitor.Predictions.Table
	}
	return t.monitor.Current
}

// recheck is how long the end of a judged window may lie back and its data is looked at again, at least.
const recheck = 7 * 24 * time.Hour

// due are the windows to judge: those that nobody judged since the last one, and those that were judged lately, of which data may have
// come since.
func (t *driftTurn) due(ctx context.Context) ([]driftWindow, error) {
	judged, err := drift.Of(ctx, t.ledger, t.name, maxJudged)
	if err != nil {
		return nil, err
	}
	if t.calendar == nil {
		w := driftWindow{newest: true}
		if len(judged) > 0 {
			w.judged = &judged[0]
		}
		return []driftWindow{w}, nil
	}
	last := t.calendar.Last(t.now)
	due := []drift.Span{last}
	if newest := newestEnd(judged, t.now); !newest.IsZero() {
		since, skipped, missed := t.calendar.Since(newest, t.now)
		if len(since) > 0 {
			due = since
		}
		if skipped > 0 {
			t.app.streams.Note("%s: %d older windows were never judged and are skipped: %s", t.name, skipped, spanDays(missed))
		}
	}
	windows := t.lately(judged, due[0])
	for _, span := range due {
		windows = append(windows, driftWindow{span: &span, judged: sameTime(judged, span), newest: span == last, caught: span != last})
	}
	return windows, nil
}

// maxJudged bounds how many answers of a monitor are read.
const maxJudged = 400

// newestEnd is the end of the newest window that was judged and is due.
func newestEnd(judged []drift.Kept, now time.Time) (end time.Time) {
	for _, k := range judged {
		if to := k.Window.To; to != nil && to.After(end) && !to.After(now) {
			end = *to
		}
	}
	return end
}

func sameTime(judged []drift.Kept, s drift.Span) *drift.Kept {
	for i, k := range judged {
		if k.Window.From != nil && k.Window.To != nil && k.Window.From.Equal(s.From) && k.Window.To.Equal(s.To) {
			return &judged[i]
		}
	}
	return nil
}

// lately are the windows before one that were judged as the monitor is now, or had no data then, the oldest first.
func (t *driftTurn) lately(judged []drift.Kept, before drift.Span) []driftWindow {
	var all []driftWindow
	if strings.HasPrefix(t.table(), "http") && isTableURL(t.table()) {
		return nil // each look would fetch everything once more
	}
	if t.cuts(t.table()) {
		return nil // later windows have its late rows; to find out which of its own changed it would be read again every time
	}
	back := max(recheck, t.calendar.Length)
	all = t.neverJudged(judged, before, back)
	for i := range judged {
		k := &judged[i]
		if k.Config != t.config || k.Window.To == nil || k.Window.From == nil {
			continue
		}
		span := drift.Span{From: k.Window.From.In(t.calendar.Zone), To: k.Window.To.In(t.calendar.Zone)}
		if span.To.Before(before.To) && before.To.Sub(span.To) < back && len(all) < 2*drift.MaxCatchUp {
			all = append(all, driftWindow{span: &span, judged: k})
		}
	}
	slices.SortFunc(all, func(a, b driftWindow) int { return a.span.To.Compare(b.span.To) })
	return all
}

// spanDays is a span as people say it.
func spanDays(s drift.Span) string { return windowWords(drift.Window{From: &s.From, To: &s.To}) }

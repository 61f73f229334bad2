package main

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/drift"
	"mlx/internal/repo"
)

func newDriftList(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List monitors with last answer and next window",
		Example: "mlx drift list",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return driftListRun(cmd.Context(), a)
		},
	}
}

// monitorView is a row of drift list: monitor/v1.
type monitorView struct {
	Kind      string           `json:"kind"`
	Name      string           `json:"name"`
	Current   string           `json:"current"`
	Reference string           `json:"reference"`
	ID        *string          `json:"id"` // record of the last answer; null: there is none
	Verdict   *drift.Verdict   `json:"verdict"`
	Window    *driftWindowView `json:"window"`
	AsOf      *time.Time       `json:"as_of"`
	At        *time.Time       `json:"at"`
	Next      *spanView        `json:"next"` // null: windows are not of time
	Due       *bool            `json:"due"`  // whether a window waits to be judged
	Schedule  *string          `json:"schedule"`
	Action    *actionView      `json:"action"` // the last thing that its drift started, or did not start

	last *drift.Kept
	zone *time.Location
	span drift.Span
}

// spanView is a window that nobody has judged.
type spanView struct {
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	DueAt time.Time `json:"due_at"`
}

func driftListRun(ctx context.Context, a *app) error {
	config, err := a.config()
	if err != nil {
		return err
	}
	if config.Monitors.Len() == 0 {
		a.streams.Hint("mlx help drift check", "shows how a monitor is written")
	}
	return a.streams.List([]string{"MONITOR", "ANSWER", "WINDOW", "DRIFTED", "NEXT", "DUE", "ACTION"}, a.monitorRows(ctx, config))
}

func (a *app) monitorRows(ctx context.Context, config *repo.Config) iter.Seq2[cli.Item, error] {
	return func(yield func(cli.Item, error) bool) {
		for name, m := range config.Monitors.All() {
			v, err := a.monitorView(ctx, name, m)
			if !yield(cli.Item{Value: v, Cells: v.cells()}, err) || err != nil {
				return
			}
		}
	}
}

func (a *app) monitorView(ctx context.Context, name string, m repo.Monitor) (monitorView, error) {
	t := &driftTurn{app: a, name: name, monitor: m, now: a.now()}
	v := monitorView{Kind: "monitor/v1", Name: name, Current: t.table(), Reference: m.Reference, Schedule: some(m.Schedule)}
	ledger, err := a.ledger()
	if err != nil {
		return v, err
	}
	judged, err := drift.Of(ctx, ledger, name, maxJudged)
	if err != nil {
		return v, err
	}
	for i := range judged { // of several windows the latest, of no window the newest record
		if v.last == nil || judged[i].Window.To != nil && v.last.Window.To != nil && judged[i].Window.To.After(*v.last.Window.To) {
			v.last = &judged[i]
		}
	}
	if v.last != nil {
		v.ID, v.Verdict, v.Window, v.AsOf, v.At = some(v.last.ID.Hex()), &v.last.Verdict, nil, utcOf(&v.last.AsOf), utcOf(&v.last.At)
		v.Window = &driftWindowView{utcOf(v.last.Window.From), utcOf(v.last.Window.To), v.last.Window.Rows}
	}
	done, err := a.actionsOf(ctx, ledger, name)
	if err != nil {
		return v, err
	}
	if len(done) > 0 {
		last := viewOfAction(done[len(done)-1])
		v.Action = &last
	}
	if err := t.calendarOf(); err != nil || t.calendar == nil {
		return v, err
	}
	v.zone = t.calendar.Zone
	next, due := t.calendar.Next(t.now)
	waits := false
	if newest := t.calendar.Last(t.now); v.last == nil || v.last.Window.To == nil || v.last.Window.To.Before(newest.To) {
		waits, next, due = true, newest, newest.To.Add(t.calendar.Lag)
	}
	v.Due, v.span, v.Next = &waits, next, &spanView{next.From.UTC(), next.To.UTC(), due.UTC()}
	return v, nil
}

func (v monitorView) cells() []cli.Cell {
	row := []cli.Cell{cli.Str(v.Name), cli.None(), cli.None(), cli.None(), cli.None(), cli.None(), cli.None()}
	if v.last != nil {
		row[1], row[2] = driftCell(v.last.Verdict, driftWord(v.last.Verdict)), cli.Str(windowDays(v.last.Window))
		drifted, all := countedColumns(v.last.Columns)
		row[3] = cli.Str(fmt.Sprintf("%d of %d", drifted, all))
	}
	if v.Next != nil {
		row[4], row[5] = cli.Str(spanDays(v.span)), cli.Time(v.Next.DueAt)
		if *v.Due {
			row[5] = cli.Word(cli.RoleWarn, "now")
		}
	}
	if v.Action != nil {
		row[6] = cli.Fmt("%s: %s", cli.Str(v.Action.What), cli.Str(string(v.Action.State)))
	}
	return row
}

// windowDays is the window of an answer as people say it; of one without times, that it is all.
func windowDays(w drift.Window) string {
	if w.From == nil || w.To == nil {
		return cli.FormatNum(w.Rows, "row")
	}
	return spanDays(drift.Span{From: *w.From, To: *w.To})
}

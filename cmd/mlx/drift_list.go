package main

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/drift"
	"mlx/internal/lineage"
	"mlx/internal/repo"
)

func newDriftList(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List monitors with last answer and next window",
		Long: `A row for each monitor of mlx.yaml: its last answer, about which window that was, how many of its columns drifted, the next window and when
that is due (now: mlx drift check would judge it), and what drift started last. Nothing is judged.`,
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

	last *drift.Answer
	span drift.Span    // next
	wait time.Duration // until it is due
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
		a.streams.Note("%s has no monitors", repo.ConfigName)
		a.streams.Hint("mlx help drift check", "shows how one is written")
	}
	return a.streams.List(monitorHead(), a.monitorRows(ctx, config))
}

func (a *app) monitorRows(ctx context.Context, config *repo.Config) iter.Seq2[cli.Item, error] {
	return func(yield func(cli.Item, error) bool) {
		l, err := a.ledger()
		if err != nil {
			yield(cli.Item{}, err)
			return
		}
		last, err := lastRecords(ctx, l, config.Monitors.Names())
		if err != nil {
			yield(cli.Item{}, err)
			return
		}
		for name, m := range config.Monitors.All() {
			v, err := a.monitorView(ctx, name, m, last[name])
			if !yield(cli.Item{Value: v, Cells: v.cells()}, err) || err != nil {
				return
			}
		}
	}
}

// monitorView is a monitor with its last answer; rec is the zero record if there is none.
func (a *app) monitorView(ctx context.Context, name string, m repo.Monitor, rec lineage.Record) (monitorView, error) {
	t := &driftTurn{app: a, name: name, monitor: m, now: a.now()}
	v := monitorView{Kind: "monitor/v1", Name: name, Current: t.table(), Reference: m.Reference, Schedule: some(m.Schedule)}
	if !rec.ID.IsZero() {
		last, err := drift.Checked.Decode(rec)
		if err != nil {
			return v, err
		}
		v.last, v.ID, v.Verdict, v.AsOf, v.At = &last, some(rec.ID.Hex()), &last.Verdict, utcOf(&last.AsOf), utcOf(&rec.At)
		v.Window = &driftWindowView{utcOf(last.Window.From), utcOf(last.Window.To), last.Window.Rows}
	}
	ledger, err := a.ledger()
	if err != nil {
		return v, err
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
	next, due := t.calendar.Next(t.now)
	waits := false
	if newest := t.calendar.Last(t.now); v.last == nil || v.last.Window.To == nil || v.last.Window.To.Before(newest.To) {
		waits, next, due = true, newest, newest.To.Add(t.calendar.Lag)
	}
	v.Due, v.span, v.wait, v.Next = &waits, next, due.Sub(t.now), &spanView{next.From.UTC(), next.To.UTC(), due.UTC()}
	return v, nil
}

// monitorHead is above the rows.
func monitorHead() []string {
	return []string{"MONITOR", "ANSWER", "WINDOW", "DRIFTED", "DUE", "ACTION"}
}

// cells are a row. Behind when the next window is due a program gets that window, what was started and its state.
func (v monitorView) cells() []cli.Cell {
	row := []cli.Cell{cli.Str(v.Name), cli.None(), cli.None(), cli.None(), cli.None(), cli.None()}
	if v.last != nil {
		row[1], row[2] = driftCell(v.last.Verdict, driftWord(v.last.Verdict)), windowCell(v.last.Window)
		if v.last.Window.From == nil || v.last.Window.To == nil {
			row[2] = cli.Str(cli.FormatNum(v.last.Window.Rows, "row"))
		}
		drifted, all := countedColumns(v.last.Columns)
		row[3] = cli.Str(fmt.Sprintf("%d of %d", drifted, all))
	}
	next := ""
	if v.Next != nil {
		next = spanDays(v.span)
		row[4] = cli.Said("in "+strings.TrimSuffix(cli.FormatAgo(max(v.wait, time.Second)), " ago"), cli.Time(v.Next.DueAt).Machine())
		if *v.Due {
			row[4] = cli.Word(cli.RoleWarn, "now")
		}
	}
	what, state, words := "", "", "-"
	if v.Action != nil {
		what, state = v.Action.What, string(v.Action.State)
		words = strings.ReplaceAll(state, "_", " ") + ": " + what
	}
	row[5] = cli.Fmt("%[1]s", cli.Shown(cli.RolePlain, words), cli.Str(next), cli.Str(what), cli.Str(state))
	return row
}

package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"mlx/internal/cli"
	"mlx/internal/drift"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/run"
)

// attentionView is something that somebody should look at, as it was recorded last.
type attentionView struct {
	What   string    `json:"what"` // drift; inconclusive: a monitor that cannot tell; paused, interrupted, rolled_back: a rollout
	Name   string    `json:"name"`
	At     time.Time `json:"at"`
	Record string    `json:"record"`
	Text   string    `json:"text"`

	doing string // what is done about it
	run   string
}

// lastAnswer is what the index knows of the newest answer of a monitor.
type lastAnswer struct {
	id      object.Digest
	at      time.Time
	verdict drift.Verdict
	to      time.Time // zero: not a window of time
}

// attention is what the monitors of mlx.yaml found last, those that found something, and what rollouts of its services wait for. Only the records of these are read.
func (a *app) attention(ctx context.Context) ([]attentionView, error) {
	all, err := a.waitingJobs(ctx)
	if err != nil {
		return all, err
	}
	config, err := a.config()
	if err != nil {
		return all, nil // whoever needs mlx.yaml says what is wrong with it
	}
	services, err := a.attendServices(ctx, config)
	if err != nil {
		return all, err
	}
	if all = append(all, services...); config.Monitors.Len() == 0 {
		return newestFirst(all), nil
	}
	l, err := a.ledger()
	if err != nil {
		return all, err
	}
	last, err := lastAnswers(ctx, l)
	if err != nil {
		return all, err
	}
	for _, name := range config.Monitors.Names() {
		answer, known := last[name]
		if !known || answer.verdict == drift.Stable {
			continue
		}
		v, err := a.attend(ctx, l, name, answer)
		if err != nil {
			return all, err
		}
		all = append(all, v)
	}
	return newestFirst(all), nil
}

func newestFirst(all []attentionView) []attentionView {
	slices.SortStableFunc(all, func(x, y attentionView) int { return y.At.Compare(x.At) })
	return all
}

// lastAnswers asks the index for the answer about the latest window of each monitor: of two about the same window the newer one counts, and so
// does the newest of a monitor that has no windows of time any more.
func lastAnswers(ctx context.Context, l *lineage.Ledger) (map[string]lastAnswer, error) {
	last := make(map[string]lastAnswer)
	table, err := l.Values(ctx, lineage.Query{Nouns: []string{"drift"}}, "monitor", "verdict", "window.to")
	if err != nil {
		return nil, err
	}
	for row, err := range table.Rows {
		if err != nil {
			return nil, err
		}
		name, _ := row.Values[0].(string)
		verdict, _ := row.Values[1].(string)
		if row.Kind != drift.Checked.Name() || name == "" {
			continue
		}
		answer := lastAnswer{id: row.ID, at: row.At, verdict: drift.Verdict(verdict)}
		if to, ok := row.Values[2].(string); ok {
			answer.to, _ = time.Parse(time.RFC3339Nano, to) // what cannot be read is no window of time
		}
		if before, known := last[name]; !known || !before.to.IsZero() && answer.to.After(before.to) {
			last[name] = answer
		}
	}
	return last, nil
}

func (a *app) attend(ctx context.Context, l *lineage.Ledger, name string, answer lastAnswer) (attentionView, error) {
	v := attentionView{What: "drift", Name: name, At: answer.at.UTC(), Record: answer.id.Hex()}
	rec, err := l.Get(ctx, answer.id)
	if err != nil {
		return v, err
	}
	body, err := drift.Checked.Decode(rec)
	if err != nil {
		return v, err
	}
	if v.Text = shortNames(body.Drifted()); body.Verdict != drift.Drift {
		v.What, v.Text = "inconclusive", cli.Sentence(driftTold{Answer: body}.found())
	}
	done, err := a.actionsOf(ctx, l, name)
	if err != nil {
		return v, err
	}
	for _, d := range done {
		if d.Cause == answer.id && d.Run != nil {
			v.run = d.Run.Hex()
			v.doing, err = a.doing(ctx, *d.Run, d.State)
		}
	}
	return v, err
}

// doing is what became of a run that drift started, as words around it.
func (a *app) doing(ctx context.Context, id object.Digest, state drift.ActionState) (string, error) {
	l, err := a.ledger()
	if err != nil {
		return "", err
	}
	unfinished, err := a.history(l).Unfinished(ctx)
	if err != nil {
		return "", err
	}
	switch now, known := unfinished[id]; {
	case known && now == run.Running:
		return "run %s is retraining", nil
	case known:
		return "run %s is " + string(now), nil
	case state == drift.ActionFailed:
		return "run %s failed", nil
	}
	return "retrained by run %s", nil
}

// cells are a line of status: for a program section, what, name, time, record; for a person the same in words.
func (v attentionView) cells(person bool) []cli.Cell {
	if !person {
		return []cli.Cell{cli.Str("attention"), cli.Str(v.What), cli.Str(v.Name), cli.Time(v.At), cli.Hex(v.Record, 12)}
	}
	role, word := cli.RoleFail, "drift"
	if v.What == jobWaiting {
		return []cli.Cell{cli.Word(cli.RoleWarn, v.What), cli.Str(v.Name), cli.Fmt("%s: %s", cli.Time(v.At), cli.Str(v.Text))}
	}
	switch v.What {
	case attendPaused:
		return []cli.Cell{cli.Word(cli.RoleWarn, v.What), cli.Str(v.Name), cli.Str(v.Text)}
	case attendInterrupted, attendRolledBack:
		return []cli.Cell{cli.Word(cli.RoleFail, strings.ReplaceAll(v.What, "_", " ")), cli.Str(v.Name), cli.Str(v.Text)}
	}
	if v.What != "drift" {
		role, word = cli.RoleWarn, "unclear"
	}
	said := cli.Fmt("%s: %s", cli.Time(v.At), cli.Str(v.Text))
	if v.run != "" {
		said = cli.Fmt("%s: %s; "+v.doing, cli.Time(v.At), cli.Str(v.Text), cli.Hex(v.run, 12))
	}
	return []cli.Cell{cli.Word(role, word), cli.Str(v.Name), said}
}

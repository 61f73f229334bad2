package main

import (
	"context"
	"errors"
	"time"

	"mlx/internal/cli"
	"mlx/internal/deploy"
	"mlx/internal/deploy/local"
	"mlx/internal/fault"
	"mlx/internal/snapshot"
)

// drillView is restored/v1: what came of a drill.
type drillView struct {
	Kind        string           `json:"kind"`
	Environment *string          `json:"environment"`
	Back        bool             `json:"back"` // all of them
	TookS       float64          `json:"took_s"`
	Services    []drilledService `json:"services"`
}

type drilledService struct {
	Service string    `json:"service"`
	Back    bool      `json:"back"`
	Started bool      `json:"started"` // it did not run
	PID     *int      `json:"pid"`     // of the process that was started
	Model   fault.Ref `json:"model"`
	Release string    `json:"release"`
	Digest  string    `json:"digest"`
	URL     *string   `json:"url"`
	TookS   float64   `json:"took_s"`
	Reason  *string   `json:"reason"` // why it is not back
	Record  string    `json:"record"`
}

// emitRestored prints how long each took, and all.
func (a *app) emitRestored(environment string, all []*revival, took time.Duration) error {
	v := drillView{Kind: "restored/v1", Back: true, TookS: took.Seconds(), Services: []drilledService{}}
	if environment != "" {
		v.Environment = &environment
	}
	for _, b := range all {
		rel := *b.known.Current
		one := drilledService{Service: b.name, Back: b.err == nil, Started: b.pid > 0, Model: fault.Ref{Kind: refModel, ID: rel.Record.Hex(), Name: rel.Name()},
			Release: rel.Key, Digest: rel.Digest.Hex(), TookS: b.took.Seconds(), Record: b.record}
		if b.pid > 0 {
			one.PID = &b.pid
		}
		if b.url != "" {
			one.URL = some(b.url)
		}
		if b.err != nil {
			one.Reason, v.Back = some(b.err.Error()), false
		}
		v.Services = append(v.Services, one)
	}
	if !v.Back {
		a.answer(no)
	}
	err := a.streams.EmitVerdict(v, !v.Back, func(t *cli.Text) { v.text(all, t) })
	for _, b := range all {
		if b.pid > 0 && b.err == nil {
			a.streams.Note("%s runs in the background: kill %d stops it", b.name, b.pid)
		}
		if hints := fault.Hints(b.err); err == nil && b.err != nil && len(hints) > 0 {
			a.streams.Hint(hints[0], b.name)
		}
	}
	return err
}

func (v drillView) text(all []*revival, t *cli.Text) {
	var rows [][]cli.Cell
	back := 0
	for i, s := range v.Services {
		word, about := cli.Word(cli.RolePass, "back"), cli.None()
		switch {
		case s.Reason != nil:
			word, about = cli.Word(cli.RoleFail, "not back"), cli.Str(*s.Reason)
		case !s.Started:
			word = cli.Word(cli.RolePass, "ran")
		}
		if s.Reason == nil {
			back++
			if s.URL != nil {
				about = cli.Str(*s.URL)
			}
		}
		rows = append(rows, []cli.Cell{cli.Str(s.Service), word, cli.Str(s.Model.Name), cli.Hex(s.Digest, 12), cli.Duration(all[i].took), about})
	}
	t.Rows(0, rows)
	t.Line(cli.Fmt("%s of %s back in %s", cli.Count(int64(back)), cli.Num(int64(len(rows)), "service"), cli.Duration(time.Duration(v.TookS*float64(time.Second)))))
}

// emitRestorePlan prints what would be done.
func (a *app) emitRestorePlan(ctx context.Context, all []*revival) error {
	v := planView{Kind: "plan/v1", Command: "restore", Applies: true, Steps: []planStep{}, Needs: []planNeed{}, Classes: []snapshot.GCClass{}}
	for _, b := range all {
		step := planStep{Do: "ask", What: b.name, Why: "its target does what the records say: " + b.known.Current.Name()}
		if b.supervised() {
			_, err := b.supervisor().Running(ctx)
			step.Do, step.Why = "look", "it runs"
			if errors.Is(err, local.ErrNotRunning) {
				step.Do, step.Why = "start", b.known.Current.Name()+", "+cli.FormatNum(int64(replicasOf(b.known)), "server")+": "+b.known.Current.Serve.Command
			}
		}
		v.Steps = append(v.Steps, step)
	}
	return a.streams.Emit(v, func(t *cli.Text) {
		for _, step := range v.Steps {
			t.Line(cli.Str(step.Do), cli.Str(step.What), cli.Str(step.Why))
		}
	})
}

// replicasOf is how many servers of what is in service are to run.
func replicasOf(s deploy.Service) int {
	for _, arm := range s.Desired().Arms {
		if s.Current != nil && arm.Release.Key == s.Current.Key {
			return arm.Replicas
		}
	}
	return 1
}

// drillRow is a row of log about a drill.
type drillRow struct {
	row
	Service string  `json:"service"`
	Back    bool    `json:"back"`
	Model   string  `json:"model"`
	TookS   float64 `json:"took_s"`
	Reason  *string `json:"reason"`
	Actor   string  `json:"actor"`
}

// restored tells a drill.
func (t *teller) restored(e *event) error {
	body, err := deploy.Restored.Decode(e.rec)
	if err != nil {
		return err
	}
	name := deploy.Release{Model: body.Model, Version: body.Version}.Name()
	value := drillRow{row: e.row(deploy.Restored.Name()), Service: body.Service, Back: body.Back, Model: name, TookS: body.Took.Seconds(), Actor: body.Actor}
	text, role := "restored: v"+numberWord(body.Version)+" back in "+cli.FormatDuration(body.Took.Round(time.Millisecond)), cli.RolePlain
	if !body.Back {
		value.Reason = some(body.Reason)
		text, role = "not restored: "+body.Reason, cli.RoleFail
	}
	e.what = []cli.Cell{cli.Str(body.Service), cli.Word(role, text), cli.Fmt("by %s", cli.Str(body.Actor))}
	e.text = cli.Sentence(e.what...)
	e.value = value
	return nil
}

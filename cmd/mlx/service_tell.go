package main

import (
	"fmt"
	"strings"
	"time"

	"mlx/internal/cli"
	"mlx/internal/deploy"
)

// maxTroubles is how many different ones are told until something changes.
const maxTroubles = 20

// telling says what happens to a rollout, a line each.
type telling struct {
	served *served
	told   map[string]bool // trouble since something last changed, each once
}

func newTelling(s *served) *telling { return &telling{served: s, told: map[string]bool{}} }

// news tells one thing.
func (t *telling) news(n deploy.News) {
	switch {
	case n.Err != nil:
		t.once(n.At, "trouble", n.Err.Error())
		return
	case n.Waits != "":
		t.once(n.At, "waiting", n.Waits)
		return
	}
	clear(t.told)
	if n.Seen {
		t.seen(n)
		return
	}
	if n.Before.Generation == n.After.Generation && n.Before.State == n.After.State {
		return
	}
	t.moved(n)
}

// once tells what is in the way, until something changes.
func (t *telling) once(at time.Time, word, text string) {
	if !t.told[text] && len(t.told) < maxTroubles {
		t.told[text] = true
		t.line(at, word, text)
	}
}

// moved tells a change of state.
func (t *telling) moved(n deploy.News) {
	r := n.After
	reason := r.Reason
	switch r.State {
	case deploy.StatePackaged:
		t.line(n.At, "starting", fmt.Sprintf("%s: %s", r.To.Name(), cli.FormatNum(int64(r.Replicas), "server")))
	case deploy.StateReady:
		t.line(n.At, "ready", reason)
	case deploy.StateGated:
		if reason != "" {
			t.line(n.At, "gated", reason)
		}
	case deploy.StateShadow:
		t.line(n.At, "shadow", "copies of "+r.Mirror.String())
	case deploy.StateStep:
		t.line(n.At, fmt.Sprintf("step %d", r.Step+1), strings.TrimSpace(r.Share().String()+"  "+reason))
	case deploy.StatePaused:
		t.line(n.At, "paused", reason)
	case deploy.StateAborting:
		word := "giving up"
		if r.Actor == deploy.Mlx {
			word = "failed"
		}
		t.line(n.At, word, reason)
	case deploy.StateRolledBack:
		if n.Before.State != deploy.StateAborting { // another one took its place
			t.line(n.At, "ended", reason)
		}
	default:
	}
}

// seen tells that the target does what a state means, where people wait for that.
func (t *telling) seen(n deploy.News) {
	r := n.After
	took := cli.FormatDuration(n.Took.Round(time.Millisecond))
	switch {
	case r.State == deploy.StateRolledBack && r.From != nil:
		t.line(n.At, "rolled back", "to "+r.From.Versions()+" in "+took)
	case r.State == deploy.StateRolledBack:
		t.line(n.At, "rolled back", "nothing is in service")
	case r.State == deploy.StateCompleted && r.Strategy == deploy.Back:
		t.line(n.At, "rolled back", "to "+r.To.Versions()+" in "+took)
	case r.State == deploy.StateCompleted && r.Strategy == deploy.AB:
		t.line(n.At, "completed", r.To.Name()+" is in service: "+r.Reason)
	case r.State == deploy.StateCompleted:
		t.line(n.At, "completed", r.To.Name()+" is in service")
	default:
	}
}

// line tells one thing with the time of day, which is that of the day the reader lives in.
func (t *telling) line(at time.Time, word, text string) {
	const width = 11
	t.served.app.streams.Note("%s  %-*s  %s", at.Local().Format(time.TimeOnly), width, word, text)
}

package deploy

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"mlx/internal/object"
)

// Line is what became of one rollout, or how far it is.
type Line struct {
	ID   object.Digest // of the rollout
	At   time.Time     // when it came to where it is
	Text string
	By   string // whose doing that is: Mlx, or a person
}

// Story tells what happened to a service, newest first: a line a rollout.
func (s Service) Story() []Line {
	lines := make([]Line, 0, len(s.Rollouts))
	for _, r := range slices.Backward(s.Rollouts) {
		l := Line{ID: r.ID, At: r.Since, By: r.Actor}
		l.Text, l.By = s.tell(r)
		lines = append(lines, l)
	}
	return lines
}

func (s Service) tell(r Rollout) (text, by string) {
	t, to := s.told[r.ID], version(r.To)
	after := " after " + span(max(r.Since.Sub(r.At), 0))
	switch r.State {
	case StateCompleted:
		return s.completed(r, after), cmp.Or(r.By, r.Actor)
	case StateRolledBack, StateAborting:
		by = cmp.Or(t.abortedBy, r.Actor)
		what := " rolled back"
		if r.State == StateAborting {
			what = " being rolled back"
		}
		switch {
		case r.Strategy == Back:
			return to + " not back in service: " + r.Reason, by
		case t.share > 0:
			return fmt.Sprintf("%s%s at %s after %s: %s", to, what, t.share, span(max(t.abortedAt.Sub(r.At), 0)), r.Reason), by
		}
		return fmt.Sprintf("%s not put into service: %s", to, r.Reason), by
	case StatePaused:
		return to + " paused" + at(r) + because(r), whose(r)
	case StatePlanned, StatePackaged:
		return to + " " + string(r.State), whose(r)
	case StateReady, StateGated:
		return to + " " + string(r.State) + because(r), whose(r)
	case StateShadow:
		return to + " gets copies of " + r.Mirror.String(), whose(r)
	default:
		return to + at(r) + ", step " + strconv.Itoa(r.Step+1) + " of " + strconv.Itoa(len(r.Steps)), whose(r)
	}
}

// completed tells how it came into service.
func (s Service) completed(r Rollout, after string) string {
	to := version(r.To)
	switch {
	case r.Strategy == Back:
		text := to + " back in service"
		if r.Message != "" {
			text += ": " + strconv.Quote(r.Message)
		}
		if r.From != nil {
			text += ", from " + version(*r.From)
		}
		return text + " in " + span(max(r.Since.Sub(r.At), 0)+s.told[r.ID].took)
	case !r.Served():
		return to + " judged by copies" + after + because(r)
	case r.Strategy == AB:
		return to + " in service" + after + because(r)
	}
	text := to + " in service" + after + ": " + shares(r.Steps[:min(r.Step+1, len(r.Steps))])
	if r.Step+1 < len(r.Steps) {
		text += ", then 100%" + because(r)
	}
	return text
}

func at(r Rollout) string {
	if r.Share() == 0 {
		return ""
	}
	return " at " + r.Share().String()
}

func because(r Rollout) string {
	if r.Reason == "" {
		return ""
	}
	return ": " + r.Reason
}

// whose is who brought a rollout to where it is; what mlx does in due course it does for whoever planned it.
func whose(r Rollout) string {
	if r.Actor == Mlx && r.State != StatePaused {
		return r.By
	}
	return cmp.Or(r.Actor, r.By)
}

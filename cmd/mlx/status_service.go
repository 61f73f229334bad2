package main

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/repo"
)

// What of a service somebody should look at.
const (
	attendPaused      = "paused"      // a rollout waits for a person
	attendInterrupted = "interrupted" // nobody carries a rollout out
	attendRolledBack  = "rolled_back" // mlx gave the last one up
)

// attendServices are the services of mlx.yaml whose last rollout somebody should look at, as was recorded. Nobody is asked.
func (a *app) attendServices(ctx context.Context, config *repo.Config) ([]attentionView, error) {
	var all []attentionView
	for name, cfg := range config.Everywhere() {
		s, err := a.servedAs(name, cfg)
		if err != nil {
			return all, err
		}
		known, err := s.book.Service(ctx, name)
		if err != nil {
			return all, err
		}
		if v, ok := s.attend(known); ok {
			all = append(all, v)
		}
	}
	return all, nil
}

// attend says what somebody should look at.
func (s *served) attend(known deploy.Service) (v attentionView, ok bool) {
	if len(known.Rollouts) == 0 {
		return v, false
	}
	r := known.Rollouts[len(known.Rollouts)-1]
	v = attentionView{Name: s.name, At: r.Since.UTC(), Record: r.ID.Hex(), Text: r.To.Versions()}
	if r.Share() > 0 && !r.State.Over() {
		v.Text += " at " + r.Share().String()
	}
	switch {
	case r.State == deploy.StatePaused:
		v.What = attendPaused
	case r.State == deploy.StateRolledBack && r.Actor == deploy.Mlx && r.Strategy != deploy.Back:
		v.What, v.Text = attendRolledBack, known.Story()[0].Text
		return v, true
	case !r.State.Over() && s.interrupted(known, r):
		v.What, v.At = attendInterrupted, known.Heard(r.ID).UTC()
		v.Text += ": nobody carries it out, " + s.resumeHint()
		return v, true
	default:
		return v, false
	}
	if r.Reason != "" {
		v.Text += ": " + r.Reason
	}
	return v, true
}

// interrupted says whether nobody carries a rollout out: here, where somebody did, or anywhere, as far as the records of the last minutes say.
func (s *served) interrupted(known deploy.Service, r deploy.Rollout) bool {
	if _, err := os.Stat(filepath.Join(s.dir, "rollout-"+r.ID.Short()+".lock")); err == nil {
		return !s.controlled(r.ID)
	}
	silent := r.Lease + 2*max(r.Bake/10, time.Minute) // whoever watches a step says so now and then
	return s.app.now().Sub(known.Heard(r.ID)) > silent
}

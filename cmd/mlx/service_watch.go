package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/deploy/local"
	"mlx/internal/fault"
	"mlx/internal/object"
)

// watchedName is the file that names the rollout which a process in the background carries out or watches, for as long as it should: when that
// process dies, or the machine, mlx service run starts another one.
func (s *served) watchedName() string { return filepath.Join(s.dir, "watched") }

// noteWatched says that a rollout is left to a process in the background.
func (s *served) noteWatched(id object.Digest) error {
	if err := os.WriteFile(s.watchedName(), []byte(id.Hex()+"\n"), 0o600); err != nil {
		return fault.New(fault.KindOf(err), "cannot leave the rollout to another process: %w", err)
	}
	return nil
}

// watched is the rollout that is left to a process in the background.
func (s *served) watched() (object.Digest, bool) {
	text, err := os.ReadFile(s.watchedName())
	if err != nil {
		return object.Digest{}, false
	}
	id, err := object.ParseDigest("sha256:" + strings.TrimSpace(string(text)))
	return id, err == nil
}

// unwatched says that nobody need carry a rollout out any more.
func (s *served) unwatched(id object.Digest) {
	if of, ok := s.watched(); !ok || of != id {
		return
	}
	if err := os.Remove(s.watchedName()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.app.streams.Note("rollout %s is over, and a note says still that it is watched: %v", id.Short(), err)
	}
}

// goOn has a rollout carried out that nobody carries out any more. When the service starts, that is each whose candidate has requests: within its
// lease it goes on, after that it is recorded that the lease is over. One that was given up is taken back. One that was interrupted before it had any waits for a person.
func (s *served) goOn(ctx context.Context, starts bool) error {
	id, left := s.watched()
	if len(s.cfg.Hosts) > 0 && !left {
		return nil // whoever controls the hosts is not seen from here: a second one would be in its way
	}
	if !left && !starts || left && s.controlled(id) {
		return nil
	}
	known, err := s.book.Service(ctx, s.name)
	if err != nil {
		return err
	}
	r, busy := known.Progress()
	if left && (!busy || r.ID != id) {
		s.unwatched(id)
		left = false
	}
	begun := r.State == deploy.StatePaused || r.State == deploy.StateAborting || r.Share() > 0
	if !busy || !left && !begun || s.controlled(r.ID) {
		return nil
	}
	if err := s.detach(ctx, r); err != nil {
		return err
	}
	s.app.streams.Note("nobody carried out rollout %s of %s any more: another process in the background does", r.ID.Short(), r.To.Name())
	return nil
}

// keepWatched goes on with what nobody carries out, for as long as the service runs.
func (s *served) keepWatched(ctx context.Context) {
	said := ""
	every := time.NewTicker(s.every())
	defer every.Stop()
	for starts := true; ; starts = false {
		err := s.goOn(ctx, starts)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			said = ""
		case err.Error() != said:
			said = err.Error()
			s.app.streams.Note("%v", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
	}
}

// idleFor is how long a process in the background waits for a service that does not run, longer than a restart takes. Nothing is lost when it
// ends: there is nobody whom the rollout could give anything to, and mlx service run starts another one.
const idleFor = time.Minute

// onlyRunning is a target that is left when nothing of its service has run for long.
type onlyRunning struct {
	deploy.Driver
	now   func() time.Time
	most  time.Duration // for which it may not run
	since time.Time     // when it was first seen not to run; zero: it ran
	any   bool          // that it cannot be asked, for whatever reason, counts as well
	gone  func()
}

func (o *onlyRunning) Observe(ctx context.Context, service string) (deploy.Actual, error) {
	seen, err := o.Driver.Observe(ctx, service)
	switch {
	case !errors.Is(err, local.ErrNotRunning) && (err == nil || !o.any):
		o.since = time.Time{}
	case o.since.IsZero():
		o.since = o.now()
	case o.now().Sub(o.since) > o.most:
		o.gone()
	}
	return seen, err
}

// Apply asks for a state. Why a router that does not run cannot be asked is no news.
func (o *onlyRunning) Apply(ctx context.Context, d deploy.Desired) error {
	err := o.Driver.Apply(ctx, d)
	if err != nil && !o.since.IsZero() && !o.any {
		return local.ErrNotRunning
	}
	return err
}

// lockTries is how often a process in the background looks whether it may carry a rollout out: who only asks whether somebody does holds the
// lock for a moment as well.
const lockTries = 20

// hold takes the right to carry a rollout out; nil: somebody else has it.
func (s *served) hold(id object.Digest) (held *os.File, err error) {
	for range lockTries {
		if held, err = s.control(id); !errors.Is(err, local.ErrLocked) {
			return held, err
		}
		time.Sleep(pokeEvery)
	}
	return nil, nil
}

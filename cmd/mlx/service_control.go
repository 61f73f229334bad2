package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"mlx/internal/cli"
	"mlx/internal/deploy"
	"mlx/internal/deploy/local"
	"mlx/internal/fault"
	"mlx/internal/object"
)

// observe looks at what serves. A service that does not run is an error with the command that runs it.
func (s *served) observe(ctx context.Context) (deploy.Actual, error) {
	return s.observeBy(ctx, s.driver())
}

func (s *served) observeBy(ctx context.Context, target deploy.Driver) (deploy.Actual, error) {
	seen, err := target.Observe(ctx, s.name)
	if errors.Is(err, local.ErrNotRunning) {
		return seen, fault.New(fault.Unavailable, "cannot reach %s: it does not run on this machine", s.name).Hint("mlx service run %s", shellWord(s.name))
	}
	if err != nil && len(s.cfg.Hosts) > 0 {
		return seen, fault.New(fault.KindOf(err), "cannot ask %s: %w", s.name, err)
	}
	return seen, err
}

// reached says why a target cannot be asked for another state: it does not answer, or serves what no record here accounts for.
func (s *served) reached(ctx context.Context, known deploy.Service) error {
	seen, err := s.observe(ctx)
	if err != nil {
		return err
	}
	return s.accounted(known, seen)
}

// accounted refuses to change what somebody else has deployed, whose records are not here.
func (s *served) accounted(known deploy.Service, seen deploy.Actual) error {
	why := known.Unknown(seen)
	if why == "" {
		return nil
	}
	return fault.New(fault.Conflict, "cannot change %s: %s, and no record here says so", s.name, why).
		Hint("mlx pull --no-checkout   # somebody else has deployed").
		Hint("mlx service status %s   # when that brings nothing: another repository has a service of this name there", shellWord(s.name))
}

// control holds what one controller of a rollout at a time may do. The lock goes with the process.
func (s *served) control(id object.Digest) (*os.File, error) {
	return local.Lock(filepath.Join(s.dir, "rollout-"+id.Short()+".lock"))
}

// controlled says whether somebody carries a rollout out.
func (s *served) controlled(id object.Digest) bool {
	held, err := s.control(id)
	if err == nil {
		_ = held.Close() // nobody: it was only asked
	}
	return errors.Is(err, local.ErrLocked)
}

// carryOut drives a rollout until it is over or paused, and tells what happens. Who carries it out when it is paused, and watches it, is a
// process of its own.
func (s *served) carryOut(ctx context.Context, r deploy.Rollout) error {
	held, err := s.control(r.ID)
	if errors.Is(err, local.ErrLocked) {
		return s.follow(ctx, r)
	}
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot carry out rollout %s: %w", r.ID.Short(), err)
	}
	defer held.Close()
	driving, stop := context.WithCancel(ctx)
	defer stop()
	told := newTelling(s)
	c := s.controller(r, func(n deploy.News) {
		if driving.Err() == nil {
			told.news(n)
		}
		if n.Seen && n.After.State == deploy.StatePaused {
			stop()
		}
	})
	last, err := c.Drive(driving, s.name, r.ID)
	switch {
	case err == nil:
	case driving.Err() == nil:
		return err
	case ctx.Err() != nil:
		s.left(last)
		return ctx.Err()
	default: // paused
		_ = held.Close()
		if err := s.detach(ctx, last); err != nil {
			return err
		}
		return s.ended(ctx, last)
	}
	return s.over(ctx, last, s.ended)
}

// over is for who has carried out a rollout: it tells how it is, and then ends what the rollout has left.
func (s *served) over(ctx context.Context, r deploy.Rollout, tell func(ctx context.Context, r deploy.Rollout) error) error {
	if err := s.settleStage(ctx, r); err != nil {
		return err
	}
	err := tell(ctx, r)
	s.finish(ctx)
	return err
}

// left tells somebody who interrupts what becomes of the rollout.
func (s *served) left(r deploy.Rollout) {
	if r.State.Over() {
		return
	}
	if d := r.Desired(); d.Lease > 0 {
		s.app.streams.Note("%s loses its requests in %s, unless somebody goes on: %s", r.To.Name(), cli.FormatDuration(d.Lease), s.resumeHint())
		return
	}
	s.app.streams.Note("rollout %s waits: %s", r.ID.Short(), s.resumeHint())
}

// ended tells how it is, with the status that goes with it.
func (s *served) ended(ctx context.Context, r deploy.Rollout) error {
	switch r.State {
	case deploy.StateCompleted:
	case deploy.StateRolledBack, deploy.StateAborting:
		if r.Strategy != deploy.Back {
			s.app.answer(no)
		}
	default:
		s.app.answer(unclear)
	}
	if err := s.emitStatus(ctx); err != nil {
		return err
	}
	switch r.State {
	case deploy.StateRolledBack:
		s.app.streams.Hint("mlx job logs "+r.ID.Short(), "what its servers printed")
	case deploy.StatePaused:
		s.app.streams.Hint(s.resumeHint(), "or mlx service abort "+shellWord(s.name))
	default:
	}
	return nil
}

// controller carries out a rollout of the service.
func (s *served) controller(r deploy.Rollout, tell func(deploy.News)) deploy.Controller {
	return deploy.Controller{Driver: s.driverFor(r), Records: s.book, Judge: s.judge, Now: s.app.now, Sleep: s.sleep, Tell: tell, Every: s.every()}
}

// Bounds of how often a controller looks.
const (
	looksOften = 200 * time.Millisecond
	looksRare  = 5 * time.Second
)

// every is how often a controller looks: several times a step, and before a lease is over.
func (s *served) every() time.Duration {
	every := looksRare
	if bake := s.cfg.Rollout.Bake.Duration; bake > 0 {
		every = min(every, bake/10)
	}
	if lease := s.cfg.Rollout.Lease.Duration; lease > 0 {
		every = min(every, lease/6)
	}
	return max(every, looksOften)
}

// pokeEvery is how often a controller that sleeps looks whether somebody has said something.
const pokeEvery = 50 * time.Millisecond

// sleep waits, or until somebody pokes.
func (s *served) sleep(ctx context.Context, d time.Duration) {
	before := s.poked()
	over := time.NewTimer(d)
	defer over.Stop()
	every := time.NewTicker(pokeEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-over.C:
			return
		case <-every.C:
			if s.poked() != before {
				return
			}
		}
	}
}

func (s *served) pokeName() string { return filepath.Join(s.dir, "poke") }

func (s *served) poked() time.Time {
	info, err := os.Stat(s.pokeName())
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// poke wakes whoever carries out a rollout of the service.
func (s *served) poke() {
	if err := os.WriteFile(s.pokeName(), []byte(s.app.now().String()), 0o600); err != nil {
		s.app.streams.Why("cannot wake the controller: %v", err)
	}
}

// detach leaves a rollout to a process of its own.
func (s *served) detach(ctx context.Context, r deploy.Rollout) error {
	self, err := os.Executable()
	if err != nil {
		return fault.New(fault.Internal, "cannot find this program: %w", err)
	}
	repo, err := s.app.repo()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(s.dir, "logs"), 0o700); err != nil { // on a machine where it does not run there is none
		return fault.New(fault.KindOf(err), "cannot leave the rollout to another process: %w", err)
	}
	out, err := os.OpenFile(filepath.Join(s.dir, "logs", "controller.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot leave the rollout to another process: %w", err)
	}
	defer out.Close()
	if err := s.noteWatched(r.ID); err != nil {
		return err
	}
	cmd := exec.Command(self, "-C", repo.Root, "agent", "rollout", s.name, r.ID.Hex()) //nolint:noctx // it goes on when this process has ended
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = out, out, ownSession()
	if err := cmd.Start(); err != nil {
		return fault.New(fault.KindOf(err), "cannot leave the rollout to another process: %w", err)
	}
	for until := s.app.now().Add(deployWait); !s.controlled(r.ID); {
		if err := ctx.Err(); err != nil {
			return err
		}
		if s.app.now().After(until) {
			return fault.New(fault.Unavailable, "cannot leave the rollout to another process: it does not begin").Hint("cat %s", shellWord(out.Name()))
		}
		time.Sleep(pokeEvery)
	}
	return cmd.Process.Release()
}

// watchOn carries a rollout out until it is over, also while it is paused.
func (s *served) watchOn(ctx context.Context, id object.Digest) error {
	held, err := s.hold(id)
	if err != nil || held == nil {
		return err
	}
	defer held.Close()
	driving, stop := context.WithCancel(ctx)
	defer stop()
	known, err := s.book.Service(ctx, s.name)
	if err != nil {
		return err
	}
	r, _ := known.Rollout(id) // Drive says when there is none
	c := s.controller(r, newTelling(s).news)
	c.Driver = &onlyRunning{Driver: c.Driver, now: s.app.now, most: idleFor, gone: stop}
	r, err = c.Drive(driving, s.name, id)
	if driving.Err() == nil {
		s.unwatched(id) // it is over, or cannot be carried out
	} else if ctx.Err() == nil {
		s.app.streams.Note("rollout %s is left until %s runs again: it has not run for %s", id.Short(), s.name, cli.FormatDuration(idleFor))
		return nil
	}
	if err != nil {
		return err
	}
	return s.over(ctx, r, func(context.Context, deploy.Rollout) error { return nil }) // it was told as it happened
}

// follow tells what becomes of a rollout that another process carries out.
func (s *served) follow(ctx context.Context, r deploy.Rollout) error {
	told := newTelling(s)
	for !r.State.Over() && (r.State != deploy.StatePaused || len(r.Asks) > 0) {
		s.sleep(ctx, time.Second)
		if err := ctx.Err(); err != nil {
			s.app.streams.Note("rollout %s goes on: another process carries it out. mlx service status %s --watch shows it", r.ID.Short(), shellWord(s.name))
			return err
		}
		known, err := s.book.Service(ctx, s.name)
		if err != nil {
			return err
		}
		next, ok := known.Rollout(r.ID)
		if !ok {
			return fault.New(fault.NotFound, "cannot find rollout %s any more", r.ID.Short())
		}
		if next.Generation != r.Generation {
			told.news(deploy.News{At: s.app.now(), Before: r, After: next})
		}
		r = next
		if !r.State.Over() && !s.controlled(r.ID) {
			return s.carryOut(ctx, r) // who carried it out has ended
		}
	}
	return s.ended(ctx, r)
}

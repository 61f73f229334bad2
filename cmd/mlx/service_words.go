package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"mlx/internal/deploy"
	"mlx/internal/fault"
)

type serviceWordOptions struct {
	service   string
	env       string
	why       string
	now, full bool
}

func newServicePause(a *app) *cobra.Command {
	return serviceWord(a, "pause SERVICE", "Hold a rollout at its present share", `The new version keeps what it has, and is watched: a check that fails ends the rollout all the same.`,
		func(ctx context.Context, s *served, o serviceWordOptions) error { return s.pause(ctx, o) })
}

func newServiceAbort(a *app) *cobra.Command {
	return serviceWord(a, "abort SERVICE", "End a rollout; all traffic to stable", `All requests go to what was in service before, at once, whoever carries the rollout out. Without a rollout nothing
changes: mlx rollback leaves what is in service.`,
		func(ctx context.Context, s *served, o serviceWordOptions) error { return s.abort(ctx, o) })
}

func newServiceResume(a *app) *cobra.Command {
	var o serviceWordOptions
	cmd := serviceWordWith(a, &o, "resume SERVICE", "Go on with a paused or interrupted rollout", `It goes on where it was, also when the process that carried it out was killed or is on a machine that is gone. It ends as
mlx deploy does.`,
		func(ctx context.Context, s *served, o serviceWordOptions) error { return s.resume(ctx, o) })
	cmd.Flags().BoolVar(&o.now, "now", false, "skip the wait of this step")
	cmd.Flags().BoolVar(&o.full, "full", false, "skip the steps that are left; it must be ready all the same")
	cmd.MarkFlagsMutuallyExclusive("now", "full")
	a.takesInconclusive(cmd)
	return cmd
}

func serviceWord(a *app, use, short, long string, do func(context.Context, *served, serviceWordOptions) error) *cobra.Command {
	return serviceWordWith(a, &serviceWordOptions{}, use, short, long, do)
}

func serviceWordWith(a *app, o *serviceWordOptions, use, short, long string, do func(context.Context, *served, serviceWordOptions) error) *cobra.Command {
	word, _, _ := strings.Cut(use, " ")
	cmd := &cobra.Command{
		Use: use, Short: short, Long: long, Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeServices,
		Example: "mlx service " + word + " flights",
		RunE: func(cmd *cobra.Command, args []string) error {
			o.service = args[0]
			if err := inEnvironment(&o.service, o.env); err != nil {
				return err
			}
			s, err := a.openService(o.service)
			if err != nil {
				return err
			}
			if err := s.mayDrive(cmd.Context()); err != nil {
				return err
			}
			return do(cmd.Context(), s, *o)
		},
	}
	a.takesEnvironment(cmd, &o.env)
	cmd.Flags().StringVarP(&o.why, "message", "m", "", "`REASON`, which is recorded")
	return cmd
}

// progress is the rollout that is under way.
func (s *served) progress(ctx context.Context, doing string) (deploy.Rollout, error) {
	known, err := s.book.Service(ctx, s.name)
	if err != nil {
		return deploy.Rollout{}, err
	}
	r, busy := known.Progress()
	if !busy {
		err := fault.New(fault.Conflict, "cannot %s %s: no rollout is under way", doing, s.name)
		if doing == "abort" {
			return r, err.Hint("mlx rollback %s   # leaves what is in service", shellWord(s.name))
		}
		return r, err.Hint("mlx deploy %s %s@vN", shellWord(s.name), shellWord(s.cfg.Models()[0]))
	}
	return r, nil
}

// ask writes a word down, and wakes whoever carries the rollout out.
func (s *served) ask(ctx context.Context, r deploy.Rollout, word deploy.Word, why string) (deploy.Rollout, error) {
	r, err := s.book.Ask(ctx, deploy.Asking{Service: s.name, Rollout: r.ID, Word: word, Reason: strings.TrimSpace(why), Actor: s.app.user()})
	if err == nil {
		s.poke()
	}
	return r, err
}

func (s *served) pause(ctx context.Context, o serviceWordOptions) error {
	r, err := s.progress(ctx, "pause")
	if err != nil {
		return err
	}
	if r.State == deploy.StatePaused {
		s.app.streams.Note("nothing changed: the rollout is paused")
		return s.emitStatus(ctx)
	}
	if _, err := s.observe(ctx); err != nil { // nobody could carry out what is asked
		return err
	}
	if r, err = s.ask(ctx, r, deploy.Pause, o.why); err != nil {
		return err
	}
	if !s.controlled(r.ID) {
		if err := s.detach(ctx, r); err != nil {
			return err
		}
	}
	if r, err = s.await(ctx, r, func(r deploy.Rollout) bool { return r.State == deploy.StatePaused || r.State.Over() }); err != nil {
		return err
	}
	return s.emitStatus(ctx)
}

// await waits until whoever carries a rollout out has done something.
func (s *served) await(ctx context.Context, r deploy.Rollout, done func(deploy.Rollout) bool) (deploy.Rollout, error) {
	for until := s.app.now().Add(deployWait); !done(r); {
		if s.app.now().After(until) {
			return r, fault.New(fault.Unavailable, "%s: who carries rollout %s out has not answered in %s", s.name, r.ID.Short(), deployWait).
				Hint("mlx service status %s", shellWord(s.name))
		}
		s.sleep(ctx, 2*pokeEvery)
		if err := ctx.Err(); err != nil {
			return r, err
		}
		known, err := s.book.Service(ctx, s.name)
		if err != nil {
			return r, err
		}
		if next, ok := known.Rollout(r.ID); ok {
			r = next
		}
	}
	return r, nil
}

func (s *served) resume(ctx context.Context, o serviceWordOptions) error {
	if err := s.mayServe(ctx); err != nil {
		return err
	}
	r, err := s.progress(ctx, "resume")
	if err != nil {
		return err
	}
	if _, err := s.observeBy(ctx, s.driverFor(r)); err != nil {
		return err
	}
	word := deploy.Resume
	switch {
	case o.now:
		word = deploy.Now
	case o.full:
		word = deploy.Full
	}
	if r.State == deploy.StatePaused || word != deploy.Resume {
		if r, err = s.ask(ctx, r, word, o.why); err != nil {
			return err
		}
	}
	return s.carryOut(ctx, r)
}

// abort does not wait for whoever carries the rollout out: it asks the target itself, above everybody.
func (s *served) abort(ctx context.Context, o serviceWordOptions) error {
	r, err := s.progress(ctx, "abort")
	if err != nil {
		return err
	}
	if r, err = s.ask(ctx, r, deploy.Abort, o.why); err != nil {
		return err
	}
	driving, stop := context.WithCancel(ctx)
	defer stop()
	target := &onlyRunning{Driver: s.driver(), now: s.app.now, gone: stop, any: s.hosts != nil} // twice not running is enough: it is written down by then
	err = s.drive(driving, r, target)
	if driving.Err() == nil || ctx.Err() != nil {
		return err
	}
	s.app.streams.Note("%s is given up, and gets nothing. It is rolled back as soon as %s runs again", r.To.Name(), s.name)
	return s.emitStatus(ctx)
}

// drive carries a rollout out whether somebody else does or not.
func (s *served) drive(ctx context.Context, r deploy.Rollout, target deploy.Driver) error {
	c := s.controller(r, newTelling(s).news)
	c.Driver = target
	last, err := c.Drive(ctx, s.name, r.ID)
	if err != nil {
		return err
	}
	s.poke()
	return s.over(ctx, last, func(ctx context.Context, _ deploy.Rollout) error { return s.emitStatus(ctx) })
}

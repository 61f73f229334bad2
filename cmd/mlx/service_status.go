package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/deploy"
	"mlx/internal/deploy/local"
	"mlx/internal/fault"
)

type serviceStatusOptions struct {
	service string
	env     string
	watch   bool
	wait    bool
	timeout string
}

func newServiceStatus(a *app) *cobra.Command {
	var o serviceStatusOptions
	cmd := &cobra.Command{
		Use:   "status SERVICE",
		Short: "Compare what serves with what should serve",
		Long: `It asks the router and its supervisor, and holds that against the records. Status: 0 it serves what it should, 1 it does not, or does
not run, 3 a rollout is paused.`,
		Example: `mlx service status flights
mlx service status flights --wait --timeout 10s
mlx service status flights --watch --wait`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.service = args[0]
			if err := inEnvironment(&o.service, o.env); err != nil {
				return err
			}
			return serviceStatus(cmd.Context(), a, o)
		},
		ValidArgsFunction: a.completeServices,
	}
	f := cmd.Flags()
	f.SortFlags = false
	a.takesEnvironment(cmd, &o.env)
	f.BoolVar(&o.watch, "watch", false, "go on until it is interrupted; not on a terminal, print what is new")
	f.BoolVar(&o.wait, "wait", false, "until no rollout is under way")
	f.StringVar(&o.timeout, "timeout", "", "wait no longer than this `TIME`: 5m, 2h")
	a.takesInconclusive(cmd)
	return cmd
}

func serviceStatus(ctx context.Context, a *app, o serviceStatusOptions) error {
	s, err := a.openService(o.service)
	if err != nil {
		return err
	}
	if err := s.mayDrive(ctx); err != nil {
		return err
	}
	if o.timeout != "" {
		within, err := cli.ParseDuration(o.timeout)
		if err != nil {
			return fault.New(fault.Usage, "cannot wait: --timeout: %w", err)
		}
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, within)
		defer stop()
	}
	s.tidy(ctx)
	told := ""
	for {
		now, err := s.look(ctx)
		if err != nil {
			return seenEnough(ctx, o, err)
		}
		_, busy := now.known.Progress()
		waiting := o.wait && busy && now.state() != "paused" && now.state() != "down"
		last := !waiting && (o.wait || !o.watch)
		switch {
		case o.watch:
			if err := s.emitChanged(now, &told, last); err != nil {
				return err
			}
		case last:
			if err := s.emit(now, true); err != nil {
				return err
			}
		}
		if last {
			return nil
		}
		s.sleep(ctx, time.Second)
		switch err := ctx.Err(); {
		case errors.Is(err, context.DeadlineExceeded) && o.wait:
			return fault.New(fault.Unavailable, "%s: the rollout is still under way after %s", s.name, o.timeout).Hint("mlx service status %s", shellWord(s.name))
		case err != nil:
			return seenEnough(ctx, o, err)
		}
	}
}

// seenEnough is how a look ends that somebody interrupts: whoever only watched has seen enough.
func seenEnough(ctx context.Context, o serviceStatusOptions, err error) error {
	if o.watch && !o.wait && ctx.Err() != nil {
		return nil
	}
	return err
}

// emitChanged draws the service anew on a terminal. Elsewhere it prints it when more has changed than what is counted. told is what was
// printed last.
func (s *served) emitChanged(now serviceNow, told *string, last bool) error {
	drawn, err := s.app.redraw()
	if err != nil {
		return err
	}
	news := now.changes()
	if !drawn && !last && news == *told {
		return nil
	}
	*told = news
	if err := s.emit(now, last); err != nil {
		return err
	}
	return s.app.streams.Flush()
}

// look takes a look at the service.
func (s *served) look(ctx context.Context) (serviceNow, error) {
	known, err := s.book.Service(ctx, s.name)
	if err != nil {
		return serviceNow{}, err
	}
	now := serviceNow{name: s.name, known: s.checked(known), now: s.app.now()}
	var seen deploy.Actual
	if s.hosts != nil {
		now.hosts, seen, err = s.hosts.look(ctx)
	} else {
		seen, err = s.driver().Observe(ctx, s.name)
	}
	switch {
	case errors.Is(err, local.ErrNotRunning):
		now.trouble = "it does not run on this machine"
	case err != nil && ctx.Err() != nil:
		return now, ctx.Err()
	case err != nil:
		now.trouble, now.help = err.Error(), fault.Hints(err)
	default:
		now.seen, now.trouble = &seen, seen.Trouble
		if s.onKubernetes() && seen.Generation == 0 && seen.Trouble == "" && len(now.known.Desired().Arms) > 0 {
			now.trouble = "the namespace has nothing of it"
		}
	}
	if b, err := s.budget(ctx); err == nil {
		now.budget = viewOfBudget(b)
	} else if s.hasSLO() {
		s.app.streams.Note("%v", err)
	}
	if now.trouble == "" {
		now.trouble = awayWords(now.hosts)
	}
	if r, busy := now.known.Progress(); busy && !s.controlled(r.ID) {
		now.alone = &r
	}
	if now.trouble == "" && now.alone != nil && now.seen != nil && now.seen.Reverted != nil {
		now.trouble = now.seen.Reverted.Reason + "; " + now.aloneWords() + ": " + s.resumeHint()
	}
	if s.onKubernetes() {
		now.url = s.kubeURL()
	} else if running, err := s.supervisor().Running(ctx); err == nil {
		now.url = s.urlOf(running.Address)
	}
	return now, nil
}

// urlOf is where the service answers whose router listens at an address: one behind HAProxy answers at its frontend, if that is known.
func (s *served) urlOf(address string) string {
	switch {
	case s.byHAProxy() && s.cfg.Listen == "":
		return ""
	case s.byHAProxy():
		return "http://" + s.cfg.Listen
	case s.cfg.TLS.Cert != "":
		return "https://" + address
	}
	return "http://" + address
}

// emit shows what was seen; answer: its state is the exit status.
func (s *served) emit(now serviceNow, answer bool) error {
	if answer {
		switch now.state() {
		case "down", "diverged":
			s.app.answer(no)
		case "paused":
			s.app.answer(unclear)
		}
	}
	err := s.app.streams.EmitVerdict(now.view(), s.app.status != yes, now.text)
	switch state := now.state(); {
	case err != nil:
	case state == "down" && !s.onKubernetes() && s.hosts == nil:
		s.app.streams.Hint("mlx service run "+shellWord(s.name), "")
	case now.alone != nil && (state == "rolling" || state == "diverged"):
		s.app.streams.Hint(s.resumeHint(), now.aloneWords())
	}
	s.hintNow(now)
	return err
}

// aloneWords says who began a rollout that nobody carries out as far as is seen from here.
func (s serviceNow) aloneWords() string {
	return "nobody on this machine carries out rollout " + s.alone.ID.Short() + ", which " + s.alone.By + " began"
}

// settleTries is how often a service is looked at that does not do yet what was just asked of it.
const settleTries = 20

// emitStatus shows the service after something was done with a rollout of it. What came of the rollout is the exit status already,
// and under -q only that.
func (s *served) emitStatus(ctx context.Context) error {
	now, err := s.look(ctx)
	for tries := 0; err == nil && now.state() == "diverged" && tries < settleTries; tries++ { // the target is about to obey
		s.sleep(ctx, 2*pokeEvery)
		now, err = s.look(ctx)
	}
	if err != nil {
		return err
	}
	if err := s.app.streams.EmitVerdict(now.view(), s.app.status != yes, now.text); err != nil {
		return err
	}
	s.hintNow(now)
	return nil
}

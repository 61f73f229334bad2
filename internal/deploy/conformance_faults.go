package deploy

import (
	"context"
	"errors"
	"math"
	"strings"
)

func tryFailing(ctx context.Context, t *Trial) error {
	return t.under(ctx, math.MaxInt, func(c *crowd) error { // what the candidate answers is its fault
		said, err := t.deploy(ctx, 1, 4)
		if err != nil {
			return err
		}
		if !strings.Contains(said.Err, "errors") {
			return broken("it does not say why: %s", lastWords(said.Err))
		}
		return errors.Join(t.serves(ctx, 1), t.only(ctx, c, 1))
	})
}

func tryUnready(ctx context.Context, t *Trial) error {
	return t.under(ctx, 0, func(c *crowd) error {
		said, err := t.deploy(ctx, 1, 5)
		if err != nil {
			return err
		}
		if !strings.Contains(said.Err, "was not ready within") {
			return broken("it does not say why: %s", lastWords(said.Err))
		}
		return errors.Join(t.serves(ctx, 1), t.only(ctx, c, 1))
	})
}

func tryCrash(ctx context.Context, t *Trial) error {
	return t.under(ctx, 0, func(c *crowd) error {
		b, err := t.canary(ctx, 2)
		if err != nil {
			return err
		}
		undo, err := t.Disturb(ctx, DisturbCandidate)
		if err != nil {
			return errors.Join(err, b.Kill())
		}
		err = errors.Join(t.only(ctx, c, 1), t.ends(b, 1))
		return errors.Join(err, undo(), t.serves(ctx, 1))
	})
}

func tryStable(ctx context.Context, t *Trial) error {
	return t.under(ctx, math.MaxInt, func(c *crowd) error { // nobody else may answer for it
		b, err := t.canary(ctx, 2)
		if err != nil {
			return err
		}
		undo, err := t.Disturb(ctx, DisturbStable)
		if err != nil {
			return errors.Join(err, b.Kill())
		}
		s, err := t.until(ctx, "what is in service is up again", func(s shown) bool {
			a, ok := s.arm(Stable)
			return ok && a.Ready == a.Replicas && a.Ready > 0
		})
		if a, _ := s.arm(Candidate); err == nil && a.Desired > 0.2 {
			err = broken("the candidate has %v of the requests", a.Desired)
		}
		if _, word := t.expect(ctx, 0, "service", "resume", Tried, "--full"); err == nil {
			err = word
		}
		return errors.Join(err, t.ends(b, 0), undo(), t.serves(ctx, 2))
	})
}

func tryLease(ctx context.Context, t *Trial) error {
	return t.under(ctx, 0, func(c *crowd) error {
		b, err := t.canary(ctx, 2)
		if err != nil {
			return err
		}
		if err := b.Kill(); err != nil {
			return err
		}
		began := t.now()
		if err := t.only(ctx, c, 1); err != nil {
			return err
		}
		t.saw("back %s after the controller, with a lease of %s", seconds(t.now().Sub(began).Seconds()), span(TriedLease))
		said, err := t.expect(ctx, 1, "service", "resume", Tried)
		if err == nil && !strings.Contains(said.Err, "lease_expired") {
			err = broken("it does not say why: %s", lastWords(said.Err))
		}
		return errors.Join(err, t.serves(ctx, 1))
	})
}

func tryStale(ctx context.Context, t *Trial) error {
	s, err := t.status(ctx)
	if err != nil {
		return err
	}
	arm, ok := s.arm(Stable)
	if !ok {
		return broken("nothing is in service: %+v", s)
	}
	for _, generation := range []uint64{s.Generation - 1, 1} {
		d := Desired{Service: Tried, Generation: generation, Arms: []Arm{{Role: Stable, Share: All, Replicas: 1,
			Release: Release{Key: arm.Release, Model: Tried, Version: 1}}}}
		if err := t.Driver.Apply(ctx, d); !errors.Is(err, ErrStale) {
			return broken("generation %d after %d: %v", generation, s.Generation, err)
		}
	}
	after, err := t.status(ctx)
	if err == nil && after.Generation != s.Generation {
		err = broken("generation %d became %d", s.Generation, after.Generation)
	}
	return err
}

func tryAway(ctx context.Context, t *Trial) error {
	return t.under(ctx, 0, func(c *crowd) error {
		if _, err := t.deploy(ctx, 0, 1); err != nil { // or it is in service already
			return err
		}
		b, err := t.canary(ctx, 2)
		if err != nil {
			return err
		}
		undo, err := t.Disturb(ctx, DisturbAway)
		if err != nil {
			return errors.Join(err, b.Kill())
		}
		unknown, err := t.until(ctx, "it is not known how it is", func(s shown) bool { return s.State == "down" || s.Trouble != nil })
		if err == nil && unknown.Rollout != nil && State(unknown.Rollout.State).Over() {
			err = broken("the rollout is %s", unknown.Rollout.State)
		}
		if err == nil && b.Over() {
			said, endErr := b.End()
			err = errors.Join(endErr, broken("its controller gave up: %s", lastWords(said.Err)))
		}
		err = errors.Join(err, undo())
		if err != nil {
			return errors.Join(err, b.Kill())
		}
		// For longer than the lease it is taken back, and told; before, it goes on.
		if _, err := t.MLX(ctx, "service", "abort", Tried); err != nil {
			return err
		}
		if _, err := b.End(); err != nil {
			return err
		}
		return errors.Join(t.serves(ctx, 1), t.only(ctx, c, 1))
	})
}

func tryHand(ctx context.Context, t *Trial) error {
	return t.under(ctx, 0, func(c *crowd) error {
		b, err := t.canary(ctx, 2)
		if err != nil {
			return err
		}
		undo, err := t.Disturb(ctx, DisturbHand)
		if err != nil {
			return errors.Join(err, b.Kill())
		}
		if _, err := t.expect(ctx, 0, "service", "abort", Tried, "-m", "by hand"); err != nil {
			return errors.Join(err, undo(), b.Kill())
		}
		said, err := b.End()
		if err == nil && said.Status != 1 && said.Status != 2 { // it was taken back, or has seen before that somebody else is in charge
			err = broken("it ended with %d: %s", said.Status, lastWords(said.Err))
		}
		return errors.Join(err, t.serves(ctx, 1), t.only(ctx, c, 1), undo())
	})
}

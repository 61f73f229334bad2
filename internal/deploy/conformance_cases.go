package deploy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// under runs what a case does while users ask. At most lost of their requests may get no answer.
func (t *Trial) under(ctx context.Context, lost int, do func(c *crowd) error) error {
	c := t.users(ctx)
	err := do(c)
	return errors.Join(err, c.end(t, lost))
}

// canary begins to roll a version out that stays at its first step, and waits until it is asked there.
func (t *Trial) canary(ctx context.Context, version int, words ...string) (Begun, error) {
	b, err := t.Begin(ctx, append([]string{"deploy", Tried, triedVersion(version), "--bake", "1h"}, words...)...)
	if err != nil {
		return nil, err
	}
	for began := t.now(); !b.Says("step 1"); {
		if b.Over() || t.now().Sub(began) > soon {
			said, err := b.End()
			return nil, errors.Join(err, broken("the rollout does not come to its first step: %s", lastWords(said.Err)))
		}
		if err := pause(ctx, glance); err != nil {
			return nil, err
		}
	}
	return b, t.gets(ctx)
}

// ends waits for the end of a command, which must have a status.
func (t *Trial) ends(b Begun, status int) error {
	said, err := b.End()
	if err == nil && said.Status != status {
		err = broken("it ended with %d, not %d: %s", said.Status, status, lastWords(said.Err))
	}
	return err
}

// onlyOf is how many answers in a row tell that a version gives all of them: one with four fifths gives as many once in 650,000 times.
const onlyOf = 60

// only waits until users are answered by a version alone.
func (t *Trial) only(ctx context.Context, c *crowd, version int) error {
	word := fmt.Sprintf("v%d", version)
	for began := t.now(); ; {
		more, err := c.since(ctx, onlyOf)
		if err != nil {
			return err
		}
		if len(more) == 1 && more[word] > 0 {
			return nil
		}
		if t.now().Sub(began) > soon {
			return broken("after %s users are answered by %v, not by %s alone", span(soon), more, word)
		}
	}
}

func tryFirst(ctx context.Context, t *Trial) error {
	if _, err := t.deploy(ctx, 0, 1); err != nil {
		return err
	}
	if err := t.serves(ctx, 1); err != nil {
		return err
	}
	for range 20 {
		if word := t.Ask(ctx); word != "v1" {
			return broken("a user got %s", word)
		}
	}
	if s, err := t.expect(ctx, 0, "deploy", Tried, triedVersion(1)); err != nil || !strings.Contains(s.Err, "nothing changed") {
		return errors.Join(err, broken("deployed again: %s", lastWords(s.Err)))
	}
	return nil
}

func trySteps(ctx context.Context, t *Trial) error {
	return t.under(ctx, 0, func(c *crowd) error {
		said, err := t.deploy(ctx, 0, 2, "--steps", "1%,5%,20%,100%", "--bake", "2s", "--min-samples", "1")
		if err != nil {
			return err
		}
		for _, step := range []string{"step 1", "step 2", "step 3", "step 4", "completed"} {
			if !strings.Contains(said.Err, step) {
				return broken("it never said %q: %s", step, lastWords(said.Err))
			}
		}
		if err := t.serves(ctx, 2); err != nil {
			return err
		}
		return t.only(ctx, c, 2)
	})
}

func tryBack(ctx context.Context, t *Trial) error {
	return t.under(ctx, 0, func(c *crowd) error {
		before, err := t.status(ctx)
		if err != nil {
			return err
		}
		if before.RollbackTo == nil || !before.RollbackTo.Warm {
			return broken("there is nothing warm to return to: %+v", before)
		}
		b, err := t.Begin(ctx, "rollback", Tried, "-m", "tried")
		if err != nil {
			return err
		}
		began := t.now()
		for {
			seen, err := t.Driver.Observe(ctx, Tried)
			if err == nil && seen.Generation > before.Generation {
				break
			}
			if t.now().Sub(began) > soon {
				said, err := b.End()
				return errors.Join(err, broken("the target is not changed after %s: %s", span(soon), lastWords(said.Err)))
			}
			if err := pause(ctx, glance/10); err != nil {
				return err
			}
		}
		took := t.now().Sub(began)
		if err := t.ends(b, 0); err != nil {
			return err
		}
		t.saw("changed in %s", seconds(took.Seconds()))
		if err := t.serves(ctx, 1); err != nil {
			return err
		}
		return t.only(ctx, c, 1)
	})
}

func tryCold(ctx context.Context, t *Trial) error {
	return t.under(ctx, 0, func(c *crowd) error {
		for _, version := range []int{2, 3} { // then nothing of version 1 is kept
			if _, err := t.deploy(ctx, 0, version); err != nil {
				return err
			}
		}
		began := t.now()
		if _, err := t.expect(ctx, 0, "rollback", Tried, "--to", triedVersion(1)); err != nil {
			return err
		}
		t.saw("back in %s", seconds(t.now().Sub(began).Seconds()))
		return errors.Join(t.serves(ctx, 1), t.only(ctx, c, 1))
	})
}

func tryWords(ctx context.Context, t *Trial) error {
	return t.under(ctx, 0, func(c *crowd) error {
		b, err := t.canary(ctx, 1)
		if err != nil {
			return err
		}
		if _, err := t.expect(ctx, 0, "service", "pause", Tried, "-m", "tried"); err != nil {
			return err
		}
		if err := t.ends(b, 3); err != nil {
			return err
		}
		s, err := t.until(ctx, "it is paused", func(s shown) bool { return s.State == "paused" })
		if err != nil {
			return err
		}
		if a, _ := s.arm(Candidate); a.Desired != 0.2 {
			return broken("paused, the candidate has %v of the requests", a.Desired)
		}
		next, err := t.Begin(ctx, "service", "resume", Tried)
		if err != nil {
			return err
		}
		if _, err := t.until(ctx, "it goes on", func(s shown) bool { return s.State == "rolling" }); err != nil {
			return err
		}
		if _, err := t.expect(ctx, 0, "service", "abort", Tried, "-m", "tried"); err != nil {
			return err
		}
		return errors.Join(t.ends(next, 1), t.serves(ctx, 2), t.only(ctx, c, 2))
	})
}

func tryResume(ctx context.Context, t *Trial) error {
	return t.under(ctx, 0, func(c *crowd) error {
		b, err := t.canary(ctx, 1)
		if err != nil {
			return err
		}
		if err := b.Kill(); err != nil {
			return err
		}
		if _, err := t.expect(ctx, 0, "service", "resume", Tried, "--full"); err != nil {
			return err
		}
		return errors.Join(t.serves(ctx, 1), t.only(ctx, c, 1))
	})
}

func tryTwo(ctx context.Context, t *Trial) error {
	return t.under(ctx, 0, func(c *crowd) error {
		first, err := t.canary(ctx, 2, "--bake", "3s")
		if err != nil {
			return err
		}
		if _, err := t.expect(ctx, 0, "service", "resume", Tried); err != nil { // it follows, or goes on
			return err
		}
		if err := t.ends(first, 0); err != nil {
			return err
		}
		one, err := t.Begin(ctx, "deploy", Tried, triedVersion(1))
		if err != nil {
			return err
		}
		two, err := t.Begin(ctx, "deploy", Tried, triedVersion(3))
		if err != nil {
			return err
		}
		a, errA := one.End()
		b, errB := two.End()
		if err := errors.Join(errA, errB); err != nil {
			return err
		}
		if both := a.Status + b.Status; both < 1 || both > 2 {
			return broken("of two at once: %d and %d: %s | %s", a.Status, b.Status, lastWords(a.Err), lastWords(b.Err))
		}
		s, err := t.until(ctx, "one of them is in service", func(s shown) bool { return s.State == "stable" })
		if err != nil {
			return err
		}
		arm, _ := s.arm(Stable)
		return t.only(ctx, c, int(arm.Model.Name[len(arm.Model.Name)-1]-'0'))
	})
}

func tryNamed(ctx context.Context, t *Trial) error {
	s, err := t.status(ctx)
	if err != nil {
		return err
	}
	arm, ok := s.arm(Stable)
	if !ok || len(arm.Release) != 64 {
		return broken("what is in service has no digest: %+v", s)
	}
	seen, err := t.Driver.Observe(ctx, Tried)
	if err != nil {
		return err
	}
	if one, ok := seenArm(seen, arm.Release); !ok || one.Share != All || one.Ready == 0 {
		return broken("the target runs %+v, and the ledger says %.12s", seen.Arms, arm.Release)
	}
	return nil
}

func tryCopies(ctx context.Context, t *Trial) error {
	return t.under(ctx, 0, func(c *crowd) error {
		said, err := t.MLX(ctx, "deploy", Tried, triedVersion(3), "--strategy", "shadow", "--bake", "2s")
		if err != nil {
			return err
		}
		switch said.Status {
		case 2:
			if !strings.Contains(said.Err, "hint: ") {
				return broken("refused without a way out: %s", lastWords(said.Err))
			}
			t.refused = true
			t.saw("%s", firstLine(said.Err))
		case 0, 1, 3: // version 3 answers otherwise, which is what copies find out
			if !strings.Contains(said.Err, "shadow") {
				return broken("no copies were made: %s", lastWords(said.Err))
			}
			if said.Status == 3 {
				if _, err := t.expect(ctx, 0, "service", "abort", Tried); err != nil {
					return err
				}
			}
		default:
			return broken("status %d: %s", said.Status, lastWords(said.Err))
		}
		return t.serves(ctx, 1)
	})
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return strings.TrimPrefix(line, "error: ")
}

func tryClean(ctx context.Context, t *Trial) error {
	_, err := t.Disturb(ctx, DisturbLeft)
	for began := t.now(); err != nil && !errors.Is(err, errors.ErrUnsupported); _, err = t.Disturb(ctx, DisturbLeft) {
		if t.now().Sub(began) > soon {
			return broken("%v", err)
		}
		if err := pause(ctx, time.Second); err != nil {
			return err
		}
	}
	return err
}

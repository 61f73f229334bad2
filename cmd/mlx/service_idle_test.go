package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/deploy/local"
)

// idleTarget answers as it is told.
type idleTarget struct{ err error }

func (t *idleTarget) Apply(context.Context, deploy.Desired) error { return t.err }

func (t *idleTarget) Observe(context.Context, string) (deploy.Actual, error) {
	return deploy.Actual{}, t.err
}

// TestAServiceThatDoesNotRunIsLeft says when a process in the background ends: after a minute in which nothing ran at all, and not when the
// service came back in between or only cannot be asked.
func TestAServiceThatDoesNotRunIsLeft(t *testing.T) {
	at, left := time.Unix(1_800_000_000, 0), 0
	of := &idleTarget{}
	o := &onlyRunning{Driver: of, now: func() time.Time { return at }, most: idleFor, gone: func() { left++ }}
	look := func(after time.Duration, err error) {
		at, of.err = at.Add(after), err
		if _, got := o.Observe(t.Context(), "flights"); !errors.Is(got, err) {
			t.Fatalf("it tells %v for %v", got, err)
		}
	}
	asked := errors.New("no such socket")
	look(0, local.ErrNotRunning)
	look(50*time.Second, local.ErrNotRunning)
	look(9*time.Second, nil)
	look(time.Second, local.ErrNotRunning)
	look(50*time.Second, asked)
	look(time.Hour, asked)
	look(time.Second, local.ErrNotRunning)
	look(idleFor, local.ErrNotRunning)
	if left != 0 {
		t.Fatal("it is left too early")
	}
	of.err = asked
	if err := o.Apply(t.Context(), deploy.Desired{}); !errors.Is(err, local.ErrNotRunning) {
		t.Errorf("what is asked of it meanwhile fails with %v", err)
	}
	look(time.Second, local.ErrNotRunning)
	if left != 1 {
		t.Errorf("it is left %d times", left)
	}
	look(time.Second, nil)
	of.err = asked
	if err := o.Apply(t.Context(), deploy.Desired{}); !errors.Is(err, asked) {
		t.Errorf("what is asked of one that runs fails with %v", err)
	}
}

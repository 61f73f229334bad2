package train

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"time"

	"mlx/internal/object"
)

// tryImpossible asks for what no node has.
func tryImpossible(ctx context.Context, t *Trial) error {
	began := t.now()
	s, err := t.mlx(ctx, backendArgs(Hurried, "echo began", "--gpus", "4096")...)
	if err != nil {
		return err
	}
	took := t.now().Sub(began)
	switch {
	case s.Status == 0 || strings.Contains(s.Out, "began"):
		return broken("a run that asked for 4096 GPUs was executed")
	case took > Waits+time.Minute:
		return broken("a run that asked for 4096 GPUs was given up after %.0f s, its deadline is %v", took.Seconds(), Waits)
	case !regexp.MustCompile(`(?i)gpu|gres|resource|node config|infeasible`).MatchString(s.Err):
		return broken("mlx does not say why: %s", lastWords(s.Err))
	}
	t.saw("after %.1f s: %s", took.Seconds(), lastWords(s.Err))
	return nil
}

// tryQueue submits more than there is room for, where the backend has a queue.
func tryQueue(ctx context.Context, t *Trial) error {
	const jobs = 3
	var flags []string
	if t.Backend.Resources.GPUs > 0 {
		flags = []string{"--gpus", "1"}
	}
	var runs []string
	for range jobs {
		run, err := t.detach(ctx, "sleep 3", flags...)
		if err != nil {
			return err
		}
		runs = append(runs, run)
	}
	waited := ""
	for range 15 {
		rows, err := t.list(ctx)
		if err != nil {
			return err
		}
		if r := rows[runs[jobs-1]]; r.State == "pending" && r.Reason != nil && *r.Reason != "" {
			waited = *r.Reason
		}
		if waited != "" || rows[runs[jobs-1]].State == "running" {
			break
		}
		if err := pause(ctx, glance); err != nil {
			return err
		}
	}
	for _, run := range runs {
		if got, err := t.wait(ctx, run); err != nil || got.State != "succeeded" {
			return orBroken(err, "%s (%s)", got.State, got.cause())
		}
	}
	if waited == "" {
		t.saw("%d runs at once, none had to wait", jobs)
		return nil
	}
	t.saw("one of %d waited (%s) and then ran", jobs, waited)
	return nil
}

// tryRanks executes on two nodes.
func tryRanks(ctx context.Context, t *Trial) error {
	flags := []string{"--nodes", "2", "-o", "rank.txt"}
	if t.Backend.Type == "local" {
		t.lacks("this machine is one node; its ranks are tried with --ranks 2")
		flags = []string{"--ranks", "2", "-o", "rank.txt"}
	}
	// Rank 0 waits for the other one to come to its address, so that both are there and both have it right. Nodes may share the folder.
	line := `if [ "$RANK" != 0 ]; then exec mlx agent meet --rank "$RANK" "$MASTER_ADDR:$MASTER_PORT"; fi; ` +
		`echo "$RANK $WORLD_SIZE $NODE_RANK ${MASTER_ADDR:+addr} ${MASTER_PORT:+port}" > rank.txt; mlx agent meet --ranks "$WORLD_SIZE" "$MASTER_ADDR:$MASTER_PORT" >> rank.txt`
	if _, err := t.expect(ctx, 0, line, flags...); err != nil {
		return err
	}
	text, err := t.file("rank.txt")
	if want := "0 2 0 addr port\nmet 1\n"; err != nil || text != want {
		return broken("rank 0 says %q (%v), not %q", text, err, want)
	}
	t.saw("2 ranks met at MASTER_ADDR:MASTER_PORT")
	return nil
}

// tryDown stops the backend while a run goes on.
func tryDown(ctx context.Context, t *Trial) error {
	run, err := t.detach(ctx, "sleep 6; echo done > down.txt", "-o", "down.txt")
	if err != nil {
		return err
	}
	if _, err := t.until(ctx, run, Patience, "running"); err != nil {
		return err
	}
	undo, err := t.Disturb(ctx, DisturbStop)
	if err != nil {
		if _, waitErr := t.wait(ctx, run); waitErr != nil {
			return waitErr
		}
		return err
	}
	r, err := t.until(ctx, run, time.Minute, "unknown")
	if err = errors.Join(err, undo()); err != nil {
		return err
	}
	if r.Reason == nil || *r.Reason == "" {
		return broken("the state is unknown, and mlx does not say why")
	}
	got, err := t.wait(ctx, run)
	if err != nil {
		return err
	}
	if got.State != "succeeded" {
		return broken("once it was back: %s (%s)", got.State, got.cause())
	}
	t.saw("unknown (%s), then succeeded", *r.Reason)
	return nil
}

// tryKey meets a backend that is not the one known, or that does not know us.
func tryKey(ctx context.Context, t *Trial) error {
	undo, err := t.Disturb(ctx, DisturbKey)
	if err != nil {
		return err
	}
	s, err := t.on(ctx, "echo began")
	if err = errors.Join(err, undo()); err != nil {
		return err
	}
	if s.Status != 125 || strings.Contains(s.Out, "began") {
		return broken("status %d, %q", s.Status, s.Out)
	}
	t.saw("%s", lastWords(s.Err))
	return nil
}

// refOf is the reference of a run by its id in hex; the zero one for what is none.
func refOf(id string) Ref {
	d, err := object.ParseDigest(id)
	if err != nil {
		return Ref{}
	}
	return Ref{ID: d}
}

package train

import (
	"context"
	"strings"
	"time"
)

// tryEnds lets commands end in every way.
func tryEnds(ctx context.Context, t *Trial) error {
	for _, c := range []struct {
		line, state, cause string
		status             int
		flags              []string
	}{
		{"exit 0", "succeeded", "", 0, nil},
		{"exit 7", "failed", "exit status 7", 7, nil},
		{"kill -9 $$", "killed", "SIGKILL", 137, nil},
		{"sleep 60", "killed", "time limit", -2, []string{"--time", "2s"}},
	} {
		s, err := t.on(ctx, c.line, c.flags...)
		if err != nil {
			return err
		}
		if c.status != -2 && s.Status != c.status {
			return broken("%s: status %d, not %d: %s", c.line, s.Status, c.status, lastWords(s.Err))
		}
		got, err := t.show(ctx, "@last")
		if err != nil {
			return err
		}
		if got.State != c.state || !strings.Contains(got.cause(), c.cause) {
			return broken("%s: %s (%s), not %s (%s): status %d: %s", c.line, got.State, got.cause(), c.state, c.cause, s.Status, lastWords(s.Err))
		}
	}
	t.saw("0, 7, SIGKILL and the time limit are told apart")
	if t.Backend.Type != "kubernetes" {
		t.lacks("memory limits are not tried: not every %s holds them", t.Backend.Type)
		return nil
	}
	s, err := t.on(ctx, "head -c 400000000 /dev/zero | tail", "--memory", "96MiB")
	if err != nil {
		return err
	}
	got, err := t.show(ctx, "@last")
	if err == nil && (s.Status == 0 || !strings.Contains(got.cause(), "memory")) {
		err = broken("400 MB in 96 MiB: status %d, %s (%s)", s.Status, got.State, got.cause())
	}
	t.saw("out of memory is told")
	return err
}

// tryCancel cancels in every state.
func tryCancel(ctx context.Context, t *Trial) error {
	run, err := t.detach(ctx, `sleep 1000 & echo $! > child.txt; trap '' TERM; echo up; while :; do sleep 1; done`, "-o", "child.txt")
	if err != nil {
		return err
	}
	if _, err := t.until(ctx, run, Patience, "running"); err != nil {
		return err
	}
	if err := t.untilLog(ctx, run, "up"); err != nil {
		return err
	}
	began := t.now()
	s, err := t.mlx(ctx, "job", "cancel", "--grace", "1s", "-m", "tried", run)
	if err != nil || s.Status != 0 {
		return orBroken(err, "cancel of a running one: status %d: %s", s.Status, lastWords(s.Err))
	}
	took := t.now().Sub(began)
	got, err := t.wait(ctx, run)
	if err != nil {
		return err
	}
	if got.State != "cancelled" || !strings.Contains(got.cause(), "tried") {
		return broken("cancelled while running: %s (%s)", got.State, got.cause())
	}
	for range 2 {
		if s, err := t.mlx(ctx, "job", "cancel", run); err != nil || s.Status != 0 {
			return orBroken(err, "cancel of an ended one: status %d: %s", s.Status, lastWords(s.Err))
		}
	}
	if again, err := t.show(ctx, run); err != nil || again.State != "cancelled" {
		return orBroken(err, "a second cancel made it %s", again.State)
	}
	t.saw("one that ignores TERM was gone after %.1f s", took.Seconds())
	if err := t.childGone(ctx); err != nil {
		return err
	}
	early, err := t.detachOn(ctx, Hurried, "echo began > began.txt; sleep 600", "--gpus", "4096") // who brings the files waits for its place
	if err != nil {
		t.lacks("nothing can wait here: a run of 4096 GPUs is refused")
		return nil
	}
	if s, err := t.mlx(ctx, "job", "cancel", early); err != nil || s.Status != 0 {
		return orBroken(err, "cancel of a pending one: status %d: %s", s.Status, lastWords(s.Err))
	}
	if got, err = t.wait(ctx, early); err != nil || got.State != "cancelled" {
		return orBroken(err, "cancelled while pending: %s (%s)", got.State, got.cause())
	}
	t.saw("a pending one is cancelled")
	return nil
}

// childGone asks on the node whether the child of the cancelled run lives on, where the next run comes to the same node.
func (t *Trial) childGone(ctx context.Context) error {
	child, err := t.file("child.txt")
	if err != nil {
		return broken("the output of a cancelled run did not come back: %v", err)
	}
	if t.Backend.Type == "kubernetes" || t.Backend.Type == "sky" {
		return nil // the place is gone with it
	}
	child = strings.TrimSpace(child)
	s, err := t.on(ctx, `[ -r /proc/`+child+`/cmdline ] && tr '\0' ' ' < /proc/`+child+`/cmdline || echo gone`)
	if err == nil && strings.Contains(s.Out, "sleep 1000") {
		err = broken("a child of the cancelled run lives on: process %s", child)
	}
	return err
}

// untilLog waits until a run has printed a word.
func (t *Trial) untilLog(ctx context.Context, run, word string) error {
	for range 150 {
		s, err := t.mlx(ctx, "job", "logs", run)
		if err != nil {
			return err
		}
		if strings.Contains(s.Out, word) {
			return nil
		}
		if err := pause(ctx, glance); err != nil {
			return err
		}
	}
	return broken("run %.12s does not print %q in 30 s", run, word)
}

// tryTime lets a command run into its limit.
func tryTime(ctx context.Context, t *Trial) error {
	line := `trap 'echo warned > warned.txt' USR1; i=0; while [ $i -lt 600 ]; do sleep 0.1; i=$((i+1)); done`
	began := t.now()
	if _, err := t.on(ctx, line, "--time", "6s", "-o", "warned.txt"); err != nil {
		return err
	}
	took := t.now().Sub(began)
	got, err := t.show(ctx, "@last")
	if err != nil {
		return err
	}
	if got.State != "killed" || !strings.Contains(got.cause(), "time limit") {
		return broken("after a time limit of 6 s: %s (%s)", got.State, got.cause())
	}
	if text, err := t.file("warned.txt"); err != nil || text != "warned\n" {
		return broken("no signal warned of the time limit: %q (%v)", text, err)
	}
	if took > 90*time.Second {
		return broken("a limit of 6 s took %.0f s", took.Seconds())
	}
	t.saw("ended after %.1f s in all, warned by SIGUSR1", took.Seconds())
	return nil
}

// tryRetry fails once.
func tryRetry(ctx context.Context, t *Trial) error {
	line := `if [ -f "$MLX_CHECKPOINT/step" ]; then echo "from $(cat "$MLX_CHECKPOINT/step") in attempt $MLX_ATTEMPT" > went.txt; else echo 5 > "$MLX_CHECKPOINT/step"; exit 9; fi`
	if _, err := t.expect(ctx, 0, line, "--retries", "2", "-o", "went.txt"); err != nil {
		return err
	}
	if text, err := t.file("went.txt"); err != nil || text != "from 5 in attempt 2\n" {
		return broken("the second attempt said %q (%v)", text, err)
	}
	if got, err := t.show(ctx, "@last"); err != nil || got.Attempt != 2 {
		return orBroken(err, "mlx show says attempt %d", got.Attempt)
	}
	t.saw("exit status 9, then attempt 2 from the checkpoint")
	return nil
}

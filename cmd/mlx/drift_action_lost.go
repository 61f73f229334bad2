package main

import (
	"context"
	"strings"
	"time"

	"mlx/internal/cli"
	"mlx/internal/drift"
	"mlx/internal/fault"
)

// An action that another clone began is silent for too long after lostAfter times as long as the longest of its kind took, and never before
// lostAtLeast.
const (
	lostAfter   = 3
	lostAtLeast = 24 * time.Hour
)

// giveUp settles an action that another clone began so long ago that this clone may be gone: a container of cron that is thrown away has no
// next check. What the records say of its runs counts; else it failed. It returns nil while there is still hope. What can be done again and
// counts once, such as a webhook, is not blocked by it.
func (x *acting) giveUp(ctx context.Context, before drift.Done) (*actionView, error) {
	wait := max(lostAtLeast, lostAfter*x.longest(ctx))
	if x.now.Sub(before.AsOf) < wait {
		return nil, nil
	}
	out, over, err := x.deed.foundOut(ctx, before)
	if err != nil {
		return nil, err
	}
	if !over || out.state == drift.ActionStarted {
		why := "nothing was heard of it for " + cli.Sentence(cli.Duration(x.now.Sub(before.AsOf))) + ": the clone that began it may be gone"
		failed := fault.New(fault.Unavailable, "%s", why)
		next := x.byHand()
		if next != "" {
			failed = failed.Hint("%s", next)
		}
		out = outcome{state: drift.ActionFailed, run: out.run, why: why, err: failed, retry: next == ""}
	}
	if out.cost == nil {
		out.cost = before.Cost
	}
	return x.record(ctx, out)
}

// longest is the longest that an action of this kind is known to take; 0 where nothing is known.
func (x *acting) longest(ctx context.Context) time.Duration {
	var seconds float64
	switch d := x.deed.(type) {
	case *stageDeed:
		seconds, _ = x.tookStage(ctx, d.action.Of)
	case *runDeed:
		seconds, _ = d.took(ctx)
	}
	return time.Duration(seconds * float64(time.Second))
}

// byHand is the command by which a person does what the action would have done; empty where the next check does it again by itself.
func (x *acting) byHand() string {
	switch x.deed.(type) {
	case *stageDeed:
		return "mlx repro " + shellWord(x.action.Of)
	case *runDeed:
		words := shellCommand(x.action.Of)
		for i, w := range words {
			words[i] = shellWord(w)
		}
		return "mlx run -- " + strings.Join(words, " ")
	}
	return ""
}

package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"time"

	"mlx/internal/object"
	"mlx/internal/run"
)

// runGrace is how long a command may take to end after the time limit asked it to.
const runGrace = 10 * time.Second

// live is what the command of a run reads from, and where its output is shown as it comes.
type live struct {
	stdin  *os.File
	stdout io.Writer
	stderr io.Writer
}

// executeRun executes a command and records it: the one way of run, repro and rerun. Signals that this process is sent meanwhile
// go to the command.
func (a *app) executeRun(ctx context.Context, spec run.Spec, l live) (*run.Result, error) {
	r, err := a.repo()
	if err != nil {
		return nil, err
	}
	ledger, err := a.ledger()
	if err != nil {
		return nil, err
	}
	store, err := a.store()
	if err != nil {
		return nil, err
	}
	around, err := a.surround(ctx, r, store, &spec)
	if err != nil {
		return nil, err
	}
	defer around.release()
	signals := make(chan os.Signal, 8)
	for _, s := range run.SignalsHandedOn() {
		if !signal.Ignored(s) { // nohup
			signal.Notify(signals, s)
		}
	}
	defer signal.Stop(signals)
	return run.Runner{
		Ledger: ledger, Store: store, Now: a.now, Host: a.host(), Tmp: r.Tmp(), Environ: a.environ,
		Stdin: l.stdin, Stdout: l.stdout, Stderr: l.stderr, Signals: signals, Grace: runGrace,
		Begun: func(id object.Digest) {
			a.streams.Why("run %s started", id.Short())
			around.begun(ctx)
		},
		Late: around.late,
	}.Run(ctx, spec)
}

package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/repo"
	"mlx/internal/run"
)

// runGrace is how long a command may take to end after the time limit asked it to.
const runGrace = 10 * time.Second

// live is what the command of a run reads from, and where its output is shown as it comes.
type live struct {
	stdin  *os.File
	stdout io.Writer
	stderr io.Writer

	captureURI bool // what it tracks with MLflow stays here, whatever URI it asks for
}

// liveJob is what the agent of a job knows of the execution beside the command.
type liveJob struct {
	start   lineage.Record
	signals <-chan os.Signal
	stops   <-chan run.Stop
	secrets []string
	grace   time.Duration
}

// runsOf is the folder of the folders of runs in progress.
func runsOf(r *repo.Repo) string { return filepath.Join(r.Home, "runs") }

// jobsOf is the folder of what is known of jobs on backends.
func jobsOf(r *repo.Repo) string { return filepath.Join(r.Home, "jobs") }

// runner is what records runs here.
func (a *app) runner() (run.Runner, error) {
	r, err := a.repo()
	if err != nil {
		return run.Runner{}, err
	}
	ledger, err := a.ledger()
	if err != nil {
		return run.Runner{}, err
	}
	store, err := a.store()
	if err != nil {
		return run.Runner{}, err
	}
	return run.Runner{
		Ledger: ledger, Store: store, Now: a.now, Host: a.host(), Tmp: r.Tmp(), Runs: runsOf(r), Environ: a.environ, Grace: runGrace,
	}, nil
}

// executeRun executes a command and records it: the one way of run, repro and rerun. Signals that this process is sent meanwhile
// go to the command.
func (a *app) executeRun(ctx context.Context, spec run.Spec, l live) (*run.Result, error) {
	runner, err := a.runner()
	if err != nil {
		return nil, err
	}
	r, err := a.repo()
	if err != nil {
		return nil, err
	}
	a.explainRun(ctx, &spec)
	around, err := a.surround(ctx, r, runner.Store, &spec)
	if err != nil {
		return nil, err
	}
	defer around.release()
	a.recoverRuns(ctx, runner)
	if a.job == nil {
		spec.Close = a.energyHere
	}
	clients := &tracked{app: a, repo: r, runner: runner, spec: &spec, capture: l.captureURI}
	if err := clients.open(ctx); err != nil {
		return nil, err
	}
	defer a.handSignals(&runner)()
	if !signal.Ignored(syscall.SIGPIPE) { // a reader of the output that went away ends the command, not its recording
		broken := make(chan os.Signal, 1)
		signal.Notify(broken, syscall.SIGPIPE)
		defer signal.Stop(broken)
	}
	runner.Stdin, runner.Stdout, runner.Stderr = l.stdin, l.stdout, l.stderr
	runner.Begun = func(id object.Digest) {
		a.streams.Why("run %s started", id.Short())
		clients.id.Store(&id)
		around.begun(ctx)
		if a.cause != nil {
			a.cause.begun(id, spec)
		}
	}
	runner.Late = func(ctx context.Context, e *run.Environment) *run.Environment {
		clients.over(ctx)
		return around.late(ctx, e)
	}
	var result *run.Result
	if a.job == nil {
		result, err = runner.Run(ctx, spec)
	} else {
		result, err = runner.Continue(ctx, a.job.start, spec)
	}
	if result != nil && result.Aside != nil { // nothing is recorded yet
		clients.close(ctx, nil)
	} else {
		clients.close(ctx, result)
	}
	return result, err
}

// handSignals gives the runner the signals that this process is sent from now on, or those that the agent of a job hears.
func (a *app) handSignals(runner *run.Runner) (end func()) {
	if a.job != nil {
		runner.Signals, runner.Stops, runner.Secrets, runner.Grace = a.job.signals, a.job.stops, a.job.secrets, a.job.grace
		return func() {}
	}
	signals := make(chan os.Signal, 8)
	for _, s := range run.SignalsHandedOn() {
		if !signal.Ignored(s) { // nohup
			signal.Notify(signals, s)
		}
	}
	runner.Signals = signals
	return func() { signal.Stop(signals) }
}

// recoverRuns records the end of runs whose mlx was killed. It costs next to nothing where there are none.
func (a *app) recoverRuns(ctx context.Context, runner run.Runner) {
	ended, err := runner.Recover(ctx)
	for _, v := range ended {
		a.streams.Why("run %s is over: %s", v.RunID.Short(), v.Text)
	}
	if err != nil {
		a.streams.Why("%v", err)
	}
}

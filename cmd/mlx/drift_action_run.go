package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"mlx/internal/drift"
	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/pipeline"
	"mlx/internal/repo"
	"mlx/internal/run"
	"mlx/internal/train"
)

func (x *acting) newDeed() deed {
	switch x.action.Kind {
	case repo.ActionRepro:
		return &stageDeed{acting: x}
	case repo.ActionRun:
		return &runDeed{plain{x}}
	case repo.ActionCommand:
		return &commandDeed{plain{x}}
	case repo.ActionWebhook:
		return &webhookDeed{plain{x}}
	}
	return &issueDeed{plain{x}}
}

// plain is a deed that its user has allowed, that costs nothing, and that can be done again because its key makes it count once.
type plain struct{ *acting }

func (d plain) ready(ctx context.Context) outcome {
	if err := d.mayAct(ctx); err != nil {
		return failedBefore(err)
	}
	return outcome{}
}

func (plain) estimate(context.Context) drift.Estimate { return nothing() }

func (plain) foundOut(context.Context, drift.Done) (outcome, bool, error) {
	return outcome{}, false, nil
}

// mayAct refuses what mlx.yaml starts and its user has not allowed. The user's own words need no leave (see repo.OwnWords).
func (x *acting) mayAct(ctx context.Context) error {
	return x.app.mayDo(ctx, repo.TrustItem{Kind: repo.TrustAction, Name: x.name, Value: x.action.What()}, x.action.Shown())
}

// mayDo refuses what a monitor of mlx.yaml does and its user has not allowed; what says it in the message.
func (a *app) mayDo(ctx context.Context, item repo.TrustItem, what string) error {
	if ok, err := a.itemAllowed(ctx, item); err != nil || ok {
		return err
	}
	return fault.New(fault.Denied, "cannot start %q: monitor %s of %s says so, and you have not allowed it here", what, item.Name, repo.ConfigName).
		Hint("mlx trust   # shows it and asks")
}

// because lets runs that start now have the drift as their cause, and tells of each that has begun. done ends that.
func (x *acting) because(begun func(id object.Digest, s run.Spec)) (done func()) {
	before := x.app.cause
	x.app.cause = &caused{Because: becauseOfDrift(x.rec, x.answer), begun: begun}
	return func() { x.app.cause = before }
}

// runsBecause are the runs that have a record as their cause, the newest first.
func (x *acting) runsBecause(ctx context.Context, cause object.Digest) ([]run.View, error) {
	if runner, err := x.app.runner(); err == nil {
		x.app.recoverRuns(ctx, runner)
	}
	ids := map[object.Digest]bool{}
	for rec, err := range x.ledger.Referring(ctx, cause) {
		if err != nil {
			return nil, err
		}
		if id, ok := run.IDOf(rec); ok {
			ids[id] = true
		}
	}
	var all []run.View
	for id := range ids {
		v, err := x.app.history(x.ledger).Get(ctx, id)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	slices.SortFunc(all, func(a, b run.View) int { return b.At.Compare(a.At) })
	return all, nil
}

// outcomeOfRun is what became of an action whose run is in this state.
func (x *acting) outcomeOfRun(v run.View) outcome {
	out := outcome{run: &v.RunID, state: drift.ActionSucceeded}
	switch v.State {
	case run.Succeeded:
	case run.Running, run.Pending, run.Unobserved:
		out.state = drift.ActionStarted
	case run.Failed, run.Killed, run.Cancelled, run.Lost:
		out.state, out.why = drift.ActionFailed, string(v.State)
		if v.Cause != nil {
			out.why += ": " + *v.Cause
		}
	}
	switch {
	case v.Job != nil: // as it is shown everywhere: by the price that its record keeps, of all its attempts
		if c := x.app.costOfEnded(v); c != nil {
			out.cost = &drift.Cost{Amount: c.Amount, Currency: c.Currency, Basis: c.Basis}
		}
	case v.DurationS != nil:
		out.cost = x.price("", train.Resources{}).cost(*v.DurationS, train.BasisMeasured)
	}
	return out
}

// neverBegan says whether mlx was killed between the record of a run and its command, so that the action can be done as if it had not been.
func neverBegan(v run.View) bool {
	return v.State == run.Lost && v.Cause != nil && *v.Cause == run.CauseNeverBegan
}

// stageDeed brings a stage up to date, as mlx repro does.
type stageDeed struct {
	*acting
	planned []pipeline.Decision
}

func (d *stageDeed) ready(ctx context.Context) outcome {
	r := repro{app: d.app, o: reproOptions{stages: []string{d.action.Of}, jobs: 1}}
	if err := r.prepare(ctx); err != nil {
		return failedBefore(err)
	}
	defer r.close()
	planned, err := r.planner.Plan(ctx, r.chosen)
	if err != nil {
		return failedBefore(err)
	}
	for _, p := range planned {
		if p.Do != pipeline.Run {
			continue
		}
		if err := r.world.mayExecute(ctx, p.Stage); err != nil {
			return failedBefore(err)
		}
		d.planned = append(d.planned, p)
	}
	if len(d.planned) == 0 {
		return outcome{state: drift.ActionUnchanged, why: "stage " + d.action.Of + " is up to date"}
	}
	return outcome{}
}

func (d *stageDeed) estimate(ctx context.Context) drift.Estimate {
	var sum drift.Estimate
	for _, p := range d.planned {
		one := d.stagePrice(ctx, p.Stage).estimate(func() (float64, bool) { return d.tookStage(ctx, p.Stage.Name) }, p.Stage.Timeout)
		if sum = addCost(sum, one); sum.Cost == nil {
			sum.Why = "stage " + p.Stage.Name + ": " + sum.Why
			return sum
		}
	}
	return sum
}

func (d *stageDeed) do(ctx context.Context, _ object.Digest) outcome {
	var last *object.Digest
	defer d.because(func(id object.Digest, s run.Spec) {
		last = &id
		d.app.streams.Note("run %s of stage %s has begun, because %s drifted", id.Short(), s.Stage.Name, shortNames(d.answer.Drifted()))
	})()
	r := repro{app: d.app, o: reproOptions{stages: []string{d.action.Of}, jobs: 1}}
	if err := r.prepare(ctx); err != nil {
		return failedBefore(err)
	}
	defer r.close()
	results := r.planner.Apply(ctx, r.chosen, pipeline.ApplyOptions{Jobs: 1, Executor: reproExecutor{w: r.world}})
	out := outcome{state: drift.ActionSucceeded, run: last}
	var spent drift.Estimate
	for _, s := range results {
		spent = addCost(spent, d.stagePrice(ctx, s.Stage).spent(s.Duration.Seconds()))
		switch {
		case s.Did == pipeline.Failed && out.state == drift.ActionSucceeded:
			out.state, out.why, out.err = drift.ActionFailed, "failed: stage "+s.Stage.Name+": "+s.Why, s.Err
			if s.Err != nil && last == nil {
				return failedBefore(s.Err)
			}
		case s.Did == pipeline.NotRun && out.state == drift.ActionSucceeded:
			out.state, out.why = drift.ActionFailed, "did not run stage "+s.Stage.Name+": "+s.Why
		}
	}
	if last == nil && out.state == drift.ActionSucceeded {
		return outcome{state: drift.ActionUnchanged, why: "stage " + d.action.Of + " is up to date"}
	}
	if spent.Cost != nil && spent.Cost.Currency != "" {
		out.cost = spent.Cost
	}
	return out
}

// foundOut: the run of the stage itself ends the action; those of stages before it are restored when it is done again.
func (d *stageDeed) foundOut(ctx context.Context, before drift.Done) (outcome, bool, error) {
	all, err := d.runsBecause(ctx, before.Cause)
	if err != nil {
		return outcome{}, false, err
	}
	for _, v := range all {
		if neverBegan(v) {
			continue
		}
		ofStage := v.Stage != nil && (v.Stage.Name == d.action.Of || strings.HasPrefix(v.Stage.Name, d.action.Of+"@"))
		if ofStage || v.State == run.Running {
			return d.outcomeOfRun(v), true, nil
		}
	}
	return outcome{}, false, nil
}

// runDeed runs a command, as mlx run does.
type runDeed struct{ plain }

func (d *runDeed) estimate(ctx context.Context) drift.Estimate {
	return d.price("", train.Resources{}).estimate(func() (float64, bool) { return d.took(ctx) }, 0)
}

// took is how long the command took when drift started it last and it succeeded, in seconds.
func (d *runDeed) took(ctx context.Context) (seconds float64, known bool) {
	for _, before := range slices.Backward(drift.Fold(d.done)) {
		if before.What != d.action.Shown() || before.Run == nil {
			continue
		}
		if v, err := d.app.history(d.ledger).Get(ctx, *before.Run); err == nil && v.State == run.Succeeded && v.DurationS != nil {
			return *v.DurationS, true
		}
	}
	return 0, false
}

func (d *runDeed) do(ctx context.Context, _ object.Digest) outcome {
	defer d.because(func(id object.Digest, _ run.Spec) {
		d.app.streams.Note("run %s has begun, because %s drifted", id.Short(), shortNames(d.answer.Drifted()))
	})()
	r, err := d.app.repo()
	if err != nil {
		return failedBefore(err)
	}
	spec, err := runOptions{command: shellCommand(d.action.Of)}.spec(d.app, r)
	if err != nil {
		return failedBefore(err)
	}
	spec.Dir, spec.Folder = r.Root, "."
	if spec.Code, spec.Patch, err = codeOf(ctx, r, nil); err != nil {
		return failedBefore(err)
	}
	result, err := d.app.executeRun(ctx, spec, live{stdout: os.Stderr, stderr: os.Stderr})
	if err != nil {
		return failedBefore(err)
	}
	for _, trouble := range result.Troubles {
		d.app.streams.Note("%v", trouble)
	}
	d.app.pushAfter(context.WithoutCancel(ctx), result)
	return d.outcomeOfRun(result.View)
}

func (d *runDeed) foundOut(ctx context.Context, before drift.Done) (outcome, bool, error) {
	all, err := d.runsBecause(ctx, before.Cause)
	if err != nil {
		return outcome{}, false, err
	}
	command := shellCommand(d.action.Of)
	for _, v := range all {
		if slices.Equal(v.Command, command) && !neverBegan(v) {
			return d.outcomeOfRun(v), true, nil
		}
	}
	return outcome{}, false, nil
}

// commandDeed gives the answer to a command. Its key tells the command that it is called again for the same finding.
type commandDeed struct{ plain }

// actionTime is how long a command may take that drift calls. What takes longer is a run or a stage.
const actionTime = time.Hour

// actionKeyVariable tells a command which finding it is called for: whoever was called for it already has nothing to do.
const actionKeyVariable = "MLX_ACTION_KEY"

func (d *commandDeed) do(ctx context.Context, key object.Digest) outcome {
	body, err := d.payload()
	if err != nil {
		return failedBefore(err)
	}
	r, err := d.app.repo()
	if err != nil {
		return failedBefore(err)
	}
	tool := run.Tool{Argv: shellCommand(d.action.Of), Dir: r.Root, Stdin: bytes.NewReader(body), Timeout: actionTime,
		Env: append(slices.Clone(d.app.environ), run.CauseVariable+"="+d.rec.ID.Hex(), actionKeyVariable+"="+key.Hex())}
	end, err := tool.Run(ctx)
	if err != nil && end.Status == 0 && ctx.Err() == nil {
		return failedBefore(err)
	}
	for _, said := range [][]byte{end.Stdout, end.Stderr} {
		if len(said) > 0 {
			d.app.streams.Note("%q said: %s", d.action.Of, bytes.TrimSpace(said))
		}
	}
	switch {
	case err != nil:
		return outcome{state: drift.ActionFailed, why: "was interrupted", err: err}
	case end.TimedOut:
		return outcome{state: drift.ActionFailed, why: "took more than " + actionTime.String()}
	case end.Status != 0:
		return outcome{state: drift.ActionFailed, why: fmt.Sprintf("exit status %d%s", end.Status, lastWords(end.Stderr))}
	}
	return outcome{state: drift.ActionSucceeded}
}

// lastWords is the last line of what a command wrote, behind a colon.
func lastWords(stderr []byte) string {
	lines := strings.Split(strings.TrimSpace(strings.ToValidUTF8(string(stderr), "\ufffd")), "\n")
	if last := lines[len(lines)-1]; last != "" {
		return ": " + cut(last, 200)
	}
	return ""
}

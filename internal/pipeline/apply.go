package pipeline

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"mlx/internal/object"
)

// Did is what became of a stage.
type Did string

// What can become of a stage.
const (
	Skipped  Did = "skipped"
	Restored Did = "restored"
	Ran      Did = "ran"
	Failed   Did = "failed"
	NotRun   Did = "not run"
)

// Result is what became of a stage.
type Result struct {
	Stage     Stage
	Did       Did
	Why       string        // of Failed and NotRun as well
	Because   string        // why it had to run, of Failed
	Run       object.Digest // that made the outputs, or failed; zero for none
	Duration  time.Duration // of the last attempt
	Attempts  int
	Outs      []MadeOut
	Disturbed []string // inputs that changed while it ran
	Err       error    // nothing could be run or recorded
}

// ApplyOptions say how a plan is carried out.
type ApplyOptions struct {
	Jobs      int          // stages at once; at least 1
	KeepGoing bool         // after a failure, go on with what does not depend on it
	Executor  Executor     // runs commands
	Report    func(Result) // told of each stage as it ends, one at a time
}

// Apply brings stages up to date, in order. Each is decided about when all that it needs is done, so that a stage whose
// inputs came out as they were is not run. The results are in the order of sel, whatever happened; a context that ends
// starts nothing any more.
func (p *Planner) Apply(ctx context.Context, sel []int, o ApplyOptions) []Result {
	a := &application{p: p, o: o, results: make(map[int]Result, len(sel)), waits: map[int]int{}, sel: sel}
	a.run(ctx)
	all := make([]Result, len(sel))
	for k, i := range sel {
		all[k] = a.results[i]
	}
	return all
}

// application is one Apply.
type application struct {
	p   *Planner
	o   ApplyOptions
	sel []int

	waits   map[int]int // how many selected stages each one still waits for
	results map[int]Result
	broken  string // the first stage that failed
}

type ended struct {
	i int
	r Result
}

func (a *application) run(ctx context.Context) {
	var ready ints
	for _, i := range a.sel {
		a.waits[i] = 0
	}
	for _, i := range a.sel {
		for _, up := range a.p.g.needs[i] {
			if _, in := a.waits[up]; in {
				a.waits[i]++
			}
		}
		if a.waits[i] == 0 {
			ready = append(ready, i)
		}
	}
	slices.Sort(ready)
	done := make(chan ended)
	var workers sync.WaitGroup
	running := 0
	for running > 0 || len(ready) > 0 {
		for len(ready) > 0 && running < max(1, a.o.Jobs) {
			i := ready[0]
			ready = ready[1:]
			if r, no := a.mustNot(ctx, i); no {
				ready = a.end(ended{i, r}, ready)
				continue
			}
			running++
			workers.Go(func() { done <- ended{i, a.p.stage(ctx, i, a.o.Executor)} })
		}
		if running > 0 {
			e := <-done
			running--
			ready = a.end(e, ready)
		}
	}
	workers.Wait()
}

// mustNot says whether a stage cannot be started any more, and why.
func (a *application) mustNot(ctx context.Context, i int) (Result, bool) {
	r := Result{Stage: a.p.g.Stages[i], Did: NotRun}
	var needs []string
	for _, up := range a.p.g.needs[i] {
		if did := a.results[up].Did; did == Failed || did == NotRun {
			needs = append(needs, a.p.g.Stages[up].Name)
		}
	}
	switch {
	case len(needs) > 0:
		r.Why = "needs " + strings.Join(needs, ", ")
	case ctx.Err() != nil:
		r.Why = "interrupted"
	case a.broken != "" && !a.o.KeepGoing:
		r.Why = "stopped because " + a.broken + " failed"
	default:
		return r, false
	}
	return r, true
}

// end notes what became of a stage and returns what can be started next.
func (a *application) end(e ended, ready ints) ints {
	a.results[e.i] = e.r
	if e.r.Did == Failed && a.broken == "" {
		a.broken = e.r.Stage.Name
	}
	if a.o.Report != nil {
		a.o.Report(e.r)
	}
	for _, down := range a.p.g.feeds[e.i] {
		if _, in := a.waits[down]; !in {
			continue
		}
		if a.waits[down]--; a.waits[down] == 0 {
			at, _ := slices.BinarySearch(ready, down)
			ready = slices.Insert(ready, at, down)
		}
	}
	return ready
}

// maxTurns is how often the inputs of a stage may change between looking at them and being alone with it.
const maxTurns = 5

// stage brings one stage up to date.
func (p *Planner) stage(ctx context.Context, i int, x Executor) Result {
	s := p.g.Stages[i]
	d, err := p.now(ctx, i, false)
	if err != nil || d.Do == Skip {
		return settled(s, d, err)
	}
	for turn := range maxTurns {
		lock, err := p.w.Lock(ctx, s, d.Key)
		if err != nil {
			return settled(s, d, err)
		}
		key := d.Key
		// Whoever held it may have made what is wanted, and changed what it is made from.
		if d, err = p.now(ctx, i, lock.Waited || turn > 0); err == nil && d.Key != key {
			lock.Release()
			continue
		}
		r := settled(s, d, err)
		if err == nil && d.Do != Skip {
			r = p.make(ctx, i, d, x)
		}
		lock.Release()
		return r
	}
	return settled(s, d, errBusy(s))
}

// now decides about a stage by what stands there at this moment. Other processes are believed to have changed nothing but
// the ledger, unless anew.
func (p *Planner) now(ctx context.Context, i int, anew bool) (Decision, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.g.Stages[i]
	if anew {
		p.forget(s.Deps...)
		p.forget(outPaths(s)...)
	}
	if err := p.look(ctx, append(outPaths(s), s.Deps...)); err != nil {
		return Decision{Stage: s}, err
	}
	deps, missing := p.depsOnDisk(s)
	if len(missing) > 0 {
		if s.Frozen {
			return Decision{Stage: s, Do: Skip, Why: "frozen"}, nil
		}
		return Decision{Stage: s}, errMissing(p.g, s, missing[0])
	}
	if len(p.g.late(s)) > 0 && !s.Frozen {
		var err error
		if s.Params, err = p.w.Params(ctx, s); err != nil {
			return Decision{Stage: s}, err
		}
	}
	key, err := Key(s, deps)
	if err != nil {
		return Decision{Stage: s}, err
	}
	if runs := p.complete(s, key); !slices.ContainsFunc(runs, p.stands) {
		delete(p.made, key) // it may have been made since
	}
	return p.decide(ctx, s, deps)
}

func outPaths(s Stage) []string {
	paths := make([]string, 0, len(s.Outs)+len(s.Deps))
	for _, o := range s.Outs {
		paths = append(paths, o.Path)
	}
	return paths
}

func settled(s Stage, d Decision, err error) Result {
	r := Result{Stage: s, Did: Skipped, Why: d.Why}
	if d.Made != nil {
		r.Run, r.Outs = d.Made.Run, d.Made.Outs
	}
	if err != nil {
		r.Did, r.Why, r.Err = Failed, err.Error(), err
	}
	return r
}

// make restores or runs a stage that this process is alone with.
func (p *Planner) make(ctx context.Context, i int, d Decision, x Executor) Result {
	defer p.changed(i)
	if d.Do == Restore {
		err := p.w.Restore(ctx, d.Stage, *d.Made)
		r := settled(d.Stage, d, err)
		if err == nil {
			r.Did = Restored
		}
		return r
	}
	step := Step{Stage: d.Stage, Key: d.Key, Deps: d.Deps, Why: d.Why}
	for step.Attempt = 1; ; step.Attempt++ {
		out, err := x.Execute(ctx, step)
		r := Result{Stage: d.Stage, Did: Ran, Why: d.Why, Run: out.Run, Duration: out.Duration, Attempts: step.Attempt, Outs: out.Outs,
			Disturbed: out.Disturbed, Err: err}
		if err == nil && out.State == Succeeded {
			return r
		}
		r.Did, r.Because, r.Why = Failed, d.Why, out.Cause
		if err != nil {
			r.Why = err.Error()
		}
		if err != nil || out.State == Cancelled || out.Final || ctx.Err() != nil || step.Attempt > d.Stage.Retries {
			return r
		}
	}
}

// changed lets everything that may have been touched by a stage be looked at again.
func (p *Planner) changed(i int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	outs := outPaths(p.g.Stages[i])
	p.forget(outs...)
	for _, down := range p.g.feeds[i] {
		for _, dep := range p.g.Stages[down].Deps {
			if slices.ContainsFunc(outs, func(o string) bool { return overlap(dep, o) }) {
				p.forget(dep)
			}
		}
	}
}

// Trouble is the error of results, if nothing could be run or recorded for one of them.
func Trouble(all []Result) error {
	for _, r := range all {
		if r.Err != nil && !errors.Is(r.Err, context.Canceled) {
			return r.Err
		}
	}
	return nil
}

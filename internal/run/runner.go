package run

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/snapshot"
)

// Spec is what to run, and what is known of it before.
type Spec struct {
	Command    []string
	Argv       []string // what is executed where that is not Command itself, but leads to it
	Dir        string   // working folder, absolute
	Folder     string   // the same below the repository root, with slashes
	Name       string
	Experiment string
	Params     map[string]any
	Data       []Data
	Used       []UsedModel // versions of models that the command is given
	Outs       []Out
	Code       Code   // without the patch
	Patch      []byte // uncommitted.patch; nil when there is none
	Timeout    time.Duration
	Worktree   string
	Parent     string // id of the run that this process belongs to

	Environment *Environment // what surrounds the command
	Env         []string     // NAME=VALUE beside Runner.Environ, as a stage declares them
	Stage       *Stage       // of the pipeline
	RerunOf     string       // id of the run that is repeated
	Because     *Because     // why it is started, where nobody typed it
	Attempt     int          // counts from 1; 0 is 1
	Job         *Job         // on a backend; nil for what this mlx executes

	After func(ctx context.Context) Aftermath // asked once the command has ended and before its outputs are saved; may be nil
	Ended func(b *Body)                       // called as soon as the command has ended, with how it did; may change that; may be nil
	Again func(b *Body) bool                  // asked then: is this an attempt that another one follows? nil is no
	Close func(b *Body)                       // called when all is known of the run but what it left, before that is recorded; may be nil
	Aside string                              // where the folder of such an attempt goes
}

// Out is a declared output.
type Out struct {
	Path string // below the repository root, with slashes
	Abs  string

	before fs.FileInfo // the file there before the command started; nil if there was none
}

// before looks at the outputs that are already there.
func before(outs []Out) []Out {
	looked := make([]Out, len(outs))
	for i, o := range outs {
		looked[i] = o
		if info, err := os.Lstat(o.Abs); err == nil && info.Mode().IsRegular() {
			looked[i].before = info
		}
	}
	return looked
}

// untouched reports whether the output is the file that was there before, as far as one can tell without reading it.
func (o Out) untouched() bool {
	if o.before == nil {
		return false
	}
	now, err := os.Lstat(o.Abs)
	return err == nil && os.SameFile(o.before, now) && now.Size() == o.before.Size() && now.ModTime().Equal(o.before.ModTime())
}

// Runner executes commands and records what they did.
type Runner struct {
	Ledger  *lineage.Ledger
	Store   *snapshot.Store
	Now     func() time.Time
	Host    string
	Tmp     string    // folder for temporary files
	Runs    string    // folder of the folders of runs in progress
	Environ []string  // of the child; variables of mlx are added
	Stdin   *os.File  // of the child; nil is empty
	Stdout  io.Writer // where its output is shown as it comes; the child sees a terminal where this is one
	Stderr  io.Writer
	Signals <-chan os.Signal
	Stops   <-chan Stop                                      // end the command for a reason; may be nil
	Secrets []string                                         // values that are not shown, kept or recorded
	Grace   time.Duration                                    // between asking and killing when the time is over
	Begun   func(id object.Digest)                           // called once the run is recorded and before it starts; may be nil
	Late    func(context.Context, *Environment) *Environment // completes the environment once the command ended; may be nil

	kept     logLimits // how much of the output is kept; zero is the usual
	powercap string    // as in order
}

// Result is a run that ended.
type Result struct {
	View     View
	Status   int     // that of the command, 128 and the number of the signal that ended it, or 125 for Troubles alone
	Troubles []error // what could not be captured of a command that did run
	OpenLine bool    // the last line that the command wrote to a terminal has no end

	Aside   *Attempt     // not nil: only an attempt ended, and Spec.Again wants another; nothing is recorded yet
	Release func() error // of Aside: lets gc have its log, once that is recorded; may be nil

	Untouched []string // outputs, as they stand in the record, that were there before and were left as they were
}

// ownTrouble is the status for a failure of mlx itself where 0 would claim that all went well.
const ownTrouble = 125

// Run executes a command between two records. An error says that nothing ran, or that its end could not be recorded.
func (r Runner) Run(ctx context.Context, s Spec) (*Result, error) {
	if err := lookup(s.Command[0], s.Dir); err != nil {
		return nil, err
	}
	tmp, err := r.scratch(s.Params)
	if err != nil {
		return nil, err
	}
	started, body, err := r.begin(ctx, s, tmp)
	if err != nil {
		removeFolder(tmp)
		return nil, err
	}
	return r.execute(ctx, s, started, body, tmp)
}

// execute runs the command of a run whose start is recorded, in the folder tmp that Runner.scratch made, and records its end.
func (r Runner) execute(ctx context.Context, s Spec, begun lineage.Record, body *Body, tmp string) (*Result, error) {
	keep := false
	defer func() {
		if !keep {
			removeFolder(tmp)
		}
	}()
	dir, claim, err := r.settle(tmp, begun.ID)
	if err != nil {
		return nil, err
	}
	defer claim.Close()
	tmp = dir
	if r.Begun != nil {
		r.Begun(begun.ID)
	}
	if body.Job != nil {
		if err := noteAttempt(dir, body); err != nil {
			return nil, err
		}
	}
	s.Outs = before(s.Outs)
	began := r.Now()
	end, startErr := order{
		argv: s.argv(), dir: s.Dir, env: r.childEnv(s, begun.ID, dir), stdin: r.Stdin, stdout: r.Stdout, stderr: r.Stderr,
		timeout: s.Timeout, grace: r.Grace, signals: r.Signals, stops: r.Stops, host: r.Host, base: r.Environ,
		folder: dir, kept: r.kept, now: r.clock(), mask: r.Mask(), powercap: r.powercap,
	}.execute()
	ctx = context.WithoutCancel(ctx) // the signal that stopped the command must not stop the recording of it
	body.finish(end, began, r.Now())
	if startErr != nil {
		body.State, body.Cause, body.ExitStatus = Failed, startErr.Error(), nil
		end.trouble = errors.Join(end.trouble, startErr)
	}
	if body.Job != nil {
		body.noteOver(dir)
	}
	if s.Ended != nil {
		s.Ended(body)
	}
	if r.Late != nil {
		body.Environment = r.Late(ctx, body.Environment)
	}
	if s.Again != nil && s.Again(body) {
		keep = true
		return r.setAside(ctx, s, body, dir)
	}
	keep = true // its end can still be recorded: Recover
	return r.conclude(ctx, started{rec: begun, body: body, dir: dir, spec: s}, end)
}

// started is a run whose command has ended.
type started struct {
	rec  lineage.Record
	body *Body
	dir  string
	spec Spec
}

// conclude saves what the command made, records its end and removes its folder.
func (r Runner) conclude(ctx context.Context, u started, end outcome) (*Result, error) {
	body := u.body
	found := body.ask(ctx, u.spec)
	got := r.collect(ctx, u.spec, body, u.dir)
	body.add(found)
	body.addAttempt()
	if u.spec.Close != nil {
		u.spec.Close(body)
	}
	rec, err := r.end(ctx, u.rec, body)
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot record the end of run %s, which %s: %w", u.rec.ID.Short(), body.State, err)
	}
	r.collectChildren(ctx, *body, u.dir, &got)
	if !got.badMetrics && !got.keep && body.Job == nil { // somebody may still read from that of a job: it goes with the job's own
		removeFolder(u.dir)
	}
	for _, err := range slices.Concat(got.release(), []error{end.trouble}) {
		if err != nil {
			got.troubles = append(got.troubles, err)
		}
	}
	return resultOf(viewOf(u.rec.ID, rec, *body), end, got), nil
}

func resultOf(v View, end outcome, got collected) *Result {
	result := &Result{View: v, Status: statusOf(end), Troubles: got.troubles, OpenLine: end.openLine, Untouched: got.untouched}
	if len(got.troubles) > 0 && result.Status == 0 {
		result.Status = ownTrouble
	}
	return result
}

// clock is Now for the many that ask for the time while a command runs.
func (r Runner) clock() func() time.Time {
	var mu sync.Mutex
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return r.Now()
	}
}

// childEnv returns the environment of the child. It replaces what an outer run may have set.
func (r Runner) childEnv(s Spec, id object.Digest, tmp string) []string {
	own := []string{"MLX_RUN_ID=", "MLX_METRICS=", "MLX_PARAMS=", "MLX_CHILDREN=", "MLX_ATTEMPT=", "MLX_OUT=", CauseVariable + "="}
	env := make([]string, 0, len(r.Environ)+len(s.Env)+len(own))
	for _, v := range r.Environ {
		if !hasAnyPrefix(v, own) {
			env = append(env, v)
		}
	}
	if env = append(append(env, s.Env...), s.Because.environ()...); len(s.Outs) == 1 {
		env = append(env, "MLX_OUT="+s.Outs[0].Abs)
	}
	return append(env, "MLX_RUN_ID="+id.Hex(), "MLX_METRICS="+filepath.Join(tmp, metricsName),
		"MLX_PARAMS="+filepath.Join(tmp, paramsName), "MLX_CHILDREN="+filepath.Join(tmp, childrenName),
		"MLX_ATTEMPT="+strconv.Itoa(max(1, s.Attempt)))
}

func hasAnyPrefix(s string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

// begin records that the run starts. The record is durable before the command exists.
func (r Runner) begin(ctx context.Context, s Spec, tmp string) (lineage.Record, *Body, error) {
	body := &Body{
		State: Running, Command: s.Command, Folder: s.Folder, Name: s.Name, Experiment: s.Experiment,
		Job: s.Job, StartedAt: r.Now().UTC().Truncate(time.Microsecond), Code: s.Code, Data: s.Data, Params: s.Params,
		Attempt: max(1, s.Attempt), Parent: s.Parent, TimeoutS: s.Timeout.Seconds(), Worktree: s.Worktree,
		Environment: s.Environment, Stage: s.Stage, RerunOf: s.RerunOf, Used: s.Used, Because: s.Because,
		Process: Self(r.Host, os.Getpid()),
		Machine: Here(r.Host),
	}
	if s.Job != nil {
		body.State = Pending
	}
	for _, o := range s.Outs {
		body.Outs = append(body.Outs, o.Path)
	}
	if err := body.fit(); err != nil {
		return lineage.Record{}, nil, err
	}
	release := func() error { return nil }
	if len(s.Patch) > 0 {
		file := filepath.Join(tmp, patchName)
		if err := os.WriteFile(file, s.Patch, 0o666); err != nil {
			return lineage.Record{}, nil, fault.New(fault.KindOf(err), "cannot start the run: %w", err)
		}
		saved, err := r.Store.Save(ctx, snapshot.SaveOptions{Path: file, Once: true})
		if err != nil {
			return lineage.Record{}, nil, fault.New(fault.KindOf(err), "cannot keep the uncommitted changes: %w", err)
		}
		body.Code.Patch, release = &saved.Root, saved.Release
		_ = os.Remove(file) // the folder goes at the end in any case
	}
	rec, err := Started.Append(ctx, r.Ledger, lineage.Entry[Body]{Body: *body, In: inputs(*body)})
	if err = errors.Join(err, release()); err != nil {
		return lineage.Record{}, nil, fault.New(fault.KindOf(err), "cannot start the run: %w", err)
	}
	body.Run = &rec.ID
	return rec, body, nil
}

// Here is this machine, which calls itself host.
func Here(host string) Machine {
	return Machine{Host: host, OS: runtime.GOOS, Arch: runtime.GOARCH, CPU: cpuModel(), CPUs: runtime.NumCPU(), MemoryBytes: memory()}
}

func (r Runner) end(ctx context.Context, started lineage.Record, body *Body) (lineage.Record, error) {
	r.Mask().body(body)
	return Ended.Append(ctx, r.Ledger, lineage.Entry[Body]{
		Body: *body, Prev: []object.Digest{started.ID}, In: inputs(*body),
	})
}

// inputs are what the run was made from, for lineage.
func inputs(b Body) []lineage.Input {
	var in []lineage.Input
	for _, d := range b.Data {
		in = append(in, lineage.Input{Role: "data", ID: d.Root})
	}
	if b.Code.Patch != nil {
		in = append(in, lineage.Input{Role: "patch", ID: *b.Code.Patch})
	}
	if id, err := object.ParseDigest(b.RerunOf); err == nil {
		in = append(in, lineage.Input{Role: "repeats", ID: id})
	}
	for _, m := range b.Used {
		in = append(in, lineage.Input{Role: "model", ID: m.Record})
	}
	return append(in, b.Because.input()...)
}

// finish writes down how the process ended.
func (b *Body) finish(end outcome, began, ended time.Time) {
	b.DurationS = max(0, ended.Sub(began).Seconds()) // of the clock that does not jump, where there is one
	ended = ended.UTC().Truncate(time.Microsecond)
	b.EndedAt = &ended
	b.CPUSeconds, b.PeakMemoryBytes, b.Signal = end.cpu.Seconds(), end.peakBytes, end.signal
	if end.signal == "" {
		b.ExitStatus = &end.status
	}
	b.State, b.Cause = end.verdict(b.TimeoutS)
	b.Drawn = end.drawn
}

// TimeLimit is how the cause of a run begins that its own time limit ended.
const TimeLimit = "time limit of "

// verdict says in one word, and why in a few, what became of the process.
func (o outcome) verdict(timeout float64) (State, string) {
	switch {
	case o.timedOut:
		return Killed, TimeLimit + span(timeout)
	case o.stop != nil:
		return o.stop.State, o.stopCause()
	case o.asked != nil:
		return Cancelled, o.stopped()
	case o.memory && o.signal != "":
		return Killed, "killed: out of memory"
	case o.memory:
		return Failed, "exit status " + strconv.Itoa(o.status) + ": out of memory"
	case o.signal != "":
		return Killed, o.signal
	case o.status != 0:
		return Failed, "exit status " + strconv.Itoa(o.status)
	}
	return Succeeded, ""
}

// stopped says who stopped the command, and whether it took force.
func (o outcome) stopped() string {
	cause := "stopped by " + signalName(o.asked)
	if o.cancel != nil {
		cause = o.cancel.Words()
	}
	if o.forced && o.signal == "SIGKILL" {
		cause += "; killed, because it did not end"
	}
	return cause
}

// span writes seconds as a person writes a time limit: 90s is 1m30s, 7200 is 2h.
func span(seconds float64) string {
	s := time.Duration(seconds * float64(time.Second)).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

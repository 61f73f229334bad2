package run

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// viewOf is the pure half of Of.
func viewOf(id object.Digest, rec lineage.Record, b Body) View {
	v := View{
		Kind: "run/v1", ID: id.Hex(), At: rec.At, By: rec.By, Tags: []string{}, Prev: []string{},
		Name: some(b.Name), Experiment: some(b.Experiment), State: b.State, Command: b.Command,
		ExitStatus: b.ExitStatus, Signal: some(b.Signal), Cause: some(b.Cause),
		StartedAt: some(b.StartedAt), EndedAt: b.EndedAt, Commit: some(b.Code.Commit), Branch: some(b.Code.Branch),
		Dirty: b.Code.Dirty, Data: []fault.Ref{}, Params: b.Params, Metrics: b.numbers(), Outputs: []ViewOutput{},
		Attempt: b.Attempt, Parent: some(b.Parent), PeakMemoryBytes: some(b.PeakMemoryBytes), Folder: b.Folder, Untracked: b.Code.UntrackedCount,
		CPUS: some(b.CPUSeconds), TimeoutS: some(b.TimeoutS), RunID: id, Record: rec.ID,
		Machine: ViewMachine{Host: b.Machine.Host, OS: b.Machine.OS, Arch: b.Machine.Arch, CPU: b.Machine.CPU,
			CPUs: b.Machine.CPUs, MemoryBytes: some(b.Machine.MemoryBytes)},
		watcher: b.Process,
	}
	if v.Added = b.Added; v.Added == nil {
		v.Added = []Addition{}
	}
	v.Imported = b.Imported
	if v.Job = b.Job; b.Job != nil {
		v.Backend = &b.Job.Backend
	}
	v.Energy = b.energy()
	v.EnergyShown = v.Energy.shown()
	v.Because, v.BecauseShown = b.Because, b.Because.shown()
	v.Environment, v.Stage, v.RerunOf, v.Log, v.Series = b.Environment, b.Stage, some(b.RerunOf), b.Log, b.Series
	if v.LeftOut, v.LeftOutN = b.Code.LeftOut, b.Code.LeftOutCount; v.LeftOut == nil {
		v.LeftOut = []LeftOut{}
	}
	if b.Code.Files != nil {
		v.Files = some(b.Code.Files.Hex())
	}
	if b.EndedAt != nil && !b.StartedAt.IsZero() { // of what another tool wrote down, only the end may be known
		v.DurationS = &b.DurationS
	}
	if v.Params == nil {
		v.Params = map[string]any{}
	}
	if b.Code.Patch != nil {
		v.Patch = some(b.Code.Patch.Hex())
	}
	for _, p := range rec.Prev {
		if p != id && len(b.Added) == 0 { // its own earlier records are folded into it
			v.Prev = append(v.Prev, p.Hex())
		}
	}
	for _, d := range b.Data {
		v.Data = append(v.Data, fault.Ref{Kind: "snapshot", ID: d.Root.Hex(), Name: d.Path})
	}
	for _, o := range b.Outputs {
		v.Outputs = append(v.Outputs, ViewOutput{Path: o.Path, Digest: o.Digest.Hex(), Bytes: o.Bytes,
			Snapshot: o.Root.Hex(), Kind: o.Kind, Files: o.Files})
	}
	v.show(b.Code.LeftOut, b.Added)
	v.showTracked(b)
	v.Text = v.text()
	return v
}

// text says in one line what ran and how it ended.
func (v View) text() string {
	words := []string{string(v.State), strings.Join(v.Command, " ")}
	if v.Cause != nil {
		words = append(words, "("+*v.Cause+")")
	}
	return strings.Join(words, "  ")
}

// numbers reads the metrics of a record. A word that is no number, from a later version, is left out.
func (b Body) numbers() map[string]Number {
	all := make(map[string]Number, len(b.Metrics))
	for name, stored := range b.Metrics {
		if n, ok := numberOf(stored); ok {
			all[name] = n
		}
	}
	return all
}

// some returns a pointer to v, or nil for the zero value: the null of a view.
func some[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// startedIn yields the runs started in a worktree, the one started last first.
func (h History) startedIn(ctx context.Context, worktree string, limit int) iter.Seq2[View, error] {
	where := fmt.Sprintf("worktree == %q and not (inside == true)", worktree) // what happened within a run was not started by itself
	return h.Views(ctx, lineage.Query{Where: where, Sort: "-started_at", Limit: limit})
}

// patience is how long a run on a machine that cannot be asked may go without an end before it counts as lost.
const patience = 14 * 24 * time.Hour

// unfinished judges a run that has no end recorded.
func (h History) unfinished(id object.Digest, b Body) (State, string) {
	if b.Job != nil {
		return h.jobState(id)
	}
	seen := b.Process.seen(h.Host)
	if seen == alive {
		return Running, ""
	}
	if l, ok := LiveRun(h.Runs, id.Hex()); ok && h.Runs != "" && b.Process.Host == h.Host {
		if l.over(b, h.Host, h.Now()) {
			return Lost, lostCause(b.Process, h.Host)
		}
		return Running, "" // the command lives on without its mlx
	}
	if seen == gone {
		return Lost, lostCause(b.Process, h.Host)
	}
	wait := patience
	if b.TimeoutS > 0 {
		wait = time.Duration(b.TimeoutS*float64(time.Second)) + time.Hour
	}
	if h.Now().Sub(b.StartedAt) > wait {
		return Lost, "nothing was heard of it for " + span(wait.Seconds())
	}
	return Running, ""
}

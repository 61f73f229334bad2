package main

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/pipeline"
	"mlx/internal/repo"
	"mlx/internal/run"
	"mlx/internal/snapshot"
)

// reproExecutor runs a stage as mlx run runs a command, and records it so that it counts for the key of the stage.
type reproExecutor struct {
	w    *reproWorld
	side bool // several stages run side by side: their lines are told apart
	away *reproAway
}

// Execute implements pipeline.Executor.
func (x reproExecutor) Execute(ctx context.Context, step pipeline.Step) (pipeline.Outcome, error) {
	a, w, s := x.w.app, x.w, step.Stage
	if w.restoreOnly[s.Name] {
		return pipeline.Outcome{}, fault.New(fault.NotFound, "cannot restore stage %s: no run here has made it from these inputs (%s)", s.Name, step.Why).
			Hint("mlx repro %s   # without --only", shellWord(s.Name))
	}
	if err := w.mayExecute(ctx, s); err != nil {
		return pipeline.Outcome{}, err
	}
	if err := w.tellLoss(ctx, s); err != nil {
		return pipeline.Outcome{}, err
	}
	for _, o := range s.Outs {
		if err := w.makeRoom(s, o.Path, o.Persist); err != nil {
			return pipeline.Outcome{}, err
		}
		if err := w.leaveToMLX(o); err != nil {
			return pipeline.Outcome{}, err
		}
	}
	a.streams.Why("running %s: %s", s.Name, step.Why)
	l := live{stdout: os.Stderr, stderr: os.Stderr} // stdout is the answer of mlx
	if x.side {
		lines := newLines(os.Stderr, s.Name+" | ")
		defer lines.flush()
		l.stdout, l.stderr = lines, lines
	}
	if on := w.backendOf(s); on != "" {
		return x.elsewhere(ctx, step, on, l)
	}
	spec, release, err := x.spec(ctx, step)
	if err != nil {
		return pipeline.Outcome{}, err
	}
	defer release()
	result, err := a.executeRun(ctx, spec, l)
	if err != nil {
		return pipeline.Outcome{}, err
	}
	err = w.register(context.WithoutCancel(ctx), s, result)
	a.pushAfter(context.WithoutCancel(ctx), result)
	return outcomeOf(result), err
}

// mayExecute refuses what must not run, before anything is touched.
func (w *reproWorld) mayExecute(ctx context.Context, s pipeline.Stage) error {
	if err := w.mayExecuteOn(s); err != nil {
		return err
	}
	if err := w.app.mayRunStage(ctx, s); err != nil {
		return err
	}
	if w.sample != nil {
		return nil
	}
	return w.mayWrite(s)
}

// shellCommand is how the line of a stage is run.
func shellCommand(line string) []string {
	if runtime.GOOS == "windows" {
		return []string{"cmd", "/c", line}
	}
	return []string{"sh", "-c", line}
}

func (x reproExecutor) spec(ctx context.Context, step pipeline.Step) (run.Spec, func(), error) {
	a, w, s := x.w.app, x.w, step.Stage
	spec := run.Spec{
		Command: shellCommand(s.Cmd), Dir: w.abs(s.Folder), Folder: s.Folder, Params: pipeline.ParamsOf(s), Timeout: s.Timeout,
		Parent: a.outerRun(), Attempt: step.Attempt, Env: assignments(s.Env),
		Stage: &run.Stage{Name: strings.ToValidUTF8(s.Name, "\ufffd"), Key: step.Key, Sample: w.sample != nil},
		After: func(ctx context.Context) run.Aftermath { return w.after(ctx, step) },
	}
	for _, d := range step.Deps {
		spec.Stage.Deps = append(spec.Stage.Deps, run.Dep{Path: strings.ToValidUTF8(d.Path, "\ufffd"), Digest: d.Digest, Executable: d.Executable})
	}
	for _, o := range s.Outs {
		spec.Outs = append(spec.Outs, run.Out{Path: o.Path, Abs: w.abs(o.Path)})
	}
	release := func() {}
	var err error
	if spec.Worktree, err = a.worktree(); err != nil {
		return spec, release, err
	}
	if spec.Code, spec.Patch, err = codeOf(ctx, w.repo, spec.Outs); err != nil {
		return spec, release, err
	}
	if w.sample == nil {
		spec.Data, release, err = w.data(ctx, step)
	}
	return spec, release, err
}

// data keeps the inputs of a stage that git does not keep: outputs of other stages, tracked data and untracked files. Their
// versions are what the run was made from. release lets gc have those again that no record names.
func (w *reproWorld) data(ctx context.Context, step pipeline.Step) (all []run.Data, release func(), err error) {
	var releases []func() error
	release = func() { w.app.free(releases) }
	files, err := w.tracked()
	if err != nil {
		return nil, release, err
	}
	for _, d := range step.Deps {
		if files.Hold(d.Path) && pointerAbove(w.repo, d.Path) == "" {
			continue
		}
		ignore, err := w.ignore(d.Path)
		if err == nil {
			var v snapshot.Saved
			v, err = w.store.Save(ctx, snapshot.SaveOptions{Path: w.abs(d.Path), Ignore: ignore})
			if err == nil {
				releases, all = append(releases, v.Release), append(all, run.Data{Path: d.Path, Root: v.Root, Kind: string(v.Summary.Kind)})
			}
		}
		if err != nil {
			release()
			return nil, func() {}, fault.New(fault.KindOf(err), "cannot keep %s for stage %s: %w", w.app.shown(d.Path), step.Stage.Name, err)
		}
	}
	return all, release, nil
}

// after looks at what a stage has left: whether it wrote what it declares, its files of metrics, and whether what it read
// is still what it was.
func (w *reproWorld) after(ctx context.Context, step pipeline.Step) run.Aftermath {
	found := stageMetrics(step.Stage, w.abs)
	if missing := notWritten(step.Stage, w.abs); missing != "" {
		found.Cause = missing
	}
	paths := make([]string, len(step.Deps))
	for i, d := range step.Deps {
		paths[i] = d.Path
	}
	now, err := w.identify(ctx, paths)
	for _, d := range step.Deps {
		if id, there := now[d.Path]; err != nil || !there || id.Digest != d.Digest || id.Executable != d.Executable {
			found.Disturbed = append(found.Disturbed, d.Path)
		}
	}
	return found
}

// notWritten says which outputs of a stage are not there; abs says where a path of the pipeline lies.
func notWritten(s pipeline.Stage, abs func(string) string) string {
	var missing []string
	for _, o := range s.Outs {
		if _, err := os.Lstat(abs(o.Path)); errors.Is(err, fs.ErrNotExist) {
			missing = append(missing, o.Path)
		}
	}
	if len(missing) == 0 {
		return ""
	}
	return "did not write " + strings.Join(missing, ", ")
}

// assignments writes variables as a process gets them, in the order of their names.
func assignments(variables map[string]string) []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		all = append(all, name+"="+variables[name])
	}
	return all
}

// stageMetrics reads the files of metrics that a stage has written; abs says where a path of the pipeline lies.
func stageMetrics(s pipeline.Stage, abs func(string) string) run.Aftermath {
	var found run.Aftermath
	files := map[string]map[string]run.Number{}
	for _, o := range s.Outs {
		if !o.Metrics || !filepath.IsLocal(filepath.FromSlash(o.Path)) {
			continue
		}
		numbers, err := readStageMetrics(abs(o.Path))
		if err != nil && found.Cause == "" {
			found.Cause = err.Error()
		}
		files[o.Path] = numbers
	}
	found.Metrics = joinMetrics(files)
	return found
}

// readStageMetrics reads a file of metrics: JSON, or YAML by its name.
func readStageMetrics(file string) (map[string]run.Number, error) {
	if ext := path.Ext(file); ext != ".yaml" && ext != ".yml" {
		return run.ReadMetricsFile(file)
	}
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	document, err := repo.ReadParams(file)
	if err != nil {
		return nil, err
	}
	flat, err := run.Flatten(document)
	numbers := map[string]run.Number{}
	for name, v := range flat {
		if f, ok := v.(float64); ok {
			numbers[name] = run.Number(f)
		}
	}
	return numbers, err
}

// joinMetrics makes one list of the metrics of some files. A name that several files have is told apart by the file.
func joinMetrics(files map[string]map[string]run.Number) map[string]run.Number {
	count := map[string]int{}
	for _, numbers := range files {
		for name := range numbers {
			count[name]++
		}
	}
	all := map[string]run.Number{}
	for _, file := range slices.Sorted(maps.Keys(files)) {
		for name, n := range files[file] {
			if count[name] > 1 {
				base := path.Base(file)
				name = strings.TrimSuffix(base, path.Ext(base)) + "." + name
			}
			all[name] = n
		}
	}
	return all
}

func outcomeOf(result *run.Result) pipeline.Outcome {
	v := result.View
	out := pipeline.Outcome{Run: v.RunID, State: string(v.State)}
	if v.Cause != nil {
		out.Cause = *v.Cause
	}
	if v.DurationS != nil {
		out.Duration = time.Duration(*v.DurationS * float64(time.Second))
	}
	if v.Stage != nil {
		out.Disturbed = v.Stage.Disturbed
	}
	for _, o := range v.Outputs {
		root, err := object.ParseDigest(o.Snapshot)
		if err != nil {
			continue
		}
		digest, err := object.ParseDigest(o.Digest)
		if err == nil {
			out.Outs = append(out.Outs, pipeline.MadeOut{Path: o.Path, Root: root, Digest: digest, Kind: o.Kind})
		}
	}
	return out
}

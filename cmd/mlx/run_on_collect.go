package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path"
	"path/filepath"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/remote"
	"mlx/internal/run"
	"mlx/internal/snapshot"
	"mlx/internal/train"
)

// Names of files in the folder of a job here.
const (
	resultNote = "result.json"   // of the node, once it was read
	cancelNote = "cancel.json"   // why it was cancelled, before anybody could record it
	maxRecords = int64(64 << 20) // of one pack of records

	beingWritten = "being written" // of an output: what stands there is a part of what the run wrote
)

// collect brings back what a job has left, records its end here, and puts its outputs in their places. It may be stopped anywhere and
// begun again, and by several at once. last is what the backend says of the job. errAgain: it goes on instead.
func (j *onJob) collect(ctx context.Context, links *onLinks, last sight) (run.View, error) {
	v, err := j.collected(ctx, links, last)
	if err == nil || errors.Is(err, errAgain) {
		return v, err
	}
	problem := fault.New(fault.KindOf(err), "cannot bring back the results of run %s: %w", j.id.Short(), err)
	if fault.KindOf(err) != fault.NotFound {
		problem = problem.Hint("mlx job wait %s   # tries again", j.id.Short())
	}
	return v, problem
}

func (j *onJob) collected(ctx context.Context, links *onLinks, last sight) (run.View, error) {
	release, err := j.repo.Lock(ctx, []string{jobLock(j.id)}, nil)
	if err != nil {
		return run.View{}, err
	}
	defer release()
	v, err := j.view(ctx)
	if err != nil {
		return v, err
	}
	if v.EndedAt == nil {
		if v, err = j.bring(ctx, links, last); err != nil {
			return v, err
		}
	}
	if err := j.restore(ctx, v); err != nil {
		return v, err
	}
	j.tidy(ctx, links)
	return v, nil
}

func (j *onJob) view(ctx context.Context) (run.View, error) {
	l, err := j.app.ledger()
	if err != nil {
		return run.View{}, err
	}
	return j.app.history(l).Get(ctx, j.id)
}

// bring gets the records and the bytes of a job that has ended, and says how it ended.
func (j *onJob) bring(ctx context.Context, links *onLinks, last sight) (run.View, error) {
	err := errNoResult
	if j.access() == train.AccessHost || j.access() == train.AccessAfter || j.access() == train.AccessNode && last.status.State == train.Running {
		err = j.fetch(ctx, links, last)
	}
	nodeGone := errors.Is(err, train.ErrNodeGone)
	if (errors.Is(err, errNoResult) || nodeGone) && j.backend.Remote != "" {
		err = j.pull(ctx)
	}
	if err != nil && !errors.Is(err, errNoResult) && !nodeGone {
		return run.View{}, err
	}
	v, viewErr := j.view(ctx)
	if viewErr != nil || v.EndedAt != nil {
		return v, viewErr
	}
	if err := j.again(ctx, nil, links, last); err != nil {
		return v, err
	}
	if nodeGone && err != nil { // nobody has them, unless that node comes back
		return v, err
	}
	if !last.over() {
		return v, fault.New(fault.NotFound, "%s has none", j.name).
			Hint("mlx job logs %s   # what it said", j.id.Short())
	}
	if j.maybeElsewhere(last) {
		return v, fault.New(fault.NotFound, "%s has nothing of it; the clone that submitted it, on %s, has not handed it over yet or has its results", j.name, j.body.Process.Host).
			Hint("mlx job attach %s   # in that clone", j.id.Short()).
			Hint("mlx pull   # when that clone has pushed").
			Hint("mlx job cancel %s   # nobody has them: record that it has ended", j.id.Short())
	}
	return j.abandon(ctx, last)
}

// fetch reads the results from the node. Bytes come first: what a record names is here when the record is.
func (j *onJob) fetch(ctx context.Context, links *onLinks, last sight) error {
	l, err := links.to(ctx, j)
	switch {
	case errors.Is(err, train.ErrNowhere):
		return errNoResult
	case err != nil:
		return err
	}
	result, err := j.result(ctx, l)
	if errors.Is(err, errNoResult) && last.over() && !j.maybeElsewhere(last) {
		if err := j.again(ctx, l, links, last); err != nil {
			return err
		}
		if err := j.conclude(ctx, l, last); err != nil {
			return err
		}
		result, err = j.result(ctx, l)
	}
	if err != nil {
		return err
	}
	if err := j.roots(ctx, l, result); err != nil {
		return err
	}
	packs := func(yield func(lineage.SyncPack, error) bool) {
		for _, id := range result.Packs {
			data, err := l.ReadAll(ctx, j.there(train.RecordPack(id)))
			if err == nil && int64(len(data)) > maxRecords {
				err = fault.New(fault.Integrity, "pack %s has %d bytes", id.Short(), len(data))
			}
			if !yield(lineage.SyncPack{Pack: id, Data: data}, err) || err != nil {
				return
			}
		}
	}
	ledger, err := j.app.ledger()
	if err != nil {
		return err
	}
	if _, _, err := ledger.ImportAll(ctx, packs); err != nil {
		return err
	}
	j.tellTrouble(result.Trouble)
	return nil
}

// errNoResult says that a node has no result of a job.
var errNoResult = errors.New("there is no result")

// result reads how the job ended. errNoResult: it is not said yet.
func (j *onJob) result(ctx context.Context, l *train.Link) (train.Result, error) {
	text, err := l.ReadAll(ctx, j.there(train.ResultName))
	if fault.KindOf(err) == fault.NotFound {
		return train.Result{}, errNoResult
	}
	if err != nil {
		return train.Result{}, err
	}
	result, err := train.ParseResult(text)
	if err == nil && result.Run != j.id {
		err = fault.New(fault.Integrity, "the results of run %s are those of %s", j.id.Short(), result.Run.Short())
	}
	if err == nil {
		err = writeNote(j.folderOf(), resultNote, result)
	}
	return result, err
}

// conclude lets the node write down how a job ended whose agent did not: it was killed, or its machine was.
func (j *onJob) conclude(ctx context.Context, l *train.Link, last sight) error {
	state, cause := j.outcome(last)
	node, err := l.Hello(ctx)
	if err != nil {
		return err
	}
	answer, err := l.Exec(ctx, train.Command{Argv: []string{node.Program, "agent", "end", j.there(""), "--state", string(state), "--cause", cause}})
	if err == nil && answer.Status != 0 {
		err = fault.New(fault.Unavailable, "cannot end run %s on %s: %s", j.id.Short(), j.name, bytes.TrimSpace(answer.Stderr))
	}
	return err
}

// roots brings the versions that the records of the job name and that are not here.
func (j *onJob) roots(ctx context.Context, l *train.Link, result train.Result) error {
	var lacks, held []object.Digest
	for _, r := range result.Roots {
		if result.Pushed && j.leaves(r.Path) {
			continue
		}
		here, err := j.store.Has(ctx, r.Root)
		if err != nil {
			return err
		}
		if here {
			held = append(held, r.Root)
		} else {
			lacks = append(lacks, r.Root)
		}
	}
	if len(lacks) == 0 {
		return nil
	}
	held = append(held, j.plan.Roots()...)
	progress := j.app.streams.Progress("fetching", "bytes", 0)
	defer progress.Done()
	got, err := l.Fetch(ctx, j.store, lacks, held, progress)
	if err == nil {
		j.free = append(j.free, got.Release)
	}
	return err
}

// pull takes the results from the remote of the backend.
func (j *onJob) pull(ctx context.Context) error {
	r, err := j.app.openRemote(ctx, j.backend.Remote)
	if err != nil {
		return err
	}
	if _, err := r.Sync(ctx); err != nil {
		return fault.New(fault.KindOf(err), "cannot read the results of run %s: %w", j.id.Short(), notRead(err, r))
	}
	v, err := j.view(ctx)
	if err != nil || v.EndedAt == nil {
		return err
	}
	l, err := j.app.ledger()
	if err != nil {
		return err
	}
	rec, err := l.Get(ctx, v.Record)
	if err != nil {
		return err
	}
	body, ok := runBody(rec)
	if !ok {
		return fault.New(fault.Integrity, "%s is no record of a run", rec.ID.Short())
	}
	var roots []object.Digest
	for _, root := range rootsOfRun(body) {
		if j.leaves(root.Path) {
			continue
		}
		if here, err := j.store.Has(ctx, root.Root.Root); err != nil {
			return err
		} else if !here {
			roots = append(roots, root.Root.Root)
		}
	}
	got, err := r.Fetch(ctx, remote.FetchOptions{Roots: roots})
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot fetch the results of run %s from %s: %w", j.id.Short(), r.Describe(), remoteTrouble(err, r.Name()))
	}
	j.free = append(j.free, got.Release)
	return nil
}

// abandon records the end of a run that nobody will tell more of.
func (j *onJob) abandon(ctx context.Context, last sight) (run.View, error) {
	runner, err := j.app.runner()
	if err != nil {
		return run.View{}, err
	}
	state, cause := j.outcome(last)
	job := *j.body.Job
	job.Handle = j.ref().Handle
	s, _ := run.SeenOf(jobsOf(j.repo), j.id)
	if use := useSoFar(s, s.At); use.Lasted > 0 {
		use.Assumed = true // nobody saw it end
		job.Cost, job.Energy = spent(&job, j.app.priceOf(&job), use), consumedBy(&job, use).energy()
	}
	return runner.Abandon(ctx, j.id, state, cause, &job)
}

// tidy tells the node that its results are here, and forgets what was known of the job.
func (j *onJob) tidy(ctx context.Context, links *onLinks) {
	if j.access() != train.AccessNone {
		l, err := links.to(ctx, j)
		if err == nil {
			err = l.Write(ctx, j.there(train.CollectedName), 0o644, nil)
		}
		// Its records and result stay for other clones. The secrets are there still where no agent took them: the backend refused the job.
		for _, name := range []string{train.SecretsName, train.SourceName, train.CheckpointName, train.AttemptsName} {
			if err == nil && j.access() != train.AccessNode {
				err = l.Remove(ctx, j.there(name))
			}
		}
		if err != nil {
			j.app.streams.Why("%s is not tidied: %v", j.name, err)
		}
	}
	if c, ok := j.driver.(train.Cleaner); ok {
		if err := c.Clean(ctx, j.ref()); err != nil {
			j.app.streams.Why("%s is not tidied: %v", j.name, err)
		}
	}
	if err := j.forget(); err != nil {
		j.app.streams.Why("%v", err)
	}
}

// outputsNow says what stands where the command will write: empty where nothing does.
func (j *onJob) outputsNow(ctx context.Context, paths []string) (map[string]string, error) {
	all := map[string]string{}
	for _, p := range paths {
		all[p] = ""
	}
	found, err := j.store.Identify(ctx, snapshot.IdentifyOptions{Dir: j.repo.Root, Paths: paths})
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot look at the outputs: %w", err)
	}
	for p, id := range found {
		all[p] = id.Root.Hex()
	}
	return all, nil
}

// restore puts the outputs of the run in their places, except where something else stands by now.
func (j *onJob) restore(ctx context.Context, v run.View) error {
	if j.apart {
		return nil
	}
	if mine, err := j.app.worktree(); err != nil || mine != j.body.Worktree && len(v.Outputs) > 0 {
		if err == nil {
			j.app.streams.Note("run %s was started in another worktree: its outputs are not put in their places here", j.id.Short())
		}
		return err
	}
	before, known := readNote[map[string]string](j.folderOf(), beforeName)
	var outs []string
	for _, o := range v.Outputs {
		if filepath.IsLocal(filepath.FromSlash(o.Path)) {
			outs = append(outs, o.Path)
		}
	}
	now, err := j.outputsNow(ctx, outs)
	if err != nil {
		return err
	}
	for _, o := range v.Outputs {
		at, ok := now[o.Path]
		switch {
		case !ok:
			j.app.streams.Note("%s is no path here, and is not written", o.Path)
		case at == o.Snapshot:
		case at == "" || known && (at == before[o.Path] || before[o.Path] == beingWritten):
			if before == nil {
				before = map[string]string{}
			}
			before[o.Path] = beingWritten // a restoring that is stopped half way goes on
			if err := writeNote(j.folderOf(), beforeName, before); err != nil {
				return err
			}
			if err := j.putOutput(ctx, o); err != nil {
				return err
			}
		default:
			j.app.streams.Note("%s changed here meanwhile and is left as it is; what the run wrote: mlx get run:%s:%s -o FILE", j.app.shown(o.Path), j.id.Short(), o.Path)
		}
	}
	return nil
}

// putOutput writes an output: a file by rename, a folder file by file.
func (j *onJob) putOutput(ctx context.Context, o run.ViewOutput) error {
	root, err := object.ParseDigest(o.Snapshot)
	if err != nil {
		return err
	}
	fail := func(err error) error {
		return fault.New(fault.KindOf(err), "cannot put output %s of run %s in its place: %w", j.app.shown(o.Path), j.id.Short(), err).
			Hint("mlx get run:%s:%s -o FILE", j.id.Short(), shellWord(o.Path))
	}
	files, err := j.store.FS(ctx, root)
	if err != nil {
		return fail(err)
	}
	top, err := os.OpenRoot(j.repo.Root)
	if err != nil {
		return fail(err)
	}
	base := o.Path
	if o.Kind == string(snapshot.File) {
		base = path.Dir(o.Path)
	}
	if err := errors.Join(layOver(top, base, files), top.Close()); err != nil {
		return fail(err)
	}
	return nil
}

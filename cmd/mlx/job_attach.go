package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"mlx/internal/fault"
	"mlx/internal/repo"
	"mlx/internal/run"
)

func newJobAttach(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "attach RUN",
		Short: "Follow a run to its end and bring back its results",
		Long: `Prints what the command of a run on a backend writes, from the beginning, waits for its end, brings back its records and its
outputs, and ends as the command did. It goes on with a submit that was stopped half way, and works in every clone that has the
record of the run: mlx pull. Of a run that has ended and whose results are here already it prints the output.`,
		Example:           "mlx job attach @last",
		Args:              cobra.ExactArgs(1),
		Annotations:       map[string]string{troubleStatus: "125"},
		ValidArgsFunction: a.completeJobs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return jobAttachRun(cmd.Context(), a, args[0])
		},
	}
}

func jobAttachRun(ctx context.Context, a *app, ref string) error {
	if _, err := a.recovered(ctx); err != nil {
		return err
	}
	found, err := a.jobOf(ctx, ref)
	if err != nil {
		return err
	}
	if found.view.Job == nil {
		return a.attachHere(ctx, found)
	}
	j, err := a.reopenJob(ctx, found.view)
	if err != nil {
		return err
	}
	links := newLinks()
	defer links.close()
	var result *run.Result
	switch {
	case found.ended() && !j.kept():
		result = &run.Result{View: found.view, Status: statusOfView(found.view)}
		out := &printer{dir: j.mirror().dir, stdout: os.Stdout, stderr: os.Stderr, cut: func(int64) {}}
		err = j.rest(ctx, found.view, out)
	case found.ended():
		result, err = j.finishEnded(ctx, links)
	default:
		if _, err = j.goOn(ctx, links); err == nil {
			result, err = j.finish(ctx, links, live{nil, os.Stdout, os.Stderr, false})
		}
	}
	if err != nil {
		return err
	}
	return a.ran(context.WithoutCancel(ctx), runOptions{}, result)
}

// attachHere follows a run of this machine, which needs nobody to bring back its results.
func (a *app) attachHere(ctx context.Context, j job) error {
	if err := jobLogsRun(ctx, a, jobLogsOptions{ref: refRun + ":" + j.view.ID, follow: true}); err != nil {
		return err
	}
	now, err := a.jobOf(ctx, refRun+":"+j.view.ID)
	if err != nil {
		return err
	}
	if !now.ended() {
		return now.elsewhere("attach to")
	}
	return a.ran(ctx, runOptions{}, &run.Result{View: now.view, Status: statusOfView(now.view)})
}

// reopenJob takes up a run on a backend from its records.
func (a *app) reopenJob(ctx context.Context, v run.View) (*onJob, error) {
	if _, err := a.backend(v.Job.Backend); fault.KindOf(err) == fault.NotFound {
		return nil, fault.New(fault.NotFound, "cannot find run %s: it is on %s, and %s has no backend of that name", v.RunID.Short(), v.Job.Backend, repo.ConfigName).
			Hint("git log -p %s   # what it was: it can be written back, or into a backends.yaml of your own", repo.ConfigName)
	}
	j, err := a.openJob(ctx, v.Job.Backend)
	if err != nil {
		return nil, err
	}
	j.id = v.RunID
	l, err := a.ledger()
	if err != nil {
		return nil, err
	}
	rec, err := l.Get(ctx, v.RunID)
	if err != nil {
		return nil, err
	}
	if j.body, err = run.Started.Decode(rec); err != nil {
		return nil, err
	}
	if j.body.Job == nil {
		return nil, fault.New(fault.Integrity, "cannot follow run %s: its record names no backend", j.id.Short())
	}
	if err := j.fill(ctx, j.body.Used); err != nil {
		return nil, err
	}
	return j, j.begun(rec.Raw, rec.Body)
}

// kept says whether something is still known of the job here: not all of its results are in their places.
func (j *onJob) kept() bool { return hasNote(j.folderOf(), beforeName) }

// mine says whether this clone submitted the job.
func (j *onJob) mine() bool {
	clone, err := j.repo.CloneID()
	return err == nil && clone == j.body.Job.Clone
}

// finishEnded puts the outputs of a job in their places whose end is recorded: somebody was stopped half way.
func (j *onJob) finishEnded(ctx context.Context, links *onLinks) (*run.Result, error) {
	v, err := j.collectAgain(ctx, links, sight{})
	return &run.Result{View: v, Status: statusOfView(v)}, err
}

// goOn hands over a job whose submit was stopped. Where that was begun in another clone nothing is done: only that one knows how far it
// came. handed: it was done, and what was seen of the job before says nothing.
func (j *onJob) goOn(ctx context.Context, links *onLinks) (handed bool, err error) {
	if s, _ := run.SeenOf(jobsOf(j.repo), j.id); s.Handle != "" || !j.kept() && !j.mine() {
		return false, nil
	}
	if !j.kept() { // it was stopped right after it was recorded
		if err := j.keep(ctx); err != nil {
			return false, err
		}
	}
	if j.secrets, err = j.app.secretValues(j.body.Job.Secrets); err != nil {
		return false, err
	}
	if err := j.hand(ctx, links); err != nil {
		return false, j.halfway(ctx, err)
	}
	return true, nil
}

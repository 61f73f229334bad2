package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/run"
	"mlx/internal/train"
)

// maxShards bounds into how many runs one command is divided.
const maxShards = 1000

// shardsWorktree names the work tree of shards in records: none of them is @last where somebody works.
const shardsWorktree = "shards"

// shardsFolder is where shards write their parts, below the root of the project on their node. Nothing of it is put into its place here.
const shardsFolder = "mlx-shards"

// shardsFlags are --on and --shards of a command of mlx whose own work runs elsewhere.
type shardsFlags struct {
	on string
	n  int
}

func (o *shardsFlags) add(a *app, cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.on, "on", "", "do it on `BACKEND` of mlx.yaml, where the data is or travels to")
	cmd.Flags().IntVar(&o.n, "shards", 0, "with --on: divide it among `N` runs there")
	completeFlag(cmd, "on", a.completeBackends)
}

// asked says whether the work is to be done elsewhere, and refuses what makes no sense.
func (o shardsFlags) asked(command string, shards bool) (bool, error) {
	hint := "mlx " + command + " --on BACKEND --shards 4"
	switch {
	case o.on == "" && shards:
		return false, fault.New(fault.Usage, "--shards divides work among runs on a backend, and --on is missing").Hint("%s", hint)
	case o.on == "":
		return false, nil
	case !shards:
		return false, fault.New(fault.Usage, "--on needs --shards: into how many runs the work is divided").Hint("%s", hint)
	case o.n < 1 || o.n > maxShards:
		return false, fault.New(fault.Usage, "cannot divide the work into %d shards: 1 to %d are possible", o.n, maxShards).Hint("%s", hint)
	}
	return true, nil
}

// shardWork is work of mlx that is divided among runs on a backend.
type shardWork struct {
	flags    shardsFlags
	what     string // "profile data/flights"
	ending   string // of the name of what a shard writes: ".prof"
	command  func(i int, out string) []string
	data     []run.Data      // laid out on every node
	versions []object.Digest // that every node has to have beside it
	most     int64           // bytes of one part
}

// shardSet is one such work as it goes on.
type shardSet struct {
	shardWork
	app   *app
	links *onLinks
	jobs  []*onJob
	views []run.View
	began time.Time
}

// inShards does the work and returns what each shard wrote, in order. A shard that fails ends the others.
func (a *app) inShards(ctx context.Context, w shardWork) ([][]byte, error) {
	s := &shardSet{shardWork: w, app: a, links: newLinks(), views: make([]run.View, w.flags.n), began: a.now()}
	defer s.links.close()
	defer func() {
		for _, j := range s.jobs {
			j.release()
		}
	}()
	err := s.submit(ctx)
	if err == nil {
		err = s.wait(ctx)
	}
	if err != nil {
		s.cancel(context.WithoutCancel(ctx), err)
		return nil, err
	}
	parts := make([][]byte, w.flags.n)
	for i := range parts {
		if parts[i], err = s.part(ctx, i); err != nil {
			return nil, err
		}
	}
	return parts, nil
}

func (s *shardSet) out(i int) string {
	return path.Join(shardsFolder, fmt.Sprintf("part-%04d%s", i+1, s.ending))
}

// submit plans and records one run after the other, and hands all of them over at once.
func (s *shardSet) submit(ctx context.Context) error {
	r, err := s.app.repo()
	if err != nil {
		return err
	}
	code, patch, err := codeOf(ctx, r, nil)
	if err != nil {
		return err
	}
	var batch train.Batch
	turns := make([]*train.Turn, s.flags.n)
	for i := range turns {
		turns[i] = batch.Join()
		defer turns[i].Leave()
	}
	var tree object.Digest // one for all
	for i := range s.flags.n {
		out := s.out(i)
		spec := run.Spec{Command: s.command(i, out), Dir: r.Root, Folder: ".", Data: slices.Clone(s.data), Code: code, Patch: patch,
			Worktree: shardsWorktree, Parent: s.app.outerRun(), Outs: []run.Out{{Path: out, Abs: r.Abs(out)}}}
		j, err := s.app.planOn(ctx, &spec, onAsk{Backend: s.flags.on, Tree: tree, Versions: s.versions, Seat: turns[i], Apart: true})
		if err != nil {
			return err
		}
		tree, code = j.body.Job.Tree, spec.Code
		s.jobs = append(s.jobs, j)
		if err := j.record(ctx, spec); err != nil {
			return err
		}
	}
	errs := make([]error, len(s.jobs))
	var group sync.WaitGroup
	for i, j := range s.jobs {
		group.Go(func() {
			defer turns[i].Leave()
			errs[i] = j.hand(ctx, s.links)
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// wait asks about all runs with one question at a time, and brings back the results of each that has ended.
func (s *shardSet) wait(ctx context.Context) error {
	progress := s.app.streams.Progress(s.what, "shards", int64(len(s.jobs)))
	defer progress.Done()
	left := make([]int, len(s.jobs))
	for i := range left {
		left[i] = i
	}
	for tries := 0; len(left) > 0; tries++ {
		ids := make([]object.Digest, len(left))
		for k, i := range left {
			ids[k] = s.jobs[i].id
		}
		asked, stop := context.WithTimeout(ctx, lookWait)
		sights := lookAt(asked, s.jobs[0].driver, jobsOf(s.jobs[0].repo), ids)
		stop()
		var still []int
		for k, i := range left {
			over, err := s.settle(ctx, i, sights[k])
			if err != nil {
				return err
			}
			if !over {
				still = append(still, i)
				continue
			}
			tries = 0
			progress.Add(1)
		}
		if left = still; len(left) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(train.Pause(tries, askPending)):
		}
	}
	return nil
}

// settle brings back the results of a run that has ended.
func (s *shardSet) settle(ctx context.Context, i int, seen sight) (over bool, err error) {
	young := s.app.now().Sub(s.began) < missingMost && seen.status.Cause == train.CauseMissing // not known yet
	if !seen.over() || young {
		return false, ctx.Err()
	}
	j := s.jobs[i]
	if s.views[i], err = j.collect(ctx, s.links, seen); errors.Is(err, errAgain) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	if len(s.views[i].Outputs) == 1 {
		return true, nil
	}
	cause := "it wrote nothing"
	if c := s.views[i].Cause; c != nil {
		cause = *c
	}
	for _, line := range s.lastWords(ctx, i) {
		s.app.streams.Note("shard %d of %d: %s", i+1, s.flags.n, line)
	}
	return false, fault.New(fault.Unavailable, "cannot %s on %s: shard %d of %d, run %s, %s: %s", s.what, s.flags.on, i+1, s.flags.n, j.id.Short(),
		s.views[i].State, cause).About(fault.Ref{Kind: refRun, ID: j.id.Hex()}).Hint("mlx job logs %s", j.id.Short())
}

// lastWords are the last lines that a shard wrote.
func (s *shardSet) lastWords(ctx context.Context, i int) []string {
	const most = 4 << 10
	log := s.views[i].Log
	if log == nil {
		return nil
	}
	files, err := s.jobs[i].store.FS(ctx, log.Root)
	if err != nil {
		return nil
	}
	text, err := fs.ReadFile(files, "output")
	if err != nil {
		return nil
	}
	lines := strings.Split(strings.TrimSpace(string(text[max(0, len(text)-most):])), "\n")
	return lines[max(0, len(lines)-5):]
}

// part reads what a shard wrote.
func (s *shardSet) part(ctx context.Context, i int) ([]byte, error) {
	o := s.views[i].Outputs[0]
	root, err := object.ParseDigest(o.Snapshot)
	if err != nil {
		return nil, err
	}
	files, err := s.jobs[i].store.FS(ctx, root)
	if err != nil {
		return nil, err
	}
	f, err := files.Open(path.Base(o.Path))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, s.most+1))
	if err == nil && int64(len(text)) > s.most {
		err = fault.New(fault.Integrity, "shard %d of %d wrote more than %d bytes", i+1, s.flags.n, s.most)
	}
	return text, err
}

// cancel ends what is still under way.
func (s *shardSet) cancel(ctx context.Context, because error) {
	why := run.Cancel{By: s.app.user(), Why: "another shard failed", GraceS: runGrace.Seconds()}
	if errors.Is(because, context.Canceled) {
		why.Why = "interrupted"
	}
	for i, j := range s.jobs {
		if j.id.IsZero() || s.views[i].EndedAt != nil {
			continue
		}
		if err := j.cancel(ctx, s.links, why, runGrace); err != nil {
			s.app.streams.Note("%v", err)
		}
	}
}

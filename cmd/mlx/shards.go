package main

import (
	"context"
	"encoding/json"
	"fmt"
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

	aside  []string // paths of the project that are no code, and do not travel with it
	source string   // what else is read as it was when the work began; another state of it is other work
	fresh  bool     // nothing that an earlier command has begun is taken up
	stays  bool     // what shards put into the store stays on the nodes, where these have a remote
}

// shardSet is one such work as it goes on.
type shardSet struct {
	shardWork
	app   *app
	links *onLinks
	jobs  []*onJob
	views []run.View
	began time.Time
	past  shardsPast

	moved time.Time // when one of them was last seen to do more than wait
	told  string    // trouble with the backend that was told last
	why   string    // the others are asked to end; empty: one failed
}

// inShards does the work and returns what each shard wrote, in order. A shard that fails ends the others. What an earlier command of the
// same work has begun, which was stopped, is taken up.
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
		s.gather(context.WithoutCancel(ctx))
		return nil, err
	}
	parts := make([][]byte, w.flags.n)
	for i := range parts {
		if parts[i], err = s.part(ctx, i); err != nil {
			return nil, err
		}
	}
	return parts, s.past.forget()
}

// shardName is a shard as people count it.
func shardName(i, n int) string { return fmt.Sprintf("%d of %d", i+1, n) }

// asArgument is a path of the project as a command takes it: one that begins as a flag does is none.
func asArgument(rel string) string {
	if strings.HasPrefix(rel, "-") {
		return "./" + rel
	}
	return rel
}

// partsIn reads what shards reported as JSON of a kind.
func partsIn[T any](texts [][]byte, kind string) ([]T, error) {
	parts := make([]T, len(texts))
	for i, text := range texts {
		var head struct {
			Kind string `json:"kind"`
		}
		err := json.Unmarshal(text, &head)
		if err == nil && head.Kind != kind {
			err = fault.New(fault.Integrity, "its kind is %.40q, not %s", head.Kind, kind)
		}
		if err == nil {
			err = json.Unmarshal(text, &parts[i])
		}
		if err != nil {
			return nil, fault.New(fault.Integrity, "cannot read the report of shard %d: %w", i+1, err).Hint("mlx version   # the same mlx on both sides?")
		}
	}
	return parts, nil
}

func (s *shardSet) out(i int) string {
	return path.Join(shardsFolder, fmt.Sprintf("part-%04d%s", i+1, s.ending))
}

// outsAside are the paths that do not travel, as outputs of which nothing is sent.
func (s *shardSet) outsAside() []run.Out {
	var all []run.Out
	for _, p := range s.aside {
		all = append(all, run.Out{Path: p})
	}
	return all
}

// submit plans and records one run after the other, and hands all of them over at once.
func (s *shardSet) submit(ctx context.Context) error {
	r, err := s.app.repo()
	if err != nil {
		return err
	}
	code, patch, err := codeOf(ctx, r, s.outsAside())
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
		j, err := s.app.planOn(ctx, &spec, onAsk{Backend: s.flags.on, Tree: tree, Versions: s.versions, Seat: turns[i], Apart: true, Aside: s.aside, Stays: s.stays})
		if err != nil {
			return err
		}
		tree, code = j.body.Job.Tree, spec.Code
		if err := s.enter(ctx, i, j, spec); err != nil {
			return err
		}
	}
	s.past.tell(s)
	errs := make([]error, len(s.jobs))
	var group sync.WaitGroup
	for i, j := range s.jobs {
		if s.views[i].EndedAt != nil {
			turns[i].Leave()
			continue
		}
		group.Go(func() {
			defer turns[i].Leave()
			errs[i] = j.hand(ctx, s.links)
		})
	}
	group.Wait()
	return firstError(errs...) // one trouble is that of all
}

// enter takes up the run that an earlier command has begun for a shard, or records a new one.
func (s *shardSet) enter(ctx context.Context, i int, j *onJob, spec run.Spec) (err error) {
	s.jobs = append(s.jobs, j)
	if i == 0 {
		if s.past, err = s.openPast(j.repo, j.body.Job.Tree); err != nil {
			return err
		}
	}
	old, view, err := s.past.of(ctx, i, j)
	if err != nil {
		return err
	}
	if old != nil {
		j.release()
		s.jobs[i], s.views[i] = old, view
		return nil
	}
	if err := j.record(ctx, spec); err != nil {
		return err
	}
	return s.past.keep(i, j.id)
}

// wait asks about all runs with one question at a time, and brings back the results of each that has ended.
func (s *shardSet) wait(ctx context.Context) error {
	progress := s.app.streams.Progress(s.what, "shards", int64(len(s.jobs)))
	defer progress.Done()
	var left []int
	for i := range s.jobs {
		if s.views[i].EndedAt != nil {
			progress.Add(1)
			continue
		}
		left = append(left, i)
	}
	if s.jobs[0].access() == train.AccessNode {
		return s.follow(ctx, left, func() { progress.Add(1) })
	}
	for tries := 0; len(left) > 0; tries++ {
		ids := make([]object.Digest, len(left))
		for k, i := range left {
			ids[k] = s.jobs[i].id
		}
		asked, stop := context.WithTimeout(ctx, lookWait)
		sights := lookAt(asked, s.jobs[0].driver, jobsOf(s.jobs[0].repo), ids)
		stop()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := s.heed(s.jobs[left[0]], sights); err != nil {
			return err
		}
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

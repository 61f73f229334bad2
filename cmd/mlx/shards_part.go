package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/run"
	"mlx/internal/train"
)

// follow waits for runs whose nodes can be reached while they run, and only then: each is brought what it needs, and read from, by itself.
func (s *shardSet) follow(ctx context.Context, left []int, done func()) error {
	type end struct {
		i    int
		seen sight
		err  error
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ends := make(chan end, len(left))
	watch := func(i int) {
		f := newFollower(s.jobs[i], s.links)
		defer func() { f.endMirror() }()
		seen, err := f.turns(ctx)
		ends <- end{i, seen, err}
	}
	for _, i := range left {
		go watch(i)
	}
	for n := len(left); n > 0; {
		e := <-ends
		if e.err != nil {
			return e.err
		}
		err := s.bring(ctx, e.i, e.seen)
		switch {
		case errors.Is(err, errAgain):
			go watch(e.i)
		case err != nil:
			return err
		default:
			n--
			done()
		}
	}
	return nil
}

// settle brings back the results of a run if it has ended.
func (s *shardSet) settle(ctx context.Context, i int, seen sight) (over bool, err error) {
	if !s.over(seen) {
		return false, ctx.Err()
	}
	if err = s.bring(ctx, i, seen); errors.Is(err, errAgain) {
		return false, nil
	}
	return true, err
}

// over says whether a run has ended, as its backend says: one that was just submitted may not be known yet.
func (s *shardSet) over(seen sight) bool {
	return seen.over() && (seen.status.Cause != train.CauseMissing || s.app.now().Sub(s.began) >= missingMost)
}

// heed tells of a backend that cannot be asked, and ends work of which nothing begins for longer than mlx.yaml allows. A shard that waits
// for the others is none that waits in vain. j is one of those that the sights are of.
func (s *shardSet) heed(j *onJob, sights []sight) error {
	if first := sights[0]; first.err != nil {
		if words := first.words(); words != s.told {
			s.told = words
			s.app.streams.Note("cannot reach %s, trying again; the runs go on there: %s", j.name, words)
		}
		return first.wrong()
	}
	s.told = ""
	now := s.app.now()
	if slices.ContainsFunc(sights, func(x sight) bool { return x.status.State != train.Pending || x.status.Cause == train.CauseMissing }) {
		s.moved = now
		return nil
	}
	since, most := s.moved, j.backend.Pending.Duration
	if given := j.waitsSince(); given.After(since) {
		since = given
	}
	if most == 0 || now.Sub(since) < most {
		return nil
	}
	s.why = "it waited for " + cli.FormatDuration(most) + " on " + j.name
	return fault.New(fault.Unavailable, "cannot %s on %s: none of %s began within %s%s", s.what, j.name, cli.FormatNum(int64(len(sights)), "shard"),
		cli.FormatDuration(most), suffix(sights[0].words(), "")).Hint("edit mlx.yaml   # pending: of backend %s", j.name)
}

// bring fetches the results of a run that has ended.
func (s *shardSet) bring(ctx context.Context, i int, seen sight) (err error) {
	j := s.jobs[i]
	if s.views[i], err = j.collectAgain(ctx, s.links, seen); err != nil || s.written(i) != nil {
		return err
	}
	cause := "it wrote nothing"
	if c := s.views[i].Cause; c != nil {
		cause = *c
	}
	for _, line := range s.lastWords(ctx, i) {
		s.app.streams.Note("shard %d of %d: %s", i+1, s.flags.n, line)
	}
	return fault.New(fault.Unavailable, "cannot %s on %s: shard %d of %d, run %s, %s: %s", s.what, s.flags.on, i+1, s.flags.n, j.id.Short(),
		s.views[i].State, cause).About(fault.Ref{Kind: refRun, ID: j.id.Hex()}).Hint("mlx job logs %s", j.id.Short())
}

// written is what a shard that did its work wrote; nil where it did not.
func (s *shardSet) written(i int) *run.ViewOutput { return outputAt(s.views[i], s.out(i)) }

func outputAt(v run.View, at string) *run.ViewOutput {
	for i := range v.Outputs {
		if v.Outputs[i].Path == at {
			return &v.Outputs[i]
		}
	}
	return nil
}

// leaves says whether an output stays where it is: it is none of those that were declared.
func (j *onJob) leaves(output string) bool {
	return j.stays && output != "" && !slices.Contains(j.body.Outs, output)
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
	o := s.written(i)
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
	why := run.Cancel{By: s.app.user(), Why: cmp.Or(s.why, "another shard failed"), GraceS: runGrace.Seconds()}
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

// gatherMost is how long a work that failed waits for its shards to end.
const gatherMost = 10 * time.Second

// gather brings back those that were asked to end, as far as they do so soon: whoever gave the command has no use for each of them by itself.
func (s *shardSet) gather(ctx context.Context) {
	ctx, stop := context.WithTimeout(ctx, gatherMost)
	defer stop()
	var left []int
	for i, j := range s.jobs {
		v, err := j.view(ctx)
		switch {
		case err != nil || s.views[i].EndedAt != nil: // it was not even begun, or is here
		case v.EndedAt == nil:
			left = append(left, i)
		default: // it never got to the backend
			if err := j.forget(); err != nil {
				s.app.streams.Why("%v", err)
			}
		}
	}
	for tries := 0; len(left) > 0; tries++ {
		ids := make([]object.Digest, len(left))
		for k, i := range left {
			ids[k] = s.jobs[i].id
		}
		sights := lookAt(ctx, s.jobs[0].driver, jobsOf(s.jobs[0].repo), ids)
		var still []int
		for k, i := range left {
			if !s.over(sights[k]) {
				still = append(still, i)
			} else if _, err := s.jobs[i].collect(ctx, s.links, sights[k]); err != nil {
				s.app.streams.Why("%v", err)
			}
		}
		left = still
		// What lies on a node that goes with its job is not to be had any more.
		if sights[0].err != nil || s.jobs[0].access() == train.AccessNode || len(left) > 0 && paused(ctx, train.Pause(tries, askPending)) != nil {
			return
		}
	}
}

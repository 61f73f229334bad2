package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

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
	young := s.app.now().Sub(s.began) < missingMost && seen.status.Cause == train.CauseMissing // not known yet
	if !seen.over() || young {
		return false, ctx.Err()
	}
	if err = s.bring(ctx, i, seen); errors.Is(err, errAgain) {
		return false, nil
	}
	return true, err
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

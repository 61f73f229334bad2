package main

import (
	"context"
	"io"
	"os"
	"path/filepath"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/run"
	"mlx/internal/train"
)

// shower shows the output of a job that is followed.
type shower interface {
	show() error // what is new
	again()      // another attempt begins
	close()
}

// logShower shows it as mlx job logs does.
type logShower struct {
	printer *logPrinter
	dir     string
	reader  *run.LogReader
	pos     int64
}

func (s *logShower) show() error {
	if s.reader == nil {
		s.reader = run.NewLogReader(os.DirFS(s.dir), s.pos)
	}
	err := s.printer.all(s.reader)
	s.pos = s.reader.Pos()
	return err
}

func (s *logShower) close() {
	if s.reader != nil {
		s.reader.Close()
		s.reader = nil
	}
}

func (s *logShower) again() {
	s.close()
	s.pos = 0
}

// remote prints the output of a run that a backend executes.
func (p *logPrinter) remote(ctx context.Context, found job, follow bool) error {
	a := p.app
	j, err := a.reopenJob(ctx, found.view)
	if err != nil {
		return err
	}
	defer j.release()
	links := newLinks()
	defer links.close()
	if s, _ := run.SeenOf(jobsOf(j.repo), j.id); s.Handle == "" && j.kept() {
		return fault.New(fault.NotFound, "cannot read the output of run %s: it was not submitted", j.id.Short()).Hint("mlx job attach %s   # goes on with it", j.id.Short())
	}
	out := &logShower{printer: p, dir: j.mirror().dir}
	defer out.close()
	last := sight{}
	if follow {
		last, err = j.watch(ctx, links, out)
	} else {
		last, err = p.soFar(ctx, j, links, out)
	}
	if err != nil {
		return err
	}
	if !last.over() {
		return nil
	}
	return p.ending(ctx, j, links, out, last)
}

// soFar prints what there is, fetching what is new as far as the node can be reached.
func (p *logPrinter) soFar(ctx context.Context, j *onJob, links *onLinks, out *logShower) (sight, error) {
	asked, stop := context.WithTimeout(ctx, lookWait)
	defer stop()
	last := lookAt(asked, j.driver, jobsOf(j.repo), []object.Digest{j.id})[0]
	if err := j.see(func(was *run.Seen) { *was = last.seen(*was, p.app.now()) }); err != nil {
		return last, err
	}
	var err error
	if last.err != nil {
		err = last.err
	} else if j.reachable(last) {
		var l *train.Link
		if l, err = links.to(asked, j); err == nil {
			err = j.mirror().once(asked, l)
		}
	}
	if err != nil {
		p.app.streams.Note("cannot reach %s; this is what was seen before: %v", j.name, err)
	}
	if err := out.show(); err != nil || out.pos > 0 || last.err != nil || last.over() {
		return last, err
	}
	return last, p.backendLog(asked, j)
}

// ending prints what came last of a job that is over, and brings its records: its outputs wait for mlx job wait.
func (p *logPrinter) ending(ctx context.Context, j *onJob, links *onLinks, out *logShower, last sight) error {
	release, err := j.repo.Lock(ctx, []string{jobLock(j.id)}, nil)
	if err != nil {
		return err
	}
	defer release()
	v, err := j.view(ctx)
	if err == nil && v.EndedAt == nil {
		v, err = j.bring(ctx, links, last)
	}
	if err != nil {
		return err
	}
	if v.Log == nil && out.pos == 0 {
		return p.backendLog(ctx, j)
	}
	p.app.streams.Hint("mlx job wait "+j.id.Short(), "puts its outputs in their places")
	return p.saved(ctx, v, out.pos)
}

// backendLog prints what the backend itself shows of a job.
func (p *logPrinter) backendLog(ctx context.Context, j *onJob) error {
	text, err := j.driver.Logs(ctx, j.ref(), 0)
	if fault.KindOf(err) == fault.NotFound {
		return nil
	}
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot read what %s shows of run %s: %w", j.name, j.id.Short(), err)
	}
	defer text.Close()
	all, err := io.ReadAll(io.LimitReader(text, maxBackendLog))
	if err != nil || len(all) == 0 {
		return err
	}
	p.app.streams.Note("run %s has printed nothing; this is what %s shows of its job", j.id.Short(), j.name)
	return p.print(run.Chunk{Stream: run.Stderr, At: p.app.now(), Data: all})
}

// maxBackendLog bounds what is shown of a backend's own words.
const maxBackendLog = 4 << 20

// liveDir is where the output of a job is kept while it goes on.
func (j *onJob) liveDir() string { return filepath.Join(j.folderOf(), run.LiveName) }

package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/run"
	"mlx/internal/train"
)

// mirrorEvery is how often a node looks whether something grew while it is followed.
const mirrorEvery = 50 * time.Millisecond

// mirrored are the files of a run in progress that are kept here as well: the commands for jobs work on them as on those of a run of
// this machine. Pairs of output and index beyond the first exist of very long output only.
func mirrored() []string {
	return []string{"index", "output", "index.1", "output.1", "metrics.json", "resources.jsonl", "tracked.jsonl"}
}

// mirror copies what a run in progress writes on its node to the folder of the job here.
type mirror struct {
	job  *onJob
	dir  string // of the copies
	from string // of the originals, below the folder of mlx on the node

	grew  func() error           // something was added
	again func()                 // the output begins anew: another attempt
	told  func(train.Told) error // the agent gave a sign of life
}

func (j *onJob) mirror() *mirror {
	return &mirror{job: j, dir: j.liveDir(), from: j.there(path.Join(train.SourceName, ".mlx", "runs", j.id.Hex())),
		grew: func() error { return nil }, again: func() {}, told: func(train.Told) error { return nil }}
}

// tails says from where on each file is wanted.
func (m *mirror) tails() []train.Tail {
	all := []train.Tail{{Name: m.job.there(train.StateName)}}
	for _, name := range mirrored() {
		tail := train.Tail{Name: path.Join(m.from, name)}
		if info, err := os.Stat(filepath.Join(m.dir, name)); err == nil {
			tail.From = info.Size()
		}
		all = append(all, tail)
	}
	return append(all, train.Tail{Name: m.job.there(train.ResultName)})
}

// follow copies until the results of the job are there, the connection ends, or ctx does. Of the last one nil is returned.
func (m *mirror) follow(ctx context.Context, l *train.Link) error {
	if err := os.MkdirAll(m.dir, 0o777); err != nil {
		return fault.New(fault.KindOf(err), "cannot keep what run %s prints: %w", m.job.id.Short(), err)
	}
	err := l.Follow(ctx, m.tails(), mirrorEvery, m.take)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// once copies what there is now.
func (m *mirror) once(ctx context.Context, l *train.Link) error {
	if err := os.MkdirAll(m.dir, 0o777); err != nil {
		return fault.New(fault.KindOf(err), "cannot keep what run %s prints: %w", m.job.id.Short(), err)
	}
	for _, tail := range m.tails() {
		w := &mirrorWriter{m: m, name: tail.Name, at: tail.From}
		if _, err := l.Read(ctx, tail.Name, tail.From, w); err != nil && fault.KindOf(err) != fault.NotFound {
			return err
		}
	}
	return nil
}

type mirrorWriter struct {
	m    *mirror
	name string
	at   int64
}

func (w *mirrorWriter) Write(b []byte) (int, error) {
	err := w.m.take(w.name, w.at, b)
	w.at += int64(len(b))
	return len(b), err
}

// take puts a piece of a file in its place.
func (m *mirror) take(name string, at int64, data []byte) error {
	base := path.Base(name)
	switch name {
	case m.job.there(train.StateName):
		told, err := train.ParseTold(data)
		if err != nil {
			return nil // a part of it: the next one is whole
		}
		return m.told(told)
	case m.job.there(train.ResultName):
		return nil
	}
	file := filepath.Join(m.dir, base)
	if at == 0 && isLog(base) {
		if info, err := os.Stat(file); err == nil && info.Size() > 0 { // it was there before: the command is executed anew
			if err := m.restart(); err != nil {
				return err
			}
		}
	}
	if err := writeAt(file, at, data, !isLog(base)); err != nil {
		return fault.New(fault.KindOf(err), "cannot keep what run %s prints: %w", m.job.id.Short(), err)
	}
	return m.grew()
}

func isLog(base string) bool {
	return base == "index" || base == "output" || base == "index.1" || base == "output.1"
}

// restart forgets the output of the attempt before.
func (m *mirror) restart() error {
	m.again()
	var errs []error
	for _, name := range mirrored() {
		if err := os.Remove(filepath.Join(m.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// writeAt writes a piece of a file. One that is written anew as a whole is cut at its beginning.
func writeAt(file string, at int64, data []byte, whole bool) error {
	flags := os.O_CREATE | os.O_WRONLY
	if whole && at == 0 {
		flags |= os.O_TRUNC
	}
	f, err := os.OpenFile(file, flags, 0o666)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(data, at)
	return errors.Join(err, f.Close())
}

// liveOf is the run in progress as the folder of its job here shows it.
func (a *app) liveOf(id object.Digest) (run.Live, bool) {
	r, err := a.repo()
	if err != nil {
		return run.Live{}, false
	}
	l := run.Live{ID: id, Dir: filepath.Join(jobsOf(r), id.Hex(), run.LiveName)}
	info, err := os.Stat(l.Dir)
	return l, err == nil && info.IsDir()
}

// printer shows the output of a job as it comes.
type printer struct {
	dir            string
	reader         *run.LogReader
	stdout, stderr io.Writer
	cut            func(bytes int64)
	pos            int64 // behind what was shown of the attempt
}

// show prints what is new.
func (p *printer) show() error {
	if p.reader == nil {
		p.reader = run.NewLogReader(os.DirFS(p.dir), p.pos)
	}
	for {
		c, err := p.reader.Next()
		if errors.Is(err, io.EOF) || errors.Is(err, fs.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		p.pos = p.reader.Pos()
		to := p.stdout
		if c.Stream == run.Stderr {
			to = p.stderr
		}
		switch {
		case c.Cut > 0:
			p.cut(c.Cut)
		case to != nil:
			if _, err := to.Write(c.Data); err != nil {
				return err
			}
		}
	}
}

// close frees the files.
func (p *printer) close() {
	if p.reader != nil {
		p.reader.Close()
		p.reader = nil
	}
}

// again starts from the beginning of the output of another attempt.
func (p *printer) again() {
	p.close()
	p.pos = 0
}

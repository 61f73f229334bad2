package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/repo"
	"mlx/internal/run"
	"mlx/internal/train"
)

// How often the agent looks whether something has come, and how often it gives a sign of life.
const (
	lookFirst = 50 * time.Millisecond
	lookEvery = 500 * time.Millisecond
	beatEvery = 5 * time.Second
)

// agentJob is a job on this node.
type agentJob struct {
	app  *app
	dir  string // of the job
	work string // where it is laid out: dir, but for another node that has a copy of its own
	root string // of mlx on the node
	id   object.Digest
	wait time.Duration

	order   train.Order
	start   lineage.Record
	body    run.Body // of start
	place   train.Place
	secrets []string // NAME=VALUE
	crew    *agentCrew
	log     *agentLog
	book    agentBook
	before  time.Time // last sign of life of the agent before this one
	facts   *factsAsked

	failedStatus int // of the rank that failed first in the last attempt, 0 where none did

	packages object.Digest // list of the packages that the command had

	in   *app // this process as it works in the project of the job
	repo *repo.Repo

	telling sync.Mutex
	told    train.Told

	remote   *agentRemote
	saved    savedCheckpoint
	releases []func() error
}

// openAgentJob looks at the folder of a job. What is in it may still be on its way.
func openAgentJob(a *app, dir string) (*agentJob, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot find %s: %w", dir, err)
	}
	id, err := object.ParseDigest(filepath.Base(abs))
	if err != nil {
		return nil, fault.New(fault.Usage, "cannot execute %s: its name is no id of a run", dir)
	}
	if err := os.MkdirAll(abs, 0o700); err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot make the folder of job %s: %w", id.Short(), err)
	}
	if abs, err = filepath.EvalSymlinks(abs); err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot find the folder of job %s: %w", id.Short(), err)
	}
	j := &agentJob{app: a, dir: abs, work: abs, root: filepath.Dir(filepath.Dir(abs)), id: id, crew: newAgentCrew()}
	j.saved.wanted = make(chan struct{}, 1)
	j.log = &agentLog{file: j.path(train.AgentLogName), err: a.streams.Err, now: a.now}
	if sameFile(j.log.file, os.Stderr) { // whoever started it keeps what it writes there
		j.log.file = ""
	}
	j.told = train.Told{Kind: "told/v1", State: toldWaiting, Host: a.host(), PID: os.Getpid(), Start: run.Self(a.host(), os.Getpid()).Start}
	return j, nil
}

// path is a path in the folder of the job.
func (j *agentJob) path(name ...string) string {
	return filepath.Join(append([]string{j.dir}, name...)...)
}

// source is a path in the work tree.
func (j *agentJob) source(name ...string) string {
	return filepath.Join(append([]string{j.work, train.SourceName}, name...)...)
}

// read reads a small file of the job. An absent one is an error that is fs.ErrNotExist.
func (j *agentJob) read(name string) ([]byte, error) {
	f, err := os.Open(j.path(name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxJobFile+1))
}

// maxJobFile bounds what is read of a file of the job; whoever parses one refuses less.
const maxJobFile = 16 << 20

// write makes a file of the job that a reader sees whole or not at all.
func (j *agentJob) write(name string, text []byte) error {
	file := j.path(name)
	err := os.MkdirAll(filepath.Dir(file), 0o777)
	if err == nil {
		err = repo.WriteFile(file, text, 0o600)
	}
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot write %s of job %s: %w", name, j.id.Short(), err)
	}
	return nil
}

// note writes a small file of the job that mlx itself reads.
func (j *agentJob) note(name string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fault.New(fault.Internal, "cannot write %s of job %s: %w", name, j.id.Short(), err)
	}
	return j.write(name, append(text, '\n'))
}

// noted reads it back.
func noted[T any](j *agentJob, name string) (v T, err error) {
	text, err := j.read(name)
	if err == nil {
		err = json.Unmarshal(text, &v)
	}
	return v, err
}

// sameFile says whether a path is that of an open file.
func sameFile(path string, open *os.File) bool {
	a, errA := os.Stat(path)
	b, errB := open.Stat()
	return errA == nil && errB == nil && os.SameFile(a, b)
}

func isThere(file string) bool {
	_, err := os.Stat(file)
	return !errors.Is(err, fs.ErrNotExist)
}

// agentLog is the agent's own words: in its file, and for the backend's log.
type agentLog struct {
	file string
	err  io.Writer
	now  func() time.Time

	mu   sync.Mutex
	mask run.Mask
}

// Write adds text that is whole lines.
func (l *agentLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := l.mask.Text(string(b))
	if l.file == "" {
		_, _ = io.WriteString(l.err, text) // words that cannot be kept are no reason to end a job
		return len(b), nil
	}
	f, err := os.OpenFile(l.file, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err == nil {
		for line := range bytes.Lines([]byte(text)) {
			_, err = fmt.Fprintf(f, "%s %s\n", l.now().UTC().Format(time.RFC3339), bytes.TrimRight(line, "\r\n"))
		}
		err = errors.Join(err, f.Close())
	}
	_, errShown := io.WriteString(l.err, text)
	_ = cmp.Or(err, errShown) // as above
	return len(b), nil
}

// hide takes secrets out of all that is written from now on.
func (l *agentLog) hide(m run.Mask) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mask = m
}

// say tells of the agent's work.
func (j *agentJob) say(format string, args ...any) {
	fmt.Fprintf(j.log, "mlx: "+format+"\n", args...)
}

// inside makes the app that works in the project of the job.
func (j *agentJob) inside(r *repo.Repo) {
	a := j.app
	b := &app{now: a.now, environ: j.environ(), at: r.Root}
	b.streams = &cli.Streams{In: new(bytes.Buffer), Out: io.Discard, Err: j.log, Now: a.now, NoProgress: true, Verbose: a.streams.Verbose}
	b.lazily()
	b.repo = func() (*repo.Repo, error) { return r, nil }
	b.settings = sync.OnceValues(func() (*repo.Settings, error) {
		return repo.LoadSettings(r, b.environ, "", map[string]string{"store": filepath.Join(j.root, "store")})
	})
	b.config = sync.OnceValues(func() (*repo.Config, error) {
		c, err := r.Config()
		if err != nil {
			return nil, err
		}
		own := *c
		own.Runs.Env, own.Runs.MLflow, own.Runs.Push = j.order.RunsSettings.Env, j.order.RunsSettings.MLflow, ""
		return &own, nil
	})
	j.in, j.repo = b, r
}

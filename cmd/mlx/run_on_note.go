package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"

	"mlx/internal/object"
	"mlx/internal/repo"
	"mlx/internal/run"
)

// seenLock is held while what is known of jobs is changed: it is read before, and a list, a follower and whoever submits do so at once.
const seenLock = "what is seen of jobs"

// writeNote writes a small file so that a reader sees all of it or nothing.
func writeNote(dir, name string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	return repo.WriteFile(filepath.Join(dir, name), append(text, '\n'), 0o666)
}

// readNote reads it back. false: there is none that can be read.
func readNote[T any](dir, name string) (v T, ok bool) {
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return v, false
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxJobFile))
	return v, err == nil && json.Unmarshal(text, &v) == nil
}

// hasNote says whether there is one.
func hasNote(dir, name string) bool { return isThere(filepath.Join(dir, name)) }

// see changes what is known of the job.
func (j *onJob) see(change func(*run.Seen)) error {
	release, err := j.repo.Lock(context.Background(), []string{seenLock}, nil) // nobody holds it for long
	if err != nil {
		return err
	}
	defer release()
	s, _ := run.SeenOf(jobsOf(j.repo), j.id)
	if s.State == "" {
		s.State = run.Pending
	}
	change(&s)
	s.At = j.app.now().UTC()
	return run.See(jobsOf(j.repo), j.id, s)
}

// forget removes what is known of the job.
func (j *onJob) forget() error {
	release, err := j.repo.Lock(context.Background(), []string{seenLock}, nil)
	if err != nil {
		return err
	}
	defer release()
	return os.RemoveAll(j.folderOf())
}

// seeAll keeps what the backends say of jobs. known are those of which something was known when they were asked: what is known no more
// was collected meanwhile, and does not come back.
func (a *app) seeAll(ctx context.Context, sights map[object.Digest]sight, known map[object.Digest]bool) error {
	if len(sights) == 0 {
		return nil
	}
	r, err := a.repo()
	if err != nil {
		return err
	}
	release, err := r.Lock(ctx, []string{seenLock}, nil)
	if err != nil {
		return err
	}
	defer release()
	for id, s := range sights {
		before, there := run.SeenOf(jobsOf(r), id)
		if known[id] && !there {
			continue
		}
		after := s.seen(before, a.now())
		if there && after.NothingNew(before) {
			continue
		}
		if err := run.See(jobsOf(r), id, after); err != nil {
			return err
		}
	}
	return nil
}

// hasEnded says whether the end of a run is recorded here.
func (a *app) hasEnded(ctx context.Context, id object.Digest) bool {
	l, err := a.ledger()
	if err != nil {
		return false
	}
	v, err := a.history(l).Get(ctx, id)
	return err == nil && v.EndedAt != nil
}

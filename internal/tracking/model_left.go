package tracking

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"mlx/internal/fault"
	"mlx/internal/registry"
)

// How long nothing must have come for what a client left half done before nobody waits for it: where its run is over, and where it
// may come back to it.
const (
	leftOver  = time.Hour
	leftAlone = 14 * 24 * time.Hour
)

// abandon records a model whose client will not say that all its files were sent: those that came are kept, as an upload that failed.
func (s *Server) abandon(ctx context.Context, id string) error {
	m, err := s.changeModel(ctx, id, func(m *registry.LoggedModel) error {
		if m.Status != modelPending {
			return errFinished
		}
		m.Status = modelFailed
		return nil
	})
	var none *Failure
	if errors.Is(err, errFinished) || errors.As(err, &none) && none.Code == ResourceDoesNotExist {
		return nil // somebody finished it, or took it away, meanwhile
	}
	if err == nil {
		s.trouble(fault.New(fault.Conflict, "the upload of model %s (%s) was not finished: %d files that came are kept", m.Name, m.ID, m.Files))
	}
	return err
}

var errFinished = errors.New("the upload is finished")

// abandonBegun does so with every model that clients of this server began: they are gone.
func (s *Server) abandonBegun(ctx context.Context) error {
	var all error
	s.models.begun.Range(func(id, _ any) bool {
		name, ok := id.(string)
		if !ok {
			return true
		}
		if _, err := os.Stat(filepath.Join(s.modelDir(name), modelFile)); err == nil {
			all = errors.Join(all, s.abandon(ctx, name))
		}
		return true
	})
	return all
}

// Clean removes what processes left behind that were killed, and records models that nobody will finish.
func (s *Server) Clean(ctx context.Context) error {
	err := errors.Join(s.finishModels(ctx), sweep(s.o.Dir, s.o.Now()))
	for _, id := range s.pendingIDs() {
		m, missing := s.pendingModel(id)
		if missing != nil {
			continue // it was finished meanwhile
		}
		wait := leftAlone
		if m.Run != nil {
			if b, _, failed := s.body(ctx, *m.Run); failed == nil && b.EndedAt != nil {
				wait = leftOver
			}
		}
		if s.o.Now().Sub(touched(s.modelDir(id))) > wait {
			err = errors.Join(err, s.abandon(ctx, id))
		}
	}
	return err
}

// touched is when something in a folder last changed.
func touched(dir string) (last time.Time) {
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // what goes meanwhile is not old
		}
		if info, err := e.Info(); err == nil && info.ModTime().After(last) {
			last = info.ModTime()
		}
		return nil
	})
	return last
}

// sweep removes files that were on their way when their process was killed, and folders that it worked in.
func sweep(dir string, now time.Time) error {
	var all error
	_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // what cannot be read goes another time
		}
		name, parent := e.Name(), filepath.Dir(path)
		half := !e.IsDir() && strings.HasPrefix(name, uploadPrefix)
		place := e.IsDir() && parent == dir && (strings.HasPrefix(name, againPrefix) || strings.HasPrefix(name, copyPrefix))
		if e.IsDir() && name == filesName && parent != dir {
			return fs.SkipDir // of clients: they may call a file as they like
		}
		if !half && !place {
			return nil
		}
		if now.Sub(touched(path)) > 24*time.Hour {
			all = errors.Join(all, os.RemoveAll(path))
		}
		if place {
			return fs.SkipDir
		}
		return nil
	})
	return all
}

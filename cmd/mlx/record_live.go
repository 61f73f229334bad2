package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"mlx/internal/fault"
	"mlx/internal/run"
)

// folderOf is the folder of a run in progress in this clone, empty if there is none: the run is elsewhere, or it has ended
// meanwhile.
func (a *app) folderOf(v run.View) (string, error) {
	r, err := a.repo()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(r.Home, "runs", v.ID)
	_, err = os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fault.New(fault.KindOf(err), "cannot look at run %s: %w", v.RunID.Short(), err)
	}
	return dir, nil
}

package main

import (
	"context"
	"io/fs"
	"os"
	"path"

	"mlx/internal/fault"
	"mlx/internal/repo"
)

// maxCopied bounds what is copied of a project outside git.
const maxCopied = 4 << 30

// copyProject copies what is there now, without mlx's own state, data that comes from the store, and installed packages.
func (j *rerunJob) copyProject(ctx context.Context, dir string) error {
	top, err := os.OpenRoot(dir)
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot copy the project: %w", err)
	}
	defer func() { _ = top.Close() }() // a folder that was written through other handles
	files, total := os.DirFS(j.repo.Root), int64(0)
	err = fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || name == ".":
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case d.IsDir() && j.leftBehind(files, name), !d.IsDir() && j.isData(name):
			return skipped(d)
		case !d.IsDir() && !d.Type().IsRegular() && d.Type() != fs.ModeSymlink:
			return nil // a socket, a pipe
		}
		if info, err := d.Info(); err == nil && d.Type().IsRegular() {
			total += info.Size()
		}
		if total > maxCopied {
			return j.cannot(fault.Usage, "the project has more than 4 GiB outside tracked data, too much to copy").Hint("mlx snapshot PATH   # large data")
		}
		return put(top, files, name, d)
	})
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot copy the project: %w", err)
	}
	return nil
}

func skipped(d fs.DirEntry) error {
	if d.IsDir() {
		return fs.SkipDir
	}
	return nil
}

// leftBehind says of a folder that it is no code.
func (j *rerunJob) leftBehind(files fs.FS, name string) bool {
	base := path.Base(name)
	return base == ".mlx" || base == ".git" || base == "__pycache__" || base == "node_modules" || j.isData(name) || isVenv(files, name)
}

// isVenv says whether a folder is a virtual environment of Python.
func isVenv(files fs.FS, name string) bool {
	_, err := fs.Stat(files, path.Join(name, "pyvenv.cfg"))
	return err == nil
}

// isData says whether a path is brought from the store: it was read by the run, or is tracked.
func (j *rerunJob) isData(name string) bool {
	for _, w := range j.data {
		if within(name, w.Path) {
			return true
		}
	}
	return isRegular(j.repo.Abs(name) + repo.PointerExt)
}

package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// layOver writes the files of a version below a folder of a root, each by rename: what else lies there stays.
func layOver(top *os.Root, base string, files fs.FS) error {
	return fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		at := filepath.FromSlash(path.Join(base, name))
		if d.IsDir() {
			return top.MkdirAll(at, 0o777)
		}
		tmp := filepath.Join(filepath.Dir(at), ".mlx-output-"+filepath.Base(at))
		if err := layFile(top, tmp, files, name); err != nil {
			return errors.Join(err, ignoreMissing(top.Remove(tmp)))
		}
		return top.Rename(tmp, at)
	})
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// layFile writes one file or link in the place of what is there, below a root, which no link leads out of.
func layFile(top *os.Root, at string, files fs.FS, name string) error {
	info, err := fs.Lstat(files, name)
	if err != nil {
		return err
	}
	if err := ignoreMissing(top.Remove(at)); err != nil {
		return err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		to, err := fs.ReadLink(files, name)
		if err != nil {
			return err
		}
		return top.Symlink(to, at)
	}
	in, err := files.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	mode := fs.FileMode(0o666)
	if info.Mode()&0o111 != 0 {
		mode = 0o777
	}
	out, err := top.OpenFile(at, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

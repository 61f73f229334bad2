package main

import (
	"context"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/repo"
	"mlx/internal/snapshot"
	"mlx/internal/source"
)

// fetchFrom copies a file or folder of a version in another repository. The tag of the pin is the version's root and the
// path in it: while that stays, so do the bytes.
func (a *app) fetchFrom(ctx context.Context, w source.From) (source.Pin, error) {
	if info, err := os.Stat(w.Repo); err != nil || !info.IsDir() {
		return source.Pin{}, fault.New(fault.NotFound, "it is no folder on this machine").Hint("git clone %s DIR && mlx import --from DIR REV:PATH", shellWord(source.Plain(w.Repo)))
	}
	other, err := repo.Find(w.Repo)
	if err != nil {
		return source.Pin{}, err
	}
	at, pointer, err := pointerIn(ctx, other, w)
	if err != nil {
		return source.Pin{}, err
	}
	inner := strings.TrimPrefix(strings.TrimPrefix(w.Inner, at), "/")
	pin := source.Pin{ETag: pointer.Root.String() + ":" + inner}
	if pin.ETag == w.Known {
		return pin, nil
	}
	if pointer.Kind == snapshot.File {
		inner = path.Base(at)
	}
	store, err := a.storeOf(other)
	if err != nil {
		return pin, err
	}
	defer store.Close()
	fsys, err := store.FS(ctx, pointer.Root)
	if err != nil {
		return pin, fault.New(fault.KindOf(err), "its version %s cannot be read: %w", pointer.Root.Short(), err).
			Hint("cd %s && mlx status   # are its bytes there?", shellWord(w.Repo))
	}
	if pin.Bytes, err = copyOut(fsys, path.Clean("./"+inner), w.Dest); err != nil {
		return pin, err
	}
	if inner == "" {
		pin.Digest = pointer.Root
		return pin, nil
	}
	pin.Digest, err = store.FileDigest(ctx, pointer.Root, inner)
	return pin, err
}

// pointerIn finds the data that holds a path, as a commit of another repository has it.
func pointerIn(ctx context.Context, other *repo.Repo, w source.From) (string, snapshot.Pointer, error) {
	if other.NoGit {
		return "", snapshot.Pointer{}, fault.New(fault.Usage, "it has no git, so %s names nothing", w.Ref)
	}
	commit, err := other.Resolve(ctx, w.Ref)
	if err != nil {
		return "", snapshot.Pointer{}, err
	}
	for f, err := range other.FilesAt(ctx, commit) {
		if err != nil {
			return "", snapshot.Pointer{}, err
		}
		if at := strings.TrimSuffix(f.Path, snapshot.Suffix); within(w.Inner, at) {
			p, err := snapshot.ParsePointer(f.Data)
			return at, p, err
		}
	}
	return "", snapshot.Pointer{}, fault.New(fault.NotFound, "no data there has the path %s", w.Inner).
		Hint("mlx -C %s show %s   # lists what that version has", shellWord(w.Repo), shellWord(w.Ref))
}

// storeOf opens the store of another repository to read it.
func (a *app) storeOf(other *repo.Repo) (*snapshot.Store, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		dir = "" // as for the settings of this one
	}
	settings, err := repo.LoadSettings(other, a.environ, dir, nil)
	if err != nil {
		return nil, err
	}
	return snapshot.Open(snapshot.Options{Dir: other.Store(settings), Index: other.WorkspaceIndex(), Now: a.now})
}

// copyOut writes a file or folder of a version, and returns how many bytes it has.
func copyOut(fsys fs.FS, name, dest string) (int64, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return 0, err
	}
	if !info.IsDir() {
		return copyFile(fsys, name, dest, info.Mode())
	}
	sub, err := fs.Sub(fsys, name)
	if err != nil {
		return 0, err
	}
	if err := os.CopyFS(dest, sub); err != nil {
		return 0, err
	}
	var total int64
	err = fs.WalkDir(sub, ".", func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, infoErr := d.Info(); infoErr == nil {
				total += info.Size()
			}
		}
		return err
	})
	return total, err
}

func copyFile(fsys fs.FS, name, dest string, mode fs.FileMode) (int64, error) {
	in, err := fsys.Open(name)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	out, err := os.OpenFile(dest, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666|mode.Perm()&0o111)
	if err != nil {
		return 0, err
	}
	defer out.Close()
	n, err := io.Copy(out, in)
	if err != nil {
		return n, err
	}
	return n, out.Close()
}

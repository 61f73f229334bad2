package repo

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"mlx/internal/fault"
)

// InitOptions say how a project is set up.
type InitOptions struct {
	NoGit bool // keep the state in a .mlx folder instead of git's own
	Hooks bool // install git hooks that restore data after git checkout
}

// Created says what Init made; nothing of it means that all was there.
type Created struct {
	Config bool     // mlx.yaml was written or completed
	Home   bool     // the state folder was made
	Hooks  []string // git hooks that were installed
}

// Init makes dir a project. What already is there stays as it is.
func Init(ctx context.Context, dir string, o InitOptions) (*Repo, Created, error) {
	var made Created
	dir, err := canonical(dir)
	if err != nil {
		return nil, made, fault.New(fault.KindOf(err), "cannot set up mlx: %w", err)
	}
	a, err := initAnchor(dir, o)
	if err != nil {
		return nil, made, err
	}
	if made.Config, err = writeConfig(filepath.Join(dir, ConfigName)); err != nil {
		return nil, made, err
	}
	r, err := a.project(dir)
	if err != nil {
		return nil, made, err
	}
	made.Home = !isFile(filepath.Join(r.Home, "clone-id"))
	if _, err := r.CloneID(); err != nil {
		return nil, made, err
	}
	if o.Hooks {
		made.Hooks, err = r.InstallHooks(ctx)
	}
	return r, made, err
}

// initAnchor finds or makes the folder that will hold the state of a project in dir.
func initAnchor(dir string, o InitOptions) (*anchor, error) {
	if o.NoGit {
		if err := keptInGit(dir); err != nil {
			return nil, err
		}
		state := filepath.Join(dir, ".mlx")
		if err := os.MkdirAll(state, 0o777); err != nil {
			return nil, fault.New(fault.KindOf(err), "cannot set up mlx: %w", err)
		}
		if err := createOnce(filepath.Join(state, ".gitignore"), []byte("*\n")); err != nil {
			return nil, fault.New(fault.KindOf(err), "cannot set up mlx: %w", err)
		}
		return anchorAt(dir)
	}
	for up := dir; ; up = filepath.Dir(up) {
		a, err := anchorAt(up)
		if a != nil || err != nil {
			return a, err
		}
		if up == filepath.Dir(up) {
			return nil, fault.New(fault.NotFound, "cannot set up mlx: %s is in no git repository", dir).
				Hint("git init && mlx init").Hint("mlx init --no-git   # keeps everything in .mlx, without git")
		}
	}
}

// keptInGit refuses a .mlx folder where git's own folder holds the state already: it would hide all that was recorded.
func keptInGit(dir string) error {
	if !isFile(filepath.Join(dir, ConfigName)) {
		return nil
	}
	for up := dir; ; up = filepath.Dir(up) {
		a, err := anchorAt(up)
		if err != nil {
			return err
		}
		if a == nil && up != filepath.Dir(up) {
			continue
		}
		if a == nil || a.noGit {
			return nil
		}
		r, err := a.project(dir)
		if err != nil || !isFile(filepath.Join(r.Home, "clone-id")) {
			return nil // a mlx.yaml without a ledger, or no state yet
		}
		return fault.New(fault.Conflict, "cannot set up mlx without git: store and ledger of this project are in %s", r.Home).
			Hint("mlx init   # keeps them there")
	}
}

// writeConfig makes mlx.yaml, or adds the ledger to one that has none. An existing file must be right as a whole.
func writeConfig(file string) (written bool, err error) {
	line := "ledger: " + randomHex(8) + "   # says which clones share history\n"
	text, err := readSmall(file, maxConfig)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return false, fault.New(fault.KindOf(err), "cannot read %s: %w", file, err)
	default:
		c, err := ParseConfig(text)
		if err != nil || c.Ledger != "" {
			return false, err
		}
	}
	if err := WriteFile(file, append([]byte(line), text...), 0o666); err != nil {
		return false, fault.New(fault.KindOf(err), "cannot write %s: %w", file, err)
	}
	return true, nil
}

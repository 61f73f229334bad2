package main

import (
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/repo"
)

// app is what commands share: the streams, the flags that every command has, and things that are opened when first
// needed, once. A command that asks for none of them touches no file.
type app struct {
	streams *cli.Streams
	args    []string // as typed
	now     func() time.Time
	environ []string

	dir   string // -C
	color string // --color

	entered bool   // the command line was understood
	status  answer // what the command answers
	child   int    // status of a child process that is passed through

	repo func() (*repo.Repo, error)
}

// answer is the exit status of a command that could do its work.
type answer int

// The answers. Trouble is an error, never an answer.
const (
	yes     answer = 0
	no      answer = 1
	unclear answer = 3
)

// answer records what one subject's verdict is. Of several, no beats unclear beats yes.
func (a *app) answer(v answer) {
	if a.status == no || v == yes {
		return
	}
	a.status = v
}

func newApp(args []string, streams *cli.Streams) *app {
	a := &app{streams: streams, args: args, now: time.Now, environ: os.Environ()}
	a.repo = sync.OnceValues(func() (*repo.Repo, error) {
		dir, err := a.cwd()
		if err != nil {
			return nil, err
		}
		return repo.Find(dir)
	})
	return a
}

// enter applies the flags that every command has. It is the first thing that a command does.
func (a *app) enter(_ *cobra.Command) error {
	if a.entered {
		return nil
	}
	a.entered = true
	if a.dir != "" {
		if err := os.Chdir(a.dir); err != nil {
			return fault.New(fault.KindOf(err), "cannot enter %s: %w", a.dir, err)
		}
	}
	return a.streams.SetColor(cli.ColorMode(a.color))
}

func (a *app) cwd() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fault.New(fault.KindOf(err), "cannot find the current folder: %w", err)
	}
	return dir, nil
}

// shown returns a path of the repository (relative to its root, with slashes) as the user would type it here.
func (a *app) shown(rel string) string {
	r, err := a.repo()
	if err != nil {
		return rel
	}
	dir, err := a.cwd()
	if err != nil {
		return rel
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real // the root of the repository has no symbolic links either
	}
	short, err := filepath.Rel(dir, filepath.Join(r.Root, filepath.FromSlash(rel)))
	if err != nil {
		return rel
	}
	return short
}

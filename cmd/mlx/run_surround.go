package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/repo"
	"mlx/internal/run"
	"mlx/internal/snapshot"
)

// surround is what is found out and kept beside a run that is about to start: files of the code, and its environment.
type surround struct {
	app      *app
	store    *snapshot.Store
	tmp      string
	found    run.Found
	releases []func() error
	gpus     *run.Asking
	stop     context.CancelFunc
}

// surround completes spec. What is saved is safe from gc until release is called.
func (a *app) surround(ctx context.Context, r *repo.Repo, store *snapshot.Store, spec *run.Spec) (*surround, error) {
	s := &surround{app: a, store: store, tmp: r.Tmp(), stop: func() {}}
	cfg, err := a.config()
	if err != nil {
		return nil, err
	}
	around := run.Around{
		Command: spec.Command, Dir: spec.Dir, Root: rootOf(*spec), Environ: slices.Concat(a.environ, spec.Env), Record: cfg.Runs.Env, Params: spec.Params,
	}
	looked := make(chan run.Found, 1)
	if spec.Environment == nil {
		go func() { looked <- around.Look() }()
	}
	if word := run.SecretArgument(spec.Command); word != "" {
		a.streams.Note("the command is recorded as it is, and may hold a secret: %s", word)
		a.streams.Hint(`mlx run sh -c 'COMMAND "$NAME"'`, "what a variable holds is not recorded")
	}
	s.releases = append(s.releases, keepFiles(ctx, r, store, &spec.Code))
	a.noteLeftOut(ctx, spec.Code, spec.Worktree)
	if spec.Environment == nil {
		s.found = <-looked
		spec.Environment = s.found.Environment
		if err := s.keepPackages(ctx, spec.Environment.Python, s.found.Packages); err != nil {
			s.release()
			return nil, err
		}
	}
	return s, nil
}

// rootOf is the folder that spec.Folder is below: the project, in whichever worktree the command runs.
func rootOf(spec run.Spec) string {
	if spec.Folder == "." || spec.Folder == "" {
		return spec.Dir
	}
	return strings.TrimSuffix(spec.Dir, string(filepath.Separator)+filepath.FromSlash(spec.Folder))
}

// keepPackages saves the list of packages.
func (s *surround) keepPackages(ctx context.Context, p *run.Python, list []byte) error {
	if p == nil {
		return nil
	}
	fail := func(err error) error {
		return fault.New(fault.KindOf(err), "cannot keep the list of packages: %w", err)
	}
	if err := os.MkdirAll(s.tmp, 0o777); err != nil {
		return fail(err)
	}
	dir, err := os.MkdirTemp(s.tmp, "packages-")
	if err != nil {
		return fail(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, run.PackagesName)
	if err := os.WriteFile(file, list, 0o666); err != nil {
		return fail(err)
	}
	saved, err := s.store.Save(ctx, snapshot.SaveOptions{Path: file, Once: true})
	if err != nil {
		return fail(err)
	}
	p.List = saved.Root
	s.releases = append(s.releases, saved.Release)
	return nil
}

// begun starts what is asked beside the command.
func (s *surround) begun(ctx context.Context) {
	ctx, s.stop = context.WithCancel(ctx)
	s.gpus = run.AskGPUs(ctx)
}

// late adds what became known while the command ran.
func (s *surround) late(ctx context.Context, e *run.Environment) *run.Environment {
	if e == nil || s.found.Environment == nil { // somebody else's environment
		return e
	}
	after := *e
	if again, changed := s.found.Again(); changed {
		if err := s.keepPackages(ctx, again.Environment.Python, again.Packages); err != nil {
			s.app.streams.Note("%v", err)
		} else {
			after.Python = again.Environment.Python
		}
	}
	if s.gpus != nil {
		if known := s.gpus.Answer(); len(known) > 0 {
			after.GPUs = known
		}
		s.stop()
	}
	return &after
}

// release lets gc have what was saved and is not recorded.
func (s *surround) release() {
	s.stop()
	s.app.free(s.releases)
}

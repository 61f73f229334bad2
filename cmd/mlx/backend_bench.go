package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/repo"
	"mlx/internal/train"
)

// bench is a project in a temporary folder, whose backend is the one that is tried. It implements train.Bench with this
// very program.
type bench struct {
	app     *app
	dir     string
	self    string
	driver  train.Driver
	backend repo.Backend
	disturb string
	clones  int
}

func (a *app) newBench(ctx context.Context, b repo.Backend, driver train.Driver, disturb string) (*bench, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fault.New(fault.Internal, "cannot find this program: %w", err)
	}
	if disturb != "" {
		if disturb, err = filepath.Abs(disturb); err != nil {
			return nil, fault.New(fault.Usage, "cannot use --disturb: %w", err)
		}
	}
	dir, err := os.MkdirTemp("", "mlx-check-")
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot make a temporary project: %w", err)
	}
	x := &bench{app: a, dir: dir, self: self, driver: driver, backend: b, disturb: disturb}
	if err := x.project(ctx); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return x, nil
}

func (b *bench) root() string { return filepath.Join(b.dir, "project") }

// project makes the project: a git repository with a first commit, which mlx knows.
func (b *bench) project(ctx context.Context) error {
	if err := os.MkdirAll(b.root(), 0o777); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(b.root(), ".gitignore"), []byte("/data\n/*.txt\n/*.bin\n/back\n"), 0o666); err != nil {
		return err
	}
	for _, words := range [][]string{
		{"git", "init", "-q"}, {b.self, "init"}, {b.self, "remote", "add", "share", filepath.Join(b.dir, "share")},
		{"git", "add", "."}, {"git", "-c", "user.name=mlx", "-c", "user.email=mlx@localhost", "commit", "-q", "--no-verify", "-m", "a trial"},
	} {
		if err := b.do(ctx, b.root(), words...); err != nil {
			return err
		}
	}
	return b.configure(b.root())
}

// configure writes the user's own file of backends of a project.
func (b *bench) configure(dir string) error {
	r, err := repo.Find(dir)
	if err != nil {
		return err
	}
	own := b.backend
	own.Pending.Duration = train.Patience
	own.Env = repo.SetText(own.Env, train.OddVariable, train.OddText)
	hurried := own
	hurried.Pending.Duration = train.Waits
	text, err := repo.BackendsText(map[string]repo.Backend{train.Tried: own, train.Hurried: hurried})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.Shared, repo.BackendsName), text, 0o666)
}

func (b *bench) do(ctx context.Context, dir string, words ...string) error {
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Dir, cmd.Env = dir, b.environ()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fault.New(fault.Internal, "cannot make a project to try the backend in: %s: %w: %s", strings.Join(words, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

// environ is that of this process, without what another run or another setting would change.
func (b *bench) environ() []string {
	var env []string
	for _, v := range b.app.environ {
		if strings.HasPrefix(v, "MLX_RUN_ID=") || strings.HasPrefix(v, "MLX_REMOTE=") || strings.HasPrefix(v, "MLX_STORE=") || strings.HasPrefix(v, "GIT_DIR=") {
			continue
		}
		env = append(env, v)
	}
	return append(env, "MLX_PROGRESS=false", "NO_COLOR=1")
}

// MLX runs this program in the project.
func (b *bench) MLX(ctx context.Context, c train.Call) (train.Said, error) {
	cmd := exec.CommandContext(ctx, b.self, c.Args...)
	cmd.Dir, cmd.Env = b.root(), append(b.environ(), c.Env...)
	if c.Dir != "" {
		cmd.Dir = c.Dir
	}
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		return train.Said{}, fault.New(fault.Internal, "cannot start %s: %w", b.self, err)
	}
	if c.Kill > 0 {
		defer time.AfterFunc(c.Kill, func() { _ = cmd.Process.Kill() }).Stop() // it may have ended
	}
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
		return train.Said{}, fault.New(fault.Internal, "cannot wait for mlx: %w", err)
	}
	b.app.streams.Why("mlx %s: status %d", strings.Join(c.Args, " "), cmd.ProcessState.ExitCode())
	return train.Said{Out: out.String(), Err: problem.String(), Status: cmd.ProcessState.ExitCode()}, ctx.Err()
}

// Clone makes another clone, with the records but without data.
func (b *bench) Clone(ctx context.Context) (string, error) {
	b.clones++
	dir := filepath.Join(b.dir, fmt.Sprintf("clone-%d", b.clones))
	if err := b.do(ctx, b.root(), b.self, "push"); err != nil {
		return "", err
	}
	if err := b.do(ctx, b.dir, "git", "clone", "-q", b.root(), dir); err != nil {
		return "", err
	}
	for _, words := range [][]string{{b.self, "trust", "-y"}, {b.self, "pull", "--no-checkout"}} {
		if err := b.do(ctx, dir, words...); err != nil {
			return "", err
		}
	}
	return dir, b.configure(dir)
}

// cannotDisturb is the exit status of a program of --disturb that knows no way.
const cannotDisturb = 3

// Disturb calls the user's program.
func (b *bench) Disturb(ctx context.Context, what string) (func() error, error) {
	if b.disturb == "" {
		return nil, fmt.Errorf("nobody may disturb it (--disturb PROGRAM): %w", errors.ErrUnsupported)
	}
	err := b.do(ctx, b.dir, b.disturb, what, "on")
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == cannotDisturb {
		return nil, fmt.Errorf("the program of --disturb has no %s for it: %w", what, errors.ErrUnsupported)
	}
	if err != nil {
		return nil, err
	}
	return func() error { return b.do(context.WithoutCancel(ctx), b.dir, b.disturb, what, "off") }, nil
}

// Shows asks the driver: for the zero Ref what is left of all runs of the project.
func (b *bench) Shows(ctx context.Context, job train.Ref) (string, error) {
	s, ok := b.driver.(train.Shower)
	if !ok {
		return "", fmt.Errorf("a %s shows nothing of its jobs: %w", b.backend.Type, errors.ErrUnsupported)
	}
	if !job.ID.IsZero() {
		return s.Shows(ctx, job)
	}
	said, err := b.MLX(ctx, train.Call{Args: []string{"log", "-k", "run", "--json"}})
	if err != nil {
		return "", err
	}
	var left strings.Builder
	rows := json.NewDecoder(strings.NewReader(said.Out))
	for rows.More() {
		var run struct{ ID string }
		if err := rows.Decode(&run); err != nil {
			return "", fault.New(fault.Internal, "cannot read the runs of the trial: %w", err)
		}
		id, err := object.ParseDigest(run.ID)
		if err != nil {
			return "", err
		}
		text, err := s.Left(ctx, train.Ref{ID: id})
		if err != nil {
			return "", err
		}
		left.WriteString(text)
	}
	return left.String(), nil
}

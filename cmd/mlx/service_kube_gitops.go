package main

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"mlx/internal/cli"
	"mlx/internal/deploy"
	deploykube "mlx/internal/deploy/kube"
	"mlx/internal/fault"
	"mlx/internal/repo"
)

// gitopsWait is how long a cluster has to follow a commit for which nothing else is said.
const gitopsWait = 10 * time.Minute

// follows says whether the cluster follows a file of git, which is then what mlx writes.
func (s *served) follows() bool { return s.cfg.Kubernetes.GitOps.Path != "" }

// gitopsClone is the clone in which the file lies, on the branch that the cluster reads.
func (s *served) gitopsClone(ctx context.Context) (string, error) {
	r, err := s.app.repo()
	if err != nil {
		return "", err
	}
	g, clone := s.cfg.Kubernetes.GitOps, r.Root
	if g.Repo != "" {
		clone = r.Abs(g.Repo)
	}
	if g.Branch == "" {
		return clone, nil
	}
	on, err := repo.Git(ctx, clone, "symbolic-ref", "--short", "HEAD")
	if err != nil {
		return "", s.notFollowed(err)
	}
	if on != g.Branch {
		return "", fault.New(fault.Conflict, "cannot have the cluster follow %s: %s is on branch %s, and the cluster reads %s", g.Path, clone, on, g.Branch).In(g.At).
			Hint("git -C %s switch %s", shellWord(clone), shellWord(g.Branch))
	}
	return clone, nil
}

func (s *served) notFollowed(err error) *fault.Error {
	g := s.cfg.Kubernetes.GitOps
	return fault.New(fault.KindOf(err), "cannot have the cluster follow %s: %w", g.Path, err).In(g.At)
}

// filed is what was committed last.
func (s *served) filed(ctx context.Context, clone string) (deploykube.Filed, error) {
	text, err := repo.Git(ctx, clone, "show", "HEAD:./"+filepath.ToSlash(s.cfg.Kubernetes.GitOps.Path))
	if err != nil {
		return deploykube.Filed{}, nil // it is new
	}
	had, err := deploykube.ReadManifest(text + "\n")
	if err != nil {
		return had, s.notFollowed(err)
	}
	return had, nil
}

// commit asks for a state by a commit, as the user's git makes it. What was asked for already is only waited for.
func (s *served) commit(ctx context.Context, v *deploykube.Driver, d deploy.Desired) error {
	clone, err := s.gitopsClone(ctx)
	if err != nil {
		return err
	}
	had, err := s.filed(ctx, clone)
	if err != nil {
		return err
	}
	text, err := v.Manifest(d, had)
	switch {
	case err != nil:
		return err
	case had.Text == text:
		return s.push(ctx, clone, v, d)
	case had.Generation > 0 && had.Generation >= d.Generation:
		return deploy.ErrStale
	}
	if err := s.write(ctx, clone, text, s.commitMessage(d)); err != nil {
		return err
	}
	return s.push(ctx, clone, v, d)
}

// unfile commits what the cluster does without what was kept beside it, unless the file asks for something else by now.
func (s *served) unfile(ctx context.Context, v *deploykube.Driver, d deploy.Desired) error {
	clone, err := s.gitopsClone(ctx)
	if err != nil {
		return err
	}
	had, err := s.filed(ctx, clone)
	if err != nil || had.Generation != d.Generation {
		return err
	}
	text, err := v.Manifest(d, deploykube.Filed{})
	if err != nil || had.Text == text {
		return err
	}
	if err := s.write(ctx, clone, text, s.name+": what gets no requests any more ends\n\nWritten by mlx."); err != nil {
		return err
	}
	return s.push(ctx, clone, v, d)
}

// write commits the file.
func (s *served) write(ctx context.Context, clone, text, message string) error {
	name := s.cfg.Kubernetes.GitOps.Path
	if err := noLinks(clone, name); err != nil {
		return s.notFollowed(err)
	}
	file := filepath.Join(clone, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		return s.notFollowed(err)
	}
	if err := repo.WriteFile(file, []byte(text), 0o666); err != nil {
		return s.notFollowed(err)
	}
	for _, args := range [][]string{{"add", "--", name}, {"commit", "-q", "-m", message, "--", name}} {
		if _, err := repo.Git(ctx, clone, args...); err != nil {
			return s.notFollowed(err)
		}
	}
	return nil
}

// noLinks refuses a file behind a link: it may lie outside of the clone.
func noLinks(clone, name string) error {
	at := clone
	for _, part := range strings.Split(path.Dir(path.Clean(name)), "/") {
		at = filepath.Join(at, part)
		info, err := os.Lstat(at)
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if !info.IsDir() {
			return fault.New(fault.Usage, "%s is no folder of the clone", at)
		}
	}
	return nil
}

// commitMessage says what a commit changes.
func (s *served) commitMessage(d deploy.Desired) string {
	text := s.name + ":"
	for _, arm := range d.Arms {
		text += " " + arm.Release.Name() + " " + arm.Share.String()
	}
	if len(d.Arms) == 0 {
		text += " nothing in service"
	}
	return text + "\n\nGeneration " + strconv.FormatUint(d.Generation, 10) + ", written by mlx."
}

// push sends commits on where the branch has an upstream, and says when the cluster does not follow.
func (s *served) push(ctx context.Context, clone string, v *deploykube.Driver, d deploy.Desired) error {
	g := s.cfg.Kubernetes.GitOps
	if ahead, err := repo.Git(ctx, clone, "rev-list", "--count", "@{upstream}..HEAD"); err == nil && ahead != "0" {
		if _, err := repo.Git(ctx, clone, "push", "-q"); err != nil {
			return fault.New(fault.KindOf(err), "cannot have the cluster follow %s: what was committed cannot be pushed: %w", g.Path, err).In(g.At).
				Hint("git -C %s pull --rebase", shellWord(clone))
		}
	}
	seen, err := v.Observe(ctx, s.name)
	if err != nil || seen.Generation >= d.Generation {
		return err
	}
	word, err := repo.Git(ctx, clone, "log", "-1", "--format=%h %ct", "--", g.Path)
	if err != nil {
		return err
	}
	short, stamp, _ := strings.Cut(word, " ")
	at, err := strconv.ParseInt(stamp, 10, 64)
	most := cmp.Or(g.Wait.Duration, gitopsWait)
	if waited := s.app.now().Sub(time.Unix(at, 0)); err == nil && waited > most {
		return fault.New(fault.Unavailable, "the cluster has not followed commit %s within %s: it obeys generation %d, and the commit asks for %d", short,
			cli.FormatDuration(most), seen.Generation, d.Generation).In(g.At).Hint("does Argo CD or Flux read %s of this branch, and prune?", g.Path)
	}
	return nil
}

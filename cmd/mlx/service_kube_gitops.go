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

// gitopsClone is the clone in which the file lies.
func (s *served) gitopsClone() (string, error) {
	r, err := s.app.repo()
	if err != nil {
		return "", err
	}
	if place := s.cfg.Kubernetes.GitOps.Repo; place != "" {
		return r.Abs(place), nil
	}
	return r.Root, nil
}

// commit asks for a state by a commit, as the user's git makes it. What was asked for already is only waited for.
func (s *served) commit(ctx context.Context, v *deploykube.Driver, d deploy.Desired) error {
	g := s.cfg.Kubernetes.GitOps
	clone, err := s.gitopsClone()
	if err != nil {
		return err
	}
	bad := func(err error) *fault.Error {
		return fault.New(fault.KindOf(err), "cannot have the cluster follow %s: %w", g.Path, err).In(g.At)
	}
	if g.Branch != "" {
		on, err := repo.Git(ctx, clone, "symbolic-ref", "--short", "HEAD")
		if err != nil {
			return bad(err)
		}
		if on != g.Branch {
			return fault.New(fault.Conflict, "cannot have the cluster follow %s: %s is on branch %s, and the cluster reads %s", g.Path, clone, on, g.Branch).In(g.At).
				Hint("git -C %s switch %s", shellWord(clone), shellWord(g.Branch))
		}
	}
	text, err := v.Manifest(d)
	if err != nil {
		return err
	}
	had, err := repo.Git(ctx, clone, "show", "HEAD:./"+filepath.ToSlash(g.Path))
	if err != nil {
		had = "" // it is new
	}
	asked, err := deploykube.ManifestGeneration(had)
	switch {
	case err != nil:
		return bad(err)
	case had != "" && had+"\n" == text:
		return s.push(ctx, clone, v, d)
	case asked > d.Generation, asked == d.Generation && asked > 0:
		return deploy.ErrStale
	}
	if err := noLinks(clone, g.Path); err != nil {
		return bad(err)
	}
	file := filepath.Join(clone, filepath.FromSlash(g.Path))
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		return bad(err)
	}
	if err := repo.WriteFile(file, []byte(text), 0o666); err != nil {
		return bad(err)
	}
	for _, args := range [][]string{{"add", "--", g.Path}, {"commit", "-q", "-m", s.commitMessage(d), "--", g.Path}} {
		if _, err := repo.Git(ctx, clone, args...); err != nil {
			return bad(err)
		}
	}
	return s.push(ctx, clone, v, d)
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

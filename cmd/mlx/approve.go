package main

import (
	"context"
	"os"
	"sync"

	"mlx/internal/fault"
	"mlx/internal/pipeline"
	"mlx/internal/repo"
)

// userDir is the folder of the user's own configuration files; empty where he has no home folder, as in some containers.
func userDir() string {
	dir, err := os.UserConfigDir()
	if err != nil {
		return ""
	}
	return dir
}

// allowed is what this user has allowed this clone.
func (a *app) allowed() (*repo.Trust, error) {
	r, err := a.repo()
	if err != nil {
		return nil, err
	}
	return r.OpenTrust(userDir())
}

// chosenRemote returns the remote of a name as -r gives it: without one, or as default, what the setting remote names, else
// the default of mlx.yaml, else the only one.
func (a *app) chosenRemote(name string) (repo.Remote, string, error) {
	c, err := a.config()
	if err != nil {
		return repo.Remote{}, "", err
	}
	if name != "" && name != "default" {
		return c.FindRemote(name)
	}
	settings, err := a.settings()
	if err != nil {
		return repo.Remote{}, "", err
	}
	set, source := settings.Get("remote")
	remote, found, err := c.FindRemote(set)
	if err != nil && set != "" && c.Remotes.Len() > 0 {
		err = fault.New(fault.NotFound, "cannot use the setting remote (%s): %w", source, err).Hint("mlx config list   # shows where it comes from")
	}
	return remote, found, err
}

// trustedRemote returns the remote that a command is to use, and its name; name is what -r gave, or empty. One that its user has not
// allowed is refused: mlx.yaml comes with a clone, and with every pull request.
func (a *app) trustedRemote(ctx context.Context, name string) (repo.Remote, string, error) {
	if err := ctx.Err(); err != nil {
		return repo.Remote{}, "", err
	}
	remote, name, err := a.chosenRemote(name)
	if err != nil {
		return repo.Remote{}, "", err
	}
	t, err := a.allowed()
	if err != nil {
		return repo.Remote{}, "", err
	}
	if !t.Approved(repo.TrustRemote, name, remote.TrustValue()) {
		return repo.Remote{}, "", fault.New(fault.Denied, "cannot use remote %s: %s names %s, which you have not allowed here",
			name, repo.ConfigName, remote.TrustValue()).Hint("mlx trust")
	}
	return remote, name, nil
}

// trustedKey is a public key that mlx.yaml names and its user has allowed: its file, and a line as in a .pub file.
type trustedKey struct {
	path string
	line []byte
}

// trustedKeys returns the public keys that mlx.yaml names and its user has allowed.
func (a *app) trustedKeys(ctx context.Context) ([]trustedKey, error) {
	r, err := a.repo()
	if err != nil {
		return nil, err
	}
	c, err := a.config()
	if err != nil || len(c.TrustedKeys) == 0 {
		return nil, err
	}
	t, err := a.allowed()
	if err != nil {
		return nil, err
	}
	var keys []trustedKey
	for _, path := range c.TrustedKeys {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		key, err := r.TrustedKey(t, path)
		if err != nil {
			return nil, err
		}
		if key == nil {
			a.streams.Why("signatures by %s do not count: you have not allowed it here", path)
			continue
		}
		keys = append(keys, trustedKey{path, key})
	}
	return keys, nil
}

// stageLeave remembers, for one command, which commands of stages may run. It may be asked by many at once.
type stageLeave struct {
	mu    sync.Mutex
	asked bool
	err   error
	given map[repo.TrustItem]bool
}

// mayRunStage refuses the command of a stage that its user has not allowed. What is allowed is the command as it is written, with
// the env of the stage. The user's own words need no leave (see repo.OwnWords) and are remembered, so that they stay allowed
// once they are committed.
func (a *app) mayRunStage(ctx context.Context, stage pipeline.Stage) error {
	p, err := a.readPipeline(ctx)
	if err != nil {
		return err
	}
	s, ok := p.Step(stage.Name)
	if !ok {
		return fault.New(fault.NotFound, "cannot find stage %q", stage.Name).Hint("mlx lineage")
	}
	return a.mayRunItem(ctx, p, s.TrustItem(), s.Name, s.At.File)
}

// mayRunItem is mayRunStage of what a stage or a sample needs allowed; name and file are for the message.
func (a *app) mayRunItem(ctx context.Context, p *repo.Pipeline, item repo.TrustItem, name, file string) error {
	a.leave.mu.Lock()
	defer a.leave.mu.Unlock()
	if !a.leave.asked {
		a.leave.asked = true
		a.leave.given, a.leave.err = a.stagesAllowed(ctx, p)
	}
	if a.leave.err != nil || a.leave.given[item] {
		return a.leave.err
	}
	return fault.New(fault.Denied, "cannot run %s %s: %s says %q, which you have not allowed here", item.Kind, name, file, item.Value).
		Hint("mlx trust   # shows it and asks")
}

// stagesAllowed lists what may run of a pipeline.
func (a *app) stagesAllowed(ctx context.Context, p *repo.Pipeline) (map[repo.TrustItem]bool, error) {
	t, err := a.allowed()
	if err != nil {
		return nil, err
	}
	given := make(map[repo.TrustItem]bool)
	var pending []repo.TrustItem
	for _, item := range p.Trust() {
		if given[item] = t.Approved(item.Kind, item.Name, item.Value); !given[item] {
			pending = append(pending, item)
		}
	}
	if len(pending) == 0 {
		return given, nil
	}
	own, err := a.ownWords(ctx, t, pending)
	for _, item := range own {
		given[item] = true
	}
	return given, err
}

// itemAllowed says whether a user has allowed a value, or wrote it here.
func (a *app) itemAllowed(ctx context.Context, item repo.TrustItem) (bool, error) {
	t, err := a.allowed()
	if err != nil {
		return false, err
	}
	if t.Approved(item.Kind, item.Name, item.Value) {
		return true, nil
	}
	own, err := a.ownWords(ctx, t, []repo.TrustItem{item})
	return len(own) > 0, err
}

// ownWords are those of the items that were written here. They are remembered as allowed.
func (a *app) ownWords(ctx context.Context, t *repo.Trust, items []repo.TrustItem) ([]repo.TrustItem, error) {
	r, err := a.repo()
	if err != nil {
		return nil, err
	}
	own, why, err := r.OwnWords(ctx, items)
	if err != nil {
		a.streams.Why("cannot tell whose words these are: %v", err) // then they are somebody else's
	}
	for _, item := range own {
		a.streams.Why("%s %s may run: %s", item.Kind, item.Name, why)
	}
	if len(own) == 0 {
		return nil, nil
	}
	if err := t.Approve(own...); err != nil {
		a.streams.Why("%v", err) // asked again after the commit
	}
	return own, nil
}

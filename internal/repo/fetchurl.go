package repo

import (
	"bytes"
	"context"

	"mlx/internal/fault"
)

// FetchURL is where git fetches the branch that is checked out from, as it is configured; it may hold credentials. Empty
// when there is no such place.
func (r *Repo) FetchURL(ctx context.Context, branch string) (string, error) {
	if r.NoGit {
		return "", nil
	}
	if g, err := r.open(); err == nil {
		if c, err := g.Config(); err == nil {
			name := "origin"
			if b, ok := c.Branches[branch]; ok && b.Remote != "" && b.Remote != "." {
				name = b.Remote
			}
			if remote, ok := c.Remotes[name]; ok && len(remote.URLs) > 0 {
				return remote.URLs[0], nil
			}
			return "", nil
		}
	}
	out, err := r.git(ctx, "config", "--get", "remote.origin.url")
	if fault.KindOf(err) == fault.Conflict { // git's way to say that it is not set
		return "", nil
	}
	return string(bytes.TrimSpace(out)), err
}

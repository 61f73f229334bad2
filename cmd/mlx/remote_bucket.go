package main

import (
	"context"
	"os"
	"strings"

	"mlx/internal/bucket"
	"mlx/internal/repo"
)

// openBucket opens the place of a remote that trustedRemote gave.
func (a *app) openBucket(ctx context.Context, remote repo.Remote) (*bucket.Bucket, error) {
	o, err := a.bucketOptions()
	if err != nil {
		return nil, err
	}
	return bucket.Open(ctx, remote.URL, o)
}

// openLogRef opens a remote that is a ref of a git repository.
func (a *app) openLogRef(r *repo.Repo, remote repo.Remote) (*bucket.Bucket, error) {
	o, err := a.bucketOptions()
	if err != nil {
		return nil, err
	}
	ref, err := r.LogRef(strings.TrimPrefix(remote.URL, gitScheme+":"))
	if err != nil {
		return nil, err
	}
	return bucket.New(ref, remote.URL, o), nil
}

func (a *app) bucketOptions() (bucket.Options, error) {
	settings, err := a.settings()
	if err != nil {
		return bucket.Options{}, err
	}
	return bucket.Options{Limit: settings.LimitRate(), Now: a.now, Note: a.streams.Why, Env: os.Getenv}, nil
}

// bucketProbes tries what data and records need of a bucket or a folder.
func (a *app) bucketProbes(ctx context.Context, remote repo.Remote) ([]remoteProbe, error) {
	b, err := a.openBucket(ctx, remote)
	if err != nil {
		p, err := failedProbe("open", "nothing can be sent or fetched", err)
		return []remoteProbe{p}, err
	}
	found, err := b.Check(ctx)
	if err != nil {
		return nil, err
	}
	probes := make([]remoteProbe, 0, len(found))
	for _, f := range found {
		p := remoteProbe{Name: f.Name, Verdict: f.Verdict, Text: f.Text}
		if f.Hint != "" {
			p.Hint = &f.Hint
		}
		probes = append(probes, p)
	}
	return probes, nil
}

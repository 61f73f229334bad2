package main

import (
	"context"
	"os"
	"path/filepath"

	"mlx/internal/run"
)

// endedFolders lists the folders of runs whose end is recorded: the run was killed before it could remove its own, or
// kept it because its metrics could not be read. First the end of what nobody watches is recorded.
func endedFolders(ctx context.Context, a *app, record bool) ([]string, error) {
	r, err := a.repo()
	if err != nil {
		return nil, err
	}
	if record {
		if _, err := a.recovered(ctx); err != nil {
			return nil, err
		}
	}
	l, err := a.ledger()
	if err != nil {
		return nil, err
	}
	live, err := run.LiveRuns(runsOf(r))
	if err != nil {
		return nil, err
	}
	var all []string
	for _, one := range live {
		v, err := a.history(l).Get(ctx, one.ID)
		if err != nil {
			a.streams.Why("%v", err) // a run of a ledger that is not here: its folder is not ours to judge
			continue
		}
		if v.EndedAt != nil && !one.Held() {
			all = append(all, filepath.Join(runsOf(r), one.ID.Hex()))
		}
	}
	return all, nil
}

func removeFolders(folders []string) error {
	for _, dir := range folders {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}

package main

import (
	"context"
	"slices"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/repo"
)

// maxFitting is how many runs one pattern may name.
const maxFitting = 1000

// spelledRuns is spelled, and a pattern that fits no tracked data names the runs whose names it fits.
func (a *app) spelledRuns(ctx context.Context, typed []string) ([]string, error) {
	words, err := a.spelled(ctx, typed)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, word := range words {
		pattern, _ := strings.CutPrefix(word, refRun+":")
		if !strings.ContainsAny(pattern, "*?[") || strings.HasPrefix(word, refPath+":") {
			all = append(all, word)
			continue
		}
		fits, err := a.runsNamed(ctx, pattern)
		if err != nil {
			return nil, err
		}
		if len(fits) == 0 {
			fits = []string{word} // no name: whoever resolves it says so
		}
		all = append(all, fits...)
	}
	return all, nil
}

// runsNamed are the runs whose names fit a pattern, each as a reference, the one started first first. Hidden ones are left
// out.
func (a *app) runsNamed(ctx context.Context, pattern string) ([]string, error) {
	l, err := a.ledger()
	if err != nil {
		return nil, err
	}
	hidden, err := a.tellerOf(ctx, onlyHidden)
	if err != nil {
		return nil, err
	}
	table, err := l.Values(ctx, lineage.Query{Nouns: []string{"run"}, Where: "name != null", Sort: "started_at"}, "name", "run")
	if err != nil {
		return nil, err
	}
	var all []string
	for row, err := range table.Rows {
		if err != nil {
			return nil, err
		}
		id := row.ID
		if of, ok := row.Values[1].(string); ok {
			if id, err = object.ParseDigest(of); err != nil {
				return nil, err
			}
		}
		if name, ok := row.Values[0].(string); ok && repo.Match(pattern, name) && !hidden.hides(id) {
			all = append(all, refRun+":"+id.Hex())
		}
		if len(all) > maxFitting {
			return nil, fault.New(fault.Usage, "cannot take %q: it fits the names of more than %d runs", pattern, maxFitting)
		}
	}
	return slices.Clip(all), nil
}

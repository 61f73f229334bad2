package main

import (
	"testing"

	"mlx/internal/audit"
	"mlx/internal/deploy"
	"mlx/internal/object"
)

// TestTheLogNamesTheStageThatAnswered: its model is in the row then. What a server without stages says of some is nothing.
func TestTheLogNamesTheStageThatAnswered(t *testing.T) {
	guard := deploy.Release{Key: "k", Model: "large", Version: 2, Stages: []deploy.ReleaseStage{
		{Name: "known", List: &deploy.ReleaseList{}}, {Name: "small", Model: "small", Version: 3, Digest: object.Sum([]byte("small"))}, {Name: "large", Model: "large", Version: 2}}}
	plain := deploy.Release{Key: "p", Model: "flights", Version: 1}
	k := &predictionKeeper{releases: map[string]*audit.Release{}, stages: map[string]map[string]*audit.Release{}}
	for _, r := range []deploy.Release{guard, plain} {
		k.releases[r.Key], k.stages[r.Key] = loggedRelease(r), loggedStages(r)
	}
	for _, c := range []struct {
		key, said, stage, model string
		version                 int
	}{
		{"k", "small", "small", "small", 3}, {"k", "large", "large", "large", 2}, {"k", "known", "known", "", 0}, {"k", "small, large", "small, large", "large", 2}, {"k", "", "", "large", 2},
		{"p", "small", "", "flights", 1}, {"p", "", "", "flights", 1},
	} {
		r, stage := k.stage(k.releases[c.key], c.said)
		if r.Key != c.key || r.Model != c.model || r.Version != c.version || stage != c.stage {
			t.Errorf("%s by %q: %+v, %q", c.key, c.said, r, stage)
		}
	}
	if r, stage := k.stage(nil, "small"); r != nil || stage != "" {
		t.Errorf("the router itself: %+v %q", r, stage)
	}
}

package deploy_test

import (
	"strings"
	"testing"

	"mlx/internal/deploy"
)

func TestUnknownIsWhatNoRecordAccountsFor(t *testing.T) {
	six, seven := deploy.Release{Key: "six"}, deploy.Release{Key: "seven"}
	s := deploy.Service{Name: "flights", Current: &seven, Generation: 12, Rollouts: []deploy.Rollout{
		{Spec: deploy.Spec{To: six}}, {Spec: deploy.Spec{From: &six, To: seven}},
	}}
	serves := func(generation uint64, keys ...string) deploy.Actual {
		a := deploy.Actual{Generation: generation}
		for i, key := range keys {
			role := []deploy.Role{deploy.Stable, deploy.Candidate, deploy.Previous}[i]
			a.Arms = append(a.Arms, deploy.Seen{Key: key, Role: role, Share: []deploy.Share{9000, 1000, 0}[i]})
		}
		return a
	}
	for _, tt := range []struct {
		seen deploy.Actual
		says string
	}{
		{deploy.Actual{}, ""},
		{serves(12, "seven"), ""},
		{serves(11, "six"), ""}, // it has not obeyed yet
		{serves(13, "seven"), ""},
		{serves(13, "six"), "release six came back into service there (generation 13)"},
		{serves(12, "eight"), "release eight is in service there (generation 12)"},
		{serves(12, "seven", "eight"), "release eight is in service"},
		{serves(12, "seven", "six", "eight"), ""}, // nobody asks it
	} {
		if said := s.Unknown(tt.seen); said != tt.says && (tt.says == "" || !strings.HasPrefix(said, tt.says)) {
			t.Errorf("%+v: %q, want %q", tt.seen, said, tt.says)
		}
	}
	if said := (deploy.Service{}).Unknown(serves(3, "seven")); said == "" {
		t.Error("records of nothing account for a release")
	}
}

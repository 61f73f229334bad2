package deploy

import (
	"strings"
	"testing"

	"mlx/internal/fault"
)

// TestReleasesOfNobody: a record of somebody else names no folder of this machine but its own, and nothing breaks by what it leaves out.
func TestReleasesOfNobody(t *testing.T) {
	good := func() Release {
		return Release{Key: strings.Repeat("0a", 32), Model: "large", Version: 1, Combine: &Combine{By: CombineCascade}, Stages: []ReleaseStage{
			{Name: "known", List: &ReleaseList{Path: "lists/known.hashes"}}, {Name: "large", Model: "large", Version: 1, Serve: &Serve{}},
		}}
	}
	if err := good().Sound(); err != nil {
		t.Fatal(err)
	}
	for what, spoil := range map[string]func(r *Release){
		"a short key":               func(r *Release) { r.Key = "0a" },
		"a key that is a folder":    func(r *Release) { r.Key = "../../../../x" },
		"no word of how":            func(r *Release) { r.Combine = nil },
		"no stages":                 func(r *Release) { r.Stages = nil },
		"a stage that is a folder":  func(r *Release) { r.Stages[1].Name = "../../app" },
		"a stage without a name":    func(r *Release) { r.Stages[1].Name = "" },
		"the folder itself":         func(r *Release) { r.Stages[1].Name = "." },
		"a stage twice":             func(r *Release) { r.Stages[0].Name = "large" },
		"a model without a server":  func(r *Release) { r.Stages[1].Serve = nil },
		"a list and a model":        func(r *Release) { r.Stages[0].Model, r.Stages[0].Serve = "large", &Serve{} },
		"a stage of nothing":        func(r *Release) { r.Stages[0].List = nil },
		"a list of somewhere else":  func(r *Release) { r.Stages[0].List.Path = "../../etc/passwd" },
		"a list of the whole world": func(r *Release) { r.Stages[0].List.Path = "/etc/passwd" },
	} {
		r := good()
		spoil(&r)
		_, _ = r.Parts(), r.Name() // whatever it is
		if err := r.Sound(); fault.KindOf(err) != fault.Integrity {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Package cascade hides how several models, and lists of hashes, answer as one: which stage is asked when, what becomes of one that fails or is
// late, and what their answers make together. It answers HTTP as a model server does, and asks the servers of its stages by HTTP; who keeps
// those running is not its business.
package cascade

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"

	"mlx/internal/deploy"
	"mlx/internal/fault"
)

// Plan is what a release of stages is made of on a machine: a file in its folder.
type Plan struct {
	Service    string         `json:"service"`
	Release    string         `json:"release"` // its key
	State      string         `json:"state"`   // folder for what its servers print and what is counted; that of server N ends with -N
	Combine    deploy.Combine `json:"combine"`
	Idempotent bool           `json:"idempotent,omitempty"` // asking a stage twice does no harm
	Stages     []Stage        `json:"stages"`
}

// Stage is one of them.
type Stage struct {
	deploy.ReleaseStage `json:"stage"`

	Index string   `json:"index,omitempty"` // file that Build has made of its list
	Dir   string   `json:"dir,omitempty"`   // in which its server starts
	Env   []string `json:"env,omitempty"`   // of its server
}

// Bounds of a plan.
const (
	maxPlan   = 4 << 20
	maxStages = 64
)

// ReadPlan reads the file of a plan.
func ReadPlan(name string) (Plan, error) {
	bad := func(err error) (Plan, error) {
		return Plan{}, fault.New(fault.KindOf(err), "cannot answer by stages: %w", err)
	}
	info, err := os.Stat(name)
	if err != nil {
		return bad(err)
	}
	if info.Size() > maxPlan {
		return bad(fault.New(fault.Integrity, "%s is longer than any plan", name))
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return bad(err)
	}
	p, err := ParsePlan(text)
	if err != nil {
		return bad(fault.New(fault.Integrity, "%s: %w", name, err))
	}
	return p, nil
}

// ParsePlan reads a plan, and refuses one that nobody can follow.
func ParsePlan(text []byte) (Plan, error) {
	var p Plan
	if err := json.Unmarshal(text, &p); err != nil {
		return p, err
	}
	return p, p.check()
}

func (p Plan) check() error {
	if len(p.Stages) == 0 || len(p.Stages) > maxStages {
		return fmt.Errorf("%d is no number of stages", len(p.Stages))
	}
	if !slices.Contains([]string{deploy.CombineCascade, deploy.CombineMean, deploy.CombineVote, deploy.CombineWeighted}, p.Combine.By) {
		return fmt.Errorf("%q is no way to combine stages", p.Combine.By)
	}
	for _, s := range p.Stages {
		switch {
		case s.Name == "" || s.Deadline < 0 || s.Weight < 0:
			return fmt.Errorf("stage %q has no name, or a number below zero", s.Name)
		case (s.List == nil) == (s.Serve == nil):
			return fmt.Errorf("stage %q has neither a server nor a list, or both", s.Name)
		case s.List != nil && p.Combine.By != deploy.CombineCascade:
			return fmt.Errorf("stage %q has a list that nobody asks", s.Name)
		case s.List != nil && badPointer(s.List.Of), badPointer(s.Answer):
			return fmt.Errorf("stage %q names a place by what is no JSON pointer", s.Name)
		case (s.OnError == deploy.OnErrorReply || s.List != nil) && !json.Valid(s.Reply):
			return fmt.Errorf("stage %q has no reply to give", s.Name)
		}
	}
	return nil
}

func badPointer(p string) bool { return p != "" && p[0] != '/' }

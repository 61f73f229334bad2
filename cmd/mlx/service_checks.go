package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"

	"mlx/internal/deploy"
	"mlx/internal/deploy/folder"
	"mlx/internal/gate"
	"mlx/internal/object"
)

// checksFile is what the controller of a rollout found out last, in the folder of its service: whoever looks at the service sees it. Only what
// decides something becomes a record.
type checksFile struct {
	Rollout    object.Digest  `json:"rollout"`
	Generation uint64         `json:"generation"`
	Findings   []gate.Finding `json:"findings"`
}

func (s *served) checksName() string { return filepath.Join(s.dir, "checks.json") }

// judgeAnswers judges the answers of a candidate, and shows what it found.
func (s *served) judgeAnswers(ctx context.Context, r deploy.Rollout) deploy.Judgement {
	j := deploy.Judge{Ask: s.askRule, Users: s.users, Budget: func(ctx context.Context, _ deploy.Rollout) (deploy.Budget, error) {
		return s.budget(ctx)
	}}.Judge(ctx, r)
	if ctx.Err() == nil {
		if err := folder.WriteJSON(s.checksName(), checksFile{r.ID, r.Generation, j.Findings}); err != nil {
			s.app.streams.Why("cannot show what the checks say: %v", err)
		}
	}
	return j
}

// checked gives a rollout that is under way the findings of whoever carries it out.
func (s *served) checked(known deploy.Service) deploy.Service {
	r, busy := known.Progress()
	if !busy {
		return known
	}
	text, err := os.ReadFile(s.checksName())
	var f checksFile
	if err != nil || json.Unmarshal(text, &f) != nil || f.Rollout != r.ID || f.Generation != r.Generation {
		return known // nobody has judged this state yet, on this machine
	}
	known.Rollouts[len(known.Rollouts)-1].Findings = f.Findings
	return known
}

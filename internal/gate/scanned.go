package gate

import (
	"context"

	"mlx/internal/fault"
)

// scanCheck asks whether code would run when the model is loaded.
type scanCheck struct {
	session *session
	rule    Rule
}

func (s *session) scan(r Rule) (Check, error) {
	if err := s.only(r); err != nil {
		return nil, err
	}
	return scanCheck{s, r}, nil
}

// Check scans exactly the bytes of the model that is judged.
func (c scanCheck) Check(ctx context.Context, about Subject) ([]Finding, error) {
	s, r := c.session, c.rule
	if about.World.Scan == nil {
		return nil, s.wrong(r, "%s has no model", about.For.words())
	}
	said, err := about.World.Scan(ctx)
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot judge %s: %w", s.spec.Name, err).In(r.At)
	}
	f := r.finding()
	f.Verdict, f.Shown, f.Needs = said.Verdict, said.Text, "nothing that runs on loading"
	if said.Record != nil {
		f.Note = "scan " + said.Record.ID.Short()
	}
	return []Finding{f}, nil
}

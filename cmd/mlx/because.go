package main

import (
	"context"
	"strings"

	"mlx/internal/drift"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/run"
)

// caused is why this process starts runs, and who wants to know of each that has begun.
type caused struct {
	run.Because
	begun func(id object.Digest, s run.Spec)
}

// becauseOfDrift is the cause of what a record of drift starts.
func becauseOfDrift(rec lineage.Record, a drift.Answer) run.Because {
	return run.Because{Kind: "drift", ID: rec.ID, Text: shortNames(a.Drifted())}
}

// maxCauses is how many names a cause has.
const maxCauses = 8

// shortNames are the first names, and that there are more.
func shortNames(names []string) string {
	if len(names) > maxCauses {
		names = append(names[:maxCauses:maxCauses], "...")
	}
	return strings.Join(names, ", ")
}

// explainRun gives a run its cause: that of this process, or the one that its environment names, as in a script that drift has started. A
// run that is repeated has the cause of nothing but the wish to repeat it.
func (a *app) explainRun(ctx context.Context, s *run.Spec) {
	if s.Because != nil || s.RerunOf != "" {
		return
	}
	if a.cause != nil {
		s.Because = &a.cause.Because
		return
	}
	for _, v := range a.environ {
		word, ok := strings.CutPrefix(v, run.CauseVariable+"=")
		if !ok {
			continue
		}
		because, err := a.causeNamed(ctx, word)
		if err != nil {
			a.streams.Why("%s names no record: %v", run.CauseVariable, err)
			return
		}
		s.Because = because
	}
}

// causeNamed is the cause that a digest names.
func (a *app) causeNamed(ctx context.Context, word string) (*run.Because, error) {
	id, err := object.ParseDigest(word)
	if err != nil {
		return nil, err
	}
	l, err := a.ledger()
	if err != nil {
		return nil, err
	}
	rec, err := l.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if answer, err := drift.Checked.Decode(rec); err == nil {
		because := becauseOfDrift(rec, answer)
		return &because, nil
	}
	return &run.Because{Kind: rec.Noun(), ID: rec.ID}, nil
}

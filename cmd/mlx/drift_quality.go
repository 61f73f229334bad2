package main

import (
	"context"
	"strings"

	"mlx/internal/drift"
	"mlx/internal/fault"
	"mlx/internal/repo"
)

// everyPrediction opens all predictions of a monitor, of every date; nil where they cannot be listed, or where there are none yet.
func (a *app) everyPrediction(ctx context.Context, name string, m repo.Monitor) (*drift.Predictions, error) {
	where := m.Predictions.Table
	every := strings.NewReplacer("{date}", "*", "{year}", "*", "{month}", "*", "{day}", "*").Replace(where)
	dated := every != where
	if dated && (strings.HasPrefix(where, "http://") || strings.HasPrefix(where, "https://")) {
		return nil, nil // a web server lists nothing
	}
	p, err := a.predictionsAt(ctx, name, m, every)
	if dated && fault.KindOf(err) == fault.NotFound {
		return nil, nil
	}
	return p, err
}

// predictionsAt opens a table of predictions. It stays open until the command ends.
func (a *app) predictionsAt(ctx context.Context, name string, m repo.Monitor, where string) (*drift.Predictions, error) {
	if service, ok := strings.CutPrefix(where, "service:"); ok {
		return nil, fault.New(fault.Usage, "cannot read the predictions of %s: this mlx keeps no log of service %s", name, service).In(m.Predictions.At).
			Hint("predictions: TABLE   # a file, a pattern or a URL")
	}
	t, err := a.configTable(ctx, where)
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot read the predictions of %s: %w", name, err)
	}
	return a.predictionsIn(t, name, m, where)
}

// predictionsIn finds the columns of a table of predictions by what they are for. Those that the monitor names must be there.
func (a *app) predictionsIn(t *openedTable, name string, m repo.Monitor, where string) (*drift.Predictions, error) {
	p := &drift.Predictions{Source: drift.Source{Name: where, Ref: t.Ref, Table: t.Table}}
	schema := t.Schema()
	for _, role := range []struct {
		named, usual string
		to           *string
	}{
		{m.Predictions.ID, "id", &p.ID}, {m.Predictions.Score, "score", &p.Score}, {m.Predictions.Class, "class", &p.Class},
		{m.Predictions.Label, "label", &p.Label},
	} {
		switch {
		case role.named != "" && schema.Index(role.named) < 0 && !strings.ContainsRune(role.named, '*') && role.to != &p.Label:
			return nil, fault.New(fault.NotFound, "cannot read the predictions of %s: %w", name, t.NoColumn(role.named)).In(m.Predictions.At)
		case role.named != "" && (schema.Index(role.named) >= 0 || role.to != &p.Label):
			*role.to = role.named
		case schema.Index(role.usual) >= 0:
			*role.to = role.usual
		}
	}
	if m.Time != "" && schema.Index(m.Time) >= 0 {
		p.Time = m.Time
	}
	return p, nil
}

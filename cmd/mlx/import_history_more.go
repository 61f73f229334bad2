package main

import (
	"context"
	"maps"
	"slices"

	"mlx/internal/history"
	"mlx/internal/lineage"
	"mlx/internal/registry"
	"mlx/internal/run"
	"mlx/internal/tracking"
)

// experiments records what is known of experiments beside their names, of those of which nobody here said anything.
func (b *bringing) experiments(ctx context.Context, runner run.Runner) error {
	said := make(map[string]bool)
	for rec, err := range runner.Ledger.Select(ctx, lineage.Query{Nouns: []string{"experiment"}, All: true}) {
		if err != nil {
			return err
		}
		if set, err := tracking.Experiments.Decode(rec); err == nil {
			said[set.ID] = true
		}
	}
	for _, e := range b.history.Experiments {
		set := tracking.ExperimentSet{ID: tracking.ExperimentID(e.Name), Name: e.Name, Tags: somewhere(e.Tags), Created: true}
		if len(e.Tags) == 0 && !e.Deleted || said[set.ID] {
			continue
		}
		if e.Deleted {
			set.Deleted = &e.Deleted
		}
		said[set.ID] = true
		if _, err := tracking.Experiments.Append(ctx, runner.Ledger, lineage.Entry[tracking.ExperimentSet]{Body: set}); err != nil {
			return err
		}
	}
	return nil
}

// logged records the models that runs logged, which have tags and a state of their own. Their files came with their runs.
func (b *bringing) logged(ctx context.Context, runner run.Runner) error {
	if len(b.history.Logged) == 0 {
		return nil
	}
	reg, err := b.app.registry()
	if err != nil {
		return err
	}
	here, err := reg.LoggedModels(ctx, "")
	if err != nil {
		return err
	}
	known := make(map[string]bool, len(here))
	for _, m := range here {
		known[m.ID] = true
	}
	missing := make(map[string]bool) // runs of which some model is not recorded
	for id, there := range b.history.Logged {
		if !known[id] {
			missing[there] = true
		}
	}
	for _, ref := range b.history.Runs {
		if !missing[ref.ID] {
			continue
		}
		if err := b.loggedBy(ctx, runner, reg, ref, known); err != nil {
			return err
		}
	}
	return nil
}

func (b *bringing) loggedBy(ctx context.Context, runner run.Runner, reg registry.Registry, ref history.Ref, known map[string]bool) error {
	id, ok := b.importer.ID(ref.ID)
	if !ok {
		return nil // the run could not be imported, and the report says so
	}
	body, _, err := b.app.history(runner.Ledger).Body(ctx, id)
	if err != nil {
		return err
	}
	there, err := b.history.Read(ctx, ref)
	if err != nil {
		return err
	}
	for _, m := range there.Models {
		at := slices.IndexFunc(body.Models, func(kept run.LoggedModel) bool { return kept.ID == m.ID })
		if known[m.ID] || at < 0 {
			continue
		}
		kept := body.Models[at]
		if err := reg.SetLogged(ctx, registry.LoggedModel{ID: m.ID, Name: m.Name, Experiment: tracking.ExperimentID(m.Experiment), Run: &id, Status: m.Status,
			Type: m.Type, Params: maps.Clone(m.Params), Tags: maps.Clone(m.Tags), CreatedMS: m.CreatedMS, UpdatedMS: m.UpdatedMS, Root: kept.Root,
			Files: kept.Files, Bytes: kept.Bytes, Format: kept.Format, Deleted: m.Deleted}); err != nil {
			return err
		}
	}
	return nil
}

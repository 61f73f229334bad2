package main

import (
	"cmp"
	"context"
	"path/filepath"
	"slices"
	"strconv"

	"mlx/internal/fault"
	"mlx/internal/history"
	"mlx/internal/object"
	"mlx/internal/registry"
	"mlx/internal/run"
	"mlx/internal/snapshot"
)

// registry imports registered models: their versions under their numbers where these are free, then tags, aliases and stages. What
// people here did since an earlier import is left as it is.
func (b *bringing) registry(ctx context.Context, runner run.Runner) error {
	reg, err := b.app.registry()
	if err != nil {
		return err
	}
	m := &modelBringing{bringing: b, store: runner.Store, registry: reg}
	progress := b.app.streams.Progress("importing", "models", int64(len(b.history.Models)))
	defer progress.Done()
	for _, there := range b.history.Models {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := m.model(ctx, there); err != nil {
			if ctx.Err() != nil || fatal(err) {
				return err
			}
			b.history.Left.Add("model", there.Name, plainWords(err))
		}
		progress.Add(1)
	}
	return nil
}

type modelBringing struct {
	*bringing
	store    *snapshot.Store
	registry registry.Registry
}

func (m *modelBringing) model(ctx context.Context, there history.Model) error {
	if err := registry.CheckName(there.Name); err != nil {
		return err
	}
	here, err := m.registry.Model(ctx, there.Name)
	isNew := fault.KindOf(err) == fault.NotFound
	if err != nil && !isNew {
		return err
	}
	if isNew {
		here = &registry.Model{Name: there.Name}
		text := there.Description
		if err := m.registry.Describe(ctx, registry.Description{Model: there.Name, Created: true, Text: &text, Tags: somewhere(there.Tags)}); err != nil {
			return err
		}
	}
	numbers := make(map[int]int) // of a version there, its number here
	added := 0
	for _, v := range there.Versions {
		if number := knownVersion(here, v); number > 0 {
			numbers[v.Version] = number
			continue
		}
		number, err := m.version(ctx, there, v)
		if err != nil {
			return err
		}
		numbers[v.Version] = number
		added++
	}
	if added > 0 || isNew {
		m.view.Models++
		m.view.Versions += added
	}
	if here, err = m.registry.Model(ctx, there.Name); err != nil {
		return err
	}
	if err := m.aliases(ctx, here, there, numbers); err != nil {
		return err
	}
	return m.stages(ctx, here, there, numbers)
}

// foreignVersion names a version of the history, so that it is known again.
func foreignVersion(model string, v history.Version) string {
	return model + "/" + strconv.Itoa(v.Version) + "@" + strconv.FormatInt(v.CreatedMS, 10)
}

func knownVersion(here *registry.Model, v history.Version) int {
	for _, known := range here.Versions {
		if known.Imported != nil && known.Imported.ID == foreignVersion(here.Name, v) {
			return known.Version
		}
	}
	return 0
}

// somewhere makes tags that are set.
func somewhere(tags map[string]string) map[string]*string {
	all := make(map[string]*string, len(tags))
	for key, value := range tags {
		all[key] = &value
	}
	return all
}

// version registers one version and returns its number here.
func (m *modelBringing) version(ctx context.Context, there history.Model, v history.Version) (int, error) {
	body := registry.Registration{Model: there.Name, Version: v.Version, Kind: "elsewhere", Source: v.Source, RunLink: v.RunLink, Logged: v.LoggedModel,
		Format: v.Type, Message: v.Description, Tags: v.Tags,
		Imported: &registry.Imported{From: m.history.From, ID: foreignVersion(there.Name, v), By: v.User, MS: v.CreatedMS}}
	if text, ok := v.Tags["mlflow.prompt.text"]; ok {
		body.Kind, body.Digest = "prompt", object.Sum([]byte(text))
	}
	if id, ok := m.importer.ID(v.RunID); ok {
		body.Run = &id
	}
	if v.Dir != "" {
		saved, err := m.store.Save(ctx, snapshot.SaveOptions{Path: v.Dir, Once: true})
		if err != nil {
			if ctx.Err() != nil || fatal(err) {
				return 0, err
			}
			m.history.Left.Add("files of a version", there.Name+" "+strconv.Itoa(v.Version), plainWords(err))
		} else {
			defer m.app.free([]func() error{saved.Release})
			body.Root, body.Digest, body.Kind = saved.Root, saved.Root, string(saved.Summary.Kind)
			body.Files, body.Bytes = saved.Summary.Files, saved.Summary.Bytes
			if saved.Summary.Kind == snapshot.File {
				if body.Digest, err = m.store.FileDigest(ctx, saved.Root, filepath.Base(v.Dir)); err != nil {
					return 0, err
				}
			}
		}
	}
	if body.Digest.IsZero() { // evidence must not be shared by versions whose bytes nobody knows
		body.Digest = object.Sum([]byte(m.history.From + "\x00" + body.Imported.ID))
	}
	made, err := m.registry.Register(ctx, body)
	if err != nil {
		return 0, err
	}
	if made.Version != v.Version {
		m.history.Left.Add("number of a version", there.Name+" "+strconv.Itoa(v.Version), "it is taken here, so the version got the next one")
	}
	return made.Version, nil
}

// aliases sets those that the model never had here: who moved one since knows better.
func (m *modelBringing) aliases(ctx context.Context, here *registry.Model, there history.Model, numbers map[int]int) error {
	for alias, version := range there.Aliases {
		number, ok := numbers[version]
		if !ok || slices.ContainsFunc(here.Aliases, func(p registry.Pointer) bool { return p.Name == alias }) {
			continue
		}
		if _, err := m.registry.SetAlias(ctx, registry.Alias{Model: here.Name, Alias: alias, Version: number, Why: "imported from MLflow"}); err != nil {
			if fatal(err) {
				return err
			}
			m.history.Left.Add("alias", here.Name+"@"+alias, plainWords(err))
		}
	}
	return nil
}

// stages moves the versions that nobody has moved here, in the order in which they were touched there. MLflow lets several be in
// production, and so they stay.
func (m *modelBringing) stages(ctx context.Context, here *registry.Model, there history.Model, numbers map[int]int) error {
	words := map[string]registry.Stage{"Staging": registry.Staging, "Production": registry.Production, "Archived": registry.Archived}
	versions := slices.Clone(there.Versions)
	slices.SortStableFunc(versions, func(a, b history.Version) int { return cmp.Compare(a.UpdatedMS, b.UpdatedMS) })
	for _, v := range versions {
		to, ok := words[v.Stage]
		if !ok {
			continue
		}
		one, err := here.Version(numbers[v.Version])
		if err != nil || one.Stage != registry.Experimenting || !one.StageSince.Equal(one.At) {
			continue
		}
		needs, err := m.app.needsOf(to)
		if err != nil {
			return err
		}
		if len(needs) > 0 { // what mlx.yaml asks for was not proved there
			m.history.Left.Add("stage "+string(to), one.Name(), "mlx.yaml has a policy for it: mlx promote judges")
			continue
		}
		if _, err := m.registry.Move(ctx, registry.Step{Version: one, To: to, Why: "imported from MLflow", Keep: true}); err != nil {
			return err
		}
	}
	return nil
}

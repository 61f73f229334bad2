package main

import (
	"maps"
	"slices"
	"strings"

	"mlx/internal/dataset"
	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/repo"
)

// tableMeaning is what mlx.yaml says of the columns of a table, by its name from the root of the project.
func (a *app) tableMeaning(where string) (gate.Meaning, bool) {
	cfg, err := a.config()
	if err != nil {
		return gate.Meaning{}, false
	}
	return meaningFrom(cfg, where)
}

// meaningIn is what a file of gates says of the columns of a table, else what mlx.yaml says. What mlx.yaml calls private stays so.
func (a *app) meaningIn(config *repo.Config, where string) (gate.Meaning, bool) {
	project, known := a.tableMeaning(where)
	m, ok := meaningFrom(config, where)
	if !ok {
		return project, known
	}
	for name, c := range project.Columns {
		if c.Private {
			own := m.Columns[name]
			own.Private = true
			m.Columns[name] = own
		}
	}
	return m, true
}

// fromRoot is the name from the root of the project of a table that somebody typed in the current folder; of what is no path here as it is.
func (a *app) fromRoot(where string) string {
	r := readRef(where)
	if isTableURL(where) || r.inner != "" || r.kind != "" && r.kind != refPath {
		return where
	}
	if rel, err := a.relTable(strings.TrimPrefix(where, refPath+":")); err == nil && rel != "" {
		return rel
	}
	return where
}

// meaningFrom is the entry of a configuration whose path or pattern fits, the longest first.
func meaningFrom(cfg *repo.Config, where string) (gate.Meaning, bool) {
	best := ""
	for name := range cfg.Tables.All() {
		if (name == where || repo.Match(name, where) || within(where, name)) && len(name) > len(best) {
			best = name
		}
	}
	m, ok := cfg.Tables.Get(best)
	return meaningOf(m), ok
}

// meaningOf turns what repo reads into what gate judges by.
func meaningOf(m repo.TableMeaning) gate.Meaning {
	all := gate.Meaning{Time: m.Time, TimeZone: m.TimeZone, PredictedAt: m.PredictedAt, Key: m.Key, Exact: m.Exact,
		Columns: map[string]gate.ColumnMeaning{}}
	for name, c := range m.Columns.All() {
		all.Columns[name] = gate.ColumnMeaning{Type: c.Type, Scale: c.Scale, AvailableAt: c.AvailableAt, Private: c.Private}
	}
	return all
}

// privateColumns are the columns of a table of which no value is shown.
func privateColumns(m gate.Meaning) []string {
	return slices.DeleteFunc(sortedKeys(m.Columns), func(name string) bool { return !m.Columns[name].Private })
}

// tableOptions are how a table is read that means something.
func (a *app) tableOptions(where string, meaning func(string) (gate.Meaning, bool)) (dataset.Options, error) {
	m, ok := meaning(where)
	if !ok {
		return dataset.Options{}, nil
	}
	return optionsOf(where, m)
}

// optionsOf fixes the types that a meaning names.
func optionsOf(where string, m gate.Meaning) (dataset.Options, error) {
	opts := dataset.Options{Exact: m.Exact, TimeZone: m.TimeZone}
	for _, name := range slices.Sorted(maps.Keys(m.Columns)) {
		c := m.Columns[name]
		if c.Type == "" {
			continue
		}
		typ, ok := dataset.ParseType(c.Type)
		if !ok {
			err := fault.New(fault.Usage, "cannot read %s: column %q has the unknown type %q", where, name, c.Type)
			return opts, err.Hint("did you mean %q?", fault.Nearest(c.Type, dataset.TypeNames()))
		}
		opts.Schema = append(opts.Schema, dataset.Field{Name: name, Type: typ, Scale: c.Scale})
	}
	return opts, nil
}

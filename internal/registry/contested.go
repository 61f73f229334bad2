package registry

import (
	"context"
	"maps"
	"slices"
	"strconv"

	"mlx/internal/lineage"
)

// Contested lists the models of which several records claim the same alias, stage or number: those that may have a conflict. It
// reads the index alone.
func (r Registry) Contested(ctx context.Context) ([]string, error) {
	names := map[string]bool{}
	seen := map[string]bool{}
	for _, ask := range []struct {
		kind, noun, where, field string
	}{
		{Aliased.Name(), "model", "alias != null", "alias"},
		{Moved.Name(), "stage", `to in ["staging", "production"]`, "to"},
		{Registered.Name(), "model", "version != null and kind != null", "version"},
	} {
		table, err := r.Ledger.Values(ctx, lineage.Query{Nouns: []string{ask.noun}, Where: ask.where}, "model", ask.field)
		if err != nil {
			return nil, err
		}
		for row, err := range table.Rows {
			if err != nil {
				return nil, err
			}
			model, ok := row.Values[0].(string)
			if !ok || row.Kind != ask.kind {
				continue
			}
			key := ask.kind + "\x00" + model + "\x00" + word(row.Values[1])
			if seen[key] {
				names[model] = true
			}
			seen[key] = true
		}
	}
	return slices.Sorted(maps.Keys(names)), nil
}

// word is a value of the index as a key.
func word(v any) string {
	switch t := v.(type) {
	case string:
		return t
	case float64:
		return strconv.FormatFloat(t, 'g', -1, 64)
	}
	return ""
}

package registry

import (
	"context"
	"slices"

	"mlx/internal/lineage"
)

// Contested lists the models of which several records claim the same alias, stage or number: those that may have a conflict. It
// reads the index alone.
func (r Registry) Contested(ctx context.Context) ([]string, error) {
	var names []string
	for _, ask := range []struct {
		kind, noun, where, value string
	}{
		{Aliased.Name(), "model", "alias != null", "alias"},
		{Moved.Name(), "stage", `to in ["staging", "production"]`, "to"},
		{Registered.Name(), "model", "", "version"},
	} {
		found, err := r.Ledger.Repeated(ctx, lineage.Query{Nouns: []string{ask.noun}, Where: ask.where}, ask.kind, "model", ask.value)
		if err != nil {
			return nil, err
		}
		names = append(names, found...)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

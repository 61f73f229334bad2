package main

import (
	"context"
	"strings"

	"mlx/internal/dataset"
)

// hintKey proposes a key: a column that names each of the first rows of both tables.
func (a *app) hintKey(ctx context.Context, d *rowsDiff, o diffOptions) {
	key := "COLUMN"
	likely, err := dataset.LikelyKeys(ctx, d.sides[0].table.Table, d.sides[1].table.Table)
	if err != nil {
		return // the answer stands, whatever there is to propose
	}
	if len(likely) > 0 {
		key = likely[0]
	}
	words := []string{"mlx", "diff"}
	for _, w := range o.refs {
		words = append(words, shellWord(w))
	}
	words = append(words, "--rows", "--key", shellWord(key))
	if len(o.paths) > 0 {
		words = append(words, "--", shellWord(a.shown(o.paths[0])))
	}
	a.streams.Hint(strings.Join(words, " "), "tells which cells changed")
}

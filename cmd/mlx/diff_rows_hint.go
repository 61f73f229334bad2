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
	words := make([]string, 0, len(o.refs)+len(o.paths))
	for _, w := range o.refs {
		words = append(words, shellWord(w))
	}
	command := "mlx diff " + strings.Join(words, " ") + " --rows --key " + shellWord(key)
	if len(o.paths) > 0 {
		command += " -- " + shellWord(a.shown(o.paths[0]))
	}
	a.streams.Hint(strings.Replace(command, "  ", " ", 1), "tells which cells changed")
}

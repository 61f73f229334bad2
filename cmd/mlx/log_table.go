package main

import (
	"encoding/json"
	"iter"
	"strings"

	"mlx/internal/cli"
)

// look finds a value of the row by its name, by a path with dots, or as the name of a parameter or metric.
func (e *event) look(name string) any {
	if e.tree == nil {
		if r, ok := e.value.(driftRow); ok {
			e.tree = r.tree()
		} else {
			e.tree = treeOf(e.value)
		}
	}
	return lookUp(e.tree, name)
}

// treeOf is a value as a program sees it.
func treeOf(value any) map[string]any {
	tree := make(map[string]any)
	if doc, err := json.Marshal(value); err == nil {
		_ = json.Unmarshal(doc, &tree) // what is no object has no names
	}
	return tree
}

func lookUp(tree map[string]any, name string) any {
	for _, place := range []string{"", "params", "metrics", "body"} {
		at := tree
		if place != "" {
			at, _ = tree[place].(map[string]any)
		}
		if v, ok := descend(at, name); ok {
			return v
		}
	}
	return nil
}

// descend follows a path whose keys may hold dots themselves: the longest key wins.
func descend(at map[string]any, name string) (any, bool) {
	if v, ok := at[name]; ok {
		return v, true
	}
	for i := len(name) - 1; i > 0; i-- {
		if name[i] != '.' {
			continue
		}
		if inner, ok := at[name[:i]].(map[string]any); ok {
			return descend(inner, name[i+1:])
		}
	}
	return nil, false
}

// printTable writes rows as CSV or Markdown, with the values that a program gets.
func printTable(a *app, format string, header []string, items iter.Seq2[cli.Item, error]) error {
	for i, h := range header {
		header[i] = strings.ToLower(h)
	}
	w := newTableWriter(format)
	w.head(header)
	for item, err := range items {
		if err != nil {
			return err
		}
		w.row(item.Cells)
	}
	return a.streams.Raw(w.bytes())
}

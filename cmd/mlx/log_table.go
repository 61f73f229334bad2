package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"iter"
	"strings"

	"mlx/internal/cli"
)

// look finds a value of the row by its name, by a path with dots, or as the name of a parameter or metric.
func (e *event) look(name string) any {
	if e.tree == nil {
		e.tree = treeOf(e.value)
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
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	write := func(fields []string) {
		if format == "csv" {
			_ = w.Write(fields) // a buffer takes everything
			return
		}
		for i, f := range fields {
			fields[i] = strings.ReplaceAll(f, "|", `\|`)
		}
		b.WriteString("| " + strings.Join(fields, " | ") + " |\n")
	}
	for i, h := range header {
		header[i] = strings.ToLower(h)
	}
	write(header)
	if format == "markdown" {
		b.WriteString(strings.Repeat("| --- ", len(header)) + "|\n")
	}
	for item, err := range items {
		if err != nil {
			return err
		}
		fields := make([]string, len(item.Cells))
		for i, c := range item.Cells {
			fields[i] = c.Machine()
		}
		write(fields)
	}
	w.Flush()
	return a.streams.Raw(b.Bytes())
}

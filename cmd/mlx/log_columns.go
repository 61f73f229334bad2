package main

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"mlx/internal/cli"
	"mlx/internal/lineage"
	"mlx/internal/run"
)

// column is one column of log.
type column struct {
	head string
	cell func(*event) cli.Cell

	// How to make the cell of a run from the index alone: from what stands at these paths. It reports false where nothing
	// does. Without it records must be read.
	paths []string
	value func(lineage.Row, []any) (cli.Cell, bool)
}

// alias is a short name for a value of a run: of the row as JSON, of the record, and how a person reads it.
type alias struct {
	name, view, body string
	shown            func(any) cli.Cell
}

// aliases are the values of a run with a name of their own. The names of its JSON work as well.
func aliases() []alias {
	return []alias{
		{"duration", "duration_s", "duration_s", secondsCell}, {"started", "started_at", "started_at", timeCell},
		{"ended", "ended_at", "ended_at", timeCell}, {"commit", "commit", "code.commit", digitsCell}, {"branch", "branch", "code.branch", valueCell},
		{"dirty", "dirty", "code.dirty", valueCell}, {"stage", "stage.name", "stage.name", valueCell},
		{"host", "machine.host", "machine.host", valueCell}, {"memory", "peak_memory_bytes", "peak_memory_bytes", bytesCell},
		{"python", "environment.python.version", "environment.python.version", valueCell}, {"cpu", "cpu_s", "cpu_s", secondsCell},
		{"exit", "exit_status", "exit_status", valueCell}, {"parent", "parent", "parent", digitsCell}, {"rerun_of", "rerun_of", "rerun_of", digitsCell},
		{"state", "state", "state", func(v any) cli.Cell { s, _ := v.(string); return stateCell(run.State(s)) }},
		{"command", "command", "", commandCell},
	}
}

// plainFields are values of run/v1 that have the same name in records, and are one number or word.
func plainFields() []string {
	return []string{"name", "experiment", "exit_status", "signal", "cause", "started_at", "ended_at", "duration_s", "attempt",
		"peak_memory_bytes", "cpu_s", "timeout_s", "folder"}
}

func aliasOf(name string) (alias, bool) {
	all := aliases()
	if i := slices.IndexFunc(all, func(a alias) bool { return a.name == name }); i >= 0 {
		return all[i], true
	}
	if slices.Contains(plainFields(), name) {
		return alias{name, name, name, valueCell}, true
	}
	return alias{}, false
}

func secondsCell(v any) cli.Cell {
	if s, ok := v.(float64); ok {
		return cli.Duration(time.Duration(s * float64(time.Second)))
	}
	return valueCell(v)
}

func bytesCell(v any) cli.Cell {
	if n, ok := v.(float64); ok {
		return cli.Bytes(int64(n))
	}
	return valueCell(v)
}

func timeCell(v any) cli.Cell {
	s, _ := v.(string)
	if at, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return cli.Time(at)
	}
	return valueCell(v)
}

func digitsCell(v any) cli.Cell {
	if s, ok := v.(string); ok {
		return cli.Hex(s, 12)
	}
	return valueCell(v)
}

func commandCell(v any) cli.Cell {
	list, _ := v.([]any)
	words := make([]string, len(list))
	for i, w := range list {
		words[i] = fmt.Sprint(w)
	}
	return cli.Str(commandLine(words))
}

// chosen are the columns that were asked for, or else those that suit; none for a table of runs on a terminal, whose
// columns depend on what is in it.
func (o logOptions) chosen() []column {
	names := o.columns
	switch {
	case len(names) > 0:
	case o.terminal && slices.Equal(o.kinds, []string{"run"}):
		return nil
	case len(o.kinds) == 1:
		names = []string{"when", "id", "what"}
	default:
		names = []string{"when", "kind", "id", "what"}
	}
	all := make([]column, len(names))
	for i, name := range names {
		all[i] = columnOf(strings.TrimSpace(name))
	}
	return all
}

func columnOf(name string) column {
	c := column{head: name}
	always := func(cell func(lineage.Row) cli.Cell) func(lineage.Row, []any) (cli.Cell, bool) {
		return func(r lineage.Row, _ []any) (cli.Cell, bool) { return cell(r), true }
	}
	switch name {
	case "when", "at":
		c.cell = func(e *event) cli.Cell { return cli.Time(e.rec.At) }
		c.value = always(func(r lineage.Row) cli.Cell { return cli.Time(r.At) })
	case "kind":
		c.cell = func(e *event) cli.Cell { return cli.Str(e.noun) }
		c.value = always(func(lineage.Row) cli.Cell { return cli.Str("run") })
	case "id":
		c.cell = func(e *event) cli.Cell { return cli.ID(e.id) }
		c.value = always(func(r lineage.Row) cli.Cell { return cli.ID(r.ID) })
	case "by":
		c.cell = func(e *event) cli.Cell { return cli.Str(e.rec.By) }
		c.value = always(func(r lineage.Row) cli.Cell { return cli.Str(r.By) })
	case "what", "text":
		c.cell = func(e *event) cli.Cell {
			return cli.Fmt(strings.TrimSuffix(strings.Repeat("%s  ", len(e.what)), "  "), e.what...)
		}
	case "tags":
		c.cell = func(e *event) cli.Cell { return cli.Str(strings.Join(e.words(), " ")) }
	default:
		return columnOfValue(name)
	}
	return c
}

// columnOfValue is a column of a value of the row: one with a short name, a parameter, a metric, or any other.
func columnOfValue(name string) column {
	c := column{head: name, paths: valuePaths(name)}
	shown, view := valueCell, name
	if strings.HasPrefix(name, "params.") {
		shown = paramCell
	}
	if short, ok := aliasOf(name); ok {
		shown, view = short.shown, short.view
	}
	c.cell = func(e *event) cli.Cell { return shown(e.look(view)) }
	if len(c.paths) == 0 {
		return c
	}
	c.value = func(_ lineage.Row, values []any) (cli.Cell, bool) {
		for i, v := range values {
			if _, isText := v.(string); v == nil || isText && strings.HasPrefix(c.paths[i], "metrics[") {
				continue // NaN and the like are null in JSON, and empty here
			}
			if strings.HasPrefix(c.paths[i], "params[") {
				return paramCell(v), true
			}
			return shown(v), true
		}
		return shown(nil), false
	}
	return c
}

// valuePaths are the places in the record of a run where a value of the row may be, none if it cannot be read off so.
func valuePaths(name string) []string {
	quoted := func(section, name string) string { return section + "[" + pathWord(name) + "]" }
	if short, ok := aliasOf(name); ok {
		if short.body == "" {
			return nil
		}
		return []string{short.body}
	}
	for _, section := range []string{"params", "metrics"} {
		if rest, ok := strings.CutPrefix(name, section+"."); ok && rest != "" {
			return []string{quoted(section, rest)}
		}
	}
	top, _, _ := strings.Cut(name, ".")
	if name == "" || isRunField(top) {
		return nil
	}
	return []string{quoted("params", name), quoted("metrics", name)}
}

// pathWord is a name in a path of an expression, in quotes.
func pathWord(name string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
}

// isRunField reports whether run/v1 has a field of this name.
func isRunField(name string) bool {
	view := reflect.TypeFor[run.View]()
	for i := range view.NumField() {
		if tag, _, _ := strings.Cut(view.Field(i).Tag.Get("json"), ","); tag == name {
			return true
		}
	}
	return name == "body"
}

// sortKey is a key of -s as a path in records: a column may be named as it is shown.
func (s *selection) sortKey(ctx context.Context, key string) (string, error) {
	name, descending := strings.CutPrefix(key, "-")
	minus := ""
	if descending {
		minus = "-"
	}
	switch name {
	case "", "at", "id", "kind", "by", "lc", "tags":
		return key, nil
	case "when":
		return minus + "at", nil
	}
	paths := valuePaths(name)
	if len(paths) == 1 {
		return minus + paths[0], nil
	}
	// What is no value of every run may be a parameter, a metric, or a field of another kind of record.
	for _, path := range paths {
		n, err := s.ledger.Count(ctx, lineage.Query{Nouns: s.query.Nouns, Where: path + " != null", All: true})
		if err != nil {
			return "", err
		}
		if n > 0 {
			return minus + path, nil
		}
	}
	return key, nil
}

// shownValues is how many parameters, and how many metrics, a table of runs has columns for.
const shownValues = 4

// runColumns are the columns of a table of runs on a terminal: what tells these runs apart.
func runColumns(events []event) []column {
	names := []string{"when", "id"}
	views := make([]run.View, 0, len(events))
	for _, e := range events {
		if v, ok := e.value.(run.View); ok {
			views = append(views, v)
		}
	}
	if slices.ContainsFunc(views, func(v run.View) bool { return v.Name != nil }) {
		names = append(names, "name")
	}
	names = append(names, "state", "duration")
	params, metrics := make(map[string]int), make(map[string]int)
	for _, v := range views {
		for k, value := range v.Params {
			first, ok := views[0].Params[k]
			if n := params[k]; n >= 0 && (!ok || !reflect.DeepEqual(first, value)) {
				params[k]++
			}
		}
		for k := range v.Metrics {
			metrics[k]++
		}
	}
	all := make([]column, 0, len(names)+2*shownValues+1)
	for _, name := range names {
		all = append(all, columnOf(name))
	}
	for _, section := range []struct {
		name  string
		count map[string]int
	}{{"params", params}, {"metrics", metrics}} {
		for _, k := range most(section.count, shownValues) {
			c := columnOf(section.name + "." + k)
			c.head = k
			all = append(all, c)
		}
	}
	return append(all, columnOf("command"))
}

// most are the n keys with the greatest counts, in order of their names.
func most(count map[string]int, n int) []string {
	keys := sortedKeys(count)
	keys = slices.DeleteFunc(keys, func(k string) bool { return count[k] == 0 })
	slices.SortStableFunc(keys, func(a, b string) int { return count[b] - count[a] })
	keys = keys[:min(n, len(keys))]
	slices.Sort(keys)
	return keys
}

// valueCell is a value of JSON.
func valueCell(v any) cli.Cell {
	switch v := v.(type) {
	case nil:
		return cli.Str("")
	case float64:
		return cli.Float(v)
	case string:
		return cli.Str(v)
	case bool:
		return cli.Str(strconv.FormatBool(v))
	case []any:
		words := make([]string, len(v))
		for i, w := range v {
			words[i] = fmt.Sprint(w)
		}
		return cli.Str(strings.Join(words, " "))
	}
	return cli.Str(fmt.Sprint(v))
}

// paramCell is the value of a parameter, as it was given: it was chosen, not measured, and 0.1 is not 0.100.
func paramCell(v any) cli.Cell {
	if f, ok := v.(float64); ok {
		return cli.Str(strconv.FormatFloat(f, 'g', -1, 64))
	}
	return valueCell(v)
}

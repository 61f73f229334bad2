package main

import (
	"slices"
	"strconv"
	"strings"

	"mlx/internal/cli"
	"mlx/internal/run"
)

// trackedText tells what clients of MLflow said of a run, beside parameters and metrics.
func trackedText(v run.View, t *cli.Text) {
	for _, u := range v.Used {
		t.KeyValue(2, "uses", cli.Fmt("%s %s", cli.Str(u.Model+"@v"+strconv.Itoa(u.Version)), cli.ID(u.Root)))
	}
	modelsText(v, t)
	if from := v.Imported; from != nil {
		t.KeyValue(2, "imported", cli.Fmt("from %s %s, %s", cli.Str(from.From), cli.Path(from.Source), cli.Str(from.ID)))
	}
	k := v.Tracking
	if k == nil {
		return
	}
	if a := k.Artifacts; a != nil {
		t.KeyValue(2, "artifacts", cli.Fmt("%s %s", cli.Num(a.Files, "file"), cli.ID(a.Root)), cli.Bytes(a.Bytes))
	}
	for _, d := range k.Datasets {
		t.KeyValue(2, "dataset", cli.Str(d.Name), cli.Str(d.Digest), cli.Str(d.Tags["mlflow.data.context"]))
	}
	if k.User != "" && k.User != v.By {
		t.KeyValue(2, "user", cli.Str(k.User))
	}
	if k.Deleted != nil {
		t.KeyValue(2, "deleted", cli.Time(*k.Deleted))
	}
	var tags []cli.Cell
	for _, key := range sortedKeys(k.Tags) {
		if !strings.HasPrefix(key, "mlflow.") {
			tags = append(tags, cli.Fmt("%s %s", cli.Str(key), cli.Str(oneLine(k.Tags[key]))))
		}
	}
	if note := k.Tags["mlflow.note.content"]; note != "" {
		t.KeyValue(2, "note", cli.Str(oneLine(note)))
	}
	keyValues(t, "tracked", tags)
	for _, r := range k.Refused {
		t.KeyValue(2, "refused", cli.Fmt("parameter %s was %s and was to be %s", cli.Str(r.Key), cli.Str(oneLine(r.Old)), cli.Str(oneLine(r.New))))
	}
}

func modelsText(v run.View, t *cli.Text) {
	const most = 10
	models := slices.Clone(v.Models)
	slices.SortStableFunc(models, func(a, b run.LoggedModel) int { return strings.Compare(a.Name, b.Name) })
	for i, m := range models {
		if i == most && t.TTY() {
			t.KeyValue(2, "models", cli.Shown(cli.RoleDim, "and "+strconv.Itoa(len(models)-most)+" more"))
			return
		}
		cells := []cli.Cell{cli.Str(m.Name)}
		if m.Root.IsZero() {
			cells = append(cells, cli.Str("its files never came"))
		} else {
			cells[0] = cli.Fmt("%s %s", cli.Str(m.Name), cli.ID(m.Root))
			cells = append(cells, cli.Num(m.Files, "file"), cli.Bytes(m.Bytes))
		}
		if m.Format != "" {
			cells = append(cells, cli.Str(m.Format))
		}
		t.KeyValue(2, "models", cells...)
	}
}

// oneLine is the beginning of a text that others wrote, as it fits a line.
func oneLine(s string) string {
	const most = 200
	line, _, more := strings.Cut(strings.TrimSpace(s), "\n")
	if r := []rune(line); len(r) > most {
		line, more = string(r[:most]), true
	}
	if more {
		line += "…"
	}
	return line
}

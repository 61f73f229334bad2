package main

import (
	"slices"

	"mlx/internal/cli"
)

// historyView is what became of the import of a history: the field history of import/v1.
type historyView struct {
	From        string        `json:"from"`   // mlflow, wandb or dvc
	Source      string        `json:"source"` // without credentials
	Runs        historyRuns   `json:"runs"`
	Points      int64         `json:"points"` // values of metrics
	Artifacts   historyFiles  `json:"artifacts"`
	Experiments int           `json:"experiments"`
	Models      int           `json:"models"`   // registered models that are new or have new versions
	Versions    int           `json:"versions"` // that are new
	Left        []historyLeft `json:"left"`     // what could not be brought
}

type historyRuns struct {
	New    int `json:"new"`
	Known  int `json:"known"`  // imported before
	Failed int `json:"failed"` // left has why
}

type historyFiles struct {
	Files int64 `json:"files"`
	Bytes int64 `json:"bytes"`
}

// historyLeft is something that could not be brought, and how many more were left for the same reason.
type historyLeft struct {
	What  string `json:"what"`
	Name  string `json:"name"` // of the first
	Why   string `json:"why"`
	Count int    `json:"count"`
}

func (v *historyView) text(t *cli.Text) {
	label := cli.Fmt("imported %s", cli.Str(v.From+":"+v.Source))
	known := cli.Fmt("%s known", cli.Num(int64(v.Runs.Known), "run"))
	if v.Runs.New+v.Runs.Failed+v.Versions == 0 {
		t.Line(label, cli.Str("nothing new"), known)
	} else {
		t.Line(append([]cli.Cell{label}, v.counts(t.TTY(), known)...)...)
	}
	for _, l := range v.Left {
		cells := []cli.Cell{cli.Str("left"), cli.Str(l.What), cli.Str(l.Name), cli.Fmt("(%s in all)", cli.Count(int64(l.Count))), cli.Str(l.Why)}
		if t.TTY() && l.Count == 1 {
			cells = slices.Delete(cells, 3, 4)
		}
		t.Line(cells...)
	}
}

// counts is what was brought. A program gets every field; a person is not told what there was none of.
func (v *historyView) counts(tty bool, known cli.Cell) []cli.Cell {
	cells := []cli.Cell{cli.Num(int64(v.Runs.New), "run"), cli.Num(v.Points, "metric value"), cli.Num(v.Artifacts.Files, "file"),
		cli.Bytes(v.Artifacts.Bytes), cli.Num(int64(v.Models), "model"), cli.Num(int64(v.Versions), "version"), known}
	if !tty {
		return cells
	}
	var some []cli.Cell
	for i, n := range []int64{1, v.Points, v.Artifacts.Files, v.Artifacts.Bytes, int64(v.Models), int64(v.Versions), int64(v.Runs.Known)} {
		if n > 0 {
			some = append(some, cells[i])
		}
	}
	return some
}

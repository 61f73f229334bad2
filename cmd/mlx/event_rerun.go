package main

import (
	"mlx/internal/cli"
	"mlx/internal/run"
)

// rerunRow is a row of log: rerun/v1, and what every row has.
type rerunRow struct {
	run.RerunView
	Text string   `json:"text"`
	Tags []string `json:"tags"`
	Prev []string `json:"prev"`
}

// rerun tells how repeats of a run compared with it.
func (t *teller) rerun(e *event) error {
	v, err := run.RerunOf(e.rec)
	if err != nil {
		return err
	}
	e.what = []cli.Cell{rerunWord(v), cli.Fmt("%s %s", cli.Str("run"), cli.Hex(v.Of.ID, 12))}
	if len(v.Causes) > 0 {
		e.what = append(e.what, cli.Str(v.Causes[0].Text))
	}
	e.text = cli.Sentence(e.what...)
	row := e.row("rerun/v1")
	e.value = rerunRow{RerunView: v, Text: row.Text, Tags: row.Tags, Prev: row.Prev}
	return nil
}

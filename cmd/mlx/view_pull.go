package main

import (
	"time"

	"mlx/internal/cli"
)

// pullView is pull/v1.
type pullView struct {
	Kind          string       `json:"kind"`
	Remote        string       `json:"remote"`
	Records       int          `json:"records"`     // at the remote
	NewRecords    int          `json:"new_records"` // that were not in this ledger
	Data          []pulledView `json:"data"`
	BytesReceived int64        `json:"bytes_received"`
}

// pulledView is what became of one path.
type pulledView struct {
	Path          string  `json:"path"`
	Snapshot      string  `json:"snapshot"`
	Files         int64   `json:"files"`
	Bytes         int64   `json:"bytes"`
	BytesReceived int64   `json:"bytes_received"`
	Changed       bool    `json:"changed"`
	DurationS     float64 `json:"duration_s"`
}

func (a *app) pullText(v pullView, t *cli.Text) {
	var rows [][]cli.Cell
	for _, d := range v.Data {
		if !d.Changed {
			continue
		}
		rows = append(rows, []cli.Cell{cli.Path(a.shown(d.Path)), cli.Num(d.Files, "file"), cli.Bytes(d.Bytes),
			cli.Fmt("from %s", cli.Str(v.Remote)), cli.Duration(seconds(d.DurationS))})
	}
	if v.NewRecords > 0 {
		rows = append(rows, []cli.Cell{cli.Str("ledger"), cli.Fmt("%s, %s new to you", cli.Num(int64(v.Records), "record"), cli.Count(int64(v.NewRecords)))})
	}
	if len(rows) == 0 {
		t.Line(cli.Str(v.Remote), cli.Str("nothing changed"))
		return
	}
	t.Rows(0, rows)
}

// seconds is the reverse of time.Duration.Seconds.
func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

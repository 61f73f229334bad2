package main

import (
	"maps"
	"slices"
	"time"

	"mlx/internal/cli"
	"mlx/internal/run"
)

// maxMetricsShown is how many metrics the summary of a run names.
const maxMetricsShown = 8

func runText(v run.View, shown func(string) string, t *cli.Text) {
	role := cli.RoleFail
	if v.State == run.Succeeded {
		role = cli.RolePass
	}
	how := cli.Fmt("%s in %s", cli.Word(role, string(v.State)), cli.Duration(time.Duration(*v.DurationS*float64(time.Second))))
	if v.PeakMemoryBytes != nil {
		how = cli.Fmt("%s, %s peak", how, cli.Bytes(*v.PeakMemoryBytes))
	}
	if v.Cause != nil && v.State != run.Succeeded { // else it is no more than what could not be captured, told below
		how = cli.Fmt("%s: %s", how, cli.Str(*v.Cause))
	}
	line := []cli.Cell{cli.Fmt("run %s", cli.ID(v.RunID)), how}
	t.Line(append(line, onWords(v)...)...)
	if len(v.Metrics) > 0 {
		t.Indented(2, append([]cli.Cell{cli.Str("metrics")}, runMetrics(v)...)...)
	}
	outputs := []cli.Cell{cli.Str("outputs")}
	for _, o := range v.Outputs {
		outputs = append(outputs, cli.Fmt("%s %s", cli.Path(shown(o.Path)), cli.Bytes(o.Bytes)))
	}
	if len(v.Outputs) > 0 {
		t.Indented(2, outputs...)
	}
}

func runMetrics(v run.View) []cli.Cell {
	names := slices.Sorted(maps.Keys(v.Metrics))
	var cells []cli.Cell
	for _, name := range names[:min(len(names), maxMetricsShown)] {
		cells = append(cells, cli.Fmt("%s %s", cli.Str(name), cli.Float(float64(v.Metrics[name]))))
	}
	if rest := len(names) - len(cells); rest > 0 {
		cells = append(cells, cli.Shown(cli.RoleDim, "and "+cli.FormatNum(int64(rest), "more metric")))
	}
	return cells
}

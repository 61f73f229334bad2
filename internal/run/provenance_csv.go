package run

import (
	"bytes"
	"encoding/csv"
	"maps"
	"slices"
	"strconv"
	"strings"

	"mlx/internal/fault"
)

// CSV writes runs as a table: a row a run in the order given, and a column for everything that any of them has. A cell
// is empty where a run lacks it. Times are RFC 3339 in UTC, NaN and the infinities are words.
func CSV(runs []Account) ([]byte, error) {
	fixed := []string{"id", "name", "experiment", "state", "command", "started_at", "ended_at", "duration_s", "exit_status", "commit", "dirty",
		"by", "host"}
	rows := make([]map[string]string, len(runs))
	found := make(map[string]bool)
	for i, a := range runs {
		rows[i] = a.cells()
		for name := range rows[i] {
			if strings.Contains(name, ".") {
				found[name] = true
			}
		}
	}
	columns := append(fixed, slices.SortedFunc(maps.Keys(found), byColumn)...)
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	lines := [][]string{columns}
	for _, row := range rows {
		line := make([]string, len(columns))
		for i, name := range columns {
			line[i] = row[name]
		}
		lines = append(lines, line)
	}
	if err := w.WriteAll(lines); err != nil {
		return nil, fault.New(fault.Internal, "cannot write the table: %w", err)
	}
	return b.Bytes(), nil
}

// byColumn orders columns: parameters, metrics, data, outputs, and by name in each.
func byColumn(a, b string) int {
	rank := func(name string) int {
		group, _, _ := strings.Cut(name, ".")
		return slices.Index([]string{"params", "metrics", "data", "outputs"}, group)
	}
	if d := rank(a) - rank(b); d != 0 {
		return d
	}
	return strings.Compare(a, b)
}

func (a Account) cells() map[string]string {
	all := map[string]string{
		"id": a.ID, "name": orNothing(a.Name), "experiment": orNothing(a.Experiment), "state": string(a.State), "command": word(a.Command),
		"commit": orNothing(a.Commit), "dirty": strconv.FormatBool(a.Dirty), "by": a.By, "host": a.Machine.Host,
	}
	if a.StartedAt != nil {
		all["started_at"] = rfc3339(*a.StartedAt)
	}
	if a.EndedAt != nil {
		all["ended_at"] = rfc3339(*a.EndedAt)
	}
	if a.DurationS != nil {
		all["duration_s"] = word(*a.DurationS)
	}
	if a.ExitStatus != nil {
		all["exit_status"] = strconv.Itoa(*a.ExitStatus)
	}
	for name, v := range a.Params {
		all["params."+name] = word(v)
	}
	for name, n := range a.Metrics {
		all["metrics."+name] = word(number(n))
	}
	for _, d := range a.Body.Data {
		all["data."+d.Path] = d.Root.Hex()
	}
	for _, o := range a.Body.Outputs {
		all["outputs."+o.Path] = o.Digest.Hex()
	}
	return all
}

package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/repo"
)

// curvesForm is the form of a drawing or table of runs by the ending of its file. Empty: it has none.
func curvesForm(file string) string {
	switch ext := filepath.Ext(file); ext {
	case ".svg", ".csv", ".html", ".json":
		return ext[1:]
	case ".md":
		return "markdown"
	}
	return ""
}

// writeCurves draws runs over each other into a file: .svg or .csv. It is what `show` of one run and `diff` of many share.
func writeCurves(file string, runs []tracedRun) error {
	text, err := renderCurves(curvesForm(file), runs, nil)
	if err != nil {
		return err
	}
	return writeReport(file, text)
}

func writeReport(file string, text []byte) error {
	if err := repo.WriteFile(file, text, 0o666); err != nil {
		return fault.New(fault.KindOf(err), "cannot write %s: %w", file, err)
	}
	return nil
}

func renderCurves(form string, runs []tracedRun, only []string) ([]byte, error) {
	switch form {
	case "svg":
		return drawSVG(runs, only)
	case "csv":
		return curvesCSV(runs, only)
	}
	return nil, fault.New(fault.Usage, "cannot draw curves as %q", form).Hint("-o curves.svg or -o series.csv")
}

// curvesCSV lists every point: name, step, time, value; of several runs, each behind its id.
func curvesCSV(runs []tracedRun, only []string) ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	head := []string{"name", "step", "time", "value"}
	if len(runs) > 1 {
		head = append([]string{"run"}, head...)
	}
	if err := w.Write(head); err != nil {
		return nil, err
	}
	for _, r := range runs {
		if r.curves == nil {
			continue
		}
		var row []string
		if len(runs) > 1 {
			row = append(row, r.id)
		}
		for _, name := range r.curves.Names() {
			if !chosen(only, name) {
				continue
			}
			c, err := r.curves.Column(name)
			if err != nil {
				return nil, err
			}
			for i, v := range c.Values {
				line := append(row[:len(row):len(row)], name, strconv.FormatInt(c.Steps[i], 10), timeOf(c.Times[i]), strconv.FormatFloat(v, 'g', -1, 64))
				if err := w.Write(line); err != nil {
					return nil, err
				}
			}
		}
	}
	w.Flush()
	return b.Bytes(), w.Error()
}

// report renders one run with its curves.
func (v runShown) report(form string) ([]byte, error) {
	runs := []tracedRun{v.traced}
	switch form {
	case "html":
		return v.html(runs)
	case "markdown":
		return v.markdown(), nil
	case "json":
		doc, err := json.MarshalIndent(v, "", "  ")
		return append(doc, '\n'), err
	}
	return renderCurves(form, runs, v.only)
}

// facts are the lines of a report: a heading, and what stands under it.
func (v runShown) facts() [][2]string {
	facts := [][2]string{{"state", string(v.State)}, {"command", ranLine(v.View)}, {"by", v.By + " on " + v.Machine.Host}}
	if v.StartedAt != nil {
		facts = append(facts, [2]string{"started", v.StartedAt.UTC().Format("2006-01-02T15:04:05Z")})
	}
	if v.DurationS != nil {
		facts = append(facts, [2]string{"took", cli.Sentence(durationCell(*v.DurationS))})
	}
	if v.Cause != nil {
		facts = append(facts, [2]string{"cause", *v.Cause})
	}
	if v.Commit != nil {
		facts = append(facts, [2]string{"commit", *v.Commit})
	}
	for _, d := range v.Data {
		facts = append(facts, [2]string{"data", d.Name + " " + d.ID})
	}
	for _, o := range v.Outputs {
		facts = append(facts, [2]string{"output", o.Path + " " + o.Digest})
	}
	return facts
}

// numbers are two tables, parameters and metrics.
func (v runShown) numbers() (params, metrics [][2]string) {
	for _, k := range sortedKeys(v.Params) {
		params = append(params, [2]string{k, cli.Sentence(paramCell(v.Params[k]))})
	}
	for _, k := range sortedKeys(v.Metrics) {
		metrics = append(metrics, [2]string{k, cli.Sentence(cli.Float(float64(v.Metrics[k])))})
	}
	return params, metrics
}

func (v runShown) title() string {
	title := "run " + v.RunID.Short()
	if v.Name != nil {
		title += " " + *v.Name
	}
	return title
}

func (v runShown) markdown() []byte {
	var b bytes.Buffer
	cell := func(s string) string {
		return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;").Replace(s)
	}
	fmt.Fprintf(&b, "### %s\n\n", cell(v.title()))
	params, metrics := v.numbers()
	for _, table := range []struct {
		title string
		rows  [][2]string
	}{{"", v.facts()}, {"parameter", params}, {"metric", metrics}} {
		if len(table.rows) == 0 {
			continue
		}
		fmt.Fprintf(&b, "| %s | |\n| --- | --- |\n", table.title)
		for _, row := range table.rows {
			fmt.Fprintf(&b, "| %s | %s |\n", cell(row[0]), cell(row[1]))
		}
		b.WriteString("\n")
	}
	return b.Bytes()
}

const htmlStyle = `:root{color-scheme:light dark}body{font:14px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;
color:#1b1b1b;background:#fff}table{border-collapse:collapse;margin:0 0 1.5rem}td,th{padding:.15rem 1rem .15rem 0;text-align:left;
vertical-align:top;overflow-wrap:anywhere}th{font-weight:600;white-space:nowrap}svg{max-width:100%;height:auto}
@media (prefers-color-scheme:dark){body{color:#e6e6e6;background:#161616}}`

func (v runShown) html(runs []tracedRun) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>%s</title>\n<style>%s</style>\n</head>\n<body>\n<h1>%s</h1>\n",
		escaped(v.title()), htmlStyle, escaped(v.title()))
	params, metrics := v.numbers()
	for _, table := range []struct {
		title string
		rows  [][2]string
	}{{"", v.facts()}, {"Metrics", metrics}, {"Parameters", params}} {
		if len(table.rows) == 0 {
			continue
		}
		if table.title != "" {
			fmt.Fprintf(&b, "<h2>%s</h2>\n", table.title)
		}
		b.WriteString("<table>\n")
		for _, row := range table.rows {
			fmt.Fprintf(&b, "<tr><th scope=\"row\">%s</th><td>%s</td></tr>\n", escaped(row[0]), escaped(row[1]))
		}
		b.WriteString("</table>\n")
	}
	if len(v.Curves) > 0 {
		drawing, err := drawSVG(runs, v.only)
		if err != nil {
			return nil, err
		}
		b.WriteString("<h2>Curves</h2>\n")
		b.Write(drawing)
	}
	b.WriteString("</body>\n</html>\n")
	return b.Bytes(), nil
}

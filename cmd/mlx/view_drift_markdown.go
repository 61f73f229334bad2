package main

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"

	"mlx/internal/cli"
	"mlx/internal/drift"
	"mlx/internal/gate"
	"mlx/internal/page"
)

func (d driftTold) markdown(b *bytes.Buffer) {
	r := d.Answer
	fmt.Fprintf(b, "### mlx drift: **%s %s**\n\n", page.Markdown(d.title()), driftWord(r.Verdict))
	if window := windowWords(r.Window); window != "" {
		fmt.Fprintf(b, "%s: ", page.Markdown(window))
	}
	fmt.Fprintf(b, "%s against %s.", cli.FormatNum(r.Window.Rows, "row"), page.Markdown(cmp.Or(r.Reference.Name, r.Reference.ID.Short())))
	if len(r.Columns) > 0 {
		fmt.Fprintf(b, " %s.", page.Markdown(d.shareLine()))
	}
	b.WriteString("\n\n")
	if r.Why != "" {
		fmt.Fprintf(b, "%s.\n\n", page.Markdown(r.Why))
	}
	var open, rest []drift.Column
	for _, c := range driftOrder(r.Columns) {
		if c.Verdict == drift.Stable {
			rest = append(rest, c)
		} else {
			open = append(open, c)
		}
	}
	if len(open) > 0 {
		markdownColumns(b, open)
		b.WriteString("\n")
	}
	d.markdownChecks(b)
	if len(rest) > 0 {
		fmt.Fprintf(b, "<details><summary>%s without drift</summary>\n\n", cli.FormatNum(int64(len(rest)), "column"))
		markdownColumns(b, rest)
		b.WriteString("\n</details>\n\n")
	}
	for _, note := range r.Notes {
		fmt.Fprintf(b, "%s.\n\n", page.Markdown(strings.TrimSuffix(note, ".")))
	}
	for _, a := range d.Actions {
		fmt.Fprintf(b, "%s.\n\n", page.Markdown(a.Text))
	}
	if !d.Record.IsZero() {
		fmt.Fprintf(b, "Answer `%s`: `mlx show %[1]s`\n\n", d.Record.Short())
	}
}

func markdownColumns(b *bytes.Buffer, columns []drift.Column) {
	b.WriteString("| column | what | effect | threshold | p | |\n| --- | --- | ---: | ---: | ---: | --- |\n")
	for _, c := range columns {
		said, effect, threshold, chance := tableWords(c)
		word := driftWord(c.Verdict)
		if c.Verdict == drift.Drift {
			word = "**" + word + "**"
		}
		cells := []string{page.Markdown(c.Name), page.Markdown(said), page.Markdown(effect), threshold, page.Markdown(chance), word}
		b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
	}
}

func (d driftTold) markdownChecks(b *bytes.Buffer) {
	open, passed := gate.Result{Checks: d.Answer.Checks}.Parted()
	if len(open)+len(passed) == 0 {
		return
	}
	b.WriteString("| check | value | needs | |\n| --- | --- | --- | --- |\n")
	for _, f := range append(open, passed...) {
		b.WriteString("| " + strings.Join([]string{page.Markdown(f.Name), page.Markdown(f.Shown), page.Markdown(f.Needed()), f.Word()}, " | ") + " |\n")
	}
	b.WriteString("\n")
}

package gate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"mlx/internal/page"
)

// Markdown writes a report for a comment on a pull request: what failed first, what passed folded away.
func (v View) Markdown() []byte {
	var b strings.Builder
	names := make([]string, len(v.Report.Gates))
	for i, g := range v.Report.Gates {
		names[i] = g.Name
	}
	word := map[Verdict]string{Pass: "passed", Fail: "failed", Inconclusive: "inconclusive"}[v.Verdict]
	fmt.Fprintf(&b, "### mlx gate: **%s %s**\n\n", page.Markdown(list(names)), word)
	for _, g := range v.Report.Gates {
		g.markdown(&b, v.Report.Code)
	}
	fmt.Fprintf(&b, "Verdict `%s`: `mlx show %[1]s`\n", v.Record.Short())
	return []byte(b.String())
}

func (g Result) markdown(b *strings.Builder, commit string) {
	c := count([]Result{g})
	fmt.Fprintf(b, "Gate `%s` on %s `%s`", page.Code(g.Name), page.Markdown(g.For.Kind), g.For.ID.Short())
	switch {
	case g.For.Name != "":
		fmt.Fprintf(b, " (%s)", page.Markdown(g.For.Name))
	case commit != "":
		fmt.Fprintf(b, " (commit `%s`)", page.Code(commit))
	}
	if g.Against != nil {
		fmt.Fprintf(b, " against %s", page.Markdown(g.Baseline()))
	}
	fmt.Fprintf(b, ": %d of %d checks failed", c.Fail, len(g.Checks))
	for _, also := range []struct {
		n    int
		word string
	}{{c.Warn, "warned"}, {c.Inconclusive, "inconclusive"}} {
		if also.n > 0 {
			fmt.Fprintf(b, ", %d %s", also.n, also.word)
		}
	}
	b.WriteString(".\n\n")
	open, passed := g.Parted()
	if len(open) > 0 {
		markdownTable(b, open, true)
		b.WriteString("\n")
		markdownSaid(b, open)
		for _, f := range open {
			f.markdownSample(b)
		}
	}
	if len(passed) > 0 {
		plural := "s"
		if len(passed) == 1 {
			plural = ""
		}
		fmt.Fprintf(b, "<details><summary>%d check%s passed</summary>\n\n", len(passed), plural)
		markdownTable(b, passed, false)
		b.WriteString("\n</details>\n\n")
	}
	for _, note := range g.Notes() {
		fmt.Fprintf(b, "%s.\n\n", page.Markdown(sentence(note)))
	}
	if compared := g.Compared(); compared != "" {
		fmt.Fprintf(b, "Judged on %s.\n\n", compared)
	}
}

// markdownTable has columns for a baseline when one of the findings has one.
func markdownTable(b *strings.Builder, all []Finding, worded bool) {
	compared := slices.ContainsFunc(all, func(f Finding) bool { return f.Baseline != nil })
	head, line := "| check | value | needs |", "| --- | ---: | --- |"
	if compared {
		head, line = "| check | candidate | production | difference | needs |", "| --- | ---: | ---: | ---: | --- |"
	}
	if worded {
		head, line = head+" |", line+" --- |"
	}
	b.WriteString(head + "\n" + line + "\n")
	for _, f := range all {
		cells := []string{page.Markdown(f.Name), page.Markdown(f.Shown), page.Markdown(f.Needs)}
		if compared {
			cells = []string{page.Markdown(f.Name)}
			for _, c := range append(f.comparison(), f.Needs) {
				cells = append(cells, page.Markdown(c))
			}
		}
		if worded {
			word := f.Word()
			if word == "fail" {
				word = "**fail**"
			}
			cells = append(cells, word)
		}
		b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
	}
}

// comparison is candidate, production and difference with its interval, as Markdown and HTML show them.
func (f Finding) comparison() []string {
	if f.Baseline == nil || f.Value == nil {
		return []string{f.Shown, "", ""}
	}
	difference := ""
	if f.Difference != nil {
		difference = f.number(*f.Difference, true)
	}
	if between := f.interval(true); between != "" {
		difference += fmt.Sprintf(" (%s: %s)", percent(f.level()), between)
	}
	return []string{f.number(*f.Value, false), f.number(*f.Baseline, false), difference}
}

func percent(share float64) string {
	return strconv.FormatFloat(share*100, 'f', -1, 64) + "%"
}

// maxSampleRows is how many failing rows a comment shows.
const maxSampleRows = 5

// markdownSaid says what the table has no room for: why, which rows, who accepted it.
func markdownSaid(b *strings.Builder, all []Finding) {
	any := false
	for _, f := range all {
		for _, s := range []string{f.Note, f.Where(), f.SaidWaiver()} {
			if s != "" {
				any = true
				fmt.Fprintf(b, "- %s: %s\n", page.Markdown(f.Name), page.Markdown(s))
			}
		}
	}
	if any {
		b.WriteString("\n")
	}
}

// markdownSample shows some of the failing rows, folded away.
func (f Finding) markdownSample(b *strings.Builder) {
	said := f.Failing.sampled()
	if said == "" {
		return
	}
	fmt.Fprintf(b, "<details><summary>%s: %s</summary>\n\n", page.HTML(f.Name), said)
	markdownRow(b, f.Failing.Header)
	b.WriteString(strings.Repeat("| --- ", len(f.Failing.Header)) + "|\n")
	for _, row := range f.Failing.Sample[:min(len(f.Failing.Sample), maxSampleRows)] {
		markdownRow(b, row)
	}
	b.WriteString("\n</details>\n\n")
}

func markdownRow(b *strings.Builder, cells []string) {
	b.WriteString("|")
	for _, c := range cells {
		b.WriteString(" " + page.Markdown(c) + " |")
	}
	b.WriteString("\n")
}

// sentence begins with a capital letter.
func sentence(s string) string {
	if s == "" {
		return s
	}
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[n:]
}

package gate

import (
	"fmt"
	"strings"
)

// Markdown writes a report for a comment on a pull request: what failed first, what passed folded away.
func (v View) Markdown() []byte {
	var b strings.Builder
	names := make([]string, len(v.Report.Gates))
	for i, g := range v.Report.Gates {
		names[i] = g.Name
	}
	word := map[Verdict]string{Pass: "passed", Fail: "failed", Inconclusive: "inconclusive"}[v.Verdict]
	fmt.Fprintf(&b, "### mlx gate: **%s %s**\n\n", markdown(list(names)), word)
	for _, g := range v.Report.Gates {
		g.markdown(&b)
	}
	fmt.Fprintf(&b, "Verdict `%s`: `mlx show %[1]s`\n", v.Record.Short())
	return []byte(b.String())
}

func (g Result) markdown(b *strings.Builder) {
	c := count([]Result{g})
	fmt.Fprintf(b, "Gate `%s` on %s `%s`: %d of %d checks failed", code(g.Name), markdown(g.For.Kind), g.For.ID.Short(), c.Fail, len(g.Checks))
	for _, also := range []struct {
		n    int
		word string
	}{{c.Warn, "warned"}, {c.Inconclusive, "inconclusive"}} {
		if also.n > 0 {
			fmt.Fprintf(b, ", %d %s", also.n, also.word)
		}
	}
	b.WriteString(".\n\n")
	var open, passed []Finding
	for _, f := range g.Checks {
		if f.Verdict == Pass {
			passed = append(passed, f)
		} else {
			open = append(open, f)
		}
	}
	if len(open) > 0 {
		b.WriteString("| check | value | needs | |\n| --- | ---: | --- | --- |\n")
		for _, f := range open {
			word := f.Word()
			if word == "fail" {
				word = "**fail**"
			}
			fmt.Fprintf(b, "| %s | %s | %s | %s |\n", markdown(f.Name), markdown(f.Shown), markdown(f.Needs), word)
		}
		b.WriteString("\n")
	}
	if len(passed) > 0 {
		plural := "s"
		if len(passed) == 1 {
			plural = ""
		}
		fmt.Fprintf(b, "<details><summary>%d check%s passed</summary>\n\n| check | value | needs |\n| --- | ---: | --- |\n", len(passed), plural)
		for _, f := range passed {
			fmt.Fprintf(b, "| %s | %s | %s |\n", markdown(f.Name), markdown(f.Shown), markdown(f.Needs))
		}
		b.WriteString("\n</details>\n\n")
	}
}

// markdown keeps text from being anything but text inside a table: no markup, no HTML, no mention, no new line.
func markdown(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r < ' ' || r == 0x7f:
			b.WriteByte(' ')
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == '&':
			b.WriteString("&amp;")
		case r == '@':
			b.WriteString("&#64;")
		case strings.ContainsRune("\\`*[]|#~!", r):
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// code keeps text inside a span of code.
func code(s string) string {
	return strings.NewReplacer("`", "'", "|", "/", "\n", " ", "\r", " ").Replace(s)
}

package registry

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Markdown writes the card for people.
func (c Card) Markdown() []byte {
	w := &cardWriter{}
	w.line("# %s", plainText(c.Name))
	w.line("")
	w.text(c.Description)
	w.text(c.Message)
	w.table([]string{"", ""}, c.facts())
	w.made(c)
	w.numbers(c)
	w.environment(c)
	w.judged(c)
	w.section("Not known")
	for _, u := range c.Unknown {
		w.line("- %s", plainText(u))
	}
	if len(c.Reproduce) > 0 {
		w.section("How to reproduce")
		w.line("```")
		for _, command := range c.Reproduce {
			w.line("%s", strings.ReplaceAll(command, "```", ""))
		}
		w.line("```")
	}
	return w.b.Bytes()
}

type cardWriter struct{ b bytes.Buffer }

func (w *cardWriter) line(format string, args ...any) { fmt.Fprintf(&w.b, format+"\n", args...) }

func (w *cardWriter) section(title string) { w.line("\n## %s\n", title) }

func (w *cardWriter) text(s *string) {
	if s != nil {
		w.line("%s\n", plainText(*s))
	}
}

// table writes rows; without rows nothing.
func (w *cardWriter) table(head []string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	w.line("| %s |", strings.Join(head, " | "))
	w.line("|%s", strings.Repeat(" --- |", len(head)))
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = strings.ReplaceAll(plainText(cell), "|", `\|`)
		}
		w.line("| %s |", strings.Join(cells, " | "))
	}
}

// plainText keeps what a record says from being more than text: what it holds may come from anybody.
func plainText(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case r < ' ' || r == 0x7f:
			return -1
		}
		return r
	}, s)
	return strings.NewReplacer("<", "&lt;", ">", "&gt;", "[", `\[`, "]", `\]`, "`", "'").Replace(s)
}

func dated(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

func orUnknown(s *string) string {
	if s == nil {
		return "unknown"
	}
	return *s
}

func (c Card) facts() [][]string {
	rows := [][]string{
		{"stage", fmt.Sprintf("%s since %s", c.Stage, dated(c.StageSince))},
		{"digest", orUnknown(c.Digest)},
		{"format", orUnknown(c.Format)},
		{"licence", orUnknown(c.Licence)},
		{"task", orUnknown(c.Task)},
		{"registered", fmt.Sprintf("%s by %s", dated(c.Registered), c.By)},
	}
	if len(c.Aliases) > 0 {
		rows = append(rows, []string{"aliases", strings.Join(c.Aliases, ", ")})
	}
	for _, side := range []struct {
		name   string
		fields []CardField
	}{{"inputs", c.Inputs}, {"outputs", c.Outputs}} {
		if len(side.fields) > 0 {
			words := make([]string, len(side.fields))
			for i, f := range side.fields {
				words[i] = strings.TrimSpace(f.Name + " " + f.Type)
			}
			rows = append(rows, []string{side.name, strings.Join(words, ", ")})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(c.Tags)) {
		rows = append(rows, []string{"tag " + key, c.Tags[key]})
	}
	return rows
}

func (w *cardWriter) made(c Card) {
	w.section("Where it comes from")
	w.text(c.Derived)
	var rows [][]string
	if r := c.Run; r != nil {
		rows = append(rows, []string{"run", r.ID}, []string{"command", strings.Join(r.Command, " ")}, []string{"code", c.code()}, []string{"machine", r.Machine})
	} else {
		rows = append(rows, []string{"run", "unknown"})
	}
	for _, d := range c.Data {
		rows = append(rows, []string{"data", d.Path + " " + orUnknown(d.Snapshot)})
	}
	for _, p := range c.Parents {
		rows = append(rows, []string{"from", p.Name + " " + p.Digest})
	}
	w.table([]string{"", ""}, rows)
	if len(c.Files) > 0 {
		w.line("")
	}
	rows = nil
	for _, f := range c.Files {
		rows = append(rows, []string{f.Path, fmt.Sprint(f.Bytes), f.SHA256})
	}
	w.table([]string{"file", "bytes", "SHA-256"}, rows)
}

func (c Card) code() string {
	r := c.Run
	if r.Commit == nil {
		return "unknown"
	}
	text := *r.Commit
	if r.Branch != nil {
		text += " on " + *r.Branch
	}
	if r.Dirty {
		text += ", with uncommitted changes"
	}
	if r.Remote != nil {
		text += ", " + *r.Remote
	}
	return text
}

func (w *cardWriter) numbers(c Card) {
	var rows [][]string
	for _, name := range slices.Sorted(maps.Keys(c.Params)) {
		rows = append(rows, []string{name, fmt.Sprint(c.Params[name])})
	}
	if len(rows) > 0 {
		w.section("Parameters")
		w.table([]string{"parameter", "value"}, rows)
	}
	rows = nil
	for _, m := range c.Metrics {
		rows = append(rows, []string{m.Name, m.Text})
	}
	if len(rows) > 0 {
		w.section("Metrics")
		w.table([]string{"metric", "value"}, rows)
	}
}

func (w *cardWriter) environment(c Card) {
	e := c.Environment
	if e == nil {
		return
	}
	w.section("Environment")
	w.line("Python %s, %d packages%s.", plainText(orUnknown(e.Python)), len(e.Packages), map[bool]string{false: " known"}[e.Complete])
	for _, g := range e.GPUs {
		w.line("\nGPU: %s.", plainText(g))
	}
	if len(e.Packages) > 0 {
		words := make([]string, len(e.Packages))
		for i, p := range e.Packages {
			words[i] = p.Name + " " + p.Version
		}
		w.line("\n<details><summary>packages</summary>\n\n%s\n\n</details>", plainText(strings.Join(words, ", ")))
	}
}

func (w *cardWriter) judged(c Card) {
	w.section("Evidence")
	w.line("All of it is for exactly the bytes of the digest above.\n")
	var rows [][]string
	for _, g := range c.Gates {
		rows = append(rows, []string{"gate " + g.Gate, g.Verdict, dated(g.At), g.Record[:12]})
	}
	if s := c.Scan; s != nil {
		rows = append(rows, []string{"scan", fmt.Sprintf("%s, %d found, rules %s", s.Verdict, s.Findings, s.Rules), dated(s.At), s.Record[:12]})
	} else {
		rows = append(rows, []string{"scan", "unknown", "", ""})
	}
	for _, s := range c.SignOffs {
		said := "signed by " + s.By
		if !s.Counts {
			said = "does not count: " + orUnknown(s.Why)
		}
		if s.Message != nil {
			said += fmt.Sprintf(": %q", *s.Message)
		}
		rows = append(rows, []string{"sign-off " + s.Kind, said, dated(s.SignedAt), s.Record[:12]})
	}
	w.table([]string{"what", "answer", "when", "record"}, rows)
}

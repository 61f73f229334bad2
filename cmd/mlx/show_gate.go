package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/repo"
)

// gateShown is the JSON of `mlx show gate:NAME`: defined/v1 and what the gate says once what it includes is put in.
type gateShown struct {
	definedShown
	For             string           `json:"for"`
	Against         *string          `json:"against"`
	WithoutBaseline *gate.Verdict    `json:"without_baseline"`
	Model           *string          `json:"model"` // how it is asked: a command or an address
	Checks          []gate.Explained `json:"checks"`
}

// showGate says what each check of a gate is, needs and reads. Nothing is judged; what the gate includes is read.
func (a *app) showGate(ctx context.Context, named target) error {
	r, err := a.repo()
	if err != nil {
		return err
	}
	text, err := os.ReadFile(r.Abs(repo.ConfigName))
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot read %s: %w", repo.ConfigName, err)
	}
	config, err := a.config()
	if err != nil {
		return err
	}
	specs, err := a.specsOf(ctx, repo.ConfigName, config, []string{named.Name})
	if err != nil {
		return err
	}
	v, err := shownGate(specs[0], definition(string(text), "gates", named.Name))
	if err != nil {
		return err
	}
	return a.streams.Emit(v, func(t *cli.Text) { v.text(t) })
}

func shownGate(s gate.Spec, text string) (gateShown, error) {
	v := gateShown{definedShown: definedShown{Kind: "defined/v1", Section: "gates", Name: s.Name, Text: text}, For: cmp.Or(s.For, "@last"), Against: some(s.Against)}
	if s.WithoutBaseline != "" {
		v.WithoutBaseline = &s.WithoutBaseline
	}
	if m := s.Model; m != nil {
		v.Model = some(cmp.Or(m.Command, m.Serve, m.URL))
	}
	var err error
	v.Checks, err = gate.Explain(s)
	return v, err
}

func (v gateShown) text(t *cli.Text) {
	t.Line(cli.Fmt("%s %s", cli.Str("gate"), cli.Str(v.Name)), cli.Fmt("in %s", cli.Path(repo.ConfigName)))
	said := cli.Str(v.For)
	if v.For == "@last" && t.TTY() {
		said = cli.Str("the newest run of this worktree, or what --for names")
	}
	t.KeyValue(2, "for", said)
	if v.Against != nil {
		cells := []cli.Cell{cli.Str(*v.Against)}
		if v.WithoutBaseline != nil {
			cells = append(cells, cli.Fmt("while there is none: %s", cli.Str(string(*v.WithoutBaseline))))
		}
		t.KeyValue(2, "against", cells...)
	}
	if v.Model != nil {
		t.KeyValue(2, "asks", cli.Str(*v.Model))
	}
	if !t.TTY() {
		for _, c := range v.Checks {
			t.Line(append([]cli.Cell{cli.Str("check")}, explainedRow(c)...)...)
		}
		return
	}
	if read, ok := v.readByAll(); ok {
		t.KeyValue(2, "reads", cli.Str(read))
	}
	t.Heading()
	for _, c := range v.Checks {
		v.page(c, t)
	}
}

// readByAll is what all checks read, when it is the same.
func (v gateShown) readByAll() (string, bool) {
	read := strings.Join(v.Checks[0].Reads, " and ")
	for _, c := range v.Checks {
		if strings.Join(c.Reads, " and ") != read {
			return "", false
		}
	}
	return read, read != ""
}

// explainedRow is a check for a program: name, what it is, needs, reads, where it is written, from, severity, waiver.
func explainedRow(c gate.Explained) []cli.Cell {
	from, waiver := "", ""
	if c.From != nil {
		from = *c.From
	}
	if c.Waiver != nil {
		waiver = gate.Finding{Waiver: c.Waiver}.SaidWaiver()
	}
	return []cli.Cell{cli.Str(c.Name), cli.Str(c.Is), cli.Str(c.Needs), cli.Str(strings.Join(c.Reads, " ")), cli.Str(writtenAt(c)), cli.Str(from),
		cli.Str(string(c.Severity)), cli.Str(waiver)}
}

func writtenAt(c gate.Explained) string { return c.At.File + ":" + strconv.Itoa(c.At.Line) }

// page is a check for a person: what it is and needs, and below it what else there is to know.
func (v gateShown) page(c gate.Explained, t *cli.Text) {
	what := c.Is
	if c.Needs != "" {
		what += ": " + c.Needs
	}
	name := 0
	for _, other := range v.Checks {
		name = max(name, utf8.RuneCountInString(other.Name))
	}
	name = min(name, 32)
	t.Hanging(2, name+2, cli.Word(cli.RoleBold, fmt.Sprintf("%-*s", name, c.Name)), cli.Str(what))
	var more []string
	if _, same := v.readByAll(); !same && len(c.Reads) > 0 {
		more = append(more, "reads "+strings.Join(c.Reads, " and "))
	}
	if c.From != nil {
		more = append(more, "from gate "+*c.From+", "+writtenAt(c))
	}
	if c.Severity == gate.SeverityWarn {
		more = append(more, "only warns")
	}
	if c.Waiver != nil {
		more = append(more, gate.Finding{Waiver: c.Waiver}.SaidWaiver())
	}
	if len(more) > 0 {
		t.Hanging(4, 2, cli.Word(cli.RoleDim, strings.Join(more, "; ")))
	}
}

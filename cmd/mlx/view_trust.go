package main

import (
	"strings"

	"mlx/internal/cli"
	"mlx/internal/repo"
)

// trustText is what a person is shown before he allows it.
type trustText struct {
	pending []repo.TrustItem
	at      string // a git revision, when it is not the file here
	all     bool   // every command in full
	asked   bool
}

func (x trustText) render(t *cli.Text) {
	switch {
	case x.asked:
	case len(x.pending) == 0:
		t.Line(cli.Str("nothing to allow"))
	case t.TTY():
		x.sections(t)
	default:
		var rows [][]cli.Cell
		for _, i := range x.pending {
			rows = append(rows, []cli.Cell{cli.Str(i.State), cli.Str(i.Kind), cli.Str(i.Name), cli.Str(i.Value)})
		}
		t.Table(nil, rows)
	}
}

// sections are for a person: addresses and keys in full, new commands as a count, changed ones in full as well, since
// whoever allowed one before believes to know it.
func (x trustText) sections(t *cli.Text) {
	var commands []repo.TrustItem
	for _, i := range x.pending {
		switch i.Kind {
		case repo.TrustRemote, repo.TrustBackend, repo.TrustTable, repo.TrustModel, repo.TrustGates, repo.TrustPlace, repo.TrustAction:
			x.line(t, i.Kind+" "+i.Name, i, cli.Str(i.Value))
		case repo.TrustKey:
			owner := i.Owner
			if owner == "" {
				owner = "unnamed"
			}
			x.line(t, "key "+owner, i, cli.Str(i.Value), cli.Path(i.Name))
		default:
			commands = append(commands, i)
		}
	}
	if len(commands) == 0 {
		return
	}
	show := "mlx show mlx.yaml"
	if x.at != "" {
		show = "mlx trust --at " + shellWord(x.at) + " --dry-run -v"
	}
	t.Line(cli.Str(pad("commands")), cli.Str(counted(commands)+": "+show))
	for _, i := range commands {
		if x.all || i.State == "changed" {
			x.line(t, "  "+i.Kind+" "+i.Name, i, cli.Str(i.Value))
		}
	}
}

// line shows one value, and what it was when only one was allowed before.
func (x trustText) line(t *cli.Text, label string, i repo.TrustItem, cells ...cli.Cell) {
	switch {
	case i.State == "changed" && i.Was != "":
		cells = append(cells, cli.Word(cli.RoleWarn, "was "+i.Was))
	case i.State == "changed":
		cells = append(cells, cli.Word(cli.RoleWarn, "changed"))
	}
	t.Line(append([]cli.Cell{cli.Str(pad(label))}, cells...)...)
}

// pad makes labels stand above each other.
func pad(label string) string {
	const width = 12
	return label + strings.Repeat(" ", max(0, width-len(label)))
}

// counted says how many commands of each kind there are: 2 stages, 1 check.
func counted(commands []repo.TrustItem) string {
	var words []string
	for _, kind := range []string{repo.TrustStage, repo.TrustSample, repo.TrustCheck, repo.TrustService} {
		n := 0
		for _, i := range commands {
			if i.Kind == kind {
				n++
			}
		}
		if n > 0 {
			words = append(words, cli.FormatNum(int64(n), kind))
		}
	}
	return strings.Join(words, ", ")
}

package main

import (
	"cmp"
	"fmt"
	"slices"
	"unicode/utf8"

	"mlx/internal/cli"
	"mlx/internal/drift"
	"mlx/internal/gate"
)

// older is a window that was caught up. A program gets of one that is not stable: verdict, name, from, to, rows, what was found, the record.
func (d driftTold) older(t *cli.Text) {
	r := d.Answer
	if !t.TTY() && r.Verdict == drift.Stable {
		d.line(t)
		return
	}
	if !t.TTY() {
		cells := append([]cli.Cell{loudCell(r.Verdict), d.name()}, windowCells(r.Window)...)
		t.Line(append(cells, cli.Count(r.Window.Rows), cli.Str(d.inShort(0)), cli.ID(d.Record))...)
		return
	}
	cells := []cli.Cell{loudCell(r.Verdict), d.name(), cli.Str(windowWords(r.Window))}
	room := 0
	if t.Width() > 0 {
		room = max(8, t.Width()-len(loudWord(r.Verdict))-2-utf8.RuneCountInString(cli.Sentence(d.name()))-2-len(windowWords(r.Window))-2-1)
	}
	cells = append(cells, cli.Str(d.inShort(room)))
	if r.Verdict == drift.Stable { // of another the room is for what was found
		cells = append(cells, d.unusual(judgedAgain)...)
	}
	t.Hanging(0, 2, cells...)
}

// inShort is an answer in so many letters, about; 0: as many as it takes.
func (d driftTold) inShort(room int) string {
	r := d.Answer
	drifted, all := countedColumns(r.Columns)
	said := fmt.Sprintf("%s of %s", cli.FormatCount(int64(drifted)), cli.FormatNum(int64(all), "column"))
	var names []string
	switch r.Verdict {
	case drift.Stable:
		return said
	case drift.Drift:
		names = d.drifted()
		for _, f := range r.Checks {
			if f.Verdict == drift.Drift && f.Severity != gate.SeverityWarn {
				names = append(names, f.Name)
			}
		}
	default:
		if said = cmp.Or(r.Why, said); room > 0 {
			return shortened(said, room)
		}
		return said
	}
	for i, name := range names {
		join := ", "
		if i == 0 {
			join = ": "
		}
		if more := join + cli.Sentence(cli.Str(name)); room == 0 || utf8.RuneCountInString(said+more) <= room-len(", ...") || i == len(names)-1 && utf8.RuneCountInString(said+more) <= room {
			said += more
			continue
		}
		if cut := said + join + "..."; utf8.RuneCountInString(cut) <= room {
			return cut
		}
		return said
	}
	return said
}

// saidOnce leaves a note that several checks have to the last one of them that stands in a row.
func saidOnce(checks []gate.Finding) []gate.Finding {
	all := slices.Clone(checks)
	for i := range all[:max(0, len(all)-1)] {
		if all[i].Note == all[i+1].Note && all[i].Where() == "" && all[i].SaidWaiver() == "" {
			all[i].Note = ""
		}
	}
	return all
}

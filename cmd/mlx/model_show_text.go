package main

import (
	"encoding/json"
	"strings"

	"mlx/internal/cli"
	"mlx/internal/gate"
	"mlx/internal/registry"
)

// gateVerdict is a verdict of the registry as one of a gate: they have the same words.
func gateVerdict(v registry.Verdict) gate.Verdict { return gate.Verdict(v) }

// modelText shows a model and its versions.
func modelText(m *registry.Model, t *cli.Text) {
	live := m.Live()
	t.Line(cli.Fmt("%s %s", cli.Str("model"), cli.Str(m.Name)), cli.Num(int64(len(live)), "version"), cli.Time(m.CreatedAt), cli.Fmt("by %s", cli.Str(m.By)))
	if m.Description != "" {
		t.KeyValue(2, "about", cli.Str(m.Description))
	}
	for _, p := range m.Held {
		t.KeyValue(2, p.Name, pointerCells(p)...)
	}
	for _, p := range m.Aliases {
		if len(p.Versions) > 0 {
			t.KeyValue(2, "alias", append([]cli.Cell{cli.Str(p.Name)}, pointerCells(p)...)...)
		}
	}
	for _, name := range sortedKeys(m.Tags) {
		t.KeyValue(2, "tag", cli.Str(name), cli.Str(m.Tags[name]))
	}
	for i, v := range live {
		if i > 0 && live[i-1].Version == v.Version {
			t.KeyValue(2, "v"+numberWord(v.Version), cli.Word(cli.RoleFail, "conflict: two clones gave the same number"), cli.ID(live[i-1].Digest), cli.ID(v.Digest))
		}
	}
	var rows [][]cli.Cell
	for i := len(live) - 1; i >= 0; i-- {
		rows = append(rows, versionCells(live[i], false))
	}
	if len(rows) > 0 {
		t.Heading()
		t.Table([]string{"VERSION", "STAGE", "ALIASES", "WHEN", "SIZE", "FORMAT", "DIGEST"}, rows)
	}
}

// pointerCells is where a stage or an alias points.
func pointerCells(p registry.Pointer) []cli.Cell {
	words := make([]string, len(p.Versions))
	for i, n := range p.Versions {
		words[i] = "v" + numberWord(n)
		if n == 0 {
			words[i] = "nothing"
		}
	}
	if p.Conflict() {
		return []cli.Cell{cli.Word(cli.RoleFail, strings.Join(words, " or ")), cli.Word(cli.RoleFail, "conflict: people moved it at the same time")}
	}
	return []cli.Cell{cli.Str(strings.Join(words, " and "))}
}

func (s modelShown) text(a *app, t *cli.Text) {
	v := s.version
	head := []cli.Cell{cli.Fmt("%s %s", cli.Str("model"), cli.Str(v.Name())), stageOfVersion(v), cli.Time(v.At), cli.Fmt("by %s", cli.Str(v.By))}
	t.Line(head...)
	if s.AsOf != nil {
		t.KeyValue(2, "as of", cli.Time(*s.AsOf))
	}
	if v.Description != "" {
		t.KeyValue(2, "about", cli.Str(v.Description))
	}
	bytesText(v, t)
	schemaText(v.Signature, t)
	if !v.StageSince.Equal(v.At) {
		t.KeyValue(2, "stage", stageOfVersion(v), cli.Fmt("since %s", cli.Time(v.StageSince)), cli.Fmt("by %s", cli.Str(v.StageBy)))
	}
	if len(v.Aliases) > 0 {
		t.KeyValue(2, "aliases", cli.Str(strings.Join(v.Aliases, " ")))
	}
	s.madeText(t)
	if s.Derived != nil {
		t.KeyValue(2, "derived", cli.Str(s.Derived.Text))
	}
	if s.Converted != nil {
		t.KeyValue(2, "converted", s.Converted.cells()...)
	}
	for _, name := range sortedKeys(v.Tags) {
		t.KeyValue(2, "tag", cli.Str(name), cli.Str(v.Tags[name]))
	}
	s.evidenceText(t)
	a.packagesText(s.Packages, t)
	if s.next != nil {
		t.KeyValue(2, "policy", cli.Fmt("for %s", cli.Str(string(s.next.To))), gateWord(string(s.next.Verdict), string(s.next.Verdict)))
		needsText(*s.next, 4, t)
	}
}

// bytesText says what the bytes of a version are.
func bytesText(v *registry.Version, t *cli.Text) {
	switch {
	case v.Digest.IsZero():
		t.KeyValue(2, "bytes", cli.Str("not kept by mlx"), orNone(v.Source))
	case v.Path == "":
		t.KeyValue(2, "bytes", cli.ID(v.Digest), cli.Bytes(v.Bytes))
	case v.Kind == "directory":
		t.KeyValue(2, "bytes", cli.Fmt("%s %s", cli.Path(v.Path), cli.ID(v.Digest)), cli.Num(v.Files, "file"), cli.Bytes(v.Bytes))
	default:
		t.KeyValue(2, "bytes", cli.Fmt("%s %s", cli.Path(v.Path), cli.ID(v.Digest)), cli.Bytes(v.Bytes))
	}
	if v.Format != "" {
		t.KeyValue(2, "format", cli.Str(v.Format))
	}
}

// schemaText names the inputs and outputs that the format of a model states.
func schemaText(raw json.RawMessage, t *cli.Text) {
	var parts map[string]json.RawMessage
	if json.Unmarshal(raw, &parts) != nil {
		return
	}
	for _, part := range []string{"inputs", "outputs"} {
		var columns []struct {
			Name string `json:"name"`
			Type string `json:"type"`
		}
		if json.Unmarshal(parts[part], &columns) != nil || len(columns) == 0 {
			continue
		}
		var words []string
		for _, c := range columns[:min(len(columns), 8)] {
			words = append(words, strings.TrimSpace(c.Name+" "+c.Type))
		}
		if n := len(columns) - 8; n > 0 {
			words = append(words, "and "+numberWord(n)+" more")
		}
		t.KeyValue(2, part, cli.Str(strings.Join(words, ", ")))
	}
}

// madeText tells the run that made a version.
func (s modelShown) madeText(t *cli.Text) {
	v := s.version
	switch {
	case v.Run == nil:
		t.KeyValue(2, "run", cli.Str("none is recorded"))
	case s.made == nil:
		t.KeyValue(2, "run", cli.ID(*v.Run), cli.Str("not known here"))
	default:
		t.KeyValue(2, "run", cli.ID(*v.Run), stateCell(s.made.State), cli.Str(ranLine(*s.made)))
		runSourceText(*s.made, t)
		runNumbersText(runShown{View: *s.made}, t)
	}
	for _, p := range v.From {
		t.KeyValue(2, "from", cli.Str(p.Model+"@v"+numberWord(p.Version)), cli.ID(p.Digest))
	}
}

func (s modelShown) evidenceText(t *cli.Text) {
	if s.Scan != nil {
		word := s.Scan.Verdict
		cells := []cli.Cell{cli.Fmt("%s %s", gateWord(word, strings.ToUpper(word)), cli.Hex(s.Scan.Record, 12)), cli.Time(s.Scan.At)}
		if s.Scan.Findings > 0 {
			cells = append(cells, cli.Num(int64(s.Scan.Findings), "finding"))
		}
		t.KeyValue(2, "scan", cells...)
	}
	for _, o := range s.SignOffs {
		cells := []cli.Cell{cli.Str(o.Kind), cli.Fmt("by %s", cli.Str(o.By)), cli.Time(o.SignedAt)}
		if !o.Stands {
			cells = append(cells, cli.Word(cli.RoleDim, "over"))
		}
		t.KeyValue(2, "signed", cells...)
	}
	for _, j := range s.Judged {
		t.KeyValue(2, "judged", cli.Fmt("%s %s %s", gateWord(string(j.Verdict), strings.ToUpper(string(j.Verdict))), cli.Str(strings.Join(j.Gates, " ")),
			cli.Hex(j.ID, 12)))
	}
}

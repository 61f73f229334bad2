package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/repo"
	"mlx/internal/run"
)

// showRecord shows a record of any kind as it is stored.
func (a *app) showRecord(ctx context.Context, t target) error {
	rec := t.Record
	if rec.ID.IsZero() {
		l, err := a.ledger()
		if err != nil {
			return err
		}
		if rec, err = l.Get(ctx, t.ID); err != nil {
			return err
		}
	}
	return a.streams.Emit(verbatim(rec.Raw), func(t *cli.Text) { recordText(rec, t) })
}

func recordText(rec lineage.Record, t *cli.Text) {
	t.Line(cli.Fmt("%s %s", cli.Str(rec.Kind), cli.ID(rec.ID)), cli.Time(rec.At), cli.Fmt("by %s", cli.Str(rec.By)))
	for _, p := range rec.Prev {
		t.KeyValue(2, "follows", cli.ID(p))
	}
	for _, in := range rec.In {
		t.KeyValue(2, in.Role, cli.ID(in.ID))
	}
	var b bytes.Buffer
	if json.Indent(&b, rec.Body, "", "  ") != nil {
		return
	}
	for line := range strings.Lines(b.String()) {
		t.Indented(2, cli.Str(strings.TrimRight(line, "\n")))
	}
}

// commitShown is the JSON of `mlx show` of a git revision.
type commitShown struct {
	Kind    string      `json:"kind"` // "git/v1"
	Commit  string      `json:"commit"`
	Subject string      `json:"subject"`
	Author  string      `json:"author"`
	At      time.Time   `json:"at"`
	Data    []fault.Ref `json:"data"`
	Runs    []fault.Ref `json:"runs"` // started from this commit, newest first
}

func (a *app) showCommit(ctx context.Context, t target) error {
	versions, err := a.versionsAt(ctx, t.Commit)
	if err != nil {
		return err
	}
	r, err := a.repo()
	if err != nil {
		return err
	}
	commit, err := r.CommitAt(ctx, t.Commit)
	if err != nil {
		return err
	}
	v := commitShown{Kind: "git/v1", Commit: t.Commit, Subject: commit.Subject, Author: commit.Author, At: commit.At,
		Data: []fault.Ref{}, Runs: []fault.Ref{}}
	for _, d := range versions {
		v.Data = append(v.Data, refOf(refSnapshot, d.Root.Hex(), d.Path))
	}
	l, err := a.ledger()
	if err != nil {
		return err
	}
	var runs []run.View
	for r, err := range a.history(l).Views(ctx, lineage.Query{Where: fmt.Sprintf("code.commit == %q", t.Commit)}) {
		if err != nil {
			return err
		}
		runs = append(runs, r)
		v.Runs = append(v.Runs, refOf(refRun, r.ID, ranLine(r)))
	}
	return a.streams.Emit(v, func(t *cli.Text) {
		t.Line(cli.Fmt("%s %s", cli.Str("git"), cli.Hex(v.Commit, 7)), cli.Quoted(v.Subject), cli.Time(v.At), cli.Fmt("by %s", cli.Str(v.Author)))
		for _, d := range v.Data {
			t.KeyValue(2, "data", cli.Fmt("%s %s", cli.Path(a.shown(d.Name)), cli.Hex(d.ID, 12)))
		}
		for _, r := range runs {
			t.KeyValue(2, "run", cli.ID(r.RunID), stateCell(r.State), cli.Str(ranLine(r)))
		}
	})
}

// configShown is the JSON of `mlx show mlx.yaml`.
type configShown struct {
	Kind     string              `json:"kind"` // "config/v1"
	Path     string              `json:"path"`
	Sections map[string][]string `json:"sections"`
	Text     string              `json:"text"`
}

// configSections are the parts of mlx.yaml that define names.
func configSections() []string {
	return []string{"remotes", "backends", "stages", "gates", "monitors", "services", "envs"}
}

// showConfig shows mlx.yaml: what it defines, then its text.
func (a *app) showConfig() error {
	cfg, err := a.config()
	if err != nil {
		return err
	}
	text, err := os.ReadFile(repo.ConfigName)
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot read %s: %w", repo.ConfigName, err)
	}
	v := configShown{Kind: "config/v1", Path: repo.ConfigName, Sections: make(map[string][]string), Text: string(text)}
	for _, s := range configSections() {
		v.Sections[s] = append([]string{}, configNames(cfg, s)...)
	}
	return a.streams.Emit(v, func(t *cli.Text) {
		for _, s := range configSections() {
			if names := v.Sections[s]; len(names) > 0 {
				t.KeyValue(0, s, cli.Str(strings.Join(names, " ")))
			}
		}
		t.Heading()
		t.Lines(v.Text)
	})
}

// definedShown is the JSON of `mlx show gate:NAME` and the like.
type definedShown struct {
	Kind    string `json:"kind"` // "defined/v1"
	Section string `json:"section"`
	Name    string `json:"name"`
	Text    string `json:"text"` // as mlx.yaml has it
}

// showDefined shows what mlx.yaml says of one name.
func (a *app) showDefined(t target) error {
	r, err := a.repo()
	if err != nil {
		return err
	}
	text, err := os.ReadFile(r.Abs(repo.ConfigName))
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot read %s: %w", repo.ConfigName, err)
	}
	section := t.Section
	if section == "envs" {
		section = "environments"
	}
	v := definedShown{Kind: "defined/v1", Section: section, Name: t.Name, Text: definition(string(text), section, t.Name)}
	if name, environment := repo.SplitService(t.Name); section == "services" && environment != "" {
		cfg, err := a.config()
		if err != nil {
			return err
		}
		lines := append([]string{definition(string(text), section, name)}, declaredLines(cfg, name, environment)...)
		v.Text = strings.Join(lines, "\n")
	}
	return a.streams.Emit(v, func(t *cli.Text) {
		t.Line(cli.Fmt("%s %s", cli.Str(strings.TrimSuffix(v.Section, "s")), cli.Str(v.Name)), cli.Fmt("in %s", cli.Path(repo.ConfigName)))
		t.Lines(v.Text)
	})
}

// definition cuts the lines of one name out of a section written in block style. In flow style it is the whole section's
// line: that still shows what was asked for.
func definition(text, section, name string) string {
	var out []string
	inSection, depth := false, -1
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		bare := strings.TrimLeft(line, " ")
		indent := len(line) - len(bare)
		switch {
		case indent == 0 && bare != "" && bare[0] != '#':
			inSection = strings.HasPrefix(bare, section+":")
			depth = -1
			if inSection && strings.Contains(bare, "{") {
				return line
			}
		case !inSection || bare == "":
		case depth < 0 && (bare == name+":" || strings.HasPrefix(bare, name+": ") || strings.HasPrefix(bare, `"`+name+`":`)):
			depth = indent
			out = append(out, line)
		case depth >= 0 && indent <= depth:
			return strings.Join(out, "\n")
		case depth >= 0:
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

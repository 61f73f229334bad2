package main

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/repo"
)

// The states of tracked data.
const (
	stateClean     = "clean"
	stateChanged   = "changed"
	stateMissing   = "missing"
	stateUntracked = "untracked"
	stateConflict  = "conflict" // the pointer file holds two versions, from a merge
)

// statusView is status/v1.
type statusView struct {
	Kind      string          `json:"kind"`
	Git       *gitView        `json:"git"`
	Clean     bool            `json:"clean"`
	Data      []dataView      `json:"data"`
	NotPushed *notPushedView  `json:"not_pushed"` // null: no remote is known
	Attention []attentionView `json:"attention"`
	Conflicts []conflictView  `json:"conflicts"`

	Remote *heldView `json:"remote"` // null without -r
}

type gitView struct {
	Branch *string `json:"branch"`
	Commit *string `json:"commit"`
	Dirty  *bool   `json:"dirty"` // null when git did not say
	err    error
}

type dataView struct {
	Path       string  `json:"path"`
	State      string  `json:"state"`
	Snapshot   *string `json:"snapshot"`
	Added      int64   `json:"added"`
	Changed    int64   `json:"changed"`
	Removed    int64   `json:"removed"`
	BytesDelta int64   `json:"bytes_delta"`
}

// conflictView is a name that several records claim.
type conflictView struct {
	Name   string      `json:"name"`
	Values []fault.Ref `json:"values"`
}

// what is the kind of thing that has the name: a tag, or an alias or a stage of a model.
func (c conflictView) what() string {
	if len(c.Values) > 0 && c.Values[0].Kind == refModel && strings.Contains(c.Name, "@") {
		return refModel
	}
	return refTag
}

func newStatusView() statusView {
	return statusView{Kind: "status/v1", Clean: true, Data: []dataView{}, Attention: []attentionView{}}
}

func (v *statusView) add(d dataView) {
	v.Data = append(v.Data, d)
	v.Clean = v.Clean && d.State == stateClean
}

func (v *statusView) finish(r *repo.Repo, code gitView) {
	v.Clean = v.Clean && len(v.Conflicts) == 0 && (v.Remote == nil || v.Remote.Holds != nil && *v.Remote.Holds)
	if !r.NoGit {
		v.Git = &code
	}
}

// tagConflicts returns the names that more than one current record claims, as after a union of two ledgers.
func (a *app) tagConflicts(ctx context.Context) ([]conflictView, error) {
	conflicts := []conflictView{}
	l, err := a.ledger()
	if err != nil {
		return nil, err
	}
	claims := map[string][]tagBody{}
	var names []string
	for t, err := range currentTags(ctx, l, "") {
		if err != nil {
			return nil, err
		}
		if t.body.annotates() {
			continue
		}
		if len(claims[t.body.Name]) == 1 {
			names = append(names, t.body.Name)
		}
		claims[t.body.Name] = append(claims[t.body.Name], t.body)
	}
	slices.Sort(names)
	for _, name := range names {
		c := conflictView{Name: name}
		for _, t := range claims[name] {
			c.Values = append(c.Values, fault.Ref{Kind: t.Target.Kind, ID: t.Target.ID.Hex(), Name: name})
		}
		conflicts = append(conflicts, c)
	}
	return conflicts, nil
}

func (a *app) statusText(v statusView, t *cli.Text) {
	if v.Git != nil {
		t.Heading(gitCell(*v.Git))
	}
	var rows [][]cli.Cell
	for _, d := range v.Data {
		if d.State != stateClean {
			rows = append(rows, a.dataCells(d, t.TTY()))
		}
	}
	switch {
	case len(v.Data) == 0:
		t.Heading(cli.Str("no data is tracked"))
	case len(rows) == 0:
		t.Heading(cli.Fmt("data is clean  %s", cli.Num(int64(len(v.Data)), "path")))
	default:
		t.Heading(cli.Str("data"))
		t.Rows(2, rows)
	}
	a.remoteStatusText(v, t)
	rows = nil
	for _, at := range v.Attention {
		rows = append(rows, at.cells(t.TTY()))
	}
	if len(rows) > 0 {
		t.Heading(cli.Str("attention"))
		t.Rows(2, rows)
	}
	rows = nil
	for _, c := range v.Conflicts {
		cells := []cli.Cell{cli.Str(c.Name)}
		for _, ref := range c.Values {
			cell := cli.Fmt(ref.Kind+" %s", cli.Hex(ref.ID, 12))
			if ref.Kind == refModel && (ref.Name != c.Name || !t.TTY()) {
				cell = cli.Str(ref.Name)
			}
			cells = append(cells, cell)
		}
		if !t.TTY() {
			cells = slices.Insert(cells, 0, cli.Str("conflicts"), cli.Str(c.what()))
		}
		rows = append(rows, cells)
	}
	if len(rows) > 0 {
		t.Heading(cli.Str("conflicts: names that several records claim"))
		t.Rows(2, rows)
	}
}

func gitCell(g gitView) cli.Cell {
	commit, where := cli.Str("before the first commit"), cli.Str("")
	if g.Commit != nil {
		commit = cli.Hex(*g.Commit, 7)
	}
	switch {
	case g.Branch != nil && g.Dirty != nil && *g.Dirty:
		return cli.Fmt("on %s %s, code changed", cli.Str(*g.Branch), commit)
	case g.Branch != nil:
		return cli.Fmt("on %s %s", cli.Str(*g.Branch), commit)
	case g.Dirty != nil && *g.Dirty:
		where = cli.Str(", code changed")
	}
	return cli.Fmt("at %s, on no branch%s", commit, where)
}

// dataCells is a line of status: for a program section, state, name, numbers; for a person the same in words.
func (a *app) dataCells(d dataView, person bool) []cli.Cell {
	role := cli.RoleWarn
	if d.State == stateConflict {
		role = cli.RoleFail
	}
	path, state := cli.Path(a.shown(d.Path)), cli.Word(role, d.State)
	if !person {
		number := func(n int64) cli.Cell { return cli.Str(strconv.FormatInt(n, 10)) }
		return []cli.Cell{cli.Str("data"), state, path, number(d.Added), number(d.Changed), number(d.Removed), number(d.BytesDelta)}
	}
	switch d.State {
	case stateChanged:
		counts := cli.Fmt("%s added, %s changed, %s removed", cli.Count(d.Added), cli.Count(d.Changed), cli.Count(d.Removed))
		return []cli.Cell{state, path, counts, cli.Change(d.BytesDelta)}
	case stateMissing:
		return []cli.Cell{state, path, cli.Num(d.Removed, "file"), cli.Bytes(-d.BytesDelta)}
	case stateConflict:
		return []cli.Cell{state, path, cli.Fmt("%s has a merge conflict", cli.Path(a.shown(d.Path+repo.PointerExt)))}
	}
	return []cli.Cell{state, path}
}

// hintStatus proposes the usual next step for the first thing that is not clean.
func (a *app) hintStatus(v statusView) {
	if v.Git != nil && v.Git.err != nil {
		a.streams.Note("%v", v.Git.err)
		for _, hint := range fault.Hints(v.Git.err) {
			a.streams.Note("hint: %s", hint)
		}
	}
	var changed, missing []string
	for _, d := range v.Data {
		switch d.State {
		case stateChanged, stateUntracked:
			changed = append(changed, a.typed(d.Path))
		case stateMissing:
			missing = append(missing, a.typed(d.Path))
		case stateConflict:
			a.streams.Hint("git checkout --ours "+a.typed(d.Path+repo.PointerExt), "or --theirs; then mlx checkout "+a.typed(d.Path))
			return
		}
	}
	for _, c := range v.Conflicts {
		if c.what() == refModel {
			model, _, _ := splitModel(c.Name)
			a.streams.Hint("mlx show model:"+shellWord(model), "then promote, or alias, the version that is meant")
			return
		}
	}
	switch {
	case len(v.Data) == 0:
		a.streams.Hint("mlx snapshot PATH", "the file or folder to track")
	case len(changed) == 1:
		a.streams.Hint("mlx snapshot "+changed[0], "")
	case len(changed) > 1:
		a.streams.Hint("mlx snapshot", "saves all that changed")
	case len(missing) == 1:
		a.streams.Hint("mlx checkout "+missing[0], "")
	case len(missing) > 1:
		a.streams.Hint("mlx checkout", "restores all that is missing")
	case v.NotPushed.any():
		a.streams.Hint("mlx push", "")
	}
}

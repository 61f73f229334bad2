package main

import (
	"slices"

	"mlx/internal/cli"
	"mlx/internal/object"
	"mlx/internal/registry"
)

// promotion is a move to a stage: what was decided, and what became of it.
type promotion struct {
	model    *registry.Model
	version  *registry.Version
	to       registry.Stage
	decision registry.Decision
	record   *object.Digest // nil: nothing was recorded
	dryRun   bool
}

// unchanged reports whether the version is where it is wanted, and nobody says otherwise.
func (p promotion) unchanged() bool {
	if p.version.Stage != p.to || p.version.Retired {
		return false
	}
	return !slices.ContainsFunc(p.model.Held, func(h registry.Pointer) bool { return h.Name == string(p.to) && h.Conflict() })
}

// displaced are the versions that leave a stage when another takes it.
func (p promotion) displaced() []int {
	var all []int
	for _, h := range p.model.Held {
		if h.Name == string(p.to) {
			all = slices.DeleteFunc(slices.Clone(h.Versions), func(n int) bool { return n == p.version.Version })
		}
	}
	return all
}

func (a *app) emitPromotion(p promotion) error {
	a.answer(decisionAnswer(p.decision))
	v := viewOfDecision(p.decision)
	if p.record != nil {
		v.Record = some(p.record.Hex())
	}
	err := a.streams.EmitVerdict(v, !p.decision.Allowed || p.dryRun, func(t *cli.Text) { p.text(t) })
	if err == nil && !p.decision.Allowed {
		a.hintNeeds(p.decision)
	}
	return err
}

func (p promotion) text(t *cli.Text) {
	name, to := cli.Str(p.version.Name()), cli.Str(string(p.to))
	switch {
	case !p.decision.Allowed:
		refusedText(p.decision, "promoted", t)
		return
	case p.unchanged():
		t.Line(cli.Fmt("nothing changed: %s is in %s", name, to))
		return
	}
	word := "promoted"
	if p.dryRun {
		word = "would promote"
	}
	cells := []cli.Cell{cli.Fmt("%s %s -> %s", cli.Shown(cli.RolePlain, word), name, to), cli.Fmt("was %s", cli.Str(string(p.version.Stage)))}
	for _, n := range p.displaced() {
		cells = append(cells, cli.Fmt("v%s archived", cli.Str(numberWord(n))))
	}
	t.Line(cells...)
	if p.dryRun {
		needsText(p.decision, 2, t)
	}
}

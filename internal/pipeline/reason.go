package pipeline

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"mlx/internal/object"
)

// maxReasons is how many differences a reason names.
const maxReasons = 3

// reason says in words why nothing was made of these inputs yet.
func (p *Planner) reason(ctx context.Context, d Decision) (string, error) {
	changed, err := p.changes(ctx, d)
	if err != nil || changed != "" {
		return changed, err
	}
	if len(p.past[d.Stage.Name]) == 0 {
		return "never ran", nil
	}
	past := p.before(d)
	switch {
	case past.State == Succeeded:
		return "what run " + past.Run.Short() + " made does not count", nil
	case past.Cause != "":
		return "run " + past.Run.Short() + " " + past.State + ": " + past.Cause, nil
	}
	return "run " + past.Run.Short() + " " + past.State, nil
}

// before is the run of a stage that the present state is compared with: the one that made what stands there, else the newest.
// One of the very same inputs, which failed, explains more than both.
func (p *Planner) before(d Decision) Past {
	all := p.past[d.Stage.Name]
	if all[0].Key == d.Key {
		return all[0]
	}
	for _, past := range all {
		stands := len(past.Roots) > 0
		for path, root := range past.Roots {
			stands = stands && p.disk[path].Root == root
		}
		if stands {
			return past
		}
	}
	return all[0]
}

// changes says how the inputs of a stage differ from those before; empty if they do not, or there were none.
func (p *Planner) changes(ctx context.Context, d Decision) (string, error) {
	if !p.known[d.Stage.Name] {
		if err := p.remember(ctx, d.Stage.Name); err != nil {
			return "", err
		}
	}
	if len(p.past[d.Stage.Name]) == 0 {
		return "", nil
	}
	past := p.before(d)
	if past.Key == d.Key {
		return "", nil
	}
	all := differences(d.Stage, past)
	all = append(all, p.depDifferences(ctx, d, past)...)
	if len(all) == 0 {
		return "environment of the stage changed", nil
	}
	if rest := len(all) - maxReasons; rest > 0 {
		all = append(all[:maxReasons], "and "+strconv.Itoa(rest)+" more")
	}
	return strings.Join(all, ", "), nil
}

// remember asks for the newest runs of every stage that was not asked about: one question, however many there are.
func (p *Planner) remember(ctx context.Context, first string) error {
	names := []string{first}
	for _, s := range p.g.Stages {
		if s.Name != first && !p.known[s.Name] {
			names = append(names, s.Name)
		}
	}
	found, err := p.w.Newest(ctx, names)
	if err != nil {
		return err
	}
	for _, name := range names {
		p.known[name] = true
	}
	for name, past := range found {
		p.past[name] = past
	}
	return nil
}

// differences compares the definition of a stage with what its newest run executed.
func differences(s Stage, past Past) []string {
	var all []string
	if s.Cmd != past.Cmd {
		all = append(all, "command changed")
	}
	if s.Folder != past.Folder {
		all = append(all, fmt.Sprintf("working folder %s -> %s", past.Folder, s.Folder))
	}
	all = append(all, paramDifferences(s, past)...)
	var outs []string
	for _, o := range s.Outs {
		outs = append(outs, o.Path)
		if !slices.Contains(past.Outs, o.Path) {
			all = append(all, "output "+o.Path+" is new")
		}
	}
	for _, o := range past.Outs {
		if !slices.Contains(outs, o) {
			all = append(all, "output "+o+" is declared no more")
		}
	}
	return all
}

func paramDifferences(s Stage, past Past) []string {
	var all []string
	files := map[string]int{}
	flat := Flat(s)
	for _, f := range flat {
		files[f.Key]++
	}
	now := map[string]bool{}
	for _, f := range flat {
		key := recorded(f, files[f.Key] > 1)
		now[key] = true
		was, there := past.Params[key]
		if there && was == f.Value || !there && f.Value == nil {
			continue
		}
		all = append(all, fmt.Sprintf("%s:%s %s -> %s", path.Clean(f.File), f.Key, shown(was, there), shown(f.Value, f.Value != nil)))
	}
	var gone []string
	for key := range past.Params {
		if !now[key] {
			gone = append(gone, "parameter "+key+" is used no more")
		}
	}
	slices.Sort(gone)
	return append(all, gone...)
}

// shown is a parameter as people write it.
func shown(v any, there bool) string {
	if !there {
		return "nothing"
	}
	if f, ok := v.(float64); ok {
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	return fmt.Sprint(v)
}

// depDifferences compares what a stage reads with what its newest run read.
func (p *Planner) depDifferences(ctx context.Context, d Decision, past Past) []string {
	was := make(map[string]Dep, len(past.Deps))
	for _, dep := range past.Deps {
		was[dep.Path] = dep
	}
	var all []string
	for _, dep := range d.Deps {
		old, there := was[dep.Path]
		delete(was, dep.Path)
		switch {
		case !there:
			all = append(all, "reads "+dep.Path+" now")
		case old.Digest != dep.Digest:
			all = append(all, dep.Path+" changed"+p.how(ctx, dep.Path, old.Digest))
		case old.Executable != dep.Executable:
			all = append(all, dep.Path+" changed (executable or not)")
		}
	}
	for _, dep := range past.Deps {
		if _, left := was[dep.Path]; left {
			all = append(all, "reads "+dep.Path+" no more")
		}
	}
	return all
}

func (p *Planner) how(ctx context.Context, path string, was object.Digest) string {
	if words := p.w.Changes(ctx, path, was); words != "" {
		return " (" + words + ")"
	}
	return ""
}

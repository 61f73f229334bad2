package repo

import (
	"os"
	"path"
	"slices"
	"sort"
	"strings"

	"mlx/internal/fault"
)

// check sees to it that the steps fit together: no output twice or inside another, none that is its own input, and no loop.
func (p *Pipeline) check() error {
	for i := range p.Steps {
		for _, out := range p.Steps[i].Outs {
			if other, twice := p.makers[out.Path]; twice {
				return p.twoWrite(out, i, other)
			}
			p.makers[out.Path] = i
			p.sorted = append(p.sorted, out.Path)
		}
	}
	slices.Sort(p.sorted)
	for i := range p.Steps {
		s := &p.Steps[i]
		for _, out := range s.Outs {
			if above, ok := p.above(out.Path); ok {
				o := &p.Steps[p.makers[above]]
				return failIn(out.At, "output %s of stage %s is inside output %s of stage %s", out.Path, s.Name, above, o.Name).
					Hint("edit %s   # list the folder, or the files in it", out.At.File)
			}
		}
		for _, dep := range s.Deps {
			if slices.Contains(p.Makers(dep.Path), i) {
				return failIn(dep.At, "stage %s reads %s, which is its own output", s.Name, dep.Path).
					Hint("edit %s   # a stage cannot wait for itself", dep.At.File)
			}
		}
		for model, out := range s.Register {
			if model == "" || strings.ContainsAny(model, "/:@") {
				return failIn(s.At, "stage %s registers a model called %q: a name holds no / : and @", s.Name, model)
			}
			if maker, ok := p.makers[out]; !ok || maker != i {
				return failIn(s.At, "stage %s registers %s from %s, which is not among its outputs", s.Name, model, out).
					Hint("%s", suggestion(out, s.outPaths(), "outputs are "+strings.Join(append(s.outPaths(), "none")[:max(1, len(s.Outs))], ", ")))
			}
		}
	}
	return p.checkLoops()
}

func (s *Step) outPaths() []string {
	paths := make([]string, len(s.Outs))
	for i, out := range s.Outs {
		paths[i] = out.Path
	}
	return paths
}

func (p *Pipeline) twoWrite(out StepOut, i, other int) error {
	a, b := &p.Steps[i], &p.Steps[other]
	if i == other {
		return failIn(out.At, "stage %s lists the output %s twice", a.Name, out.Path)
	}
	e := failIn(out.At, "stages %s and %s both write %s", b.Name, a.Name, out.Path)
	if a.Group == b.Group {
		return e.Hint("edit %s   # put a variable into the path, so that each stage has its own", out.At.File)
	}
	return e.Hint("edit %s   # the other is at %s, line %d", out.At.File, b.At.File, b.At.Line)
}

// above returns the output that a path lies in.
func (p *Pipeline) above(name string) (string, bool) {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if _, ok := p.makers[dir]; ok {
			return dir, true
		}
	}
	return "", false
}

// Makers returns the steps that write a path, a folder above it or something in it, by their place in Steps.
func (p *Pipeline) Makers(name string) []int {
	if i, ok := p.makers[name]; ok {
		return []int{i}
	}
	if above, ok := p.above(name); ok {
		return []int{p.makers[above]}
	}
	var all []int
	below := name + "/"
	for k := sort.SearchStrings(p.sorted, below); k < len(p.sorted) && strings.HasPrefix(p.sorted[k], below); k++ {
		all = append(all, p.makers[p.sorted[k]])
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Before returns the steps that a step waits for.
func (p *Pipeline) Before(i int) []int {
	var all []int
	add := func(name string) {
		for _, maker := range p.Makers(name) {
			if maker != i {
				all = append(all, maker)
			}
		}
	}
	for _, dep := range p.Steps[i].Deps {
		add(dep.Path)
	}
	for _, param := range p.Steps[i].Params {
		add(param.File)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// checkLoops walks back from every step without recursion: a chain may be 100,000 long.
func (p *Pipeline) checkLoops() error {
	const open, done = 1, 2
	state := make([]uint8, len(p.Steps))
	type frame struct {
		step   int
		before []int
	}
	for start := range p.Steps {
		if state[start] != 0 {
			continue
		}
		stack := []frame{{start, p.Before(start)}}
		state[start] = open
		for len(stack) > 0 {
			top := &stack[len(stack)-1]
			if len(top.before) == 0 {
				state[top.step] = done
				stack = stack[:len(stack)-1]
				continue
			}
			next := top.before[0]
			top.before = top.before[1:]
			switch state[next] {
			case 0:
				state[next] = open
				stack = append(stack, frame{next, p.Before(next)})
			case open:
				loop := []int{next}
				for k := len(stack) - 1; k >= 0 && stack[k].step != next; k-- {
					loop = append(loop, stack[k].step)
				}
				return p.loopError(loop)
			}
		}
	}
	return nil
}

// loopError names a loop, in the order in which the steps would run: from the one that is defined first back to it.
func (p *Pipeline) loopError(loop []int) error {
	first := slices.Index(loop, slices.Min(loop))
	loop = append(loop[first:], loop[:first]...)
	names := make([]string, 0, len(loop)+1)
	for _, i := range loop {
		names = append(names, p.Steps[i].Name)
	}
	names = append(names, names[0])
	if len(names) > 12 {
		names = append(append(names[:6:6], "..."), names[len(names)-5:]...)
	}
	at := p.Steps[loop[0]].At
	return failIn(at, "the stages form a loop: %s", strings.Join(names, " -> ")).
		Hint("edit %s   # one of them must not read what a later one writes", at.File)
}

// MissingDeps is an error when a step among those chosen, by their names, reads what no step makes and what is not there. Data
// that is tracked but not checked out is missing as well; elsewhere says whether it can be had without it, as by repro --pull.
func (p *Pipeline) MissingDeps(r *Repo, chosen []string, elsewhere func(path string) bool) error {
	seen := map[string]bool{}
	for _, name := range chosen {
		s, ok := p.Step(name)
		if !ok || s.Frozen {
			continue
		}
		for _, dep := range s.Deps {
			if seen[dep.Path] {
				continue
			}
			seen[dep.Path] = true
			if len(p.Makers(dep.Path)) > 0 || exists(r.Abs(dep.Path)) || elsewhere != nil && elsewhere(dep.Path) {
				continue
			}
			return r.missingDep(s, dep, p.sorted)
		}
		if !seen[s.Folder+"/"] && !isDir(r.Abs(s.Folder)) && len(p.Makers(s.Folder)) == 0 {
			return failIn(s.At, "stage %s runs in %s, which is no folder", s.Name, s.Folder).Hint("mkdir -p %s", shellWord(s.Folder))
		}
		seen[s.Folder+"/"] = true
	}
	return nil
}

func (r *Repo) missingDep(s *Step, dep Place, outputs []string) error {
	e := failIn(dep.At, "stage %s reads %s, which does not exist and no stage makes", s.Name, dep.Path)
	for up := dep.Path; up != "."; up = path.Dir(up) {
		switch {
		case isFile(r.Abs(up + PointerExt)):
			return e.Hint("mlx checkout %s   # it is tracked; after mlx pull where this clone lacks the data", shellWord(up))
		case isFile(r.Abs(up + ".dvc")):
			return e.Hint("mlx import dvc:. %s   # dvc tracks it; or: dvc pull %s", shellWord(up), shellWord(up))
		}
	}
	if near := r.nearPath(dep.Path, outputs); near != "" {
		return e.Hint("did you mean %q?", near)
	}
	return e.Hint("edit %s   # or make %s", dep.At.File, shellWord(dep.Path))
}

// nearPath returns what a path was meant to be: a neighbour in its folder, or an output.
func (r *Repo) nearPath(name string, outputs []string) string {
	dir := path.Dir(name)
	var known []string
	if entries, err := os.ReadDir(r.Abs(dir)); err == nil {
		for _, e := range entries[:min(1000, len(entries))] {
			known = append(known, path.Join(dir, e.Name()))
		}
	}
	known = append(known, outputs[:min(1000, len(outputs))]...)
	return fault.Nearest(name, known)
}

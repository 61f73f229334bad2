package pipeline

import (
	"context"
	"slices"
	"strings"
	"sync"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// Do is what is to be done about a stage.
type Do string

// What can be done.
const (
	Skip    Do = "skip"    // it is up to date
	Restore Do = "restore" // an earlier run made its outputs from the same inputs
	Run     Do = "run"
)

// Decision is what is to be done about a stage, and why.
type Decision struct {
	Stage Stage
	Do    Do
	Why   string
	Key   object.Digest // zero while an input is not known
	Deps  []Dep
	Made  *Made // the run that made the outputs; nil for Run
	Open  bool  // it may turn out to be restored: what it reads is restored first, and only then known
}

// Options say what a plan ignores.
type Options struct {
	Fresh map[string]string // stages that are executed whatever was made before, and why
}

// Planner decides about the stages of a graph. It remembers what it has asked the world.
type Planner struct {
	g *Graph
	w World
	o Options

	mu    sync.Mutex
	disk  map[string]Identity // what stands there; a path that was asked about and is not here has nothing
	asked map[string]bool
	made  map[object.Digest][]Made // by key, of those that were asked about
	past  map[string][]Past
	known map[string]bool // names that past was asked about
}

// NewPlanner returns a planner that has looked at all that the selected stages read and write, at once.
func NewPlanner(ctx context.Context, g *Graph, w World, o Options, sel []int) (*Planner, error) {
	p := &Planner{g: g, w: w, o: o, disk: map[string]Identity{}, asked: map[string]bool{}, made: map[object.Digest][]Made{},
		past: map[string][]Past{}, known: map[string]bool{}}
	var paths []string
	for _, i := range sel {
		paths = append(paths, g.Stages[i].Deps...)
		for _, out := range g.Stages[i].Outs {
			paths = append(paths, out.Path)
		}
	}
	if err := p.look(ctx, paths); err != nil {
		return nil, err
	}
	if err := p.bring(ctx, sel); err != nil {
		return nil, err
	}
	return p, p.guess(ctx, sel)
}

// look asks what stands at paths that have not been asked about.
func (p *Planner) look(ctx context.Context, paths []string) error {
	var ask []string
	for _, path := range paths {
		if !p.asked[path] {
			p.asked[path] = true
			ask = append(ask, path)
		}
	}
	if len(ask) == 0 {
		return nil
	}
	found, err := p.w.Identify(ctx, ask)
	for path, id := range found {
		p.disk[path] = id
	}
	return err
}

// forget lets the next look ask again.
func (p *Planner) forget(paths ...string) {
	for _, path := range paths {
		delete(p.asked, path)
		delete(p.disk, path)
	}
}

// bring finds the inputs that no stage makes and that are not there, before anything is run.
func (p *Planner) bring(ctx context.Context, sel []int) error {
	for _, i := range sel {
		s := p.g.Stages[i]
		if s.Frozen {
			continue
		}
		for _, dep := range s.Deps {
			if _, there := p.disk[dep]; there || len(p.g.Writers(dep)) > 0 {
				continue
			}
			if err := p.w.Missing(ctx, s, dep); err != nil {
				return err
			}
			p.forget(dep)
			if err := p.look(ctx, []string{dep}); err != nil {
				return err
			}
		}
		if s.Bad != nil {
			return s.Bad
		}
		for _, param := range s.Params {
			if param.Missing && len(p.g.Writers(param.File)) == 0 {
				return fault.New(fault.Usage, "cannot run stage %s: %s has no %s%s", s.Name, param.File, param.Key, s.Line()).In(s.At)
			}
		}
	}
	return nil
}

// guess asks at once about the keys that the stages have if everything is up to date.
func (p *Planner) guess(ctx context.Context, sel []int) error {
	var keys []object.Digest
	for _, i := range sel {
		deps, missing := p.depsOnDisk(p.g.Stages[i])
		if len(missing) > 0 {
			continue
		}
		key, err := Key(p.g.Stages[i], deps)
		if err != nil {
			return err
		}
		keys = append(keys, key)
	}
	return p.ask(ctx, keys)
}

// ask finds what runs have made of keys.
func (p *Planner) ask(ctx context.Context, keys []object.Digest) error {
	keys = slices.DeleteFunc(keys, func(k object.Digest) bool { _, ok := p.made[k]; return ok })
	if len(keys) == 0 {
		return nil
	}
	found, err := p.w.Made(ctx, keys)
	if err != nil {
		return err
	}
	for _, k := range keys {
		p.made[k] = found[k]
	}
	return nil
}

// depsOnDisk returns what a stage reads as it stands there now, and what is missing.
func (p *Planner) depsOnDisk(s Stage) (deps []Dep, missing []string) {
	for _, path := range s.Deps {
		id, there := p.disk[path]
		if !there {
			missing = append(missing, path)
			continue
		}
		deps = append(deps, Dep{path, id.Digest, id.Executable})
	}
	slices.SortFunc(deps, func(a, b Dep) int { return strings.Compare(a.Path, b.Path) })
	return slices.Compact(deps), missing
}

// Plan decides about stages in order without doing anything: what a stage would restore counts as there, and a stage
// that reads what would be made anew would run.
func (p *Planner) Plan(ctx context.Context, sel []int) ([]Decision, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := foresight{p: p, by: map[int]*Decision{}}
	all := make([]Decision, 0, len(sel))
	for _, i := range sel {
		d, err := f.decide(ctx, i)
		if err != nil {
			return nil, err
		}
		all = append(all, d)
		f.by[i] = &all[len(all)-1]
	}
	return all, nil
}

// foresight is what a plan knows of stages that it has decided about.
type foresight struct {
	p  *Planner
	by map[int]*Decision
}

func (f *foresight) decide(ctx context.Context, i int) (Decision, error) {
	s := f.p.g.Stages[i]
	var deps []Dep
	for _, file := range f.p.g.late(s) {
		if not := f.made(file); not.why != "" && !s.Frozen {
			return Decision{Stage: s, Do: Run, Why: not.why, Open: not.open}, nil
		}
	}
	for _, path := range s.Deps {
		id, not, err := f.input(ctx, i, path)
		if err != nil {
			return Decision{}, err
		}
		if not.why != "" {
			if s.Frozen {
				return Decision{Stage: s, Do: Skip, Why: "frozen"}, nil
			}
			return Decision{Stage: s, Do: Run, Why: not.why, Open: not.open}, nil
		}
		deps = append(deps, Dep{path, id.Digest, id.Executable})
	}
	slices.SortFunc(deps, func(a, b Dep) int { return strings.Compare(a.Path, b.Path) })
	return f.p.decide(ctx, s, slices.Compact(deps))
}

// unknown is why nobody can tell what a stage will read; open says that it will be something restored.
type unknown struct {
	why  string
	open bool
}

// made is why nobody can tell the parameters in a file yet: a stage before writes it.
func (f *foresight) made(file string) unknown {
	for _, up := range f.p.g.Writers(file) {
		switch d := f.by[up]; {
		case d == nil || d.Do == Skip:
		case d.Do == Restore:
			return unknown{d.Stage.Name + " is restored", true}
		case d.Open:
			return unknown{"depends on what " + d.Stage.Name + " turns out to make", true}
		default:
			return unknown{why: d.Stage.Name + " runs"}
		}
	}
	return unknown{}
}

// input is what a stage will read at a path, or why nobody knows yet.
func (f *foresight) input(ctx context.Context, i int, dep string) (Identity, unknown, error) {
	for _, up := range f.p.g.Writers(dep) {
		d := f.by[up]
		if d == nil || d.Do == Skip {
			continue
		}
		if d.Do == Run {
			if d.Open {
				return Identity{}, unknown{"depends on what " + d.Stage.Name + " turns out to make", true}, nil
			}
			return Identity{}, unknown{why: d.Stage.Name + " runs"}, nil
		}
		for _, out := range d.Made.Outs {
			if !within(dep, out.Path) {
				continue
			}
			id, there, err := f.p.w.Inside(ctx, out, strings.TrimPrefix(strings.TrimPrefix(dep, out.Path), "/"))
			if err == nil && !there {
				return id, unknown{why: out.Path + " of " + d.Stage.Name + " holds no " + dep}, nil
			}
			return id, unknown{}, err
		}
		return Identity{}, unknown{d.Stage.Name + " is restored", true}, nil
	}
	if id, there := f.p.disk[dep]; there {
		return id, unknown{}, nil
	}
	return Identity{}, unknown{}, errMissing(f.p.g, f.p.g.Stages[i], dep)
}

// decide compares a stage whose inputs are known with what was made of them before.
func (p *Planner) decide(ctx context.Context, s Stage, deps []Dep) (Decision, error) {
	d := Decision{Stage: s, Do: Run, Deps: deps}
	var err error
	if d.Key, err = Key(s, deps); err != nil {
		return d, err
	}
	if err := p.ask(ctx, []object.Digest{d.Key}); err != nil {
		return d, err
	}
	runs := p.complete(s, d.Key)
	switch {
	case s.Frozen:
		d.Do, d.Why = Skip, "frozen"
		return d, nil
	case p.o.Fresh[s.Name] != "":
		d.Why = p.o.Fresh[s.Name]
		return d, nil
	case s.Always:
		d.Why = "always"
		return d, nil
	case len(runs) == 0:
		d.Why, err = p.reason(ctx, d)
		return d, err
	}
	for i := range runs {
		if p.stands(runs[i]) {
			d.Do, d.Why, d.Made = Skip, "same as run "+runs[i].Run.Short(), &runs[i]
			return d, nil
		}
	}
	why := p.differs(runs[0])
	changed, err := p.changes(ctx, d)
	if err != nil {
		return d, err
	}
	for i := range runs {
		here, err := p.w.Here(ctx, runs[i])
		if err != nil {
			return d, err
		}
		if here {
			if d.Do, d.Why, d.Made = Restore, why, &runs[i]; changed != "" {
				d.Why = changed
			}
			return d, nil
		}
	}
	d.Why = why + " " + NotInStore
	return d, nil
}

// NotInStore ends the reason of a stage that runs although its outputs are known: nobody here has them.
const NotInStore = "and not in the store"

// complete returns the runs of a key that made exactly what the stage declares.
func (p *Planner) complete(s Stage, key object.Digest) []Made {
	var all []Made
	for _, m := range p.made[key] {
		ok := len(m.Outs) == len(s.Outs)
		for _, out := range s.Outs {
			ok = ok && slices.ContainsFunc(m.Outs, func(o MadeOut) bool { return o.Path == out.Path })
		}
		if ok {
			all = append(all, m)
		}
	}
	return all
}

// stands says whether what a run made is what stands there.
func (p *Planner) stands(m Made) bool {
	return !slices.ContainsFunc(m.Outs, func(o MadeOut) bool { return p.disk[o.Path].Root != o.Root })
}

// differs says which output is not what a run made of it.
func (p *Planner) differs(m Made) string {
	for _, o := range m.Outs {
		id, there := p.disk[o.Path]
		switch {
		case !there:
			return "output " + o.Path + " is missing"
		case id.Root != o.Root:
			return "output " + o.Path + " differs"
		}
	}
	return ""
}

package repo

import (
	"context"
	"strings"
	"time"

	"mlx/internal/fault"
)

// maxSteps bounds how many stages a pipeline may have after its matrices are expanded.
const maxSteps = 100_000

// Step is one stage of the pipeline, of mlx.yaml or of a dvc.yaml, after its matrix is expanded and its variables are put
// in. Paths are below the root of the project, with slashes.
type Step struct {
	Name     string // "train"; of a matrix "train@depth=6,seed=1"; in a dvc.yaml further down "sub/dvc.yaml:train"
	Group    string // as it is defined: "train", "sub/dvc.yaml:train"
	Cmd      string // a line for the shell
	Trust    string // what its user must have allowed: the command as written, and env
	Folder   string // where the command runs, "." for the root
	Deps     []Place
	Outs     []StepOut
	Params   []StepParam
	Env      map[string]string
	Timeout  time.Duration
	Retries  int
	On       string
	Needs    Resources // over those of the backend
	Always   bool
	Frozen   bool
	Register map[string]string
	At       fault.Position // where it is defined
}

// Place is a path and where it is written.
type Place struct {
	Path string
	At   fault.Position
}

// StepOut is what a step writes.
type StepOut struct {
	Place
	Metrics, Persist, InGit bool
}

// StepParam is a value of a file of parameters that a step depends on.
type StepParam struct {
	File, Key string // no key: the whole file
	Value     any    // as encoding/json reads it; whole numbers are int64
	Missing   bool   // another step has yet to write it
	At        fault.Position
}

// Pipeline is all steps of a project, in the order of their files.
type Pipeline struct {
	Steps  []Step
	Groups []string // in order

	samples Map[Sample]
	load    *loader
	byName  map[string]int
	makers  map[string]int // output -> step
	sorted  []string       // the outputs
}

// Pipeline expands the stages of mlx.yaml, which is c, and of every dvc.yaml of the project, and sees to it that they fit
// together. It does not look whether what they read is there: MissingDeps does.
func (r *Repo) Pipeline(ctx context.Context, c *Config) (*Pipeline, error) {
	files, err := r.dvcFiles(ctx)
	if err != nil {
		return nil, err
	}
	return c.pipeline(files, r.readBelow)
}

// pipeline expands the stages of c and of the dvc.yaml files.
func (c *Config) pipeline(dvcFiles []string, read KeyReader) (*Pipeline, error) {
	l := newLoader(read)
	defs := c.stageDefs()
	for _, file := range dvcFiles {
		more, err := l.dvcDefs(file)
		if err != nil {
			return nil, err
		}
		defs = append(defs, more...)
	}
	p := &Pipeline{samples: c.Samples, load: l, byName: map[string]int{}, makers: map[string]int{}}
	groups := map[string]fault.Position{}
	for i := range defs {
		d := &defs[i]
		if other, twice := groups[d.group()]; twice {
			return nil, failIn(d.at, "stage %s is already defined in %s, line %d", d.name, other.File, other.Line).
				Hint("edit %s   # one namespace: give one of the two another name", d.file)
		}
		groups[d.group()] = d.at
		p.Groups = append(p.Groups, d.group())
		if err := l.expand(d, p.add); err != nil {
			return nil, err
		}
	}
	for name, m := range c.Monitors.All() { // a monitor may name a stage of dvc.yaml
		if _, ok := groups[m.OnDrift.Repro]; !ok && m.OnDrift.Repro != "" {
			return nil, missing(m.OnDrift.At, "monitor "+name, "stage", m.OnDrift.Repro, p.Groups)
		}
	}
	return p, p.check()
}

func (p *Pipeline) add(s Step) error {
	if len(p.Steps) >= maxSteps {
		return failIn(s.At, "the pipeline has more than %d stages", maxSteps)
	}
	if _, twice := p.byName[s.Name]; twice {
		return failIn(s.At, "two stages are called %s", s.Name)
	}
	p.byName[s.Name] = len(p.Steps)
	p.Steps = append(p.Steps, s)
	return nil
}

// Step returns the step of a name.
func (p *Pipeline) Step(name string) (*Step, bool) {
	i, ok := p.byName[name]
	if !ok {
		return nil, false
	}
	return &p.Steps[i], true
}

// stageDef is a stage as one of the two files defines it.
type stageDef struct {
	file string // "mlx.yaml", "sub/dvc.yaml"
	base string // folder that its own paths start from
	dvc  bool
	name string
	at   fault.Position

	cmds            []Text
	folder          Text
	deps            []Text
	outs            []outDef
	params          []paramDef
	env             Map[Text]
	register        Map[Text]
	matrix, foreach *tree
	vars            *tree // of the stage alone
	fileVars        *tree // of all stages of its file
	timeout         time.Duration
	retries         int
	on              string
	needs           Resources
	always, frozen  bool
}

type outDef struct {
	Text
	metrics, persist, inGit bool
}

type paramDef struct{ file, key Text }

// group names the stage in the project.
func (d *stageDef) group() string {
	if d.dvc && d.base != "." {
		return d.file + ":" + d.name
	}
	return d.name
}

// template is the command as it is written, with the variables it is given: what its user allows.
func (d *stageDef) template() string {
	var b strings.Builder
	for name, value := range d.env.All() {
		b.WriteString(name + "=" + shellQuote(value.Value) + " ")
	}
	cmds := make([]string, len(d.cmds))
	for i, cmd := range d.cmds {
		cmds[i] = cmd.Value
	}
	b.WriteString(joinCommands(cmds))
	return b.String()
}

// stageDefs returns the stages of mlx.yaml.
func (c *Config) stageDefs() []stageDef {
	var defs []stageDef
	for name, s := range c.Stages.All() {
		d := stageDef{file: s.At.File, base: ".", name: name, at: s.At, cmds: s.Cmd, folder: s.Dir, deps: s.Deps, env: s.Env, register: s.Register,
			matrix: s.Matrix.tree, foreach: s.Foreach.tree, timeout: s.Timeout.Duration, retries: s.Retries, on: s.On, needs: s.Needs, always: s.Always}
		written := map[string]int{}
		for _, out := range s.Outs {
			written[out.Value] = len(d.outs)
			d.outs = append(d.outs, outDef{Text: out})
		}
		for _, m := range s.Metrics {
			if i, ok := written[m.Value]; ok {
				d.outs[i].metrics = true
				continue
			}
			d.outs = append(d.outs, outDef{Text: m, metrics: true})
		}
		for _, p := range s.Params {
			d.params = append(d.params, paramWords(p)...)
		}
		d.fileVars = c.Vars.tree
		defs = append(defs, d)
	}
	return defs
}

// paramWords reads file:key, file:key,key, file: and, for params.yaml, the key alone. A word that ends like a file is one.
func paramWords(t Text) []paramDef {
	file, keys, ok := strings.Cut(t.Value, ":")
	if !ok {
		if !isParamFile(file) {
			return []paramDef{{Text{defaultParams, t.At}, t}}
		}
		keys = ""
	}
	var all []paramDef
	for key := range strings.SplitSeq(keys, ",") {
		all = append(all, paramDef{Text{file, t.At}, Text{strings.TrimSpace(key), t.At}})
	}
	return all
}

func isParamFile(word string) bool {
	for _, end := range []string{".yaml", ".yml", ".json", ".toml", ".py"} {
		if strings.HasSuffix(word, end) {
			return true
		}
	}
	return false
}

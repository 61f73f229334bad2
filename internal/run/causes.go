package run

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Cause is something that may explain why a repeat differs. A and B are what it was and what it is now; empty where that
// does not apply.
type Cause struct {
	What    string `json:"what"` // input data package python environment seed hardware nondeterminism uncaptured unknown
	Name    string `json:"name,omitempty"`
	A       string `json:"a,omitempty"`
	B       string `json:"b,omitempty"`
	Text    string `json:"text"`
	Command string `json:"command,omitempty"` // what to type
}

// Evidence is what is known beside the two results.
type Evidence struct {
	Original View
	Repeats  []View // one at least
	Compared Comparison

	Packages   []PackageChange // of the interpreter
	Inputs     []Undeclared
	SeedInCode bool     // the code itself fixes random numbers
	Uncaptured []string // what else took part and was not kept, in words
}

// Undeclared is a file that the code names and that no record keeps: whatever it held then, nobody knows it now.
type Undeclared struct {
	Path    string // as the code names it
	By      string // the file, or the command line, that names it
	Why     string // "git ignores it", "it is outside the repository"
	Changed bool   // it was written after the original run ended
	Absent  bool   // a clean work tree has no such file
	Data    string // the version that was recorded, where it is data of the run that was read elsewhere
}

// weight orders causes: what certainly explains a difference comes before what only may.
const (
	weightCertain = iota
	weightKnown   // it differs, and such things change results
	weightLikely
	weightPossible
	weightGuess
)

type weighed struct {
	Cause
	weight int
}

// Causes ranks what may explain a difference, the likeliest first. It is empty where nothing differs.
func Causes(e Evidence) []Cause {
	if !e.differs() {
		return nil
	}
	var all []weighed
	all = append(all, e.inputs()...)
	all = append(all, e.packages()...)
	all = append(all, e.environment()...)
	all = append(all, e.hardware()...)
	all = append(all, e.chance()...)
	all = append(all, e.uncaptured()...)
	if len(all) == 0 {
		all = append(all, weighed{e.nothingKnown(), weightGuess})
	}
	slices.SortStableFunc(all, func(a, b weighed) int { return cmp.Compare(a.weight, b.weight) })
	causes := make([]Cause, len(all))
	for i, c := range all {
		causes[i] = c.Cause
	}
	return causes
}

func (e Evidence) differs() bool {
	same := func(s Sameness) bool { return s == Identical }
	return !same(e.Compared.Result) && (e.Compared.Result != Unknown)
}

// unstable says that repeats on one machine differ, which no change of the surroundings explains; stable that they are
// known not to.
func (e Evidence) unstable() bool { return e.Compared.Result == Unstable || e.Compared.scatters() }
func (e Evidence) stable() bool   { return len(e.Repeats) > 1 && !e.unstable() }

// scatters reports whether any row differs between repeats.
func (c Comparison) scatters() bool {
	return slices.ContainsFunc(c.Metrics, func(m ComparedMetric) bool { return m.Result == Unstable }) ||
		slices.ContainsFunc(c.Outputs, func(o ComparedOutput) bool { return o.Result == Unstable })
}

func (e Evidence) inputs() []weighed {
	var all []weighed
	for _, in := range e.Inputs {
		c := Cause{What: "input", Name: in.Path, Text: fmt.Sprintf("undeclared input %s: %s names it, %s", in.Path, in.By, in.Why)}
		weight := weightPossible
		switch {
		case in.Data != "":
			c.What, c.A, weight = "data", in.Data, weightCertain
			c.Text = fmt.Sprintf("%s is read by its absolute path and differs from the recorded version", in.Path)
		case in.Absent:
			c.Text += ", so that a clean work tree has no such file"
			if weight = weightLikely; !e.Repeats[0].ran() {
				weight = weightCertain // and it failed
			}
		case in.Changed:
			weight = weightCertain
			c.Text += ", and it was written after the original run ended"
		}
		if in.Data == "" {
			c.Command = "mlx run -d " + in.Path + " …"
		}
		all = append(all, weighed{c, weight})
	}
	return all
}

// maxPackageCauses is how many packages are told one by one.
const maxPackageCauses = 5

func (e Evidence) packages() []weighed {
	var all []weighed
	for i, p := range e.Packages {
		if rest := len(e.Packages) - i; i == maxPackageCauses && rest > 1 {
			return append(all, weighed{Cause{What: "package", Text: fmt.Sprintf("%d more packages differ", rest)}, weightKnown})
		}
		c := Cause{What: "package", Name: p.Name, A: p.A, B: p.B, Text: p.Name + " " + change(p.A, p.B)}
		if p.A != "" && !strings.ContainsAny(p.A, " ,") {
			c.Command = "pip install " + p.Name + "==" + p.A
		}
		all = append(all, weighed{c, weightKnown})
	}
	return all
}

// change writes two values as they are shown: "1.7.2 -> 1.7.1".
func change(a, b string) string {
	if a == "" {
		a = "absent"
	}
	if b == "" {
		b = "absent"
	}
	return a + " -> " + b
}

// environment is what else surrounds the command.
func (e Evidence) environment() []weighed {
	var all []weighed
	for _, c := range CompareEnvironment(e.Original.Environment, e.Repeats[0].Environment) {
		kind, name, _ := strings.Cut(c.Key, ".")
		cause := Cause{Name: c.Key, A: c.A, B: c.B}
		weight := weightKnown
		switch {
		case c.Key == "python.packages" || c.Key == "python.manager":
			continue // told by their packages; how these were installed changes nothing
		case c.Key == "python.version":
			cause.What, cause.Text = "python", "python "+change(c.A, c.B)
		case kind == "gpus" || kind == "gpu":
			cause.What, cause.Text = "hardware", strings.ReplaceAll(strings.TrimSuffix(c.Key, "s"), ".", " ")+" "+change(c.A, c.B)
		case kind == "seed":
			cause.What, cause.Text = "seed", "seed "+name+" "+change(c.A, c.B)
		case kind == "variable" && TellsPlace(name):
			continue
		case kind == "variable":
			cause.What, cause.Text, weight = "environment", "variable "+name+" "+change(c.A, c.B), weightLikely
		default: // lock files and containers
			cause.What, cause.Text, weight = "environment", strings.ReplaceAll(c.Key, ".", " ")+" "+change(c.A, c.B), weightLikely
			if kind == "lock" {
				cause.Text = "lock file " + name + " " + change(c.A, c.B)
			}
		}
		all = append(all, weighed{cause, weight})
	}
	return all
}

func (e Evidence) hardware() []weighed {
	a, b := e.Original.Machine, e.Repeats[0].Machine
	var all []weighed
	add := func(name, x, y string, weight int) {
		if x != y && x != "" && y != "" {
			all = append(all, weighed{Cause{What: "hardware", Name: name, A: x, B: y, Text: name + " " + change(x, y)}, weight})
		}
	}
	add("system", a.OS+" "+a.Arch, b.OS+" "+b.Arch, weightLikely)
	add("cpu", a.CPU, b.CPU, weightLikely)
	if a.CPUs > 0 && b.CPUs > 0 {
		add("number of CPUs", fmt.Sprint(a.CPUs), fmt.Sprint(b.CPUs), weightPossible)
	}
	return all
}

// chance is random numbers without a seed, and the order in which threads happen to add up.
func (e Evidence) chance() []weighed {
	if e.stable() || !e.Repeats[0].ran() {
		return nil
	}
	weight := weightLikely
	if e.unstable() {
		weight = weightCertain
	}
	seeds := e.seeds()
	switch {
	case len(seeds) == 0 && !e.SeedInCode:
		return []weighed{{Cause{What: "seed", Text: "no seed was set: neither PYTHONHASHSEED nor a parameter such as seed is recorded, and the code sets none",
			Command: "PYTHONHASHSEED=0 mlx run -p seed=1 …"}, weight}}
	case slices.Equal(seeds, []string{hashSeed}) && !e.SeedInCode:
		return []weighed{{Cause{What: "seed", Text: "no seed was set but PYTHONHASHSEED, which orders sets and does not fix random numbers",
			Command: "mlx run -p seed=1 …"}, weight}}
	case !e.unstable():
		return nil
	}
	return []weighed{{Cause{What: "nondeterminism", Text: "the repeats differ though everything that is recorded is the same and a seed is set: " +
		"threads, GPU kernels or the time"}, weight}}
}

const hashSeed = "PYTHONHASHSEED"

// ran reports whether a run came to an end of its own.
func (v View) ran() bool { return v.State == Succeeded }

// seeds names what was recorded of the original run that fixes random numbers.
func (e Evidence) seeds() []string {
	var all []string
	if env := e.Original.Environment; env != nil {
		for name := range env.Seeds {
			all = append(all, name)
		}
	}
	for name := range e.Original.Params {
		if IsSeed(name) && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

// IsSeed reports whether the name of a parameter is that of a seed.
func IsSeed(name string) bool {
	name = strings.ToLower(name)
	return strings.HasSuffix(name, "seed") || strings.HasSuffix(name, "random_state") || strings.HasSuffix(name, "random-state")
}

// uncaptured is what took part, or may have, and that no record keeps.
func (e Evidence) uncaptured() []weighed {
	var all []weighed
	for _, path := range e.Uncaptured {
		all = append(all, weighed{Cause{What: "uncaptured", Name: path, Text: path}, weightPossible})
	}
	for i, l := range e.Original.LeftOut {
		if i == maxPackageCauses {
			all = append(all, weighed{Cause{What: "uncaptured", Text: fmt.Sprintf("%d more untracked files were not kept", len(e.Original.LeftOut)-i)}, weightPossible})
			break
		}
		all = append(all, weighed{Cause{What: "uncaptured", Name: l.Path, Text: l.Path + " was not kept: " + l.Why}, weightPossible})
	}
	return all
}

func (e Evidence) nothingKnown() Cause {
	if e.stable() {
		return Cause{What: "unknown", Text: "nothing that is recorded differs and the repeats agree: an input that no record keeps, such as a file " +
			"outside the repository, the network or the time"}
	}
	return Cause{What: "nondeterminism", Text: "nothing that is recorded differs: threads, GPU kernels, the time, or an input that no record keeps"}
}

package pipeline

import (
	"container/heap"
	"path"
	"slices"
	"strings"

	"mlx/internal/fault"
)

// Graph is stages and which of them need the outputs of which others.
type Graph struct {
	Stages []Stage // as defined
	Order  []int   // indexes of Stages, what is needed first; of what could come next, the one that is defined first

	needs  [][]int // by stage: the stages whose outputs it reads, in order
	feeds  [][]int // by stage: the stages that read its outputs, in order
	byName map[string]int
	writer map[string]int // by output: the stage that writes it
	outs   []string       // every output, sorted
}

// NewGraph joins stages by what they read and write: a dependency that is, lies in or holds an output of another stage
// needs that stage. Two stages with one output, and stages that need each other, are errors.
func NewGraph(stages []Stage) (*Graph, error) {
	g := &Graph{Stages: stages, byName: make(map[string]int, len(stages)), writer: map[string]int{},
		needs: make([][]int, len(stages)), feeds: make([][]int, len(stages))}
	for i, s := range stages {
		if _, twice := g.byName[s.Name]; twice {
			return nil, fault.New(fault.Usage, "cannot read the pipeline: there are two stages %s", s.Name).In(s.At)
		}
		g.byName[s.Name] = i
	}
	if err := g.addOuts(); err != nil {
		return nil, err
	}
	for i, s := range stages {
		var needs []int
		for _, dep := range s.Deps {
			needs = append(needs, g.Writers(dep)...)
		}
		for _, file := range g.late(s) {
			needs = append(needs, g.Writers(file)...)
		}
		slices.Sort(needs)
		g.needs[i] = slices.Compact(needs)
		for _, up := range g.needs[i] {
			if up == i {
				return nil, fault.New(fault.Usage, "cannot order the pipeline: stage %s reads what it writes", s.Name).In(s.At)
			}
			g.feeds[up] = append(g.feeds[up], i)
		}
	}
	return g, g.sort()
}

// addOuts notes who writes what. No output may be another's, or lie in one.
func (g *Graph) addOuts() error {
	for i, s := range g.Stages {
		for _, o := range s.Outs {
			if o.Path == "." {
				return fault.New(fault.Usage, "cannot read the pipeline: the output of stage %s is the whole project", s.Name).In(s.At)
			}
			if other, taken := g.writer[o.Path]; taken {
				return fault.New(fault.Usage, "cannot read the pipeline: stages %s and %s both write %s", g.Stages[other].Name, s.Name, o.Path).In(s.At)
			}
			g.writer[o.Path] = i
			g.outs = append(g.outs, o.Path)
		}
	}
	slices.Sort(g.outs)
	for i, s := range g.Stages {
		for _, o := range s.Outs {
			for up := path.Dir(o.Path); up != "." && up != "/"; up = path.Dir(up) {
				if other, taken := g.writer[up]; taken {
					return fault.New(fault.Usage, "cannot read the pipeline: %s, an output of stage %s, lies in %s, an output of stage %s",
						o.Path, g.Stages[i].Name, up, g.Stages[other].Name).In(s.At)
				}
			}
		}
	}
	return nil
}

// Writers returns the stages with an output that is p, holds it or lies in it.
func (g *Graph) Writers(p string) []int {
	if _, i, ok := g.Output(p); ok {
		return []int{i}
	}
	var all []int
	for _, out := range g.below(p) {
		all = append(all, g.writer[out])
	}
	return all
}

// below returns the outputs inside the folder p.
func (g *Graph) below(p string) []string {
	if p == "." {
		return g.outs
	}
	from, _ := slices.BinarySearch(g.outs, p+"/")
	to := from
	for to < len(g.outs) && strings.HasPrefix(g.outs[to], p+"/") {
		to++
	}
	return g.outs[from:to]
}

// Late returns the files of a stage's parameters that other stages write.
func (g *Graph) Late(i int) []string { return g.late(g.Stages[i]) }

// late returns the files of a stage's parameters that another stage writes: their values are known once that one has ended.
func (g *Graph) late(s Stage) []string {
	var all []string
	for _, p := range s.Params {
		if len(all) > 0 && all[len(all)-1] == p.File {
			continue
		}
		if up := g.Writers(p.File); len(up) > 0 && g.Stages[up[0]].Name != s.Name {
			all = append(all, p.File)
		}
	}
	return all
}

// sort fills in Order.
func (g *Graph) sort() error {
	waits := make([]int, len(g.Stages))
	var ready ints
	for i := range g.Stages {
		if waits[i] = len(g.needs[i]); waits[i] == 0 {
			ready = append(ready, i)
		}
	}
	heap.Init(&ready)
	for len(ready) > 0 {
		i := heap.Pop(&ready).(int)
		g.Order = append(g.Order, i)
		for _, down := range g.feeds[i] {
			if waits[down]--; waits[down] == 0 {
				heap.Push(&ready, down)
			}
		}
	}
	if len(g.Order) == len(g.Stages) {
		return nil
	}
	return g.cycle(waits)
}

// cycle names stages that need each other: from one that waits, whatever it waits for leads back sooner or later.
func (g *Graph) cycle(waits []int) error {
	at := slices.IndexFunc(waits, func(n int) bool { return n > 0 })
	var walk []int
	for !slices.Contains(walk, at) {
		walk = append(walk, at)
		next := slices.IndexFunc(g.needs[at], func(up int) bool { return waits[up] > 0 })
		at = g.needs[at][next]
	}
	walk = append(walk[slices.Index(walk, at):], at)
	slices.Reverse(walk)
	names := make([]string, len(walk))
	for i, s := range walk {
		names[i] = g.Stages[s].Name
	}
	return fault.New(fault.Usage, "cannot order the pipeline: its stages need each other: %s", strings.Join(names, " -> ")).In(g.Stages[at].At)
}

// Select returns the indexes of the named stages and, unless only, of what they need, in Order. No names are all stages.
func (g *Graph) Select(names []string, only bool) ([]int, error) {
	if len(names) == 0 {
		return g.Order, nil
	}
	chosen := make([]bool, len(g.Stages))
	var walk []int
	for _, name := range names {
		i, ok := g.byName[name]
		if !ok {
			return nil, fault.New(fault.NotFound, "cannot find stage %s: the pipeline has none of this name", name)
		}
		walk = append(walk, i)
	}
	for len(walk) > 0 {
		i := walk[len(walk)-1]
		walk = walk[:len(walk)-1]
		if chosen[i] {
			continue
		}
		chosen[i] = true
		if !only {
			walk = append(walk, g.needs[i]...)
		}
	}
	var sel []int
	for _, i := range g.Order {
		if chosen[i] {
			sel = append(sel, i)
		}
	}
	return sel, nil
}

// Needs returns the names of the stages that a stage reads from.
func (g *Graph) Needs(name string) []string {
	i, ok := g.byName[name]
	if !ok {
		return nil
	}
	names := make([]string, 0, len(g.needs[i]))
	for _, up := range g.needs[i] {
		names = append(names, g.Stages[up].Name)
	}
	return names
}

// ints is a heap whose top is the least.
type ints []int

func (h ints) Len() int           { return len(h) }
func (h ints) Less(i, j int) bool { return h[i] < h[j] }
func (h ints) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *ints) Push(v any)        { *h = append(*h, v.(int)) }
func (h *ints) Pop() any {
	old := *h
	v := old[len(old)-1]
	*h = old[:len(old)-1]
	return v
}

// within says whether p is the folder or lies in it.
func within(p, folder string) bool {
	return folder == "." || p == folder || strings.HasPrefix(p, folder+"/")
}

// overlap says whether one of two paths is or holds the other.
func overlap(a, b string) bool { return within(a, b) || within(b, a) }

// Output returns the output that a path is or lies in, and the stage that writes it.
func (g *Graph) Output(p string) (out string, stage int, ok bool) {
	for up := p; up != "." && up != "/"; up = path.Dir(up) {
		if i, ok := g.writer[up]; ok {
			return up, i, true
		}
	}
	return "", 0, false
}

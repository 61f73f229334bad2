package pipeline

import (
	"fmt"

	"mlx/internal/fault"
)

// Line says where a stage is defined, as an error ends with it; empty when that is not known.
func (s Stage) Line() string {
	if s.At.Line == 0 {
		return ""
	}
	return fmt.Sprintf(" (%s line %d)", s.At.File, s.At.Line)
}

// errMissing says that a stage cannot run without an input, and what brings it.
func errMissing(g *Graph, s Stage, dep string) error {
	ups := g.Writers(dep)
	if len(ups) == 0 {
		return fault.New(fault.NotFound, "cannot run stage %s: there is no %s%s", s.Name, dep, s.Line()).In(s.At)
	}
	up := g.Stages[ups[0]].Name
	return fault.New(fault.NotFound, "cannot run stage %s: there is no %s, which stage %s makes%s", s.Name, dep, up, s.Line()).In(s.At).
		Hint("mlx repro %s", up)
}

func errBusy(s Stage) error {
	return fault.New(fault.Conflict, "cannot run stage %s: its inputs change all the time", s.Name).Hint("mlx repro %s   # when nothing writes there", s.Name)
}

package pipeline

import "mlx/internal/fault"

// errMissing says that a stage cannot run without an input, and what brings it.
func errMissing(g *Graph, s Stage, dep string) error {
	ups := g.Writers(dep)
	if len(ups) == 0 {
		return fault.New(fault.NotFound, "cannot run stage %s: there is no %s", s.Name, dep).In(s.At)
	}
	up := g.Stages[ups[0]].Name
	return fault.New(fault.NotFound, "cannot run stage %s: there is no %s, which stage %s makes", s.Name, dep, up).In(s.At).
		Hint("mlx repro %s", up)
}

func errBusy(s Stage) error {
	return fault.New(fault.Conflict, "cannot run stage %s: its inputs change all the time", s.Name).Hint("mlx repro %s   # when nothing writes there", s.Name)
}

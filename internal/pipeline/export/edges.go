package export

import (
	"path"
	"slices"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/pipeline"
)

// edgesOf returns for each stage the indexes of those that write what it reads, in order: an output that is a
// dependency, holds one, or lies in one. A cycle is an error.
func edgesOf(stages []pipeline.Stage) ([][]int, error) {
	writer := make(map[string]int)
	var outs []string
	for i, s := range stages {
		for _, o := range s.Outs {
			if _, taken := writer[o.Path]; !taken {
				outs = append(outs, o.Path)
			}
			writer[o.Path] = i
		}
	}
	slices.Sort(outs)
	edges := make([][]int, len(stages))
	for i, s := range stages {
		found := make(map[int]bool)
		for _, d := range s.Deps {
			for p := d; p != "." && p != "/" && p != ""; p = path.Dir(p) {
				if j, ok := writer[p]; ok {
					found[j] = true
				}
			}
			from, _ := slices.BinarySearch(outs, d+"/")
			for _, o := range outs[from:] {
				if !strings.HasPrefix(o, d+"/") {
					break
				}
				found[writer[o]] = true
			}
		}
		for j := range found {
			if j != i {
				edges[i] = append(edges[i], j)
			}
		}
		slices.Sort(edges[i])
	}
	return edges, acyclic(stages, edges)
}

// acyclic takes away stages that nothing left holds up; what stays waits for itself.
func acyclic(stages []pipeline.Stage, edges [][]int) error {
	waits, users := make([]int, len(edges)), make([][]int, len(edges))
	var ready []int
	for i, needs := range edges {
		if waits[i] = len(needs); waits[i] == 0 {
			ready = append(ready, i)
		}
		for _, j := range needs {
			users[j] = append(users[j], i)
		}
	}
	done := 0
	for ; len(ready) > 0; done++ {
		first := ready[0]
		ready = ready[1:]
		for _, i := range users[first] {
			if waits[i]--; waits[i] == 0 {
				ready = append(ready, i)
			}
		}
	}
	if done == len(stages) {
		return nil
	}
	i := slices.IndexFunc(waits, func(n int) bool { return n > 0 })
	return fault.New(fault.Usage, "cannot export the pipeline: stage %q needs what only comes after it", stages[i].Name).
		In(stages[i].At).Hint("mlx lineage   # draws the pipeline")
}

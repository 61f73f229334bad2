package export

import (
	"slices"

	"mlx/internal/pipeline"
)

// edgesOf returns for each stage the indexes of those that write what it reads, in order.
func edgesOf(stages []pipeline.Stage) ([][]int, error) {
	graph, err := pipeline.NewGraph(stages)
	if err != nil {
		return nil, err
	}
	index := make(map[string]int, len(stages))
	for i, s := range stages {
		index[s.Name] = i
	}
	edges := make([][]int, len(stages))
	for i, s := range stages {
		for _, name := range graph.Needs(s.Name) {
			edges[i] = append(edges[i], index[name])
		}
		slices.Sort(edges[i])
	}
	return edges, nil
}

package main

import (
	"context"
	"fmt"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/repo"
)

// pipelineGraph is the graph of the stages of mlx.yaml and dvc.yaml: what each reads and writes. The stages of one matrix are one
// node, unless -v asks for all.
func (a *app) pipelineGraph(ctx context.Context) (*graph, error) {
	p, err := a.readPipeline(ctx)
	if err != nil {
		return nil, err
	}
	if len(p.Steps) == 0 {
		return nil, fault.New(fault.NotFound, "cannot show the pipeline: mlx.yaml has no stages").
			Hint("mlx lineage @last   # what the newest run was made from")
	}
	d := pipelineDrawing{p: p, g: newGraph(), whole: a.streams.Verbose, size: make(map[string]int)}
	for i := range p.Steps {
		d.size[p.Steps[i].Group]++
	}
	for i := range p.Steps {
		d.stage(&p.Steps[i])
	}
	d.edges()
	d.roots()
	return d.g, nil
}

// pipelineDrawing makes the graph of a pipeline.
type pipelineDrawing struct {
	p     *repo.Pipeline
	g     *graph
	whole bool
	size  map[string]int // of a group
}

// node names the node that a step is drawn as.
func (d *pipelineDrawing) node(s *repo.Step) string {
	if d.whole {
		return "stage:" + s.Name
	}
	return "stage:" + s.Group
}

func (d *pipelineDrawing) stage(s *repo.Step) {
	n := node{ID: d.node(s), Kind: "stage", Name: s.Name, Text: firstLine(s.Cmd)}
	if !d.whole && s.Name != s.Group {
		n.Name, n.Text = fmt.Sprintf("%s@… (%s)", s.Group, counted1(d.size[s.Group])), firstLine(s.Trust)
	}
	d.g.node(n)
}

func counted1(n int) string {
	if n == 1 {
		return "1 stage"
	}
	return fmt.Sprintf("%d stages", n)
}

// firstLine keeps a command on the line of its node.
func firstLine(cmd string) string {
	line, more, _ := strings.Cut(strings.TrimSpace(cmd), "\n")
	if more != "" {
		line += " …"
	}
	return line
}

func (d *pipelineDrawing) edges() {
	for i := range d.p.Steps {
		s := &d.p.Steps[i]
		for _, dep := range s.Deps {
			d.reads(s, dep.Path, "reads")
		}
		for _, param := range s.Params {
			d.reads(s, param.File, "params")
		}
	}
}

func (d *pipelineDrawing) reads(s *repo.Step, path, role string) {
	from := d.node(s)
	makers := d.p.Makers(path)
	for _, m := range makers {
		if to := d.node(&d.p.Steps[m]); to != from {
			d.g.edge(from, to, path)
		}
	}
	if len(makers) == 0 {
		d.g.node(node{ID: "path:" + path, Kind: "path", Name: path})
		d.g.edge(from, "path:"+path, role)
	}
}

// roots are the ends of the pipeline: what nothing reads.
func (d *pipelineDrawing) roots() {
	read := make(map[string]bool, len(d.g.Nodes))
	for _, e := range d.g.Edges {
		read[e.To] = true
	}
	for _, n := range d.g.Nodes {
		if n.Kind == "stage" && !read[n.ID] {
			d.g.Roots = append(d.g.Roots, n.ID)
		}
	}
}

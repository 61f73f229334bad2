package main

import (
	"context"
	"fmt"
	"strings"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/repo"
)

// pipelineGraph is the graph of the stages of mlx.yaml and of every dvc.yaml: what each reads and writes. The stages of one matrix
// are one node, unless -v asks for all.
func (a *app) pipelineGraph(ctx context.Context) (*graph, error) {
	p, err := a.readPipeline(ctx)
	if err != nil {
		return nil, err
	}
	if len(p.Steps) == 0 {
		return nil, fault.New(fault.NotFound, "cannot show the pipeline: mlx.yaml has no stages").
			Hint("mlx lineage @last   # what the newest run was made from")
	}
	return drawPipeline(p, a.streams.Verbose), nil
}

// drawPipeline makes the graph of a pipeline; whole draws every stage of a matrix.
func drawPipeline(p *repo.Pipeline, whole bool) *graph {
	d := pipelineDrawing{p: p, g: newGraph(), whole: whole, size: make(map[string]int), links: make(map[[2]string]*pipelineLink),
		reader: make(map[string]string)}
	for i := range p.Steps {
		d.size[p.Steps[i].Group]++
	}
	for i := range p.Steps {
		d.stage(&p.Steps[i])
	}
	for i := range p.Steps {
		s := &p.Steps[i]
		for _, dep := range s.Deps {
			d.reads(s, dep.Path, "reads")
		}
		for _, param := range s.Params {
			d.reads(s, param.File, "params")
		}
	}
	d.draw()
	return d.g
}

// manyInputs is how many inputs the stages of a matrix may have for themselves before these are drawn as one.
const manyInputs = 3

// pipelineDrawing makes the graph of a pipeline. Links are collected first: between two nodes there may be as many paths as a matrix
// has stages, and they become one edge.
type pipelineDrawing struct {
	p      *repo.Pipeline
	g      *graph
	whole  bool
	size   map[string]int // of a group
	order  []*pipelineLink
	links  map[[2]string]*pipelineLink // by the ids of their ends
	reader map[string]string           // of an input: its one node; "" for several
}

// pipelineLink says that from reads paths: of the stage to, or, if input, one path that no stage makes.
type pipelineLink struct {
	from, to, role string
	input          bool
	paths          []string
	last           string // the step that was counted last
	steps          int    // how many stages of from read it
	group          int    // of how many
}

// node names the node that a step is drawn as.
func (d *pipelineDrawing) node(s *repo.Step) string {
	if d.whole {
		return "stage:" + s.Name
	}
	return "stage:" + s.Group
}

func (d *pipelineDrawing) stage(s *repo.Step) {
	n := node{ID: d.node(s), Kind: "stage", Name: s.Name, Text: firstLine(s.Cmd), Stages: 1}
	if !d.whole && s.Name != s.Group {
		n.Name, n.Text, n.Stages, n.group = s.Group, firstLine(s.Trust), d.size[s.Group], true
	}
	d.g.node(n)
}

// firstLine keeps a command on the line of its node.
func firstLine(cmd string) string {
	line, more, _ := strings.Cut(strings.TrimSpace(cmd), "\n")
	if more != "" {
		line += " …"
	}
	return line
}

func (d *pipelineDrawing) reads(s *repo.Step, path, role string) {
	from := d.node(s)
	makers := d.p.Makers(path)
	for _, m := range makers {
		if to := d.node(&d.p.Steps[m]); to != from {
			d.link(s, pipelineLink{from: from, to: to, role: role}, path)
		}
	}
	if len(makers) > 0 {
		return
	}
	d.link(s, pipelineLink{from: from, to: "path:" + path, role: role, input: true}, path)
	if reader, known := d.reader[path]; known && reader != from {
		d.reader[path] = ""
	} else {
		d.reader[path] = from
	}
}

func (d *pipelineDrawing) link(s *repo.Step, l pipelineLink, path string) {
	at := [2]string{l.from, l.to}
	known := d.links[at]
	if known == nil {
		known = &l
		known.group = d.size[s.Group]
		d.links[at] = known
		d.order = append(d.order, known)
	}
	if n := len(known.paths); n == 0 || known.paths[n-1] != path {
		known.paths = append(known.paths, path)
	}
	if known.last != s.Name {
		known.last = s.Name
		known.steps++
	}
}

// draw adds the edges, and finds the ends of the pipeline: what nothing reads.
func (d *pipelineDrawing) draw() {
	own := make(map[string]int) // of a matrix: how many inputs only some of its stages read, and nobody else
	single := func(l *pipelineLink) bool {
		return l.input && d.g.byID[l.from].group && l.steps < l.group && d.reader[l.paths[0]] == l.from
	}
	for _, l := range d.order {
		if single(l) {
			own[l.from]++
		}
	}
	read := make(map[string]bool, len(d.order))
	for _, l := range d.order {
		switch many := own[l.from]; {
		case single(l) && many > manyInputs:
			n := node{ID: "paths:" + l.from, Kind: "path", Name: l.paths[0] + " …", Text: cli.FormatNum(int64(many), "path")}
			if d.g.node(n) {
				d.g.edge(l.from, n.ID, l.role)
			}
		case l.input:
			d.g.node(node{ID: l.to, Kind: "path", Name: l.paths[0]})
			d.g.edge(l.from, l.to, l.role)
		case len(l.paths) > 1:
			d.g.edge(l.from, l.to, cli.FormatNum(int64(len(l.paths)), "path"))
		default:
			d.g.edge(l.from, l.to, l.paths[0])
		}
		read[l.to] = true
	}
	for _, n := range d.g.Nodes {
		if n.Kind == "stage" && !read[n.ID] {
			d.g.Roots = append(d.g.Roots, n.ID)
		}
	}
	if len(d.g.Roots) == 0 { // groups may wait for each other where their stages do not
		d.g.Roots = append(d.g.Roots, d.g.Nodes[0].ID)
	}
}

// title is what a node is called for people: of a matrix that is one node, how many stages it stands for.
func (n *node) title() string {
	if n.group {
		return fmt.Sprintf("%s@… (%s)", n.Name, cli.FormatNum(int64(n.Stages), "stage"))
	}
	return n.Name
}

package main

import (
	"fmt"
	"strings"
	"time"

	"mlx/internal/cli"
	"mlx/internal/fault"
)

// graph is lineage/v1: things, and which was made from which.
type graph struct {
	Kind      string     `json:"kind"`
	Root      *fault.Ref `json:"root"` // null for the pipeline
	Direction string     `json:"direction"`
	Roots     []string   `json:"-"` // where trees begin
	Nodes     []*node    `json:"nodes"`
	Edges     []edge     `json:"edges"`

	byID     map[string]*node
	seen     map[edge]bool
	up, down map[string][]edge // by From, by To
}

// node is a thing. ID is its kind and its digest, commit or name.
type node struct {
	ID   string     `json:"id"`
	Kind string     `json:"kind"`
	Ref  string     `json:"ref"` // digest or commit; empty for what has none
	Name string     `json:"name"`
	Text string     `json:"text"`
	At   *time.Time `json:"at"`
	Cut  bool       `json:"cut"` // there is more, beyond --depth

	Stages int  `json:"stages"` // how many stages of the pipeline it stands for; 0 for what is none
	group  bool // a matrix that is drawn as one
}

// edge says that From was made from To, which served as Role.
type edge struct {
	From string `json:"from"`
	To   string `json:"to"`
	Role string `json:"role"`
}

func newGraph() *graph {
	return &graph{Kind: "lineage/v1", Direction: "up", Nodes: []*node{}, Edges: []edge{}, byID: make(map[string]*node), seen: make(map[edge]bool),
		up: make(map[string][]edge), down: make(map[string][]edge)}
}

// node adds a node once and reports whether it is new.
func (g *graph) node(n node) bool {
	if g.byID[n.ID] != nil {
		return false
	}
	g.byID[n.ID] = &n
	g.Nodes = append(g.Nodes, &n)
	return true
}

func (g *graph) edge(from, to, role string) {
	e := edge{from, to, role}
	if !g.seen[e] {
		g.seen[e] = true
		g.Edges = append(g.Edges, e)
		g.up[from], g.down[to] = append(g.up[from], e), append(g.down[to], e)
	}
}

// next lists the edges that lead on from a node, in the direction asked for.
func (g *graph) next(id string) []edge {
	if g.Direction == "up" {
		return g.up[id]
	}
	return g.down[id]
}

func (g *graph) far(e edge) string {
	if g.Direction == "up" {
		return e.To
	}
	return e.From
}

// treeText draws the graph as trees. What was drawn before is not drawn again.
func (g *graph) treeText(t *cli.Text) {
	if !t.TTY() {
		for _, e := range g.Edges {
			from, to := g.byID[e.From], g.byID[e.To]
			t.Line(cli.Str(from.Kind), cli.Str(from.reference()), cli.Str(e.Role), cli.Str(to.Kind), cli.Str(to.reference()), cli.Str(to.Name))
		}
		return
	}
	drawn := make(map[string]bool)
	for _, id := range g.Roots {
		t.Line(g.byID[id].cells(true)...)
		g.branches(t, id, "", drawn)
	}
}

func (n *node) reference() string {
	if n.Ref != "" {
		return n.Ref
	}
	return n.title()
}

// cells says what a node is. Its kind is left out where the role says it.
func (n *node) cells(kind bool) []cli.Cell {
	var cells []cli.Cell
	switch {
	case n.Kind == refSnapshot && n.Name != "":
		cells = []cli.Cell{cli.Fmt("%s %s", cli.Path(n.Name), cli.Hex(n.Ref, 12))}
	case n.Kind == refModel:
		cells = []cli.Cell{cli.Str(n.Name)}
	case n.Kind == "drift":
		cells = []cli.Cell{cli.Fmt("drift %s: %s", cli.Hex(n.Ref, 12), cli.Str(n.Text))}
		if n.At != nil {
			cells = append(cells, cli.Time(*n.At))
		}
		return cells
	case n.Kind == refGit:
		return []cli.Cell{cli.Fmt("%s %s", cli.Hex(n.Ref, 7), cli.Str(n.Text))}
	case n.Ref == "":
		cells = []cli.Cell{cli.Str(n.title())}
	case kind:
		cells = []cli.Cell{cli.Fmt("%s %s", cli.Str(n.Kind), cli.Hex(n.Ref, 12))}
	default:
		cells = []cli.Cell{cli.Hex(n.Ref, 12)}
	}
	if n.Text != "" {
		cells = append(cells, cli.Str(n.Text))
	}
	if n.At != nil {
		cells = append(cells, cli.Time(*n.At))
	}
	if n.Cut {
		cells = append(cells, cli.Word(cli.RoleDim, "..."))
	}
	return cells
}

// roleWidth keeps the things of one branch in a column.
const roleWidth = 8

func (g *graph) branches(t *cli.Text, id, prefix string, drawn map[string]bool) {
	drawn[id] = true
	edges := g.next(id)
	for i, e := range edges {
		twig, further := "├─ ", "│  "
		if i == len(edges)-1 {
			twig, further = "└─ ", "   "
		}
		far := g.far(e)
		cells := g.byID[far].cells(true)
		again := drawn[far] && len(g.next(far)) > 0
		if again {
			cells = append(cells, cli.Word(cli.RoleDim, "(above)"))
		}
		role := cli.Str(fmt.Sprintf("%-*s", roleWidth-1, e.Role))
		t.Line(append([]cli.Cell{cli.Fmt("%s%s", cli.Str(prefix+twig), role)}, cells...)...)
		if !again {
			g.branches(t, far, prefix+further, drawn)
		}
	}
}

// drawn writes the graph for Mermaid or Graphviz. Arrows go from what was there first to what was made from it.
func (g *graph) drawn(form string) string {
	var b strings.Builder
	name := make(map[string]string, len(g.Nodes))
	if form == "dot" {
		b.WriteString("digraph lineage {\n  rankdir=LR;\n  node [shape=box];\n")
	} else {
		b.WriteString("flowchart LR\n")
	}
	for i, n := range g.Nodes {
		name[n.ID] = fmt.Sprintf("n%d", i)
		label := n.label()
		if form == "dot" {
			fmt.Fprintf(&b, "  n%d [label=%s];\n", i, quoteDot(label))
		} else {
			fmt.Fprintf(&b, "  n%d[\"%s\"]\n", i, quoteMermaid(label))
		}
	}
	for _, e := range g.Edges {
		if form == "dot" {
			fmt.Fprintf(&b, "  %s -> %s [label=%s];\n", name[e.To], name[e.From], quoteDot(e.Role))
		} else {
			fmt.Fprintf(&b, "  %s -- \"%s\" --> %s\n", name[e.To], quoteMermaid(e.Role), name[e.From])
		}
	}
	if form == "dot" {
		b.WriteString("}\n")
	}
	return b.String()
}

// label is a node in a picture: what it is, its short digest, and its words on a line of their own.
func (n *node) label() string {
	label := n.Kind
	if n.Name != "" {
		label += " " + n.title()
	}
	if n.Ref != "" {
		label += " " + n.Ref[:min(12, len(n.Ref))]
	}
	if n.Text != "" {
		label += "\n" + n.Text
	}
	return label
}

func quoteDot(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(drawable(s)) + `"`
}

// quoteMermaid writes what Mermaid would take for HTML, an entity (#) or Markdown (`) as entities.
func quoteMermaid(s string) string {
	return strings.NewReplacer("#", "#35;", "&", "&amp;", `"`, "&quot;", "<", "&lt;", ">", "&gt;", "`", "#96;", "\n", "<br>").Replace(drawable(s))
}

// drawable takes out of a text what no picture can show: control characters and what is not UTF-8.
func drawable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r != '\n' && (r < ' ' || r == 0x7f):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

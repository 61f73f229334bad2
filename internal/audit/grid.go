package audit

import (
	"bytes"
	"strconv"
)

const (
	maxColumns   = 1024 // of the features or the outputs of a request
	maxInstances = 1000 // of a request: a larger one is kept by its digest alone
)

// grid is the features or the outputs of a request: a row an instance. Cells are pieces of JSON; nil where there is none.
type grid struct {
	rows    int
	columns []column
	wide    bool // it has more columns or rows than are kept
	layout  []string
	index   map[string]int // of the names, once they are many
	slab    [][]byte       // memory of cells
	parser  parser
}

// reset makes a grid that keeps its memory empty.
func (g *grid) reset() {
	clear(g.slab)
	if cap(g.slab) > keptMemory {
		g.slab = nil
	}
	g.rows, g.columns, g.wide, g.index, g.slab = 0, g.columns[:0], false, nil, g.slab[:0]
}

// cells makes the cells of a column.
func (g *grid) cells() [][]byte {
	if cap(g.slab)-len(g.slab) < g.rows {
		g.slab = make([][]byte, 0, max(64, g.rows, 2*cap(g.slab))) // the columns that were made before keep the memory that they have
	}
	at := len(g.slab)
	g.slab = g.slab[:at+g.rows]
	return g.slab[at : at+g.rows : at+g.rows]
}

type column struct {
	name  []byte // as JSON, with quotes
	whole bool   // said to hold whole numbers, truth values or texts: names of classes rather than scores
	cells [][]byte
}

// read makes a grid of the body of a request: of the Open Inference Protocol, of MLflow, or of any JSON. It returns false where nothing can
// be made of it. What it has is valid until it reads another one.
func (g *grid) read(body []byte) bool {
	g.reset()
	n, err := g.parser.parse(body)
	return err == nil && g.request(&n) && !g.wide && g.rows > 0 && len(g.columns) > 0
}

func (g *grid) request(n *node) bool {
	if n.kind != '{' {
		return g.rowsOf(n, "x")
	}
	if inputs := n.get("inputs"); inputs != nil {
		if isTensors(inputs) {
			return g.tensors(inputs)
		}
		if inputs.kind == '{' {
			return g.byColumn(inputs)
		}
		return g.rowsOf(inputs, "x")
	}
	if split := n.get("dataframe_split"); split != nil {
		return g.split(split)
	}
	for _, name := range []string{"dataframe_records", "instances"} {
		if rows := n.get(name); rows != nil && rows.kind == '[' {
			return g.rowsOf(rows, "x")
		}
	}
	return g.record(n)
}

// isTensors says whether a list is one of tensors of the Open Inference Protocol.
func isTensors(n *node) bool {
	if n.kind != '[' || len(n.kids) == 0 {
		return false
	}
	first := &n.kids[0]
	return first.kind == '{' && first.get("name") != nil && first.get("shape") != nil
}

// tensors takes the columns of tensors that have an instance for each step of their first dimension.
func (g *grid) tensors(list *node) bool {
	for i := range list.kids {
		if !g.tensor(&list.kids[i]) {
			return false
		}
	}
	return true
}

func (g *grid) tensor(t *node) bool {
	name, shape, data := t.get("name"), t.get("shape"), t.get("data")
	if name == nil || name.kind != '"' || shape == nil || shape.kind != '[' || data == nil || data.kind != '[' {
		return false // bytes behind the JSON are no text
	}
	rows := 1
	if len(shape.kids) > 0 {
		n, err := strconv.Atoi(string(shape.kids[0].raw))
		if err != nil || n < 1 {
			return false
		}
		rows = n
	}
	flat := flatten(nil, data)
	if g.rows == 0 {
		g.rows = rows
	}
	if g.wide = g.wide || rows > maxInstances; g.wide || rows != g.rows || len(flat) == 0 || len(flat)%rows != 0 {
		return false
	}
	whole := false
	if d := t.get("datatype"); d != nil {
		whole = bytes.HasPrefix(d.raw, []byte(`"INT`)) || bytes.HasPrefix(d.raw, []byte(`"UINT`)) || string(d.raw) == `"BOOL"` || string(d.raw) == `"BYTES"`
	}
	g.matrix(name.raw, flat, whole)
	return true
}

func flatten(flat [][]byte, n *node) [][]byte {
	if n.kind != '[' {
		return append(flat, n.raw)
	}
	if flat == nil {
		flat = make([][]byte, 0, len(n.kids))
	}
	for i := range n.kids {
		flat = flatten(flat, &n.kids[i])
	}
	return flat
}

// matrix adds the columns of values that stand row after row: name, or name_0, name_1, ... where a row has several.
func (g *grid) matrix(name []byte, flat [][]byte, whole bool) {
	width := len(flat) / g.rows
	if width == 1 {
		g.add(column{name: name, cells: flat, whole: whole})
		return
	}
	if len(g.columns)+width > maxColumns {
		g.wide = true
		return
	}
	for c := range width {
		cells := g.cells()
		for r := range cells {
			cells[r] = flat[r*width+c]
		}
		g.add(column{name: g.numbered(name, c, width), cells: cells, whole: whole})
	}
}

// numbered is the name of one of several columns: that of the layout, where it has one for each.
func (g *grid) numbered(name []byte, c, width int) []byte {
	if len(g.layout) == width {
		return appendText(nil, g.layout[c])
	}
	b := append(bytes.Clone(name[:len(name)-1]), '_')
	return append(strconv.AppendInt(b, int64(c), 10), '"')
}

// add adds a column. Of two with the same name the last one counts.
func (g *grid) add(c column) {
	if i := g.find(c.name); i >= 0 {
		g.columns[i] = c
		return
	}
	if len(g.columns) == maxColumns {
		g.wide = true
		return
	}
	g.append(c)
}

// fewColumns is up to where names are looked through one by one.
const fewColumns = 32

func (g *grid) append(c column) {
	g.columns = append(g.columns, c)
	switch {
	case g.index != nil:
		g.index[string(c.name)] = len(g.columns) - 1
	case len(g.columns) > fewColumns:
		g.index = make(map[string]int)
		for i := range g.columns {
			g.index[string(g.columns[i].name)] = i
		}
	}
}

func (g *grid) find(name []byte) int {
	if g.index != nil {
		if i, ok := g.index[string(name)]; ok {
			return i
		}
		return -1
	}
	for i := range g.columns {
		if bytes.Equal(g.columns[i].name, name) {
			return i
		}
	}
	return -1
}

// byColumn takes an object with a list for each column.
func (g *grid) byColumn(n *node) bool {
	for i := range n.kids {
		list := &n.kids[i]
		if list.kind != '[' {
			return g.rows == 0 && g.record(n)
		}
		if g.rows == 0 {
			g.rows = len(list.kids)
		}
		if g.wide = g.wide || len(list.kids) > maxInstances; g.wide || len(list.kids) != g.rows {
			return false
		}
		cells := g.cells()
		for r := range cells {
			cells[r] = list.kids[r].raw
		}
		g.add(column{name: list.key, cells: cells})
	}
	return true
}

// split takes what pandas writes with orient=split.
func (g *grid) split(n *node) bool {
	names, data := n.get("columns"), n.get("data")
	if data == nil || data.kind != '[' {
		return false
	}
	if names == nil || names.kind != '[' {
		return g.rowsOf(data, "x")
	}
	g.rows = len(data.kids)
	if g.wide = g.rows > maxInstances || len(names.kids) > maxColumns; g.wide {
		return false
	}
	for r := range data.kids {
		if data.kids[r].kind != '[' || len(data.kids[r].kids) != len(names.kids) {
			return false
		}
	}
	for c := range names.kids {
		name := names.kids[c].raw
		if names.kids[c].kind != '"' {
			name = appendText(nil, string(name))
		}
		cells := g.cells()
		for r := range cells {
			cells[r] = data.kids[r].kids[c].raw
		}
		g.add(column{name: name, cells: cells})
	}
	return true
}

// rowsOf takes a list of instances, or one instance. name is for values that have none.
func (g *grid) rowsOf(n *node, name string) bool {
	if n.kind == '{' {
		return g.record(n)
	}
	quoted := appendText(nil, name)
	if n.kind != '[' {
		g.rows = 1
		cells := g.cells()
		cells[0] = n.raw
		g.add(column{name: quoted, cells: cells})
		return true
	}
	if g.wide = len(n.kids) > maxInstances; g.wide || len(n.kids) == 0 {
		return false
	}
	if n.kids[0].kind == '{' {
		return g.records(n.kids)
	}
	g.rows = len(n.kids)
	width := -1
	for i := range n.kids {
		w := 1
		if n.kids[i].kind == '[' {
			w = len(flatten(nil, &n.kids[i]))
		}
		if width >= 0 && w != width || n.kids[i].kind == '{' {
			return false
		}
		width = w
	}
	if width > 0 {
		g.matrix(quoted, flatten(nil, n), false)
	}
	return width > 0
}

func (g *grid) record(n *node) bool {
	g.rows = 1
	return g.fill(n, 0, nil)
}

func (g *grid) records(rows []node) bool {
	g.rows = len(rows)
	for r := range rows {
		if rows[r].kind != '{' || !g.fill(&rows[r], r, nil) {
			return false
		}
	}
	return true
}

// fill takes the names and values of an instance. Those of an object in it are called outer.inner.
func (g *grid) fill(n *node, row int, outer []byte) bool {
	for i := range n.kids {
		v, name := &n.kids[i], n.kids[i].key
		if outer != nil {
			name = append(append(bytes.Clone(outer[:len(outer)-1]), '.'), name[1:]...)
		}
		if v.kind == '{' {
			if !g.fill(v, row, name) {
				return false
			}
			continue
		}
		at := i // most instances have the same names in the same order
		if at >= len(g.columns) || !bytes.Equal(g.columns[at].name, name) {
			at = g.find(name)
		}
		if at < 0 {
			if len(g.columns) == maxColumns {
				g.wide = true
				return false
			}
			at = len(g.columns)
			g.append(column{name: name, cells: g.cells()})
		}
		g.columns[at].cells[row] = v.raw
	}
	return true
}

package repo

import (
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"mlx/internal/fault"
)

// shape says what a tree is.
type shape uint8

const (
	nothing shape = iota // null
	single
	list
	mapping
)

// tree is a value of any shape, with the place where it stands: what variables, matrices and parameter files consist of.
type tree struct {
	shape shape
	at    fault.Position
	one   scalar   // of a single
	items []*tree  // of a list, or the values of a mapping
	names []string // of a mapping, in the order of the file
	spots []fault.Position
	index map[string]int
}

func newMapping(at fault.Position) *tree {
	return &tree{shape: mapping, at: at, index: map[string]int{}}
}

// textTree is a single text.
func textTree(at fault.Position, text string) *tree {
	return &tree{shape: single, at: at, one: scalar{text, text}}
}

// get returns the value of a name of a mapping, or the element of a list by its number; nil when there is none.
func (t *tree) get(name string) *tree {
	switch t.shape {
	case mapping:
		if i, ok := t.index[name]; ok {
			return t.items[i]
		}
	case list:
		if i, err := strconv.Atoi(name); err == nil && i >= 0 && i < len(t.items) {
			return t.items[i]
		}
	case nothing, single:
	}
	return nil
}

// set adds a name, or replaces its value.
func (t *tree) set(name string, at fault.Position, value *tree) {
	if i, ok := t.index[name]; ok {
		t.items[i], t.spots[i] = value, at
		return
	}
	t.index[name] = len(t.names)
	t.names, t.spots, t.items = append(t.names, name), append(t.spots, at), append(t.items, value)
}

// walk follows a dotted path. A key that itself contains dots is found too. What is left when it ends early is for messages.
func (t *tree) walk(path []string) (found *tree, last *tree, rest []string) {
	for i := range path {
		next := t.get(path[i])
		if next == nil {
			for j := len(path); j > i+1 && next == nil; j-- {
				if next = t.get(strings.Join(path[i:j], ".")); next != nil {
					return next.walk(path[j:])
				}
			}
			return nil, t, path[i:]
		}
		t = next
	}
	return t, t, nil
}

// plain is the value as encoding/json would have read it, whole numbers as int64.
func (t *tree) plain() any {
	switch t.shape {
	case single:
		return t.one.value
	case list:
		all := make([]any, len(t.items))
		for i, item := range t.items {
			all[i] = item.plain()
		}
		return all
	case mapping:
		all := make(map[string]any, len(t.items))
		for i, item := range t.items {
			all[t.names[i]] = item.plain()
		}
		return all
	case nothing:
	}
	return nil
}

// describe names the shape for messages.
func (t *tree) describe() string {
	switch t.shape {
	case list:
		return "a list"
	case mapping:
		return "keys and values"
	case single:
		return strconv.Quote(t.one.text[:min(40, len(t.one.text))])
	case nothing:
	}
	return "nothing"
}

// fail makes the error for a place in a file.
func (t *tree) fail(format string, args ...any) *fault.Error { return failIn(t.at, format, args...) }

func failIn(p fault.Position, format string, args ...any) *fault.Error {
	where := p.File
	switch {
	case p.Line > 0 && p.Column > 0:
		where += ": line " + strconv.Itoa(p.Line) + ", column " + strconv.Itoa(p.Column)
	case p.Line > 0:
		where += ": line " + strconv.Itoa(p.Line)
	}
	return fault.New(fault.Usage, "cannot read %s: "+format, append([]any{where}, args...)...).In(p)
}

// yamlTree reads the YAML of a file; one that is empty is an empty mapping.
func yamlTree(file string, text []byte) (*tree, error) {
	body, err := parseYAML(text)
	if err != nil {
		return nil, naming(file, err)
	}
	if body == nil {
		return newMapping(fault.Position{File: file}), nil
	}
	r := treeReader{file: file, decoder: decoder{anchors: map[string]ast.Node{}}}
	t, err := r.read(body)
	return t, naming(file, err)
}

// treeReader turns nodes of the parser into trees.
type treeReader struct {
	decoder
	file string
}

func (r *treeReader) at(n ast.Node) fault.Position {
	p := positionOf(n)
	p.File = r.file
	return p
}

func (r *treeReader) read(n ast.Node) (*tree, error) {
	n, err := r.resolve(n)
	if err != nil {
		return nil, err
	}
	if r.nodes++; r.nodes > maxNodes {
		return nil, failAt(n, "more than %d values", maxNodes)
	}
	t := &tree{at: r.at(n)}
	switch v := n.(type) {
	case *ast.NullNode:
		return t, nil
	case *ast.InfinityNode:
		t.shape, t.one = single, scalar{v.Token.Value, v.Value}
		return t, nil
	case *ast.NanNode:
		t.shape, t.one = single, scalar{v.Token.Value, v.GetValue()}
		return t, nil
	case *ast.SequenceNode:
		t.shape = list
		for _, item := range v.Values {
			one, err := r.read(item)
			if err != nil {
				return nil, err
			}
			t.items = append(t.items, one)
		}
		return t, nil
	case *ast.MappingNode:
		return r.mapping(t, v.Values)
	case *ast.MappingValueNode:
		return r.mapping(t, []*ast.MappingValueNode{v})
	}
	t.shape = single
	t.one, err = scalarOf(n)
	return t, err
}

// mapping reads keys and values. What << merges is overridden by what stands beside it.
func (r *treeReader) mapping(t *tree, entries []*ast.MappingValueNode) (*tree, error) {
	t.shape, t.index = mapping, make(map[string]int, len(entries))
	for _, e := range entries {
		if _, ok := e.Key.(*ast.MergeKeyNode); !ok {
			continue
		}
		from, err := r.read(e.Value)
		if err != nil {
			return nil, err
		}
		for _, m := range append([]*tree{from}, from.items...) {
			for i, name := range m.names {
				if t.get(name) == nil {
					t.set(name, m.spots[i], m.items[i])
				}
			}
			if from.shape == mapping {
				break
			}
		}
	}
	own := make(map[string]bool, len(entries))
	for _, e := range entries {
		if _, ok := e.Key.(*ast.MergeKeyNode); ok {
			continue
		}
		key, err := keyText(e.Key)
		if err != nil {
			return nil, err
		}
		if own[key] {
			return nil, failAt(e.Key, "key %q appears twice", key)
		}
		own[key] = true
		value, err := r.read(e.Value)
		if err != nil {
			return nil, err
		}
		t.set(key, r.at(e.Key), value)
	}
	return t, nil
}

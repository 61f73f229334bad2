package repo

import (
	"github.com/goccy/go-yaml/ast"
)

// Lines is one text or a list of them.
type Lines []Text

// Free is a value of any shape.
type Free struct{ tree *tree }

func (t *Text) setNode(_ *decoder, n ast.Node) error {
	s, err := scalarOf(n)
	t.Value, t.At = s.text, positionOf(n)
	return err
}

func (t *Text) schema() members {
	return members{{"type", []string{"string", "number", "boolean"}}}
}

func (l *Lines) setNode(d *decoder, n ast.Node) error {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		var one Text
		err := one.setNode(d, n)
		*l = Lines{one}
		return err
	}
	if len(seq.Values) == 0 {
		return failAt(n, "the list is empty")
	}
	for _, item := range seq.Values {
		item, err := d.resolve(item)
		if err != nil {
			return err
		}
		var one Text
		if err := one.setNode(d, item); err != nil {
			return err
		}
		*l = append(*l, one)
	}
	return nil
}

func (l *Lines) schema() members {
	return members{{"anyOf", []members{{{"type", "string"}}, {{"type", "array"}, {"items", members{{"type", "string"}}}, {"minItems", 1}}}}}
}

func (f *Free) setNode(d *decoder, n ast.Node) error {
	r := treeReader{file: ConfigName, decoder: *d}
	t, err := r.read(n)
	d.nodes = r.nodes
	if err == nil && t.shape != nothing {
		f.tree = t
	}
	return err
}

func (f *Free) schema() members {
	return members{{"type", []string{"object", "array", "string"}}}
}

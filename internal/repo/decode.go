package repo

import (
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"mlx/internal/fault"
)

// maxNodes bounds how many values aliases may multiply a file into.
const maxNodes = 100_000

// scalarTarget is a type that reads itself from one scalar: the units.
type scalarTarget interface{ setScalar(s scalar) error }

// nodeTarget is a type that reads itself from a value of any shape.
type nodeTarget interface {
	setNode(d *decoder, n ast.Node) error
	schema() members
}

// mapTarget is a mapping with free names: Map.
type mapTarget interface {
	fresh() any
	put(name string, value any)
	has(name string) bool
}

// decoder turns nodes into Go values. It is ours and not the library's because every error must name line, column and
// the nearest word, and because the place of an entry is itself part of the result.
type decoder struct {
	anchors map[string]ast.Node
	nodes   int

	path string              // of the entry that is decoded, dotted
	over map[string]ast.Node // what an environment puts in place of values, by path
}

// ParseConfig reads the text of a mlx.yaml.
func ParseConfig(text []byte) (*Config, error) {
	c := new(Config)
	body, err := parseYAML(text)
	if err != nil || body == nil {
		return c, err
	}
	d := decoder{anchors: map[string]ast.Node{}}
	if err := d.value(body, reflect.ValueOf(c).Elem()); err != nil {
		return nil, err
	}
	if err := c.validate(body); err != nil {
		return c, err
	}
	return c, c.overlay(body, &d)
}

// readBody reads a configuration and checks it as a whole.
func (d *decoder) readBody(body ast.Node, c *Config) error {
	if err := d.value(body, reflect.ValueOf(c).Elem()); err != nil {
		return err
	}
	return c.validate(body)
}

// value decodes n into v, which must be settable.
func (d *decoder) value(n ast.Node, v reflect.Value) error {
	n, err := d.resolve(n)
	if err != nil {
		return err
	}
	if d.nodes++; d.nodes > maxNodes {
		return failAt(n, "more than %d values", maxNodes)
	}
	switch target := v.Addr().Interface().(type) {
	case scalarTarget:
		s, err := scalarOf(n)
		if err != nil {
			return err
		}
		if err := target.setScalar(s); err != nil {
			return failAt(n, "%w", err)
		}
		return nil
	case mapTarget:
		return d.mapping(n, target)
	case nodeTarget:
		return target.setNode(d, n)
	}
	switch v.Kind() {
	case reflect.Struct:
		return d.structure(n, v)
	case reflect.Slice:
		return d.list(n, v)
	default:
		return basic(n, v)
	}
}

// resolve follows anchors and aliases. Tags are refused: a configuration has no use for them.
func (d *decoder) resolve(n ast.Node) (ast.Node, error) {
	for range 100 {
		switch t := n.(type) {
		case *ast.AnchorNode:
			d.anchors[t.Name.GetToken().Value] = t.Value
			n = t.Value
		case *ast.AliasNode:
			to, ok := d.anchors[t.Value.GetToken().Value]
			if !ok {
				return nil, failAt(n, "unknown alias %q", t.Value.GetToken().Value)
			}
			n = to
		case *ast.TagNode:
			return nil, failAt(n, "tag %q is not allowed here", t.GetToken().Value)
		default:
			return n, nil
		}
	}
	return nil, failAt(n, "an alias that contains itself")
}

func (d *decoder) entries(n ast.Node, each func(key string, at, value ast.Node) error) error {
	var values []*ast.MappingValueNode
	switch t := n.(type) {
	case *ast.NullNode:
	case *ast.MappingNode:
		values = t.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{t}
	default:
		return failAt(n, "needs keys and values, not %s", describe(n))
	}
	above := d.path
	defer func() { d.path = above }()
	for _, e := range values {
		key, err := keyText(e.Key)
		if err != nil {
			return err
		}
		value := e.Value
		if d.path = above + "." + key; d.over != nil {
			if other, ok := d.over[d.path[1:]]; ok {
				value = other
			}
		}
		if err := each(key, e.Key, value); err != nil {
			return err
		}
	}
	return nil
}

func (d *decoder) mapping(n ast.Node, target mapTarget) error {
	return d.entries(n, func(key string, at, value ast.Node) error {
		if target.has(key) {
			return failAt(at, "key %q appears twice", key)
		}
		item := target.fresh()
		if err := d.value(value, reflect.ValueOf(item).Elem()); err != nil {
			return err
		}
		target.put(key, item)
		return nil
	})
}

func (d *decoder) structure(n ast.Node, v reflect.Value) error {
	fields := fieldsOf(v.Type())
	seen := map[string]bool{}
	err := d.entries(n, func(key string, at, value ast.Node) error {
		f := find(fields, key)
		if f == nil {
			return unknownKey(at, key, fields)
		}
		if seen[key] {
			return failAt(at, "key %q appears twice", key)
		}
		seen[key] = true
		field := v.FieldByIndex(f.index)
		if err := d.value(value, field); err != nil {
			return err
		}
		if f.some && field.IsZero() && value.Type() != ast.NullType {
			return failAt(value, "%s needs more than nothing", f.key)
		}
		return checkEnum(value, f, field)
	})
	if err != nil {
		return err
	}
	for _, f := range fields {
		if f.need && !seen[f.key] {
			return failAt(n, "missing key %q", f.key)
		}
	}
	if at := v.FieldByName("At"); at.IsValid() {
		at.Set(reflect.ValueOf(positionOf(n)))
	}
	return nil
}

func (d *decoder) list(n ast.Node, v reflect.Value) error {
	if _, ok := n.(*ast.NullNode); ok {
		return nil
	}
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		return failAt(n, "needs a list, not %s", describe(n))
	}
	for _, item := range seq.Values {
		elem := reflect.New(v.Type().Elem()).Elem()
		if err := d.value(item, elem); err != nil {
			return err
		}
		v.Set(reflect.Append(v, elem))
	}
	return nil
}

// basic decodes the plain kinds. Text takes any scalar as it is written: an id may consist of digits.
func basic(n ast.Node, v reflect.Value) error {
	s, err := scalarOf(n)
	if err != nil {
		return err
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(s.text)
		return nil
	case reflect.Int:
		i, ok := s.value.(int64)
		if !ok || i < 0 || int64(int(i)) != i {
			return failAt(n, "needs a whole number, not %q", s.text)
		}
		v.SetInt(i)
		return nil
	case reflect.Float64:
		switch x := s.value.(type) {
		case int64:
			v.SetFloat(float64(x))
		case float64:
			v.SetFloat(x)
		default:
			return failAt(n, "needs a number, not %q", s.text)
		}
		return nil
	case reflect.Bool:
		yes, ok := s.value.(bool)
		if !ok {
			return failAt(n, "needs true or false, not %q", s.text)
		}
		v.SetBool(yes)
		return nil
	default:
		return failAt(n, "cannot hold a value of type %s", v.Type())
	}
}

// field is one known key of a mapping.
type field struct {
	key, group, doc string
	enum            []string
	need            bool
	some            bool // zero is none
	index           []int
	typ             reflect.Type
}

func fieldsOf(t reflect.Type) []field {
	var all []field
	for f := range t.Fields() {
		if key := f.Tag.Get("yaml"); key != "-" {
			all = append(all, field{key: key, group: f.Tag.Get("group"), doc: f.Tag.Get("doc"), need: f.Tag.Get("need") != "",
				some: f.Tag.Get("some") != "",
				enum: strings.Fields(f.Tag.Get("enum")), index: f.Index, typ: f.Type})
		}
	}
	return all
}

func find(fields []field, key string) *field {
	for i := range fields {
		if fields[i].key == key {
			return &fields[i]
		}
	}
	return nil
}

func checkEnum(n ast.Node, f *field, v reflect.Value) error {
	if len(f.enum) == 0 || slices.Contains(f.enum, v.String()) {
		return nil
	}
	err := failAt(n, "%s cannot be %q", f.key, v.String())
	return err.Hint("%s", suggestion(v.String(), f.enum, "The words are "+strings.Join(f.enum, ", ")))
}

// failAt makes the error for a place in mlx.yaml.
func failAt(n ast.Node, format string, args ...any) *fault.Error {
	return failToken(n.GetToken(), format, args...)
}

func failToken(t *token.Token, format string, args ...any) *fault.Error {
	p := tokenPosition(t)
	e := fault.New(fault.Usage, "cannot read %s: line %d, column %d: "+format, append([]any{ConfigName, p.Line, p.Column}, args...)...)
	return e.In(p)
}

package repo

import (
	"errors"
	"io"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"mlx/internal/fault"
)

// ReadConfig reads a file of the form of mlx.yaml that lies elsewhere. Positions in it say mlx.yaml all the same; errors
// name the file.
func ReadConfig(file string) (*Config, error) {
	text, err := readSmall(file, maxConfig)
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot read %s: %w", file, err)
	}
	c, err := ParseConfig(text)
	return c, naming(file, err)
}

// ReadConfigFrom is ReadConfig of a stream; errors call it name.
func ReadConfigFrom(name string, in io.Reader) (*Config, error) {
	text, err := io.ReadAll(io.LimitReader(in, maxConfig+1))
	if err == nil && len(text) > maxConfig {
		err = fault.New(fault.Usage, "more than %d bytes", maxConfig)
	}
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot read %s: %w", name, err)
	}
	c, err := ParseConfig(text)
	return c, naming(name, err)
}

// ReadSchema reads a schema file: what the columns of a table mean, as under tables: of mlx.yaml.
func ReadSchema(file string) (*TableMeaning, error) {
	text, err := readSmall(file, maxConfig)
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot read %s: %w", file, err)
	}
	t := new(TableMeaning)
	body, err := parseYAML(text)
	if err == nil && body != nil {
		d := decoder{anchors: map[string]ast.Node{}}
		err = d.value(body, reflect.ValueOf(t).Elem())
	}
	return t, naming(file, err)
}

// ReadParams reads a YAML or JSON file of parameters: nested keys, single values and lists.
func ReadParams(file string) (map[string]any, error) {
	text, err := readSmall(file, maxConfig)
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot read %s: %w", file, err)
	}
	body, err := parseYAML(text)
	if err != nil || body == nil {
		return map[string]any{}, naming(file, err)
	}
	d := decoder{anchors: map[string]ast.Node{}}
	value, err := d.free(body)
	if err != nil {
		return nil, naming(file, err)
	}
	params, ok := value.(map[string]any)
	if !ok {
		return nil, naming(file, failAt(body, "needs keys and values, not %s", describe(body)))
	}
	return params, nil
}

// free decodes a node into map[string]any, []any, string, int64, float64, bool or nil.
func (d *decoder) free(n ast.Node) (any, error) {
	n, err := d.resolve(n)
	if err != nil {
		return nil, err
	}
	if d.nodes++; d.nodes > maxNodes {
		return nil, failAt(n, "more than %d values", maxNodes)
	}
	switch t := n.(type) {
	case *ast.NullNode:
		return nil, nil
	case *ast.InfinityNode:
		return t.Value, nil
	case *ast.NanNode:
		return t.GetValue(), nil
	case *ast.SequenceNode:
		list := make([]any, 0, len(t.Values))
		for _, item := range t.Values {
			v, err := d.free(item)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case *ast.MappingNode, *ast.MappingValueNode:
		all := make(map[string]any)
		err := d.entries(n, func(key string, at, value ast.Node) error {
			if _, twice := all[key]; twice {
				return failAt(at, "key %q appears twice", key)
			}
			v, err := d.free(value)
			all[key] = v
			return err
		})
		return all, err
	}
	s, err := scalarOf(n)
	return s.value, err
}

// naming puts the name of a file where the decoder, which knows one file only, has written mlx.yaml.
func naming(file string, err error) error {
	var e *fault.Error
	if !errors.As(err, &e) {
		return err
	}
	e.Message = strings.Replace(e.Message, "cannot read "+ConfigName, "cannot read "+file, 1)
	if e.At != nil {
		e.At.File = file
	}
	return err
}

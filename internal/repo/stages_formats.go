package repo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"mlx/internal/fault"
)

// jsonTree reads a JSON file. It is not read as YAML, which allows no tabs.
func jsonTree(file string, text []byte) (*tree, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	r := jsonReader{file: file, text: text, d: json.NewDecoder(bytes.NewReader(text))}
	r.d.UseNumber()
	t, err := r.value(0)
	if errors.Is(err, io.EOF) && len(bytes.TrimSpace(text)) == 0 {
		return newMapping(fault.Position{File: file}), nil
	}
	if err == nil {
		if _, more := r.d.Token(); !errors.Is(more, io.EOF) {
			err = r.fail(errors.New("something follows the value"))
		}
	}
	return t, err
}

type jsonReader struct {
	file  string
	text  []byte
	d     *json.Decoder
	nodes int
	last  int // offset that line and begin belong to
	line  int
	begin int // where the line starts
}

// here is the place of the last token, which ends at the decoder's offset.
func (r *jsonReader) here() fault.Position {
	end := min(int(r.d.InputOffset()), len(r.text))
	for i := r.last; i < end; i++ {
		if r.text[i] == '\n' {
			r.line++
			r.begin = i + 1
		}
	}
	r.last = max(r.last, end)
	return fault.Position{File: r.file, Line: r.line + 1}
}

func (r *jsonReader) fail(err error) error {
	p := r.here()
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		before := r.text[:min(max(0, int(syntax.Offset)), len(r.text))]
		p.Line = bytes.Count(before, []byte("\n")) + 1
		p.Column = len(before) - bytes.LastIndexByte(before, '\n')
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return failIn(p, "%w", err)
}

func (r *jsonReader) value(depth int) (*tree, error) {
	token, err := r.d.Token()
	if err != nil {
		if errors.Is(err, io.EOF) && depth == 0 {
			return nil, err
		}
		return nil, r.fail(err)
	}
	if r.nodes++; r.nodes > maxNodes || depth > maxDepth {
		return nil, r.fail(fmt.Errorf("more than %d values, or nested deeper than %d", maxNodes, maxDepth))
	}
	t := &tree{at: r.here()}
	switch v := token.(type) {
	case nil:
	case json.Delim:
		return r.inside(t, v, depth)
	case json.Number:
		t.shape, t.one = single, scalar{v.String(), number(v)}
	case string:
		t.shape, t.one = single, scalar{v, v}
	case bool:
		t.shape, t.one = single, scalar{fmt.Sprint(v), v}
	}
	return t, nil
}

func number(n json.Number) any {
	if i, err := n.Int64(); err == nil {
		return i
	}
	if f, err := n.Float64(); err == nil {
		return f
	}
	return n.String()
}

func (r *jsonReader) inside(t *tree, open json.Delim, depth int) (*tree, error) {
	t.shape = list
	if open == '{' {
		t.shape, t.index = mapping, map[string]int{}
	}
	for r.d.More() {
		key := ""
		if t.shape == mapping {
			token, err := r.d.Token()
			if err != nil {
				return nil, r.fail(err)
			}
			key, _ = token.(string)
		}
		at := r.here()
		v, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		if t.shape == list {
			t.items = append(t.items, v)
			continue
		}
		if t.get(key) != nil {
			return nil, failIn(at, "key %q appears twice", key)
		}
		t.set(key, at, v)
	}
	if _, err := r.d.Token(); err != nil {
		return nil, r.fail(err)
	}
	return t, nil
}

// tomlTree reads a TOML file. Its values know the file, and not the line.
func tomlTree(file string, text []byte) (*tree, error) {
	var values map[string]any
	if line := tooDeep(text); line > 0 {
		return nil, failIn(fault.Position{File: file, Line: line}, "nested deeper than %d", maxDepth)
	}
	if err := toml.Unmarshal(text, &values); err != nil {
		p := fault.Position{File: file}
		var e *toml.DecodeError
		if errors.As(err, &e) {
			p.Line, p.Column = e.Position()
		}
		return nil, failIn(p, "%s", strings.TrimPrefix(err.Error(), "toml: "))
	}
	nodes := 0
	return goTree(fault.Position{File: file}, values, &nodes)
}

// goTree makes a tree of Go values.
func goTree(at fault.Position, v any, nodes *int) (*tree, error) {
	if *nodes++; *nodes > maxNodes {
		return nil, failIn(at, "more than %d values", maxNodes)
	}
	t := &tree{at: at}
	switch v := v.(type) {
	case map[string]any:
		t.shape, t.index = mapping, make(map[string]int, len(v))
		for _, name := range slices.Sorted(maps.Keys(v)) {
			one, err := goTree(at, v[name], nodes)
			if err != nil {
				return nil, err
			}
			t.set(name, at, one)
		}
	case []any:
		t.shape = list
		for _, item := range v {
			one, err := goTree(at, item, nodes)
			if err != nil {
				return nil, err
			}
			t.items = append(t.items, one)
		}
	case nil:
	case string, bool, int64, float64:
		t.shape, t.one = single, scalar{formatScalar(v), v}
	case time.Time:
		return textTree(at, v.Format(time.RFC3339Nano)), nil
	default: // dates and times without a zone
		return textTree(at, fmt.Sprint(v)), nil
	}
	return t, nil
}

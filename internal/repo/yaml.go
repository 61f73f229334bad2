package repo

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"mlx/internal/fault"
)

// maxDepth bounds nesting before the parser sees the text: its work grows with the square of the depth.
const maxDepth = 64

// parseYAML returns the one document of text, or nil when it is empty.
func parseYAML(text []byte) (ast.Node, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if !utf8.Valid(text) {
		return nil, fault.New(fault.Usage, "cannot read %s: it is not UTF-8", ConfigName)
	}
	if line := tooDeep(text); line > 0 {
		return nil, fault.New(fault.Usage, "cannot read %s: line %d: nested deeper than %d", ConfigName, line, maxDepth).
			In(fault.Position{File: ConfigName, Line: line})
	}
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, syntaxError(err)
	}
	var body ast.Node
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType {
			continue
		}
		if body != nil {
			return nil, failAt(doc.Body, "a second document")
		}
		body = doc.Body
	}
	return body, nil
}

// tooDeep returns the first line on which brackets or list dashes nest too deep, or 0. It counts brackets inside quotes
// as well, which no sane file has by the dozen.
func tooDeep(text []byte) int {
	depth, number := 0, 0
	for line := range bytes.Lines(text) {
		number++
		dashes := 0
		for i, c := range line {
			switch c {
			case '[', '{':
				depth++
			case ']', '}':
				depth = max(0, depth-1)
			case '-', '?', '!', '&':
				dashes++
			case ' ', '\t':
			default:
				if i == 0 || line[i-1] == ' ' {
					dashes = 0
				}
			}
			if depth > maxDepth || dashes > maxDepth && c != '-' {
				return number
			}
		}
	}
	return 0
}

func syntaxError(err error) error {
	var e yaml.Error
	if !errors.As(err, &e) || e.GetToken() == nil {
		return fault.New(fault.Usage, "cannot read %s: %w", ConfigName, err)
	}
	return failToken(e.GetToken(), "%s", e.GetMessage())
}

func tokenPosition(t *token.Token) fault.Position {
	p := fault.Position{File: ConfigName}
	if t != nil && t.Position != nil {
		p.Line, p.Column = t.Position.Line, t.Position.Column
	}
	return p
}

// positionOf returns where a node begins: a mapping at its first key, not at its first colon.
func positionOf(n ast.Node) fault.Position {
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 && !m.IsFlowStyle {
		return tokenPosition(m.Values[0].Key.GetToken())
	}
	return tokenPosition(n.GetToken())
}

// scalar is one single value: its text as written and its meaning by YAML's rules.
type scalar struct {
	text  string
	value any // string, int64, float64, bool or nil
}

func scalarOf(n ast.Node) (scalar, error) {
	switch t := n.(type) {
	case *ast.StringNode:
		if t.Token.Type == token.StringType { // without quotes; the parser takes 1e-3 for text, which YAML and Python do not
			if f, err := strconv.ParseFloat(t.Value, 64); err == nil && strings.Trim(t.Value, "+-.0123456789eE") == "" {
				return scalar{t.Value, f}, nil
			}
		}
		return scalar{t.Value, t.Value}, nil
	case *ast.LiteralNode:
		return scalar{t.Value.Value, t.Value.Value}, nil
	case *ast.BoolNode:
		return scalar{t.Token.Value, t.Value}, nil
	case *ast.FloatNode:
		return scalar{t.Token.Value, t.Value}, nil
	case *ast.IntegerNode:
		switch i := t.Value.(type) {
		case int64:
			return scalar{t.Token.Value, i}, nil
		case uint64:
			if i <= 1<<63-1 {
				return scalar{t.Token.Value, int64(i)}, nil
			}
		}
		return scalar{t.Token.Value, t.Token.Value}, nil
	case *ast.NullNode:
		return scalar{}, failAt(n, "a value is missing")
	default:
		return scalar{}, failAt(n, "needs a single value, not %s", describe(n))
	}
}

func keyText(n ast.MapKeyNode) (string, error) {
	switch n.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		s, err := scalarOf(n)
		return s.text, err
	case *ast.MergeKeyNode:
		return "", failAt(n, "merge keys are not supported; write the values out")
	default:
		return "", failAt(n, "a key must be plain text")
	}
}

func describe(n ast.Node) string {
	switch n.(type) {
	case *ast.SequenceNode:
		return "a list"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "keys and values"
	case *ast.NullNode:
		return "nothing"
	default:
		text := n.GetToken().Value
		if len(text) > 40 {
			text = text[:40] + "..."
		}
		return `"` + strings.ToValidUTF8(text, "") + `"`
	}
}

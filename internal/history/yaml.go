package history

import (
	"bytes"
	"io"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"mlx/internal/fault"
)

const (
	maxMeta   = 1 << 20 // of a file of YAML
	maxIndent = 128     // of a line: what is deeper was made to hurt
	maxOpen   = 500     // brackets in one another
)

// readYAML reads a small file that holds one mapping.
func readYAML(file string) (map[string]any, error) {
	b, err := readSmall(file, maxMeta)
	if err != nil {
		return nil, err
	}
	m, err := parseYAML(b)
	if err != nil {
		return nil, fault.New(fault.Usage, "cannot read %s: %w", file, err).In(fault.Position{File: file})
	}
	return m, nil
}

// readSmall reads a file that has at most a number of bytes. A link out of a folder is followed by nobody: it is no regular file.
func readSmall(file string, most int64) ([]byte, error) {
	info, err := os.Lstat(file)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > most {
		return nil, fault.New(fault.Usage, "%s is no file of at most %d bytes", file, most).In(fault.Position{File: file})
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most))
}

// parseYAML reads a mapping in which every value is a text as it was written, nil, a list or a mapping. It refuses what makes a
// parser of YAML slow or deep before that sees it: anchors grow, and nesting is recursion.
func parseYAML(b []byte) (map[string]any, error) {
	open := 0
	for line := range bytes.Lines(b) {
		indent := len(line) - len(bytes.TrimLeft(line, " -?:\t"))
		open += bytes.Count(line, []byte("[")) + bytes.Count(line, []byte("{")) - bytes.Count(line, []byte("]")) - bytes.Count(line, []byte("}"))
		if indent > maxIndent || open > maxOpen || deepLine(line) {
			return nil, fault.New(fault.Usage, "it is nested too deep")
		}
		open = max(open, 0)
		rest := bytes.TrimLeft(line, " -")
		if _, value, ok := bytes.Cut(rest, []byte(": ")); ok {
			rest = bytes.TrimLeft(value, " ")
		}
		if len(rest) > 0 && (rest[0] == '&' || rest[0] == '*') {
			return nil, fault.New(fault.Usage, "it has anchors, which no tool writes there")
		}
	}
	file, err := parser.ParseBytes(b, 0)
	if err != nil {
		text, _, _ := strings.Cut(err.Error(), "\n")
		return nil, fault.New(fault.Usage, "%s", text)
	}
	if len(file.Docs) != 1 || file.Docs[0].Body == nil {
		return nil, fault.New(fault.Usage, "it is no mapping of YAML")
	}
	m, ok := plainYAML(file.Docs[0].Body, 0).(map[string]any)
	if !ok {
		return nil, fault.New(fault.Usage, "it is no mapping of YAML")
	}
	return m, nil
}

// deepLine reports whether one line opens too many brackets, whatever it closes.
func deepLine(line []byte) bool {
	depth := 0
	for _, c := range line {
		switch c {
		case '[', '{':
			if depth++; depth > maxOpen {
				return true
			}
		case ']', '}':
			depth = max(0, depth-1)
		}
	}
	return false
}

// plainYAML makes texts, lists and mappings of what was parsed. Python writes 1e5 for a name and means a text: so no number is read.
func plainYAML(node ast.Node, depth int) any {
	if depth > maxOpen+maxIndent {
		return nil
	}
	switch n := node.(type) {
	case nil, *ast.NullNode:
		return nil
	case *ast.StringNode:
		return n.Value
	case *ast.LiteralNode:
		return n.Value.Value
	case *ast.TagNode:
		return plainYAML(n.Value, depth+1)
	case *ast.SequenceNode:
		all := make([]any, 0, len(n.Values))
		for _, v := range n.Values {
			all = append(all, plainYAML(v, depth+1))
		}
		return all
	case *ast.MappingNode:
		m := make(map[string]any, len(n.Values))
		for _, v := range n.Values {
			m[textOf(plainYAML(v.Key, depth+1))] = plainYAML(v.Value, depth+1)
		}
		return m
	case *ast.MappingValueNode:
		return map[string]any{textOf(plainYAML(n.Key, depth+1)): plainYAML(n.Value, depth+1)}
	}
	return node.GetToken().Value
}

// textOf is a value of a file as a text.
func textOf(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	return shortJSON(v)
}

// numberOf is a whole number of a file, 0 where it is none.
func numberOf(v any) int64 {
	text, _ := v.(string)
	text = strings.TrimSpace(text)
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil && math.Abs(f) < 1<<53 {
		return int64(f)
	}
	return 0
}

package repo

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"mlx/internal/fault"
)

// page is the text of a configuration, line by line, with the nodes that say where things stand in it. One edit makes
// the nodes stale. Lines keep their ends.
type page struct {
	bom   bool
	eol   string
	lines []string
	top   []*ast.MappingValueNode
}

func openPage(text []byte) (*page, error) {
	body, err := parseYAML(text)
	if err != nil {
		return nil, err
	}
	p := &page{eol: "\n"}
	text, p.bom = bytes.CutPrefix(text, []byte("\ufeff"))
	if bytes.Contains(text, []byte("\r\n")) {
		p.eol = "\r\n"
	}
	p.lines = strings.SplitAfter(string(text), "\n")
	if last := len(p.lines) - 1; p.lines[last] == "" {
		p.lines = p.lines[:last]
	} else {
		p.lines[last] += p.eol
	}
	switch t := body.(type) {
	case nil:
	case *ast.MappingNode:
		if t.IsFlowStyle {
			return nil, unknownForm()
		}
		p.top = t.Values
	case *ast.MappingValueNode:
		p.top = []*ast.MappingValueNode{t}
	default:
		return nil, unknownForm()
	}
	return p, nil
}

// unknownForm says that the file is right, and written in a way that is not edited here.
func unknownForm() error {
	return fault.New(fault.Conflict, "%s is written in a form that mlx cannot change", ConfigName)
}

func (p *page) bytes() []byte {
	text := strings.Join(p.lines, "")
	if p.bom {
		text = "\ufeff" + text
	}
	return []byte(text)
}

func (p *page) entry(key string) *ast.MappingValueNode { return entryOf(p.top, key) }

func entryOf(entries []*ast.MappingValueNode, key string) *ast.MappingValueNode {
	for _, e := range entries {
		if text, err := keyText(e.Key); err == nil && text == key {
			return e
		}
	}
	return nil
}

// lineOf is the index of the line on which an entry begins; column is how far its key is indented.
func lineOf(e *ast.MappingValueNode) (line, column int) {
	at := e.Key.GetToken().Position
	return at.Line - 1, at.Column - 1
}

// end returns the index of the line after an entry of a block: what follows and is indented deeper belongs to it, but not
// the empty lines and comments after that.
func (p *page) end(line, column int) int {
	end := line + 1
	for i := line + 1; i < len(p.lines); i++ {
		bare := strings.TrimLeft(p.lines[i], " ")
		if word := strings.TrimSpace(bare); word == "" || strings.HasPrefix(word, "#") {
			continue
		}
		if len(p.lines[i])-len(bare) <= column {
			break
		}
		end = i + 1
	}
	return end
}

func (p *page) insert(at int, lines ...string) {
	for i := range lines {
		lines[i] += p.eol
	}
	p.lines = slices.Insert(p.lines, at, lines...)
}

// offset finds the place of a token on its line, in bytes; false when it is not where the token says.
func (p *page) offset(t *token.Token) (line, at int, ok bool) {
	line = t.Position.Line - 1
	if line < 0 || line >= len(p.lines) {
		return 0, 0, false
	}
	text := p.lines[line]
	for range t.Position.Column - 1 {
		if at >= len(text) {
			return 0, 0, false
		}
		_, n := utf8.DecodeRuneInString(text[at:])
		at += n
	}
	return line, at, at < len(text)
}

// insertRemote adds one line to the section remotes, which is made when it is missing.
func insertRemote(text string) func(*page) error {
	return func(p *page) error {
		e := p.entry("remotes")
		if e == nil {
			if len(p.lines) > 0 && strings.TrimSpace(p.lines[len(p.lines)-1]) != "" {
				p.insert(len(p.lines), "")
			}
			p.insert(len(p.lines), "remotes:", "  "+text)
			return nil
		}
		line, column := lineOf(e)
		switch value := e.Value.(type) {
		case *ast.NullNode:
			p.insert(line+1, strings.Repeat(" ", column+2)+text)
			return nil
		case *ast.MappingNode:
			if value.IsFlowStyle {
				return p.insertFlow(value, text)
			}
			return p.insertBlock(value.Values[len(value.Values)-1], text)
		case *ast.MappingValueNode:
			return p.insertBlock(value, text)
		}
		return unknownForm()
	}
}

func (p *page) insertBlock(last *ast.MappingValueNode, text string) error {
	line, column := lineOf(last)
	p.insert(p.end(line, column), strings.Repeat(" ", column)+text)
	return nil
}

// insertFlow adds to {a: …}, before the bracket that ends it.
func (p *page) insertFlow(m *ast.MappingNode, text string) error {
	if m.End == nil {
		return unknownForm()
	}
	line, at, ok := p.offset(m.End)
	if !ok || p.lines[line][at] != '}' {
		return unknownForm()
	}
	before := strings.TrimRight(p.lines[line][:at], " ")
	if len(m.Values) > 0 {
		before += ", "
	}
	p.lines[line] = before + text + p.lines[line][at:]
	return nil
}

// removeRemote takes one entry out of the section remotes, and the section when nothing else is in it.
func removeRemote(name string) func(*page) error {
	return func(p *page) error {
		section := p.entry("remotes")
		if section == nil {
			return unknownForm()
		}
		var entries []*ast.MappingValueNode
		switch value := section.Value.(type) {
		case *ast.MappingNode:
			entries = value.Values
			if value.IsFlowStyle && len(entries) > 1 {
				return p.removeFlow(entries, name)
			}
		case *ast.MappingValueNode:
			entries = []*ast.MappingValueNode{value}
		}
		e := entryOf(entries, name)
		if e == nil {
			return unknownForm()
		}
		line, column := lineOf(e)
		end := p.end(line, column)
		if top, left := lineOf(section); len(entries) == 1 && p.bare(top, max(p.end(top, left), end)) {
			line, end = top, max(p.end(top, left), end)
		}
		p.lines = slices.Delete(p.lines, line, end)
		return nil
	}
}

// bare says whether lines hold no comment but those behind a value of one line.
func (p *page) bare(from, to int) bool {
	return !slices.ContainsFunc(p.lines[from:to], func(line string) bool { return strings.HasPrefix(strings.TrimSpace(line), "#") })
}

// removeFlow takes one of several entries out of {a: …, b: …}, when both it and its neighbour stand on one line.
func (p *page) removeFlow(entries []*ast.MappingValueNode, name string) error {
	i := slices.IndexFunc(entries, func(e *ast.MappingValueNode) bool { text, err := keyText(e.Key); return err == nil && text == name })
	if i < 0 {
		return unknownForm()
	}
	line, from, ok := p.offset(entries[i].Key.GetToken())
	if !ok {
		return unknownForm()
	}
	text := p.lines[line]
	if i+1 < len(entries) {
		next, to, ok := p.offset(entries[i+1].Key.GetToken())
		if !ok || next != line {
			return unknownForm()
		}
		p.lines[line] = text[:from] + text[to:]
		return nil
	}
	comma := strings.LastIndexByte(text[:from], ',')
	end := strings.IndexByte(text[from:], '}')
	if inner, isMap := entries[i].Value.(*ast.MappingNode); isMap && inner.End != nil {
		last, at, ok := p.offset(inner.End)
		if !ok || last != line || at < from {
			return unknownForm()
		}
		end = at + 1 - from
	}
	if comma < 0 || end < 0 {
		return unknownForm()
	}
	p.lines[line] = text[:comma] + text[from+end:]
	return nil
}

// setDefault names the default remote.
func setDefault(name string) func(*page) error {
	return func(p *page) error {
		e := p.entry("default_remote")
		if e == nil {
			at := len(p.lines)
			if remotes := p.entry("remotes"); remotes != nil {
				at, _ = lineOf(remotes)
			}
			p.insert(at, "default_remote: "+yamlWord(name))
			return nil
		}
		if _, null := e.Value.(*ast.NullNode); null {
			return unknownForm()
		}
		line, at, ok := p.offset(e.Value.GetToken())
		if !ok {
			return unknownForm()
		}
		text := p.lines[line]
		end := len(strings.TrimRight(text, "\r\n"))
		switch quote := text[at]; quote {
		case '"', '\'':
			n := strings.IndexByte(text[at+1:], quote)
			if n < 0 {
				return unknownForm()
			}
			end = at + n + 2
		default:
			if n := strings.Index(text[at:], " #"); n >= 0 {
				end = at + len(strings.TrimRight(text[at:at+n], " "))
			}
		}
		p.lines[line] = text[:at] + yamlWord(name) + text[end:]
		return nil
	}
}

// dropDefault takes the line of the default remote away.
func dropDefault(p *page) error {
	e := p.entry("default_remote")
	if e == nil {
		return unknownForm()
	}
	line, column := lineOf(e)
	p.lines = slices.Delete(p.lines, line, p.end(line, column))
	return nil
}

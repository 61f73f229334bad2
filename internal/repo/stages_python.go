package repo

import (
	"strconv"
	"strings"

	"mlx/internal/fault"
)

// pythonTree reads the constants of a Python file, as dvc does: NAME = VALUE at the top, in classes (as Class.NAME), and self.NAME =
// VALUE in their __init__. What is no constant is left out; nothing is executed.
func pythonTree(file string, text []byte) (*tree, error) {
	r := pythonReader{file: file, top: newMapping(fault.Position{File: file})}
	lines := strings.Split(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		word := strings.TrimSpace(line)
		if quote := docQuote(word); quote != "" { // a text over several lines
			for i++; i < len(lines) && !strings.Contains(lines[i], quote); i++ {
			}
			continue
		}
		if word == "" || word[0] == '#' {
			continue
		}
		r.leave(len(line) - len(strings.TrimLeft(line, " \t")))
		more := 0
		for open := brackets(line); open > 0 && i+more+1 < len(lines); open += brackets(lines[i+more]) {
			more++
			word += "\n" + lines[i+more]
		}
		if err := r.statement(word, i+1); err != nil {
			return nil, err
		}
		i += more
	}
	return r.top, nil
}

// docQuote returns the quotes that a line opens without closing.
func docQuote(word string) string {
	for _, q := range []string{`"""`, "'''"} {
		if strings.Count(word, q)%2 == 1 {
			return q
		}
	}
	return ""
}

// brackets counts those that a line opens and does not close, outside of texts.
func brackets(line string) int {
	open, quote := 0, byte(0)
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quote != 0 && c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '#':
			return open
		case strings.IndexByte("([{", c) >= 0:
			open++
		case strings.IndexByte(")]}", c) >= 0:
			open--
		}
	}
	return open
}

// pythonBlock is a class or an __init__ that the reader is in.
type pythonBlock struct {
	indent int
	into   *tree
	init   bool // only self.NAME counts
	closed bool // another function, an if or a loop: nothing counts
}

type pythonReader struct {
	file   string
	top    *tree
	blocks []pythonBlock
	indent int
	nodes  int
}

func (r *pythonReader) leave(indent int) {
	for len(r.blocks) > 0 && indent <= r.blocks[len(r.blocks)-1].indent {
		r.blocks = r.blocks[:len(r.blocks)-1]
	}
	r.indent = indent
}

func (r *pythonReader) statement(word string, line int) error {
	at := fault.Position{File: r.file, Line: line, Column: r.indent + 1}
	in := pythonBlock{into: r.top}
	if len(r.blocks) > 0 {
		in = r.blocks[len(r.blocks)-1]
	}
	if in.closed {
		return nil
	}
	if name, ok := strings.CutPrefix(word, "class "); ok && !in.init {
		name = name[:min(len(name), strings.IndexFunc(name+":", func(c rune) bool { return !nameRune(c) || c == '-' }))]
		class := newMapping(at)
		in.into.set(name, at, class)
		r.blocks = append(r.blocks, pythonBlock{indent: r.indent, into: class})
		return nil
	}
	if strings.HasPrefix(word, "def __init__(self") && in.into != r.top && !in.init {
		r.blocks = append(r.blocks, pythonBlock{indent: r.indent, into: in.into, init: true})
		return nil
	}
	name, value, ok := assignment(word)
	if !ok {
		first, _, _ := strings.Cut(word, " ")
		if strings.Contains(" def async if else: elif for while with try: except except: finally: match ", " "+first+" ") {
			r.blocks = append(r.blocks, pythonBlock{indent: r.indent, closed: true})
		}
		return nil
	}
	if own, isSelf := strings.CutPrefix(name, "self."); in.init != isSelf {
		return nil
	} else if isSelf {
		name = own
	}
	p := literalParser{text: value, at: at, nodes: &r.nodes}
	t, ok := p.whole()
	if r.nodes > maxNodes {
		return failIn(at, "more than %d values", maxNodes)
	}
	if ok {
		in.into.set(name, at, t)
	}
	return nil
}

// assignment parts NAME = VALUE and NAME: TYPE = VALUE.
func assignment(word string) (name, value string, ok bool) {
	left, value, ok := strings.Cut(word, "=")
	if !ok || strings.HasPrefix(value, "=") {
		return "", "", false
	}
	name, _, _ = strings.Cut(left, ":")
	name = strings.TrimSpace(name)
	bare := strings.TrimPrefix(name, "self.")
	if bare == "" || strings.ContainsFunc(bare, func(c rune) bool { return !nameRune(c) || c == '-' }) {
		return "", "", false
	}
	return name, strings.TrimSpace(value), true
}

// literalParser reads one constant of Python: numbers, texts, True, False, None, lists, tuples, sets and dicts of them.
type literalParser struct {
	text  string
	at    fault.Position
	nodes *int
}

func (p *literalParser) whole() (*tree, bool) {
	t, ok := p.value(0)
	p.space()
	return t, ok && p.text == ""
}

// space skips blanks and comments.
func (p *literalParser) space() {
	for {
		p.text = strings.TrimLeft(p.text, " \t\n\\")
		if !strings.HasPrefix(p.text, "#") {
			return
		}
		_, p.text, _ = strings.Cut(p.text, "\n")
	}
}

func (p *literalParser) take(prefix string) bool {
	p.space()
	rest, ok := strings.CutPrefix(p.text, prefix)
	p.text = rest
	return ok
}

func (p *literalParser) value(depth int) (*tree, bool) {
	if *p.nodes++; depth > maxDepth || *p.nodes > maxNodes {
		return nil, false
	}
	p.space()
	if p.text == "" {
		return nil, false
	}
	switch p.text[0] {
	case '[':
		return p.items(depth, "[", "]")
	case '(':
		return p.items(depth, "(", ")")
	case '{':
		return p.items(depth, "{", "}")
	case '"', '\'':
		return p.quoted()
	}
	end := strings.IndexAny(p.text+"\n", ",]})#:\n \t")
	word := p.text[:end]
	p.text = p.text[end:]
	t := &tree{shape: single, at: p.at}
	switch word {
	case "True", "False":
		t.one = scalar{word, word == "True"}
		return t, true
	case "None":
		t.shape = nothing
		return t, true
	}
	plain := strings.ReplaceAll(word, "_", "")
	if i, err := strconv.ParseInt(plain, 0, 64); err == nil {
		t.one = scalar{word, i}
		return t, true
	}
	f, err := strconv.ParseFloat(plain, 64)
	t.one = scalar{word, f}
	return t, err == nil && strings.Trim(plain, "+-.0123456789eE") == ""
}

// items reads a list, tuple or set, and a dict, whose keys are texts or numbers.
func (p *literalParser) items(depth int, open, end string) (*tree, bool) {
	p.take(open)
	t := &tree{shape: list, at: p.at}
	for first := true; ; first = false {
		if p.take(end) {
			if first && open == "{" {
				return newMapping(p.at), true
			}
			return t, true
		}
		v, ok := p.value(depth + 1)
		if !ok {
			return nil, false
		}
		if p.take(":") {
			if first {
				t = newMapping(p.at)
			}
			of, ok := p.value(depth + 1)
			if !ok || t.shape != mapping || v.shape != single {
				return nil, false
			}
			t.set(formatScalar(v.one.value), p.at, of)
		} else {
			t.items = append(t.items, v)
		}
		if !p.take(",") {
			return t, p.take(end)
		}
	}
}

func (p *literalParser) quoted() (*tree, bool) {
	quote := p.text[:1]
	if triple := strings.Repeat(quote, 3); strings.HasPrefix(p.text, triple) {
		quote = triple
	}
	var b strings.Builder
	for i := len(quote); i < len(p.text); i++ {
		switch {
		case strings.HasPrefix(p.text[i:], quote):
			p.text = p.text[i+len(quote):]
			return textTree(p.at, b.String()), true
		case p.text[i] == '\\' && i+1 < len(p.text):
			i++
			escaped, err := strconv.Unquote(`"` + p.text[i-1:i+1] + `"`)
			if err != nil {
				escaped = strings.TrimPrefix(p.text[i-1:i+1], `\'`[:1])
			}
			b.WriteString(escaped)
		default:
			b.WriteByte(p.text[i])
		}
	}
	return nil, false
}

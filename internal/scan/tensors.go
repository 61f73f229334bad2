package scan

import (
	"encoding/binary"
	"encoding/json"
	"strings"
)

// maxHeader is how large a header of safetensors may be, as its own reader has it.
const maxHeader = 100 << 20

// safetensors judges a file whose header must account for every byte: it can hold no code.
func (s *inspection) safetensors(p place, b blob) (bool, error) {
	h := b.head(9)
	if len(h) < 9 || h[8] != '{' {
		return false, nil
	}
	n := binary.LittleEndian.Uint64(h)
	if n > maxHeader || n > uint64(b.size-8) {
		return false, nil
	}
	tree, err := decodeTree(b.at(8, int(n)))
	if err != nil || tree.kind != '{' {
		return false, nil
	}
	s.format("safetensors")
	if what := tensorTable(tree, b.size-8-int64(n)); what != "" {
		s.unclear(p, 8, what)
	}
	return true, nil
}

// tensorTable says what is wrong with the header, or nothing.
func tensorTable(tree node, size int64) string {
	var covered int64
	names := make(map[string]bool)
	for _, m := range tree.members {
		if names[m.key] {
			return "names a tensor twice"
		}
		names[m.key] = true
		if m.key == "__metadata__" {
			continue
		}
		at, ok := m.value.get("data_offsets")
		if !ok || len(at.items) != 2 {
			return "has a tensor without a place"
		}
		from, to := at.items[0].number(), at.items[1].number()
		if from < 0 || to < from || to > size {
			return "has a tensor outside the file"
		}
		covered += to - from
	}
	if covered != size {
		return "has bytes that belong to no tensor"
	}
	return ""
}

// gguf judges a file of llama.cpp. It holds no code but a template for prompts, which some readers run unguarded.
func (s *inspection) gguf(p place, b blob) (bool, error) {
	s.format("gguf")
	g := ggufReader{c: newCursor(b, 4), s: s, p: p}
	if what := g.read(); what != "" {
		s.unclear(p, g.c.pos, what)
	}
	return true, nil
}

type ggufReader struct {
	c *cursor
	s *inspection
	p place
}

// read walks the header: version, counts, keys with values, then the table of tensors.
func (g *ggufReader) read() string {
	version := g.uint(4)
	if version != 2 && version != 3 {
		return "is of a version of GGUF that is not known"
	}
	tensors, keys := g.uint(8), g.uint(8)
	for range keys {
		key, ok := g.text()
		if !ok || !g.value(key, g.uint(4), 0) {
			return "has a broken header"
		}
	}
	for range tensors {
		if _, ok := g.text(); !ok {
			return "has a broken table of tensors"
		}
		if dims := g.uint(4); dims > 8 || g.c.skip(int64(8*dims)+12) != nil {
			return "has a broken table of tensors"
		}
	}
	return ""
}

func (g *ggufReader) uint(n int) uint64 {
	p, err := g.c.take(n)
	if err != nil {
		g.c.err = err
	}
	return little(p)
}

func (g *ggufReader) text() (string, bool) {
	n := g.uint(8)
	if g.c.err != nil || n > uint64(g.c.left()) {
		return "", false
	}
	at := g.c.pos
	return string(g.c.b.at(at, int(min(n, 1<<20)))), g.c.skip(int64(n)) == nil
}

// value passes over a value; a template is looked at.
func (g *ggufReader) value(key string, kind uint64, depth int) bool {
	if g.c.err != nil || depth > 4 {
		return false
	}
	switch kind {
	case 0, 1, 7:
		return g.c.skip(1) == nil
	case 2, 3:
		return g.c.skip(2) == nil
	case 4, 5, 6:
		return g.c.skip(4) == nil
	case 10, 11, 12:
		return g.c.skip(8) == nil
	case 8:
		text, ok := g.text()
		if ok && strings.HasPrefix(key, "tokenizer.chat_template") {
			g.s.template(g.p, key, text)
		}
		return ok
	case 9:
		inner, n := g.uint(4), g.uint(8)
		for range n {
			if !g.value(key, inner, depth+1) {
				return false
			}
		}
		return g.c.err == nil
	}
	return false
}

// template judges a prompt template of Jinja: one that reaches for attributes of Python runs code where it is rendered
// without a sandbox.
func (s *inspection) template(p place, key, text string) {
	for _, sign := range []string{"__", "|attr", "| attr", "mro", "subclasses", "getattr", "lipsum", "cycler", "joiner", "self.", "\\x", "\\u"} {
		if strings.Contains(text, sign) && (strings.Contains(text, "{{") || strings.Contains(text, "{%")) {
			s.found(p, Finding{Severity: Block, Name: key, What: "has a template that reaches into Python (" + sign + ")", Source: "CVE-2024-34359"})
			return
		}
	}
	s.found(p, Finding{Severity: Warn, Name: key, What: "has a Jinja template, which its reader renders", Source: "CVE-2024-34359"})
}

// catboost judges the binary format of CatBoost: a magic word, the size of its core, then tables of numbers.
func (s *inspection) catboost(p place, b blob) (bool, error) {
	s.format("catboost")
	h := b.head(8)
	if len(h) < 8 || int64(binary.LittleEndian.Uint32(h[4:])) > b.size-8 {
		s.unclear(p, 4, "is a CatBoost model that ends too early")
	}
	return true, nil
}

func (n node) number() int64 {
	if v, err := json.Number(n.text).Int64(); err == nil && n.kind == '0' {
		return v
	}
	return -1
}

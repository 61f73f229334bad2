package where

import (
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"mlx/internal/fault"
)

const (
	maxSource = 64 << 10
	maxDepth  = 100
)

type parser struct {
	lexer
	tok   token
	depth int
}

// Parse reads an expression. An empty one is nil: true everywhere.
func Parse(src string) (Expr, error) {
	p, err := start(src)
	if err != nil || p.tok.kind == end {
		return nil, err
	}
	e, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.tok.kind != end {
		return nil, p.fail("unexpected %q, expected and, or, or the end", p.tok.s)
	}
	return e, nil
}

// ParsePath reads a path alone, as in a sort key.
func ParsePath(src string) (Path, error) {
	p, err := start(src)
	if err != nil {
		return nil, err
	}
	path, err := p.path()
	if err == nil && p.tok.kind != end {
		err = p.fail("unexpected %q after the path", p.tok.s)
	}
	return path, err
}

func start(src string) (*parser, error) {
	p := &parser{lexer: lexer{src: src}}
	if len(src) > maxSource || !utf8.ValidString(src) {
		return nil, fault.New(fault.Usage, "cannot read the expression: it must be UTF-8 of at most %d bytes", maxSource)
	}
	return p, p.step()
}

func (p *parser) step() (err error) {
	p.tok, err = p.next()
	return err
}

func (p *parser) fail(format string, args ...any) error {
	return fail(p.src, p.tok.at, format, args...)
}

func (p *parser) is(s string) bool {
	return (p.tok.kind == word || p.tok.kind == symbol) && p.tok.s == s
}

func (p *parser) or() (Expr, error) {
	return p.chain("or", p.and, func(x, y Expr) Expr { return &Or{x, y} })
}

func (p *parser) and() (Expr, error) {
	return p.chain("and", p.not, func(x, y Expr) Expr { return &And{x, y} })
}

func (p *parser) chain(joiner string, operand func() (Expr, error), join func(x, y Expr) Expr) (Expr, error) {
	x, err := operand()
	for n := 0; err == nil && p.is(joiner); n++ {
		if n == 10*maxDepth {
			return nil, p.fail("too many parts")
		}
		if err = p.step(); err != nil {
			break
		}
		var y Expr
		y, err = operand()
		x = join(x, y)
	}
	return x, err
}

func (p *parser) not() (Expr, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, p.fail("nested too deep")
	}
	defer func() { p.depth-- }()
	switch {
	case p.is("not"):
		if err := p.step(); err != nil {
			return nil, err
		}
		x, err := p.not()
		return &Not{x}, err
	case p.is("("):
		if err := p.step(); err != nil {
			return nil, err
		}
		x, err := p.or()
		if err == nil && !p.is(")") {
			err = p.fail("closing ) missing")
		}
		if err == nil {
			err = p.step()
		}
		return x, err
	}
	return p.test()
}

func (p *parser) test() (Expr, error) {
	if v, ok, err := p.value(); err != nil {
		return nil, err
	} else if ok { // value op path: turned around
		op, known := flipped(p.tok)
		if !known {
			return nil, p.fail("a comparison expected after the value")
		}
		if err := p.step(); err != nil {
			return nil, err
		}
		at := p.tok
		path, err := p.path()
		if err != nil {
			return nil, err
		}
		return p.finish(&Test{Path: path, Op: op, Values: []Value{v}}, at)
	}
	at := p.tok
	path, err := p.path()
	if err != nil {
		return nil, err
	}
	t := &Test{Path: path, Op: operator(p.tok)}
	if t.Op == 0 { // a path alone: is it true?
		return &Test{Path: path, Op: Equal, Values: []Value{{Type: Bool, Bool: true}}}, nil
	}
	if err := p.step(); err != nil {
		return nil, err
	}
	if t.Op == In {
		t.Values, err = p.list()
	} else {
		at = p.tok
		var ok bool
		var v Value
		if v, ok, err = p.value(); err == nil && !ok {
			err = p.fail("a value expected: a number, a string in quotes, true, false or null")
		}
		t.Values = []Value{v}
	}
	if err != nil {
		return nil, err
	}
	return p.finish(t, at)
}

// finish checks that operator and values fit together, and prepares what can be prepared.
func (p *parser) finish(t *Test, at token) (Expr, error) {
	v := t.Values[0]
	switch t.Op {
	case Contains:
		if v.Type == Null {
			return nil, fail(p.src, at.at, "null is contained in nothing")
		}
	case StartsWith, EndsWith, Matches:
		if v.Type != String {
			return nil, fail(p.src, at.at, "a string in quotes expected")
		}
	case Less, AtMost, More, AtLeast:
		if v.Type != Number && v.Type != String {
			return nil, fail(p.src, at.at, "only numbers and strings have an order")
		}
	case Equal, Unequal, In:
	}
	if t.Op == Matches {
		var err error
		if t.Match, err = regexp.Compile(v.Str); err != nil {
			return nil, fail(p.src, at.at, "bad regular expression: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		}
	}
	if len(t.Path) != 1 || t.Path[0] != "at" {
		return t, nil
	}
	for i, v := range t.Values {
		if v.Type != String || t.Op == StartsWith || t.Op == EndsWith || t.Op == Matches || t.Op == Contains {
			continue
		}
		when, err := moment(v.Str)
		if err != nil {
			return nil, fail(p.src, at.at, "a time expected, like 2026-05-01 or 2026-05-01T12:00:00Z")
		}
		t.Values[i] = Value{Type: Number, Num: float64(when.UnixMicro())}
	}
	return t, nil
}

func moment(s string) (time.Time, error) {
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		return t, nil
	}
	return time.Parse(time.RFC3339Nano, s)
}

func (p *parser) list() ([]Value, error) {
	if !p.is("[") {
		return nil, p.fail("[ expected after in")
	}
	var out []Value
	for {
		if err := p.step(); err != nil {
			return nil, err
		}
		v, ok, err := p.value()
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, p.fail("a value expected in the list")
		}
		out = append(out, v)
		if p.is("]") {
			return out, p.step()
		}
		if !p.is(",") {
			return nil, p.fail("comma or ] expected")
		}
	}
}

// value reads a literal if one comes next.
func (p *parser) value() (v Value, ok bool, err error) {
	switch {
	case p.tok.kind == text:
		v = Value{Type: String, Str: p.tok.s}
	case p.tok.kind == number:
		f, err := strconv.ParseFloat(p.tok.s, 64)
		if err != nil || strings.ContainsAny(p.tok.s, "xXpP_") {
			return v, false, p.fail("bad number %q", p.tok.s)
		}
		v = Value{Type: Number, Num: f}
	case p.is("true"), p.is("false"):
		v = Value{Type: Bool, Bool: p.tok.s == "true"}
	case p.is("null"):
		v = Value{Type: Null}
	default:
		return v, false, nil
	}
	return v, true, p.step()
}

func (p *parser) path() (Path, error) {
	if p.tok.kind != word || reserved(p.tok.s) {
		return nil, p.fail("a name expected, like metrics.auc")
	}
	path := Path{p.tok.s}
	for {
		if err := p.step(); err != nil {
			return nil, err
		}
		switch {
		case p.is("."):
			if err := p.step(); err != nil {
				return nil, err
			}
			if p.tok.kind != word {
				return nil, p.fail("a name expected after the dot; quote others: params[\"2d\"]")
			}
			path = append(path, p.tok.s)
		case p.is("["):
			if err := p.step(); err != nil {
				return nil, err
			}
			if p.tok.kind != text {
				return nil, p.fail("a name in quotes expected")
			}
			path = append(path, p.tok.s)
			if err := p.step(); err != nil {
				return nil, err
			}
			if !p.is("]") {
				return nil, p.fail("closing ] missing")
			}
		default:
			return path, nil
		}
	}
}

func reserved(w string) bool {
	switch w {
	case "and", "or", "not", "in", "true", "false", "null":
		return true
	}
	return false
}

func operator(t token) Op {
	if t.kind != symbol && t.kind != word {
		return 0
	}
	switch t.s {
	case "==":
		return Equal
	case "!=":
		return Unequal
	case "<":
		return Less
	case "<=":
		return AtMost
	case ">":
		return More
	case ">=":
		return AtLeast
	case "contains":
		return Contains
	case "startsWith":
		return StartsWith
	case "endsWith":
		return EndsWith
	case "matches":
		return Matches
	case "in":
		return In
	}
	return 0
}

func flipped(t token) (Op, bool) {
	switch op := operator(t); op {
	case Equal, Unequal:
		return op, true
	case Less:
		return More, true
	case AtMost:
		return AtLeast, true
	case More:
		return Less, true
	case AtLeast:
		return AtMost, true
	case Contains, StartsWith, EndsWith, Matches, In:
	}
	return 0, false
}

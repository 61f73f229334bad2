package tracking

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// condition is one comparison of a filter of the registry: attributes and tags of models and versions, and what logged models have.
type condition struct {
	entity string // attribute, tag, param, metric, metadata
	key    string
	op     string // = != < <= > >= LIKE ILIKE IN "NOT IN" "IS NULL" "IS NOT NULL"
	values []string
}

// limits of a filter.
const (
	maxFilter     = 64 << 10
	maxConditions = 200
)

var filterToken = regexp.MustCompile("^(?:\\s+|'(?:[^']|'')*'|\"[^\"]*\"|`[^`]*`|!=|<>|<=|>=|=|<|>|[(),.]|[^\\s'\"`=<>!(),.]+)")

// parseConditions reads a filter: comparisons with AND between them.
func parseConditions(text string) ([]condition, error) {
	tokens, err := filterTokens(text)
	if err != nil {
		return nil, err
	}
	p := filterParser{text: text, left: tokens}
	var all []condition
	for len(p.left) > 0 {
		if len(all) > 0 && !p.word("AND") {
			return nil, p.bad()
		}
		c, err := p.condition()
		if err != nil {
			return nil, err
		}
		if all = append(all, c); len(all) > maxConditions {
			return nil, failf(InvalidParameterValue, "A filter has at most %d comparisons", maxConditions)
		}
	}
	return all, nil
}

func filterTokens(text string) ([]string, error) {
	if len(text) > maxFilter {
		return nil, failf(InvalidParameterValue, "A filter has at most %d bytes", maxFilter)
	}
	var all []string
	for rest := text; rest != ""; {
		t := filterToken.FindString(rest)
		if t == "" {
			return nil, failf(InvalidParameterValue, "Invalid clause(s) in filter string: %.200q", rest)
		}
		if strings.TrimSpace(t) != "" {
			all = append(all, t)
		}
		rest = rest[len(t):]
	}
	return all, nil
}

type filterParser struct {
	text string
	left []string
}

func (p *filterParser) bad() error {
	return failf(InvalidParameterValue, "Invalid clause(s) in filter string: %.300q", p.text)
}

func (p *filterParser) next() string {
	if len(p.left) == 0 {
		return ""
	}
	t := p.left[0]
	p.left = p.left[1:]
	return t
}

// word takes a word of the language, if it comes next.
func (p *filterParser) word(w string) bool {
	if len(p.left) == 0 || !strings.EqualFold(p.left[0], w) {
		return false
	}
	p.left = p.left[1:]
	return true
}

func (p *filterParser) condition() (condition, error) {
	c, err := p.identifier()
	if err != nil {
		return c, err
	}
	switch {
	case p.word("IS"):
		c.op = "IS NULL"
		if p.word("NOT") {
			c.op = "IS NOT NULL"
		}
		if !p.word("NULL") {
			return c, p.bad()
		}
		return c, nil
	case p.word("NOT"):
		if !p.word("IN") {
			return c, p.bad()
		}
		c.op = "NOT IN"
	default:
		c.op = strings.ToUpper(p.next())
	}
	if c.op == "<>" {
		c.op = "!="
	}
	if !slices.Contains([]string{"=", "!=", "<", "<=", ">", ">=", "LIKE", "ILIKE", "IN", "NOT IN"}, c.op) {
		return c, p.bad()
	}
	c.values, err = p.values(strings.HasSuffix(c.op, "IN"))
	return c, err
}

// identifier reads name, tags.name, tags.`a name` and the like.
func (p *filterParser) identifier() (condition, error) {
	first := p.next()
	if first == "" || strings.ContainsAny(first[:1], "'(),.=<>!") {
		return condition{}, p.bad()
	}
	var rest []string
	for p.word(".") {
		part := p.next()
		if part == "" {
			return condition{}, p.bad()
		}
		rest = append(rest, bare(part))
	}
	if len(rest) == 0 {
		return condition{entity: "attribute", key: bare(first)}, nil
	}
	c := condition{key: strings.Join(rest, ".")}
	switch strings.ToLower(bare(first)) {
	case "attribute", "attributes", "attr", "model", "trace":
		c.entity = "attribute"
	case "tag", "tags":
		c.entity = "tag"
	case "param", "params", "parameter", "parameters":
		c.entity = "param"
	case "metric", "metrics":
		c.entity = "metric"
	case "metadata", "request_metadata", "trace_metadata":
		c.entity = "metadata"
	default:
		return c, failf(InvalidParameterValue, "Invalid entity type '%.100s' in filter string", bare(first))
	}
	return c, nil
}

func (p *filterParser) values(list bool) ([]string, error) {
	if !list {
		v := p.next()
		if v == "" || strings.ContainsAny(v[:1], "(),.=<>!`") {
			return nil, failf(InvalidParameterValue, "Expected a quoted string value for parameter (e.g. 'my-value'). Got value %.200s", v)
		}
		if len(p.left) > 1 && p.left[0] == "." && strings.Trim(v, "-0123456789") == "" { // 0.5
			p.next()
			v += "." + p.next()
		}
		return []string{bare(v)}, nil
	}
	if p.next() != "(" {
		return nil, p.bad()
	}
	var all []string
	for {
		v := p.next()
		if v == ")" && len(all) > 0 {
			return all, nil
		}
		if v == "" || v[0] != '\'' && v[0] != '"' && strings.Trim(v, "-0123456789") != "" {
			return nil, p.bad()
		}
		all = append(all, bare(v))
		if !p.word(",") && (len(p.left) == 0 || p.left[0] != ")") {
			return nil, p.bad()
		}
	}
}

// bare is a token without its quotes.
func bare(t string) string {
	if len(t) >= 2 && strings.ContainsAny(t[:1], "'\"`") {
		body := t[1 : len(t)-1]
		if t[0] == '\'' {
			return strings.ReplaceAll(body, "''", "'")
		}
		return body
	}
	return t
}

// text says whether a text passes. ok is false where there is none.
func (c condition) text(v string, ok bool) bool {
	switch c.op {
	case "IS NULL":
		return !ok
	case "IS NOT NULL":
		return ok
	}
	if !ok {
		return false
	}
	switch c.op {
	case "=":
		return v == c.values[0]
	case "!=":
		return v != c.values[0]
	case "LIKE":
		return like(v, c.values[0])
	case "ILIKE":
		return like(strings.ToLower(v), strings.ToLower(c.values[0]))
	case "IN":
		return slices.Contains(c.values, v)
	case "NOT IN":
		return !slices.Contains(c.values, v)
	}
	return false
}

// number says whether a number passes.
func (c condition) number(v float64) (bool, error) {
	if len(c.values) != 1 {
		return false, failf(InvalidParameterValue, "Invalid comparator '%s' for %s '%s'", c.op, c.entity, c.key)
	}
	w, err := strconv.ParseFloat(c.values[0], 64)
	if err != nil {
		return false, failf(InvalidParameterValue, "Expected a numeric value for %s '%s'. Got value %.100s", c.entity, c.key, c.values[0])
	}
	switch c.op {
	case "=":
		return v == w, nil
	case "!=":
		return v != w, nil
	case "<":
		return v < w, nil
	case "<=":
		return v <= w, nil
	case ">":
		return v > w, nil
	case ">=":
		return v >= w, nil
	}
	return false, failf(InvalidParameterValue, "Invalid comparator '%s' for %s '%s'", c.op, c.entity, c.key)
}

// like compares with a pattern of SQL: % is any text, _ any character. It takes time in proportion to both at most.
func like(s, pattern string) bool {
	t, p := []rune(s), []rune(pattern)
	i, j, star, mark := 0, 0, -1, 0
	for i < len(t) {
		switch {
		case j < len(p) && p[j] == '%':
			star, mark = j, i
			j++
		case j < len(p) && (p[j] == '_' || p[j] == t[i]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = mark, star+1
		default:
			return false
		}
	}
	for j < len(p) && p[j] == '%' {
		j++
	}
	return j == len(p)
}

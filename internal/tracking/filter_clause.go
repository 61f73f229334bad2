package tracking

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// name reads the name of what is compared: "metrics.`val loss`", "status".
func (g *grammar) name(text string, c *comparison) (valueKind, error) {
	prefix, key, dotted := strings.Cut(text, ".")
	if !dotted || strings.HasPrefix(text, "`") && !strings.HasSuffix(prefix, "`") {
		prefix, key = "", text
	}
	kind, ok := g.kinds[unquoted(prefix)]
	if !ok {
		return 0, invalid("Invalid entity type '%s'. Valid values are %s", clip(prefix), pyList(slices.Compact(slices.Sorted(maps.Values(g.kinds)))))
	}
	c.kind, c.key = kind, unquoted(key)
	fields := g.fields[kind]
	if fields == nil {
		return g.values[kind], nil
	}
	value, ok := fields[c.key]
	if !ok {
		return 0, invalid("Invalid %s key '%s' specified. Valid keys are '%s'", kind, clip(c.key), pyList(slices.Sorted(maps.Keys(fields))))
	}
	if real, ok := g.alias[c.key]; ok {
		c.key = real
	}
	return value, nil
}

func unquoted(s string) string {
	if len(s) >= 2 && (s[0] == '`' || s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s
}

func pyList(all []string) string {
	quoted := make([]string, len(all))
	for i, s := range all {
		quoted[i] = pyText(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// operator reads the comparator, and says how many tokens it took: 0 if there is none.
func (c *comparison) operator(all []token) int {
	t := all[0]
	switch {
	case t.kind == 'o' && t.text != "<>" && t.text != "==":
		c.op = t.text
		return 1
	case word(t, "LIKE"), word(t, "ILIKE"), word(t, "IN"):
		c.op = strings.ToUpper(t.text)
		return 1
	case len(all) > 1 && word(t, "NOT") && word(all[1], "IN"):
		c.op = "NOT IN"
		return 2
	case len(all) > 1 && word(t, "IS") && word(all[1], "NULL"):
		c.op = "IS NULL"
		return 2
	case len(all) > 2 && word(t, "IS") && word(all[1], "NOT") && word(all[2], "NULL"):
		c.op = "IS NOT NULL"
		return 3
	}
	return 0
}

// value reads what is compared with, and says how many tokens it took.
func (g *grammar) value(c *comparison, kind valueKind, all []token) (int, error) {
	if len(all) == 0 {
		return 0, invalid("Invalid comparison clause. Expected 3 tokens found 2")
	}
	t := all[0]
	if kind == numberValue {
		if slices.Contains([]string{"LIKE", "ILIKE", "IN", "NOT IN"}, c.op) {
			return 0, invalid("Invalid comparator '%s' not one of '%s'", c.op, pyList([]string{"!=", "<", "<=", "=", ">", ">="}))
		}
		if t.kind != 'n' {
			return 0, invalid("Expected numeric value type for %s. Found %s", strings.TrimSpace(what(c)), clip(t.raw))
		}
		var err error
		if c.number, err = strconv.ParseFloat(t.text, 64); err != nil {
			return 0, invalid("Expected numeric value type for %s. Found %s", what(c), clip(t.raw))
		}
		return 1, nil
	}
	if slices.Contains([]string{">", ">=", "<", "<="}, c.op) {
		return 0, invalid("Invalid comparator '%s' not one of '%s'", c.op, pyList([]string{"!=", "=", "ILIKE", "LIKE"}))
	}
	inList := c.op == "IN" || c.op == "NOT IN"
	if inList && !g.lists(c.kind, c.key) || !inList && t.kind != 's' {
		return 0, invalid("Expected a quoted string value for %s (e.g. 'my-value'). Got value %s", c.kind, raws(all[:min(len(all), listSize(all))]))
	}
	if inList {
		return c.readList(all)
	}
	c.text = t.text
	if c.op == "LIKE" || c.op == "ILIKE" {
		c.like = newPattern(c.text, c.op == "ILIKE")
	}
	return 1, nil
}

func what(c *comparison) string {
	if c.kind == "attribute" {
		return "numeric attribute: " + c.key
	}
	return c.kind
}

func listSize(all []token) int {
	if all[0].kind != '(' {
		return 1
	}
	for i, t := range all {
		if t.kind == ')' {
			return i + 1
		}
	}
	return len(all)
}

// readList reads ('a', 'b').
func (c *comparison) readList(all []token) (int, error) {
	bad := invalid("While parsing a list in the query, expected a non-empty list of string values, but got ill-formed list.")
	if all[0].kind != '(' {
		return 0, bad
	}
	for i := 1; i+1 < len(all); i += 2 {
		if all[i].kind != 's' {
			return 0, bad
		}
		c.list = append(c.list, all[i].text)
		switch {
		case all[i+1].kind == ')':
			slices.Sort(c.list)
			return i + 2, nil
		case all[i+1].kind != ',':
			return 0, bad
		}
	}
	return 0, bad
}

// holdsText says whether a text meets the comparison. known is false where there is none: then only IS NULL holds.
func (c *comparison) holdsText(text string, known bool) bool {
	switch {
	case c.op == "IS NULL":
		return !known
	case !known:
		return false
	}
	switch c.op {
	case "IS NOT NULL":
		return true
	case "=":
		return text == c.text
	case "!=":
		return text != c.text
	case "LIKE", "ILIKE":
		return c.like.match(text)
	case "IN", "NOT IN":
		_, in := slices.BinarySearch(c.list, text)
		return in == (c.op == "IN")
	}
	return false
}

// holdsNumber says whether a number meets the comparison. NaN meets none but !=.
func (c *comparison) holdsNumber(n float64, known bool) bool {
	if !known {
		return false
	}
	switch c.op {
	case "=":
		return n == c.number
	case "!=":
		return n != c.number
	case ">":
		return n > c.number
	case ">=":
		return n >= c.number
	case "<":
		return n < c.number
	case "<=":
		return n <= c.number
	}
	return false
}

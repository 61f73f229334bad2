package tracking

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Grammar says which names a filter may use, and how.
type grammar struct {
	// kinds gives the kind of entity that a prefix names ("params" is a parameter); the empty prefix is that of bare names.
	kinds map[string]string
	// fields are the bare names, by their kind of value. nil for kinds whose names are free.
	fields map[string]map[string]valueKind
	values map[string]valueKind // of kinds whose names are free
	lists  func(kind, key string) bool
	nulls  map[string]bool // kinds that may be IS NULL
	alias  map[string]string
}

type valueKind int

const (
	textValue valueKind = iota
	numberValue
)

// comparison is one clause of a filter. All of them must hold.
type comparison struct {
	kind, key string
	op        string // = != > >= < <= LIKE ILIKE IN "NOT IN" "IS NULL" "IS NOT NULL"
	text      string
	list      []string
	number    float64
	like      *pattern
}

// Limits of filters.
const (
	maxFilter  = 64 << 10
	maxClauses = 200
)

// token is a word of a filter: kind is 'a' for a name or word, 's' for a quoted text, 'n' for a number, 'o' for an operator, and
// else the sign itself.
type token struct {
	kind byte
	text string // of a quoted text what stands between the quotes
	raw  string
}

// tokens cuts a filter into words.
func tokens(filter string) ([]token, error) {
	var all []token
	for rest := filter; ; {
		rest = strings.TrimLeftFunc(rest, unicode.IsSpace)
		if rest == "" {
			return all, nil
		}
		t, size, err := oneToken(rest)
		if err != nil {
			return nil, err
		}
		all, rest = append(all, t), rest[size:]
	}
}

func oneToken(rest string) (token, int, error) {
	switch c := rest[0]; {
	case c == '(' || c == ')' || c == ',' || c == ';':
		return token{c, rest[:1], rest[:1]}, 1, nil
	case c == '\'' || c == '"':
		end := closing(rest)
		if end < 0 {
			return token{}, 0, invalid("Invalid clause(s) in filter string: '%s'", clip(rest))
		}
		text := strings.ReplaceAll(rest[1:end], rest[:1]+rest[:1], rest[:1])
		if name := end + 1; c == '"' && strings.HasPrefix(rest[name:], ".") {
			return token{}, 0, invalid("Invalid clause(s) in filter string: '%s'", clip(rest))
		}
		return token{'s', text, rest[:end+1]}, end + 1, nil
	case strings.ContainsRune("=<>!", rune(c)):
		for _, op := range []string{"!=", "<>", ">=", "<=", "==", "=", ">", "<"} {
			if strings.HasPrefix(rest, op) {
				return token{'o', op, op}, len(op), nil
			}
		}
	case c >= '0' && c <= '9' || (c == '-' || c == '+' || c == '.') && len(rest) > 1 && (rest[1] >= '0' && rest[1] <= '9' || rest[1] == '.'):
		if size := numberSize(rest); size > 0 {
			return token{'n', rest[:size], rest[:size]}, size, nil
		}
	}
	size := nameSize(rest)
	if size == 0 {
		_, size = utf8.DecodeRuneInString(rest)
		return token{}, 0, invalid("Invalid clause(s) in filter string: '%s'", clip(rest[:size]))
	}
	return token{'a', rest[:size], rest[:size]}, size, nil
}

// closing finds the quote that ends the text that rest begins with; two of them are one inside.
func closing(rest string) int {
	for i := 1; i < len(rest); i++ {
		if rest[i] != rest[0] {
			continue
		}
		if i+1 < len(rest) && rest[i+1] == rest[0] {
			i++
			continue
		}
		return i
	}
	return -1
}

func numberSize(rest string) int {
	size := 0
	for i, c := range rest {
		if !(c >= '0' && c <= '9' || c == '.' || c == 'e' || c == 'E' || (c == '-' || c == '+') && (i == 0 || rest[i-1] == 'e' || rest[i-1] == 'E')) {
			break
		}
		size = i + 1
	}
	if _, err := strconv.ParseFloat(rest[:size], 64); err != nil {
		return 0
	}
	return size
}

// nameSize is how long the name is that rest begins with. Behind the first dot everything may stand between quotes.
func nameSize(rest string) int {
	for i := 0; i < len(rest); {
		c, size := utf8.DecodeRuneInString(rest[i:])
		switch {
		case c == '`' || c == '"' && i > 0 && rest[i-1] == '.':
			end := strings.IndexByte(rest[i+1:], rest[i])
			if end < 0 {
				return i
			}
			i += end + 2
		case unicode.IsLetter(c) || unicode.IsNumber(c) || strings.ContainsRune("_.-/@#$:%*", c):
			i += size
		default:
			return i
		}
	}
	return len(rest)
}

// parseFilter reads a filter. An empty one has no clause.
func parseFilter(filter string, g *grammar) ([]comparison, error) {
	if len(filter) > maxFilter {
		return nil, invalid("Invalid filter: more than %d bytes", maxFilter)
	}
	all, err := tokens(filter)
	if err != nil {
		return nil, err
	}
	var out []comparison
	for len(all) > 0 {
		if len(out) > 0 {
			if !word(all[0], "AND") || len(all) == 1 {
				return nil, invalid("Invalid clause(s) in filter string: '%s'", clip(all[0].raw))
			}
			all = all[1:]
		}
		if len(out) == maxClauses {
			return nil, invalid("Invalid filter: more than %d clauses", maxClauses)
		}
		c, n, err := g.clause(all)
		if err != nil {
			return nil, err
		}
		out, all = append(out, c), all[n:]
	}
	return out, nil
}

func word(t token, want string) bool { return t.kind == 'a' && strings.EqualFold(t.text, want) }

func raws(all []token) string {
	texts := make([]string, 0, len(all))
	for _, t := range all[:min(len(all), 8)] {
		texts = append(texts, t.raw)
	}
	return clip(strings.Join(texts, " "))
}

// clause reads one comparison, and says how many tokens it took.
func (g *grammar) clause(all []token) (comparison, int, error) {
	var c comparison
	if len(all) < 2 || all[0].kind != 'a' {
		return c, 0, invalid("Invalid clause(s) in filter string: '%s'", raws(all))
	}
	kind, err := g.name(all[0].text, &c)
	if err != nil {
		return c, 0, err
	}
	n := c.operator(all[1:])
	if n == 0 {
		return c, 0, invalid("Invalid clause(s) in filter string: '%s'", raws(all))
	}
	n++
	if strings.HasPrefix(c.op, "IS") {
		if !g.nulls[c.kind] {
			return c, 0, invalid("IS NULL / IS NOT NULL is only supported for tags and params, not for '%s' '%s'", c.kind, clip(c.key))
		}
		return c, n, nil
	}
	used, err := g.value(&c, kind, all[n:])
	return c, n + used, err
}

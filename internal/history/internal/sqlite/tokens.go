package sqlite

import (
	"slices"
	"strings"
)

// token is a word or a sign of SQL.
type token struct {
	text   string
	quoted bool
}

func (k token) is(word string) bool { return !k.quoted && strings.EqualFold(k.text, word) }

func (k token) any(words ...string) bool { return slices.ContainsFunc(words, k.is) }

// tokens cuts SQL into words and signs. Comments are left out.
func tokens(sql string) []token {
	var all []token
	for len(sql) > 0 {
		var k token
		n := 1
		switch c := sql[0]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f':
		case strings.HasPrefix(sql, "--"):
			n = until(sql, 2, "\n")
		case strings.HasPrefix(sql, "/*"):
			n = until(sql, 2, "*/")
		case c == '"' || c == '\'' || c == '`' || c == '[':
			k, n = quotedToken(sql)
		case isWord(c):
			for n < len(sql) && isWord(sql[n]) {
				n++
			}
			k.text = sql[:n]
		default:
			k.text = sql[:1]
		}
		if k.text != "" || k.quoted {
			all = append(all, k)
		}
		sql = sql[n:]
	}
	return all
}

func isWord(c byte) bool {
	return c == '_' || c == '.' || c == '$' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// until is the length of sql up to and with end, looked for from a place on.
func until(sql string, from int, end string) int {
	if i := strings.Index(sql[from:], end); i >= 0 {
		return from + i + len(end)
	}
	return len(sql)
}

// quotedToken reads a word between quotes, in which a quote stands twice.
func quotedToken(sql string) (token, int) {
	end := sql[0]
	if end == '[' {
		end = ']'
	}
	var b strings.Builder
	for i := 1; i < len(sql); i++ {
		if sql[i] != end {
			b.WriteByte(sql[i])
			continue
		}
		if i+1 == len(sql) || sql[i+1] != end || end == ']' {
			return token{b.String(), true}, i + 1
		}
		b.WriteByte(end)
		i++
	}
	return token{b.String(), true}, len(sql)
}

// split cuts the words behind an opening bracket at the commas that are not in brackets; rest is what follows the closing one.
func split(all []token) (items [][]token, rest []token) {
	depth, from := 0, 0
	for i, k := range all {
		switch {
		case k.is("("):
			depth++
		case k.is(")") && depth > 0:
			depth--
		case k.is(")"):
			return append(items, all[from:i]), all[i+1:]
		case k.is(",") && depth == 0:
			items = append(items, all[from:i])
			from = i + 1
		}
	}
	return append(items, all[from:]), nil
}

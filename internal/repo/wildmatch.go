package repo

import "strings"

// matchName matches one name, without slashes, against a pattern of *, ?, [...] and backslash escapes, byte by byte as
// git does. A broken pattern matches nothing.
func matchName(pattern, name string) bool {
	p, n := 0, 0
	backP, backN := -1, 0
	for n < len(name) || p < len(pattern) {
		if p < len(pattern) {
			if pattern[p] == '*' {
				backP, backN = p, n
				p++
				continue
			}
			if n < len(name) {
				if next, ok := matchByte(pattern, p, name[n]); ok {
					p = next
					n++
					continue
				}
			}
		}
		if backP < 0 || backN >= len(name) {
			return false
		}
		backN++
		p, n = backP+1, backN
	}
	return true
}

// matchByte matches c against the element of pattern at p, which is no star, and returns where the next one begins.
func matchByte(pattern string, p int, c byte) (next int, ok bool) {
	switch pattern[p] {
	case '?':
		return p + 1, true
	case '\\':
		return p + 2, p+1 < len(pattern) && pattern[p+1] == c
	case '[':
		return matchClass(pattern, p+1, c)
	default:
		return p + 1, pattern[p] == c
	}
}

// matchClass matches c against the class whose inside begins at p.
func matchClass(pattern string, p int, c byte) (next int, ok bool) {
	negated := p < len(pattern) && (pattern[p] == '!' || pattern[p] == '^')
	if negated {
		p++
	}
	found := false
	for first := true; p < len(pattern) && (first || pattern[p] != ']'); first = false {
		if name, after, ok := namedClass(pattern, p); ok {
			found = found || inClass(name, c)
			p = after
			continue
		}
		low, after, ok := classByte(pattern, p)
		if !ok {
			return 0, false
		}
		high := low
		if after+1 < len(pattern) && pattern[after] == '-' && pattern[after+1] != ']' {
			if high, after, ok = classByte(pattern, after+1); !ok {
				return 0, false
			}
		}
		found = found || low <= c && c <= high
		p = after
	}
	if p >= len(pattern) {
		return 0, false
	}
	return p + 1, found != negated
}

func classByte(pattern string, p int) (c byte, next int, ok bool) {
	if pattern[p] == '\\' {
		p++
	}
	if p >= len(pattern) {
		return 0, 0, false
	}
	return pattern[p], p + 1, true
}

// namedClass reads [:name:] at p.
func namedClass(pattern string, p int) (name string, next int, ok bool) {
	rest, ok := strings.CutPrefix(pattern[p:], "[:")
	if !ok {
		return "", 0, false
	}
	name, _, ok = strings.Cut(rest, ":]")
	return name, p + len(name) + 4, ok
}

func inClass(name string, c byte) bool {
	lower, upper, digit := 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9'
	graph := '!' <= c && c <= '~'
	switch name {
	case "alpha":
		return lower || upper
	case "digit":
		return digit
	case "alnum":
		return lower || upper || digit
	case "lower":
		return lower
	case "upper":
		return upper
	case "space":
		return c == ' ' || '\t' <= c && c <= '\r'
	case "blank":
		return c == ' ' || c == '\t'
	case "punct":
		return graph && !lower && !upper && !digit
	case "graph":
		return graph
	case "print":
		return graph || c == ' '
	case "cntrl":
		return c < ' ' || c == 0x7f
	case "xdigit":
		return digit || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
	}
	return false
}

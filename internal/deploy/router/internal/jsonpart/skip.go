package jsonpart

import "bytes"

// skip is where the value that starts at i ends; -1 if none starts there.
func skip(b []byte, i, depth int) int {
	if i >= len(b) || depth > maxDepth {
		return -1
	}
	switch KindOf(b[i:]) {
	case Object:
		return skipList(b, i, depth, '}')
	case Array:
		return skipList(b, i, depth, ']')
	case String:
		return skipString(b, i)
	case Number:
		return skipNumber(b, i)
	case Bool:
		if b[i] == 't' {
			return literal(b, i, "true")
		}
		return literal(b, i, "false")
	case Null:
		return literal(b, i, "null")
	default:
		return -1
	}
}

func literal(b []byte, i int, word string) int {
	if !bytes.HasPrefix(b[i:], []byte(word)) {
		return -1
	}
	return i + len(word)
}

// skipList skips an array, or an object, whose elements have a name before them.
func skipList(b []byte, i, depth int, closing byte) int {
	i = space(b, i+1)
	if i < len(b) && b[i] == closing {
		return i + 1
	}
	for {
		if closing == '}' {
			if i >= len(b) || b[i] != '"' {
				return -1
			}
			if i = skipString(b, i); i < 0 {
				return -1
			}
			if i = space(b, i); i >= len(b) || b[i] != ':' {
				return -1
			}
			i = space(b, i+1)
		}
		if i = skip(b, i, depth+1); i < 0 {
			return -1
		}
		if i = space(b, i); i >= len(b) {
			return -1
		}
		if b[i] == closing {
			return i + 1
		}
		if b[i] != ',' {
			return -1
		}
		i = space(b, i+1)
	}
}

func skipString(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			return i + 1
		case c < 0x20:
			return -1
		case c == '\\':
			n := escape(b[i+1:])
			if n == 0 {
				return -1
			}
			i += n
		}
	}
	return -1
}

// escape is how many bytes follow a backslash; 0 if they are no escape.
func escape(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	if b[0] != 'u' {
		if bytes.IndexByte([]byte(`"\/bfnrt`), b[0]) < 0 {
			return 0
		}
		return 1
	}
	if len(b) < 5 {
		return 0
	}
	for _, c := range b[1:5] {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return 0
		}
	}
	return 5
}

func skipNumber(b []byte, i int) int {
	switch {
	case b[i] == 'N':
		return literal(b, i, "NaN")
	case b[i] == 'I':
		return literal(b, i, "Infinity")
	case bytes.HasPrefix(b[i:], []byte("-I")):
		return literal(b, i, "-Infinity")
	case b[i] == '-':
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if i = digits(b, i); i < 0 {
		return -1
	}
	if i < len(b) && b[i] == '.' {
		if i = digits(b, i+1); i < 0 {
			return -1
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		return digits(b, i)
	}
	return i
}

// digits skips one digit or more; -1 if there is none.
func digits(b []byte, i int) int {
	start := i
	for i < len(b) && b[i] >= '0' && b[i] <= '9' {
		i++
	}
	if i == start {
		return -1
	}
	return i
}

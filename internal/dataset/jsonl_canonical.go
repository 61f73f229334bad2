package dataset

import (
	"bytes"
	"slices"
	"strings"
)

// canonicalJSON appends a JSON value in the one way in which it is written here: keys in the order of their bytes, no white space, as few
// escapes as possible, numbers as they came.
func canonicalJSON(dst, v []byte) ([]byte, error) {
	dst, end, err := canonicalValue(dst, v, skipBlank(v, 0), 0)
	if err == nil && skipBlank(v, end) != len(v) {
		err = errJSONWord
	}
	return dst, err
}

// canonicalValue appends the value at and returns where it ends.
func canonicalValue(dst, buf []byte, at, depth int) ([]byte, int, error) {
	if at >= len(buf) {
		return dst, at, errJSONEnd
	}
	if depth > jsonDepthMost {
		return dst, at, errJSONDeep
	}
	switch c := buf[at]; {
	case c == '{':
		return canonicalObject(dst, buf, at, depth)
	case c == '[':
		return canonicalList(dst, buf, at, depth)
	case c == '"':
		return canonicalString(dst, buf, at)
	case c == '-' || c-'0' <= 9 || c == 'N' || c == 'I':
		end, err := scanNumber(buf, at)
		return append(dst, buf[at:end]...), end, err
	}
	end, _, err := scanLiteral(buf, at)
	return append(dst, buf[at:end]...), end, err
}

func canonicalString(dst, buf []byte, at int) ([]byte, int, error) {
	end, escaped, err := scanString(buf, at)
	if err != nil {
		return dst, end, err
	}
	if !escaped {
		return append(dst, buf[at:end+1]...), end + 1, nil
	}
	text, err := unescape(nil, buf[at+1:end])
	return appendJSONText(dst, text), end + 1, err
}

// appendJSONText writes a string with the escapes that JSON asks for.
func appendJSONText(dst, text []byte) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for _, c := range text {
		if c == '"' || c == '\\' {
			dst = append(dst, '\\', c)
			continue
		}
		if c >= ' ' {
			dst = append(dst, c)
			continue
		}
		if i := strings.IndexByte("\b\f\n\r\t", c); i >= 0 {
			dst = append(dst, '\\', "bfnrt"[i])
			continue
		}
		dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
	}
	return append(dst, '"')
}

func canonicalList(dst, buf []byte, at, depth int) ([]byte, int, error) {
	dst = append(dst, '[')
	at = skipBlank(buf, at+1)
	if at < len(buf) && buf[at] == ']' {
		return append(dst, ']'), at + 1, nil
	}
	for {
		var err error
		if dst, at, err = canonicalValue(dst, buf, at, depth+1); err != nil {
			return dst, at, err
		}
		if at = skipBlank(buf, at); at == len(buf) {
			return dst, at, errJSONEnd
		}
		dst = append(dst, buf[at])
		switch buf[at] {
		case ']':
			return dst, at + 1, nil
		case ',':
			at = skipBlank(buf, at+1)
		default:
			return dst, at, errJSONList
		}
	}
}

// jsonMember is a key of an object with its value, as canonical JSON.
type jsonMember struct{ key, text []byte }

func canonicalObject(dst, buf []byte, at, depth int) ([]byte, int, error) {
	var members []jsonMember
	at = skipBlank(buf, at+1)
	if at < len(buf) && buf[at] == '}' {
		return append(dst, "{}"...), at + 1, nil
	}
	for more := true; more; {
		var m jsonMember
		var err error
		if at == len(buf) {
			return dst, at, errJSONEnd
		}
		if buf[at] != '"' {
			return dst, at, errJSONObject
		}
		key := at
		if m.text, at, err = canonicalString(nil, buf, at); err != nil {
			return dst, at, err
		}
		if m.key, err = unescape(nil, buf[key+1:at-1]); err != nil {
			return dst, at, err
		}
		if at = skipBlank(buf, at); at == len(buf) || buf[at] != ':' {
			return dst, at, errJSONObject
		}
		if m.text, at, err = canonicalValue(append(m.text, ':'), buf, skipBlank(buf, at+1), depth+1); err != nil {
			return dst, at, err
		}
		members = append(members, m)
		if at = skipBlank(buf, at); at == len(buf) {
			return dst, at, errJSONEnd
		}
		if buf[at] != ',' && buf[at] != '}' {
			return dst, at, errJSONObject
		}
		if more = buf[at] == ','; more {
			at = skipBlank(buf, at+1)
		}
	}
	slices.SortFunc(members, func(a, b jsonMember) int { return bytes.Compare(a.key, b.key) })
	dst = append(dst, '{')
	for i, m := range members {
		if i > 0 {
			if bytes.Equal(m.key, members[i-1].key) {
				return dst, at, errJSONTwice
			}
			dst = append(dst, ',')
		}
		dst = append(dst, m.text...)
	}
	return append(dst, '}'), at + 1, nil
}

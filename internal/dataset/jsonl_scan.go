package dataset

import (
	"errors"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonDepthMost bounds how deep values may be nested.
const jsonDepthMost = 100

// What can be wrong with JSON.
var (
	errJSONEnd    = errors.New("it ends too early")
	errJSONDeep   = errors.New("it is nested more than 100 deep")
	errJSONString = errors.New("a string holds a control character or a broken escape")
	errJSONNumber = errors.New("a number is malformed")
	errJSONWord   = errors.New("a value is neither text in double quotes, a number, true, false nor null")
	errJSONObject = errors.New("an object is malformed")
	errJSONList   = errors.New("a list is malformed")
	errJSONTwice  = errors.New("a key of an object stands twice")
	errJSONRecord = errors.New("a record must be an object")
	errJSONMore   = errors.New("something follows the record")
)

// skipBlank returns the position of the next byte that is no white space.
func skipBlank(buf []byte, at int) int {
	for at < len(buf) && (buf[at] == ' ' || buf[at] == '\t' || buf[at] == '\n' || buf[at] == '\r') {
		at++
	}
	return at
}

// scanString finds the end of the string whose opening quote stands at, and says whether it has escapes. The end is that of the text.
func scanString(buf []byte, at int) (end int, escaped bool, err error) {
	for i := at + 1; i < len(buf); i++ {
		switch c := buf[i]; {
		case c == '"':
			return i, escaped, nil
		case c == '\\':
			escaped = true
			i++
		case c < ' ':
			return i, escaped, errJSONString
		}
	}
	return len(buf), escaped, errJSONEnd
}

// unescape appends the text of a string. Half a surrogate pair becomes U+FFFD, as everywhere else in Go.
func unescape(dst, v []byte) ([]byte, error) {
	for i := 0; i < len(v); i++ {
		if v[i] != '\\' {
			dst = append(dst, v[i])
			continue
		}
		if i++; i == len(v) {
			return dst, errJSONString
		}
		switch v[i] {
		case '"', '\\', '/':
			dst = append(dst, v[i])
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r := hex4(v[i+1:])
			if r < 0 {
				return dst, errJSONString
			}
			i += 4
			if utf16.IsSurrogate(r) {
				low := rune(-1)
				if len(v) > i+2 && v[i+1] == '\\' && v[i+2] == 'u' {
					low = hex4(v[i+3:])
				}
				if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
					i += 6
				}
			}
			dst = utf8.AppendRune(dst, r)
		default:
			return dst, errJSONString
		}
	}
	return dst, nil
}

func hex4(v []byte) rune {
	if len(v) < 4 {
		return -1
	}
	r := rune(0)
	for _, c := range v[:4] {
		switch {
		case c-'0' <= 9:
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}

// scanNumber finds the end of the number at, also of the words that Python writes for what is none.
func scanNumber(buf []byte, at int) (int, error) {
	i := at
	if buf[i] == '-' {
		i++
	}
	for _, word := range []string{"Infinity", "NaN"} {
		if len(buf)-i >= len(word) && string(buf[i:i+len(word)]) == word {
			return i + len(word), nil
		}
	}
	start := i
	i = scanDigits(buf, i)
	if i == start || buf[start] == '0' && i > start+1 {
		return i, errJSONNumber
	}
	if i < len(buf) && buf[i] == '.' {
		point := i + 1
		if i = scanDigits(buf, point); i == point {
			return i, errJSONNumber
		}
	}
	if i < len(buf) && buf[i]|0x20 == 'e' {
		i++
		if i < len(buf) && (buf[i] == '-' || buf[i] == '+') {
			i++
		}
		power := i
		if i = scanDigits(buf, power); i == power {
			return i, errJSONNumber
		}
	}
	return i, nil
}

func scanDigits(buf []byte, at int) int {
	for at < len(buf) && buf[at]-'0' <= 9 {
		at++
	}
	return at
}

// scanLiteral finds the end of true, false or null.
func scanLiteral(buf []byte, at int) (int, wordKind, error) {
	for _, l := range [...]struct {
		text string
		kind wordKind
	}{{"null", wordMissing}, {"true", wordBool}, {"false", wordBool}} {
		if len(buf)-at >= len(l.text) && string(buf[at:at+len(l.text)]) == l.text {
			return at + len(l.text), l.kind, nil
		}
	}
	return at, wordMissing, errJSONWord
}

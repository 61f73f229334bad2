package where

import (
	"strings"
	"unicode/utf8"

	"mlx/internal/fault"
)

type kind uint8

const (
	end kind = iota
	word
	number
	text
	symbol
)

type token struct {
	kind kind
	s    string
	at   int // byte offset
}

type lexer struct {
	src string
	i   int
}

// fail makes the usage error that points at byte offset at; columns count characters from 1.
func fail(src string, at int, format string, args ...any) error {
	e := fault.New(fault.Usage, "cannot read the expression: column %d: "+format,
		append([]any{utf8.RuneCountInString(src[:at]) + 1}, args...)...)
	return e.Hint("mlx log -w 'metrics.auc > 0.9 and params.depth == 6'")
}

func (l *lexer) next() (token, error) {
	for l.i < len(l.src) && strings.IndexByte(" \t\r\n", l.src[l.i]) >= 0 {
		l.i++
	}
	start := l.i
	if start == len(l.src) {
		return token{end, "", start}, nil
	}
	switch c := l.src[start]; {
	case letter(c):
		for l.i < len(l.src) && (letter(l.src[l.i]) || digit(l.src[l.i]) || l.src[l.i] == '-') {
			l.i++
		}
		return token{word, l.src[start:l.i], start}, nil
	case digit(c) || c == '-' || c == '+':
		l.number()
		return token{number, l.src[start:l.i], start}, nil
	case c == '"' || c == '\'':
		return l.text(c)
	}
	for _, s := range [...]string{"==", "!=", "<=", ">=", "<", ">", "(", ")", "[", "]", ",", "."} {
		if strings.HasPrefix(l.src[start:], s) {
			l.i += len(s)
			return token{symbol, s, start}, nil
		}
	}
	r, _ := utf8.DecodeRuneInString(l.src[start:])
	switch r {
	case '=':
		return token{}, fail(l.src, start, "= compares nothing, write ==")
	case '&', '|', '!':
		return token{}, fail(l.src, start, "write and, or, not")
	}
	return token{}, fail(l.src, start, "unexpected %q", r)
}

func (l *lexer) number() {
	for l.i++; l.i < len(l.src); l.i++ {
		c := l.src[l.i]
		sign := (c == '-' || c == '+') && l.src[l.i-1]|0x20 == 'e'
		if !digit(c) && !letter(c) && c != '.' && !sign {
			return
		}
	}
}

// text reads a string in single or double quotes; a backslash takes the next character as it is, \n and \t mean what they do in Go.
func (l *lexer) text(quote byte) (token, error) {
	start := l.i
	var b strings.Builder
	for l.i++; l.i < len(l.src); l.i++ {
		switch c := l.src[l.i]; {
		case c == quote:
			l.i++
			return token{text, b.String(), start}, nil
		case c == '\\' && l.i+1 < len(l.src):
			l.i++
			switch e := l.src[l.i]; e {
			case 'n':
				b.WriteByte('\n')
			case 't':
				b.WriteByte('\t')
			case '\\', '"', '\'':
				b.WriteByte(e)
			default: // \d, \. and the like belong to a regular expression
				b.WriteString(l.src[l.i-1 : l.i+1])
			}
		default:
			b.WriteByte(c)
		}
	}
	return token{}, fail(l.src, start, "string without end")
}

// A name may hold any letter: whatever is not ASCII counts as one.
func letter(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c >= utf8.RuneSelf
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

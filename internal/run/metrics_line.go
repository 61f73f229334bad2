package run

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"mlx/internal/run/internal/series"
)

// metricsLine is one JSON object of a file of metrics: numbers by name, and at which step and time they were taken. It is
// read by hand because a run writes hundreds of thousands of them.
type metricsLine struct {
	table   *metricsTable
	serial  int64 // of the object, so that a name that is repeated in it is noticed
	pairs   []metricPair
	hasStep bool
	step    int64
	time    int64 // milliseconds since 1970, 0 if it is not stated

	refused   string // why a value was left out
	refusedAt int

	in    []byte
	i     int
	depth int
	name  []byte // of the value that is being read, with dots
}

type metricPair struct {
	id    int
	value Number
}

// syntaxError is text that is no object of numbers.
type syntaxError struct {
	offset int
	why    string
}

func (e syntaxError) Error() string { return e.why }

const endsEarly = "it ends too early"

func (l *metricsLine) fail(why string) error { return syntaxError{l.i, why} }

// unexpected says that the byte at i has no business there.
func (l *metricsLine) unexpected() error {
	r, size := utf8.DecodeRune(l.in[l.i:])
	switch {
	case l.i >= len(l.in):
		return l.fail(endsEarly)
	case r == utf8.RuneError && size == 1:
		return l.fail("not UTF-8 text")
	}
	return l.fail(fmt.Sprintf("invalid character %q", r))
}

// parse reads the object that in begins with and returns its length.
func (l *metricsLine) parse(in []byte) (int, error) {
	*l = metricsLine{table: l.table, serial: l.serial + 1, pairs: l.pairs[:0], name: l.name[:0], in: in, depth: 1}
	if in[0] != '{' {
		if in[0] == '[' || in[0] == '"' || in[0] == '-' || '0' <= in[0] && in[0] <= '9' {
			return 0, l.fail("a metrics file holds JSON objects of numbers")
		}
		return 0, l.unexpected()
	}
	if err := l.object(); err != nil {
		return 0, err
	}
	return l.i, nil
}

// next skips white space and returns the byte behind it, 0 at the end.
func (l *metricsLine) next() byte {
	for l.i < len(l.in) {
		switch c := l.in[l.i]; c {
		case ' ', '\t', '\r', '\n':
			l.i++
		default:
			return c
		}
	}
	return 0
}

// object reads members up to the closing brace; the opening one is at i.
func (l *metricsLine) object() error {
	l.i++
	if l.next() == '}' {
		l.i++
		return nil
	}
	base := len(l.name)
	for {
		if l.next() != '"' {
			return l.unexpected()
		}
		if err := l.key(); err != nil {
			return err
		}
		if l.next() != ':' {
			return l.unexpected()
		}
		l.i++
		if err := l.value(); err != nil {
			return err
		}
		l.name = l.name[:base]
		if done, err := l.separator('}'); done || err != nil {
			return err
		}
	}
}

func (l *metricsLine) array() error {
	l.i++
	if l.next() == ']' {
		l.i++
		return nil
	}
	base := len(l.name)
	for i := 0; ; i++ {
		l.name = strconv.AppendInt(l.name, int64(i), 10)
		if err := l.value(); err != nil {
			return err
		}
		l.name = l.name[:base]
		if done, err := l.separator(']'); done || err != nil {
			return err
		}
	}
}

// separator reads the comma between two members, or the end of them all.
func (l *metricsLine) separator(end byte) (bool, error) {
	switch l.next() {
	case ',':
		l.i++
		return false, nil
	case end:
		l.i++
		return true, nil
	}
	return false, l.unexpected()
}

// key appends a name to l.name.
func (l *metricsLine) key() error {
	at := l.i
	text, plain, err := l.text()
	if err != nil {
		return err
	}
	if plain {
		l.name = append(l.name, text...)
		return nil
	}
	var s string
	if json.Unmarshal(l.in[at:l.i], &s) != nil {
		l.i = at
		return l.fail("a name that cannot be read")
	}
	l.name = append(l.name, s...)
	return nil
}

// text skips a string and returns what is between its quotes; plain says that it has no escapes.
func (l *metricsLine) text() (text []byte, plain bool, err error) {
	start := l.i + 1
	plain = true
	for i := start; i < len(l.in); i++ {
		switch c := l.in[i]; {
		case c == '"':
			l.i = i + 1
			return l.in[start:i], plain, nil
		case c == '\\':
			plain = false
			i++
		case c < ' ':
			l.i = i
			return nil, false, l.unexpected()
		}
	}
	l.i = len(l.in)
	return nil, false, l.fail(endsEarly)
}

func (l *metricsLine) value() error {
	switch c := l.next(); c {
	case '{', '[':
		if l.depth == maxMetricDepth {
			return l.fail("nested too deep")
		}
		l.depth++
		l.name = append(l.name, '.')
		err := l.nested(c)
		l.depth--
		return err
	case '"':
		text, _, err := l.text()
		if err != nil {
			return err
		}
		if n, ok := numberWord(string(text)); ok {
			return l.keep(n)
		}
		l.refuse("a string")
		return nil
	default:
		if c == '-' && l.i+1 < len(l.in) && l.in[l.i+1] == 'I' || c > '9' {
			return l.word()
		}
		return l.number()
	}
}

func (l *metricsLine) nested(c byte) error {
	if c == '{' {
		return l.object()
	}
	return l.array()
}

// word reads what is no number in digits: also NaN and Infinity, as Python writes them.
func (l *metricsLine) word() error {
	for _, word := range [...]string{"NaN", "Infinity", "-Infinity", "null", "true", "false"} {
		rest := l.in[l.i:]
		if !bytes.HasPrefix(rest, []byte(word)) {
			if len(rest) < len(word) && string(rest) == word[:len(rest)] {
				l.i = len(l.in)
				return l.fail(endsEarly)
			}
			continue
		}
		l.i += len(word)
		switch word {
		case "null":
			word = "NaN"
		case "true", "false":
			l.refuse("true or false")
			return nil
		}
		n, _ := numberWord(word)
		return l.keep(n)
	}
	return l.unexpected()
}

// number reads a number of JSON.
func (l *metricsLine) number() error {
	start := l.i
	if l.at() == '-' {
		l.i++
	}
	zero := l.at() == '0'
	whole := l.digits()
	if whole == 0 || zero && whole > 1 {
		return l.unexpected()
	}
	if l.at() == '.' {
		l.i++
		if l.digits() == 0 {
			return l.unexpected()
		}
	}
	if c := l.at(); c == 'e' || c == 'E' {
		l.i++
		if c := l.at(); c == '+' || c == '-' {
			l.i++
		}
		if l.digits() == 0 {
			return l.unexpected()
		}
	}
	f, err := strconv.ParseFloat(string(l.in[start:l.i]), 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) { // beyond the range of floats it is infinite
		return l.fail(err.Error())
	}
	return l.keep(Number(f))
}

// at is the byte at i, 0 at the end.
func (l *metricsLine) at() byte {
	if l.i < len(l.in) {
		return l.in[l.i]
	}
	return 0
}

func (l *metricsLine) digits() int {
	start := l.i
	for l.i < len(l.in) && '0' <= l.in[l.i] && l.in[l.i] <= '9' {
		l.i++
	}
	return l.i - start
}

// keep takes a number as a metric, or as the step or time of the line. A time that is no moment since 2001 is a metric of
// that name: many programs write how long something took.
func (l *metricsLine) keep(n Number) error {
	if l.depth == 1 {
		switch string(l.name) {
		case "step":
			l.setStep(n)
			return nil
		case "time":
			if n >= 1e9 && n < 1e11 {
				l.time = int64(math.Round(float64(n) * 1000))
				return nil
			}
		}
	}
	id, err := l.table.intern(l.name)
	var limit errLimit
	switch {
	case errors.As(err, &limit):
		return l.fail(string(limit))
	case err != nil:
		return err
	}
	row := &l.table.rows[id]
	if row.line == l.serial { // of a name that stands twice in an object, the second counts
		l.pairs[row.at].value = n
		return nil
	}
	row.line, row.at = l.serial, len(l.pairs)
	l.pairs = append(l.pairs, metricPair{id, n})
	return nil
}

func (l *metricsLine) setStep(n Number) {
	f := float64(n)
	if f != math.Trunc(f) || math.Abs(f) > series.MaxWhole {
		l.say(fmt.Sprintf("step is %v, not a whole number", f))
		return
	}
	l.hasStep, l.step = true, int64(f)
}

// refuse leaves out a value and remembers the first.
func (l *metricsLine) refuse(what string) {
	l.say(fmt.Sprintf("metric %.80q is %s, not a number", l.name, what))
}

func (l *metricsLine) say(why string) {
	if l.refused == "" {
		l.refused, l.refusedAt = why, l.i
	}
}

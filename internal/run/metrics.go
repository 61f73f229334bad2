package run

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"mlx/internal/fault"
)

// Limits of a metrics file: it holds the results of a run, not a series of them.
const (
	maxMetricsBytes = 16 << 20
	maxMetrics      = 5000
	maxMetricName   = 250
	maxMetricsText  = 256 << 10 // of all names and numbers together, as a record keeps them
	maxMetricDepth  = 32
)

// readMetrics reads what the command wrote to path: a JSON object of numbers, or one a line, of which the last counts.
// Nested names are joined with dots. It returns the numbers that it could read beside an error that names file and line.
func readMetrics(path string) (map[string]Number, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot read the metrics: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot read the metrics: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fault.New(fault.Usage, "cannot read the metrics: %s is no file", path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxMetricsBytes+1))
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot read the metrics: %w", err)
	}
	if len(text) > maxMetricsBytes {
		return nil, fault.New(fault.Usage, "cannot read the metrics: %s has %d bytes, more than %d", path, info.Size(), maxMetricsBytes).
			Hint("write one JSON object of numbers to $MLX_METRICS; what is large is an output: mlx run -o FILE")
	}
	return parseMetrics(path, text)
}

func parseMetrics(path string, text []byte) (map[string]Number, error) {
	if !utf8.Valid(text) {
		return nil, misread(path, text, validBytes(text), "not UTF-8 text")
	}
	p := metricsParser{path: path, text: quoteWords(text)}
	p.dec = json.NewDecoder(bytes.NewReader(p.text))
	p.dec.UseNumber()
	var last map[string]Number
	for {
		token, err := p.dec.Token()
		if errors.Is(err, io.EOF) {
			return last, p.bad
		}
		if err != nil {
			return last, p.syntax(err)
		}
		if token != json.Delim('{') {
			return last, p.fail("a metrics file holds a JSON object of numbers")
		}
		p.found, p.size, p.bad = make(map[string]Number), 0, nil
		if err := p.object("", 1); err != nil {
			return last, err
		}
		last = p.found
	}
}

type metricsParser struct {
	path  string
	text  []byte
	dec   *json.Decoder
	found map[string]Number
	size  int
	bad   error // first value that is no number; the others still count
}

// object reads the members of an object whose brace is behind.
func (p *metricsParser) object(prefix string, depth int) error {
	for p.dec.More() {
		token, err := p.dec.Token()
		if err != nil {
			return p.syntax(err)
		}
		name, _ := token.(string) // a key of an object is always a string
		if err := p.value(prefix+name, depth); err != nil {
			return err
		}
	}
	_, err := p.dec.Token()
	if err != nil {
		return p.syntax(err)
	}
	return nil
}

func (p *metricsParser) array(prefix string, depth int) error {
	for i := 0; p.dec.More(); i++ {
		if err := p.value(prefix+strconv.Itoa(i), depth); err != nil {
			return err
		}
	}
	_, err := p.dec.Token()
	if err != nil {
		return p.syntax(err)
	}
	return nil
}

func (p *metricsParser) value(name string, depth int) error {
	token, err := p.dec.Token()
	if err != nil {
		return p.syntax(err)
	}
	switch v := token.(type) {
	case json.Delim:
		if depth == maxMetricDepth {
			return p.fail("nested too deep")
		}
		if v == '{' {
			return p.object(name+".", depth+1)
		}
		return p.array(name+".", depth+1)
	case json.Number:
		f, _ := v.Float64() // beyond the range of floats it is infinite
		return p.keep(name, Number(f))
	case nil:
		n, _ := numberWord("NaN")
		return p.keep(name, n)
	case string:
		if n, ok := numberWord(v); ok {
			return p.keep(name, n)
		}
		p.refuse(name, "a string")
	case bool:
		p.refuse(name, "true or false")
	}
	return nil
}

func (p *metricsParser) keep(name string, n Number) error {
	switch {
	case len(p.found) == maxMetrics:
		return p.fail("more than " + strconv.Itoa(maxMetrics) + " metrics")
	case name == "" || len(name) > maxMetricName:
		return p.fail("the name of a metric must have 1 to " + strconv.Itoa(maxMetricName) + " bytes")
	}
	const number = 24 // bytes of the longest, with its punctuation
	if p.size += len(name) + number; p.size > maxMetricsText {
		return p.fail("more than " + strconv.Itoa(maxMetricsText) + " bytes of metrics")
	}
	p.found[name] = n
	return nil
}

func (p *metricsParser) refuse(name, what string) {
	if p.bad == nil {
		p.bad = p.fail(fmt.Sprintf("metric %.80q is %s, not a number", name, what))
	}
}

func (p *metricsParser) fail(why string) error {
	return misread(p.path, p.text, int(p.dec.InputOffset()), why)
}

func misread(path string, text []byte, offset int, why string) error {
	line := 1 + bytes.Count(text[:min(offset, len(text))], []byte("\n"))
	return fault.New(fault.Usage, "cannot read the metrics: line %d of %s: %s", line, path, why).
		In(fault.Position{File: path, Line: line}).
		Hint(`write one JSON object of numbers to $MLX_METRICS, as in {"auc": 0.741}`)
}

// syntax words an error of the decoder, which stands at the end of the last good token.
func (p *metricsParser) syntax(err error) error {
	at := int(p.dec.InputOffset())
	at += len(p.text[at:]) - len(bytes.TrimLeft(p.text[at:], " \t\r\n,:"))
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return misread(p.path, p.text, at, "it ends too early")
	}
	return misread(p.path, p.text, at, strings.TrimPrefix(err.Error(), "json: "))
}

// validBytes counts the bytes before the first that is not UTF-8.
func validBytes(text []byte) int {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return len(text)
}

// quoteWords puts NaN, Infinity and -Infinity between quotes where they stand bare, as Python writes them: JSON has no
// word for them. Lines keep their numbers.
func quoteWords(text []byte) []byte {
	if !bytes.Contains(text, []byte("NaN")) && !bytes.Contains(text, []byte("Infinity")) {
		return text
	}
	out := make([]byte, 0, len(text)+64)
	inString := false
	for i := 0; i < len(text); {
		c := text[i]
		if inString && c == '\\' && i+1 < len(text) {
			out = append(out, c, text[i+1])
			i += 2
			continue
		}
		if c == '"' {
			inString = !inString
		}
		if word := bareWord(text[i:]); !inString && word != "" {
			out = append(append(append(out, '"'), word...), '"')
			i += len(word)
			continue
		}
		out = append(out, c)
		i++
	}
	return out
}

func bareWord(text []byte) string {
	for _, word := range []string{"NaN", "Infinity", "-Infinity"} {
		if bytes.HasPrefix(text, []byte(word)) {
			return word
		}
	}
	return ""
}

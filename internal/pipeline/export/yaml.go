package export

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
)

// Texts that need no escapes, each in its own way.
var (
	asciiLines = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[!-~][ -~\n]*$`) })
	asciiLine  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[ -~]+$`) })
	plainWords = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^[A-Za-z_/.][A-Za-z0-9_./@+=-]*( [A-Za-z0-9_./@+=-]+)*$`)
	})
)

// mapping is a mapping of YAML in the order of its fields.
type mapping []field

type field struct {
	key   string
	value any // mapping, list, string, int, bool; a nil mapping or list is written as empty
}

// list is a sequence of YAML.
type list []any

// flow is a short sequence of texts, written on one line.
type flow []string

// yaml writes a mapping as every version of YAML reads it. Text is quoted unless it is plain beyond doubt.
func yaml(m mapping) string {
	var b strings.Builder
	writeMapping(&b, m, "")
	return b.String()
}

func writeMapping(b *strings.Builder, m mapping, indent string) {
	for _, f := range m {
		b.WriteString(indent + key(f.key) + ":")
		writeValue(b, f.value, indent+"  ")
	}
}

// writeValue writes what follows a colon. Nested lines begin with indent.
func writeValue(b *strings.Builder, v any, indent string) {
	switch v := v.(type) {
	case mapping:
		if len(v) == 0 {
			b.WriteString(" {}\n")
			return
		}
		b.WriteString("\n")
		writeMapping(b, v, indent)
	case list:
		b.WriteString("\n")
		for _, item := range v {
			writeItem(b, item, indent)
		}
	default:
		writeText(b, v, indent)
	}
}

// writeItem writes one item of a sequence.
func writeItem(b *strings.Builder, item any, indent string) {
	m, ok := item.(mapping)
	if !ok {
		b.WriteString(indent + "-")
		writeText(b, item, indent+"  ")
		return
	}
	var inner strings.Builder
	writeMapping(&inner, m, indent+"  ")
	b.WriteString(indent + "- " + strings.TrimPrefix(inner.String(), indent+"  "))
}

// writeText writes a scalar or a flow. A script of several lines that is plain is written as a block.
func writeText(b *strings.Builder, v any, indent string) {
	switch v := v.(type) {
	case string:
		if block(v) {
			b.WriteString(" |\n")
			for line := range strings.Lines(v) {
				b.WriteString(indent + line)
			}
			return
		}
		b.WriteString(" " + scalar(v) + "\n")
	case int:
		b.WriteString(" " + strconv.Itoa(v) + "\n")
	case bool:
		b.WriteString(" " + strconv.FormatBool(v) + "\n")
	case flow:
		words := make([]string, len(v))
		for i, w := range v {
			words[i] = scalar(w)
		}
		b.WriteString(" [" + strings.Join(words, ", ") + "]\n")
	}
}

// block reports whether a text may be written as a literal block without loss: lines of printable ASCII that end once.
func block(s string) bool {
	return strings.Count(s, "\n") > 1 && strings.HasSuffix(s, "\n") && !strings.HasSuffix(s, "\n\n") &&
		asciiLines().MatchString(s)
}

// scalar is a text on one line: plain, in single quotes, or in double quotes with escapes for all that might be read as
// the end of a line.
func scalar(s string) string {
	if plainScalar(s) {
		return s
	}
	if strings.ContainsAny(s, `"\`) && asciiLine().MatchString(s) {
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	return b.String() + `"`
}

func plainScalar(s string) bool {
	return plainWords().MatchString(s) && !yamlWord(s) && !looksNumeric(s)
}

// key is a plain word where it can be; on is a keyword of GitHub, which writes it so.
func key(s string) string {
	if s == "on" {
		return s
	}
	return scalar(s)
}

// yamlWord reports words that some version of YAML does not take for text.
func yamlWord(s string) bool {
	return slices.Contains([]string{"true", "false", "yes", "no", "on", "off", "null", "y", "n"}, strings.ToLower(s))
}

// looksNumeric reports what might be read as a number or a date: .5, .inf, 1_000.
func looksNumeric(s string) bool {
	return s[0] == '.' || s[0] == '-' || s[0] == '+' || s[0] >= '0' && s[0] <= '9' || s[0] == '_'
}

package main

import (
	"strings"
	"unicode/utf8"
)

// wrapped lays help out for a terminal of some width: paragraphs flow, and what stands beside a flag or a command goes
// on below itself. Indented lines without columns are examples and stay.
func wrapped(text string, width int) string {
	var b strings.Builder
	var paragraph []string
	flush := func() {
		if len(paragraph) > 0 {
			b.WriteString(flow(strings.Join(paragraph, " "), 0, width))
			paragraph = nil
		}
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch {
		case line == "" || strings.HasPrefix(line, "usage: "):
			flush()
			b.WriteString(line + "\n")
		case line[0] != ' ':
			paragraph = append(paragraph, line)
		default:
			flush()
			b.WriteString(flow(line, secondColumn(line), width))
		}
	}
	flush()
	return b.String()
}

// secondColumn is where the second column of an indented line begins, or 0 when it has none.
func secondColumn(line string) int {
	bare := strings.TrimLeft(line, " ")
	first, rest, found := strings.Cut(strings.TrimPrefix(bare, "    "), "  ")
	if !found || first == "" {
		return 0
	}
	return len(line) - len(strings.TrimLeft(rest, " "))
}

// flow breaks a line between words; what follows the first break begins behind indent spaces. A line without a second
// column that is indented itself is left as it is.
func flow(line string, indent, width int) string {
	if utf8.RuneCountInString(line) < width || indent == 0 && strings.HasPrefix(line, " ") || indent > width/2 {
		return line + "\n"
	}
	var b strings.Builder
	b.WriteString(line[:indent])
	column := utf8.RuneCountInString(line[:indent])
	for i, word := range strings.Fields(line[indent:]) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case column+1+n >= width:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			column = indent
		default:
			b.WriteString(" ")
			column++
		}
		b.WriteString(word)
		column += n
	}
	return b.String() + "\n"
}

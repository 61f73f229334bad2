package cli

import (
	"strings"

	"charm.land/lipgloss/v2"
)

// Hanging writes cells like Indented. On a terminal they flow, and what is too long for a line goes on hang spaces further in than n.
func (t *Text) Hanging(n, hang int, cells ...Cell) {
	if !t.tty || t.width <= 1 {
		t.line(n, cells)
		return
	}
	t.endBlock()
	words := make([]string, 0, len(cells))
	for _, c := range cells {
		if w := t.cell(c); w != "" {
			words = append(words, w)
		}
	}
	line := strings.Join(words, "  ")
	if n+hang > t.width/2 {
		hang = 2
	}
	first, rest := t.flow(line, t.width-n, t.width-n-hang)
	t.b.WriteString(strings.Repeat(" ", n) + first + "\n")
	for _, l := range rest {
		t.b.WriteString(strings.Repeat(" ", n+hang) + l + "\n")
	}
}

// flow breaks a line between words: the first piece is at most so wide, the others as the second number says. A word that is wider
// stays whole; the terminal breaks it.
func (t *Text) flow(line string, firstWidth, width int) (first string, rest []string) {
	var lines []string
	current, room, used := "", firstWidth, 0
	gap := ""
	for i, word := range strings.Split(line, " ") {
		w := lipgloss.Width(word)
		switch {
		case i > 0 && word == "":
			gap += " "
			continue
		case i > 0:
			gap += " "
		}
		if used > 0 && w > 0 && used+len(gap)+w > room {
			lines = append(lines, strings.TrimRight(current, " "))
			current, room, used, gap = "", width, 0, ""
		}
		current += gap + word
		used, gap = used+len(gap)+w, ""
	}
	lines = append(lines, current)
	return lines[0], lines[1:]
}

package cli

import (
	"strings"
	"testing"

	"charm.land/lipgloss/v2"
)

func TestHangingLines(t *testing.T) {
	cells := []Cell{Word(RoleFail, "fail"), Str("dep_time"), Str("521 of 27,004 rows are missing  none missing")}
	for _, width := range []int{0, 24, 40, 100} {
		for _, color := range []bool{false, true} {
			text := &Text{tty: true, color: color, width: width}
			text.Hanging(2, 16, cells...)
			got := string(text.bytes())
			for line := range strings.Lines(got) {
				if w := lipgloss.Width(strings.TrimRight(line, "\n")); width > 0 && w > width {
					t.Errorf("%d columns: %q has %d", width, line, w)
				}
			}
			if color {
				continue
			}
			if words := strings.Join(strings.Fields(got), " "); words != "fail dep_time 521 of 27,004 rows are missing none missing" {
				t.Errorf("%d columns: words are lost: %q", width, words)
			}
		}
	}
	text := &Text{tty: true, width: 40}
	text.Hanging(2, 16, cells...)
	want := "  fail  dep_time  521 of 27,004 rows are\n                  missing  none missing\n"
	if got := string(text.bytes()); got != want {
		t.Errorf("%q, not %q", got, want)
	}
	pipe := &Text{}
	pipe.Hanging(2, 16, cells...)
	if got := string(pipe.bytes()); got != "fail\tdep_time\t521 of 27,004 rows are missing  none missing\n" {
		t.Errorf("in a pipe: %q", got)
	}
}

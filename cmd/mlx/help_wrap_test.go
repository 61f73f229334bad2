package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"mlx/internal/cli"
)

func TestWrapped(t *testing.T) {
	got := wrapped(`Run it

usage: mlx run [FLAGS] [--] COMMAND…

Records the commit and
the changes, in order.

  gates:
    quality: an example that is longer than the line and stays

Flags
  -d, --data PATH  data that the command reads; saved first
      --json       short
`, 40)
	want := `Run it

usage: mlx run [FLAGS] [--] COMMAND…

Records the commit and the changes, in
order.

  gates:
    quality: an example that is longer than the line and stays

Flags
  -d, --data PATH  data that the
                   command reads; saved
                   first
      --json       short
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// No line of any help is cut off by a usual terminal, and wrapping drops no word.
func TestHelpFits(t *testing.T) {
	eachCommand(newRoot(newApp(nil, cli.Discard())), func(c *cobra.Command) {
		whole := helpOf(c)
		narrow := wrapped(whole, 100)
		if diff := cmp.Diff(strings.Fields(whole), strings.Fields(narrow)); diff != "" {
			t.Errorf("%s: %s", c.CommandPath(), diff)
		}
		for line := range strings.Lines(narrow) {
			if n := len([]rune(strings.TrimRight(line, "\n"))); n > 100 {
				t.Errorf("%s has a line of %d characters: %s", c.CommandPath(), n, line)
			}
		}
	})
}

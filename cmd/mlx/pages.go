package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/repo"
)

// newMan and newDocs write the reference for the release: they are for the build, not for people.
func newMan(a *app) *cobra.Command {
	return newPages(a, "man DIR", "Write a man page for each command", ".1", manPage)
}

func newDocs(a *app) *cobra.Command {
	return newPages(a, "docs DIR", "Write a Markdown page for each command", ".md", markdownPage)
}

func newPages(a *app, use, short, ext string, render func(*cobra.Command) string) *cobra.Command {
	return &cobra.Command{
		Use:         use,
		Short:       short,
		Hidden:      true,
		Args:        cobra.ExactArgs(1),
		Annotations: map[string]string{needsNothing: ""},
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := writePages(cmd.Root(), args[0], ext, render)
			if err != nil {
				return err
			}
			return a.streams.EmitVerdict(map[string]any{"kind": "pages/v1", "pages": n}, false, func(t *cli.Text) {
				t.Line(cli.Str("wrote"), cli.Num(int64(n), "page"), cli.Path(args[0]))
			})
		},
	}
}

func writePages(c *cobra.Command, dir, ext string, render func(*cobra.Command) string) (int, error) {
	if c.Hidden {
		return 0, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, fault.New(fault.KindOf(err), "cannot write pages: %w", err)
	}
	name := strings.ReplaceAll(c.CommandPath(), " ", "-") + ext
	if err := repo.WriteFile(filepath.Join(dir, name), []byte(render(c)), 0o644); err != nil {
		return 0, fault.New(fault.KindOf(err), "cannot write pages: %w", err)
	}
	total := 1
	for _, sub := range c.Commands() {
		n, err := writePages(sub, dir, ext, render)
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

func helpOf(c *cobra.Command) string {
	if !c.HasParent() {
		return rootHelp(c)
	}
	return commandHelp(c)
}

// markdownPage shows the help as the terminal does: one text to keep true.
func markdownPage(c *cobra.Command) string {
	return fmt.Sprintf("# %s\n\n%s.\n\n```\n%s```\n", c.CommandPath(), c.Short, afterFirstLine(helpOf(c)))
}

// manPage is the help in the form of man(7). Headings of the help become sections.
func manPage(c *cobra.Command) string {
	var b strings.Builder
	name := strings.ReplaceAll(c.CommandPath(), " ", "-")
	fmt.Fprintf(&b, ".TH \"%s\" 1 \"\" \"mlx\" \"User Commands\"\n.SH NAME\n%s \\- %s\n", strings.ToUpper(name), name, roff(c.Short))
	verbatim := false
	end := func() {
		if verbatim {
			b.WriteString(".fi\n")
		}
		verbatim = false
	}
	for line := range strings.Lines(afterFirstLine(helpOf(c))) {
		line = strings.TrimRight(line, "\n")
		usage, isUsage := strings.CutPrefix(line, "usage: ")
		switch {
		case line == "":
			end()
			b.WriteString(".PP\n")
		case isUsage:
			fmt.Fprintf(&b, ".SH SYNOPSIS\n%s\n.SH DESCRIPTION\n", roff(usage))
		case strings.HasPrefix(line, "  "):
			if !verbatim {
				b.WriteString(".nf\n")
			}
			verbatim = true
			b.WriteString(roff(line) + "\n")
		case len(line) < 40 && !strings.ContainsAny(line, ".:,"):
			end()
			fmt.Fprintf(&b, ".SH %s\n", strings.ToUpper(roff(line)))
		default:
			end()
			b.WriteString(roff(line) + "\n")
		}
	}
	end()
	return b.String()
}

func afterFirstLine(s string) string {
	_, rest, _ := strings.Cut(s, "\n")
	return strings.TrimLeft(rest, "\n")
}

// roff escapes what the typesetter would take as a command.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}

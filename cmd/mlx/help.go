package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// firstSteps stands at the end of help: the shortest useful session.
const firstSteps = `  mlx init
  mlx snapshot data/flights -m "January to March"
  mlx run -d data/flights -p depth=6 -o model.pkl python train.py
  mlx gate
  mlx log`

func newHelp(a *app) *cobra.Command {
	return &cobra.Command{
		Use:         "help [COMMAND]",
		Short:       "Show the commands, or how to use one",
		Annotations: map[string]string{needsNothing: ""},
		RunE: func(cmd *cobra.Command, args []string) error {
			found, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return unknownCommand(found, rest)
			}
			a.help(found, nil)
			return nil
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			found, _, err := cmd.Root().Find(args)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			var names []string
			for _, c := range found.Commands() {
				if c.IsAvailableCommand() {
					names = append(names, c.Name()+"\t"+c.Short)
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
}

// help writes the help of cmd to stdout.
func (a *app) help(cmd *cobra.Command, _ []string) {
	text := commandHelp(cmd)
	if !cmd.HasParent() {
		text = rootHelp(cmd)
	}
	if a.streams.OutTTY && a.streams.Width > 0 {
		text = wrapped(text, a.streams.Width)
	}
	_ = a.streams.Raw([]byte(text)) // a reader who closed the pipe has read enough
}

func rootHelp(root *cobra.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\nusage: mlx COMMAND [FLAGS] [ARGUMENTS]\n", root.Short)
	for _, g := range root.Groups() {
		lines := groupLines(root, g.ID)
		if len(lines) > 0 {
			fmt.Fprintf(&b, "\n%s\n%s", g.Title, columns(lines))
		}
	}
	fmt.Fprintf(&b, "\nFlags of every command\n%s", columns(flagLines(root.PersistentFlags())))
	fmt.Fprintf(&b, "\nFirst steps\n%s\n", firstSteps)
	b.WriteString("\nStatus: 0 done or yes, 1 no, 2 trouble, 3 cannot tell, 130 interrupted.\n`mlx help COMMAND` tells more.\n")
	return b.String()
}

func groupLines(root *cobra.Command, id string) [][2]string {
	var lines [][2]string
	for _, c := range root.Commands() {
		if c.GroupID == id && !c.Hidden {
			lines = append(lines, [2]string{c.Name(), c.Short})
		}
	}
	return lines
}

func commandHelp(cmd *cobra.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\nusage: %s\n", cmd.Short, usageLine(cmd))
	if cmd.Long != "" {
		fmt.Fprintf(&b, "\n%s\n", strings.TrimSpace(cmd.Long))
	}
	if cmd.HasAvailableSubCommands() {
		var lines [][2]string
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() {
				lines = append(lines, [2]string{strings.TrimPrefix(usageLine(c), cmd.CommandPath()+" "), c.Short})
			}
		}
		fmt.Fprintf(&b, "\nCommands\n%s", columns(lines))
	}
	if cmd.Example != "" {
		fmt.Fprintf(&b, "\nExamples\n%s\n", exampleLines(cmd))
	}
	for _, group := range flagGroups(cmd.LocalNonPersistentFlags()) {
		if lines := flagLines(group.flags); len(lines) > 0 {
			fmt.Fprintf(&b, "\n%s\n%s", group.title, columns(lines))
		}
	}
	b.WriteString("\nFlags of every command: mlx help\n")
	return b.String()
}

func usageLine(cmd *cobra.Command) string {
	parent := ""
	if cmd.HasParent() {
		parent = cmd.Parent().CommandPath() + " "
	}
	line := parent + cmd.Use
	if cmd.HasAvailableSubCommands() {
		line += " COMMAND"
	}
	return line
}

func exampleLines(cmd *cobra.Command) string {
	lines := strings.Split(strings.TrimSpace(cmd.Example), "\n")
	for i, l := range lines {
		lines[i] = "  " + strings.TrimSpace(l)
	}
	return strings.Join(lines, "\n")
}

// flagGroup is the annotation of a flag that help shows under a title of its own.
const flagGroup = "group"

// titledFlags are flags that stand together in help.
type titledFlags struct {
	title string
	flags *pflag.FlagSet
}

// flagGroups divides flags by their titles, in the order in which these come first.
func flagGroups(flags *pflag.FlagSet) []titledFlags {
	var all []titledFlags
	flags.VisitAll(func(f *pflag.Flag) {
		title := "Flags"
		if words := f.Annotations[flagGroup]; len(words) > 0 {
			title = words[0]
		}
		i := slices.IndexFunc(all, func(g titledFlags) bool { return g.title == title })
		if i < 0 {
			i = len(all)
			all = append(all, titledFlags{title, pflag.NewFlagSet(title, pflag.ContinueOnError)})
			all[i].flags.SortFlags = flags.SortFlags
		}
		all[i].flags.AddFlag(f)
	})
	return all
}

func flagLines(flags *pflag.FlagSet) [][2]string {
	var lines [][2]string
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		name := "    --" + f.Name
		switch {
		case f.Shorthand != "" && len(f.Name) > 0:
			name = "-" + f.Shorthand + ", --" + f.Name
		}
		if value != "" {
			name += " " + value
		}
		lines = append(lines, [2]string{name, usage})
	})
	return lines
}

// columns lays out pairs as an indented two-column block.
func columns(pairs [][2]string) string {
	width := 0
	for _, p := range pairs {
		width = max(width, len(p[0]))
	}
	var b strings.Builder
	for _, p := range pairs {
		b.WriteString(strings.TrimRight(fmt.Sprintf("  %-*s  %s", width, p[0], p[1]), " ") + "\n")
	}
	return b.String()
}

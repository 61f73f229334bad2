package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"mlx/internal/cli"
	"mlx/internal/fault"
)

// renamed says where a word that people bring from elsewhere, or from an earlier plan, went to. Of several targets the
// first that exists is hinted.
func renamed() map[string][]string {
	return map[string][]string{
		"reproduce": {"rerun", "show"},
		"add":       {"snapshot"},
		"commit":    {"snapshot"},
		"save":      {"snapshot"},
		"restore":   {"checkout"},
		"switch":    {"checkout"},
		"exec":      {"run"},
		"compare":   {"diff"},
		"list":      {"log"},
		"history":   {"log"},
		"dag":       {"lineage"},
		"graph":     {"lineage"},
		"check":     {"gate"},
		"fsck":      {"verify"},
		"prune":     {"gc"},
		"settings":  {"config"},
		"keys":      {"key"},
		"fetch":     {"pull"},
		"cat":       {"get"},
		"package":   {"model package"},
	}
}

// unknownCommand is the error for a word that is no command. It runs nothing and hints the nearest.
func unknownCommand(parent *cobra.Command, args []string) error {
	word := args[0]
	err := fault.New(fault.Usage, "unknown command %q", word)
	if parent.HasParent() {
		err = fault.New(fault.Usage, "unknown command %q of %s", word, parent.Name())
	}
	rest := strings.Join(args[1:], " ")
	if target, reason := meant(parent, word); target != "" {
		hint := strings.TrimSpace(parent.CommandPath() + " " + target + " " + rest)
		if reason != "" {
			hint += "   # " + reason
		}
		return err.Hint("%s", hint)
	}
	return err.Hint("%s", strings.Replace(parent.CommandPath(), "mlx", "mlx help", 1))
}

// meant returns the command that word most likely stands for, and what that does.
func meant(parent *cobra.Command, word string) (name, reason string) {
	known := make(map[string]string)
	var names []string
	for _, c := range parent.Commands() {
		if !c.Hidden {
			known[c.Name()] = c.Short
			names = append(names, c.Name())
		}
	}
	if !parent.HasParent() {
		for _, target := range renamed()[word] {
			if short, ok := known[target]; ok {
				return target, lowerFirst(short)
			}
		}
	}
	name = fault.Nearest(word, names)
	return name, lowerFirst(known[name])
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

// flagError words an error of the flag parser as mlx does, with the nearest flag.
func flagError(cmd *cobra.Command, err error) error {
	if cmd.HasSubCommands() && cmd.Flags().NArg() > 0 {
		return unknownCommand(cmd, cmd.Flags().Args())
	}
	message := err.Error()
	wrong, unknown := strings.CutPrefix(message, "unknown flag: --")
	if !unknown {
		return fault.New(fault.Usage, "cannot read the command line: %s", flagMessage(message)).Hint("%s -h", cmd.CommandPath())
	}
	if wrong == "version" {
		return fault.New(fault.Usage, "unknown flag --%s of %s", wrong, cmd.CommandPath()).Hint("mlx version")
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	cmd.InheritedFlags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	e := fault.New(fault.Usage, "unknown flag --%s of %s", wrong, cmd.CommandPath())
	if near := fault.Nearest(wrong, names); near != "" {
		e.Hint("did you mean --%s?", near)
	}
	return e.Hint("%s -h", cmd.CommandPath())
}

// flagMessage words what the flag parser says without the names of its functions.
func flagMessage(message string) string {
	var value, flag, letter string
	if n, _ := fmt.Sscanf(message, "invalid argument %q for %q flag:", &value, &flag); n == 2 {
		return fmt.Sprintf("%s does not take %q", flag, value)
	}
	if rest, ok := strings.CutPrefix(message, "flag needs an argument: "); ok {
		if _, in, grouped := strings.Cut(rest, " in "); grouped {
			rest = in
		}
		return rest + " needs a value"
	}
	if n, _ := fmt.Sscanf(message, "unknown shorthand flag: %s in", &letter); n == 1 {
		return "unknown flag -" + strings.Trim(letter, "'")
	}
	return message
}

// lastHint is for an error that nobody knew a better hint for.
func lastHint(cmd *cobra.Command, err error) error {
	var e *fault.Error
	var at *fs.PathError
	if !errors.As(err, &e) { // nobody put it into words
		if both, ok := together(err.Error()); ok {
			return fault.New(fault.Usage, "cannot read the command line: %s do not go together", both).Hint("%s -h", cmd.CommandPath())
		}
		e = fault.New(fault.KindOf(err), "cannot finish %s: %w", strings.TrimPrefix(cmd.CommandPath(), "mlx "), err)
		err = e
	}
	switch kind := fault.KindOf(err); {
	case kind == fault.Usage && fault.At(err) != nil:
		at := fault.At(err)
		e.Hint("edit %s   # line %d", shellWord(at.File), at.Line)
	case kind == fault.Usage:
		e.Hint("%s -h", cmd.CommandPath())
	case kind == fault.Denied && errors.As(err, &at):
		e.Hint("ls -ld %s   # shows who may write there", shellWord(filepath.Dir(at.Path)))
	case kind == fault.NotFound && errors.As(err, &at):
		e.Hint("ls %s   # shows what is there", shellWord(filepath.Dir(at.Path)))
	case kind == fault.Unavailable && errors.As(err, &at):
		e.Hint("df -h %s   # shows whether there is room", shellWord(filepath.Dir(at.Path)))
	case kind == fault.Integrity:
		e.Hint("mlx verify   # names all that is damaged")
	}
	return err
}

// together is which flags exclude each other, when cobra says that such were set.
func together(message string) (flags string, ok bool) {
	rest, ok := strings.CutPrefix(message, "if any flags in the group [")
	if !ok {
		return "", false
	}
	group, _, ok := strings.Cut(rest, "] are set none of the others can be")
	return "--" + strings.ReplaceAll(group, " ", " and --"), ok
}

// argumentsError words cobra's complaints about the number of arguments.
func argumentsError(cmd *cobra.Command, err error) error {
	var want, got int
	message := err.Error()
	switch {
	case scan(message, "accepts at most %d arg(s), received %d", &want, &got):
		message = "at most " + cli.FormatNum(int64(want), "argument") + ", not " + cli.FormatCount(int64(got))
	case scan(message, "requires at least %d arg(s), only received %d", &want, &got):
		message = "at least " + cli.FormatNum(int64(want), "argument") + ", not " + cli.FormatCount(int64(got))
	case scan(message, "accepts %d arg(s), received %d", &want, &got):
		message = cli.FormatNum(int64(want), "argument") + ", not " + cli.FormatCount(int64(got))
	default:
		var word string
		if n, _ := fmt.Sscanf(message, "unknown command %q for", &word); n == 1 {
			message = fmt.Sprintf("no argument, not %q", word)
			break
		}
		return fault.New(fault.Usage, "cannot read the command line: %s", message).Hint("%s -h", cmd.CommandPath())
	}
	return fault.New(fault.Usage, "cannot read the command line: %s takes %s", cmd.CommandPath(), message).
		Hint("%s   # %s -h tells more", usageLine(cmd), cmd.CommandPath())
}

func scan(text, format string, values ...any) bool {
	n, err := fmt.Sscanf(text, format, values...)
	return err == nil && n == len(values)
}

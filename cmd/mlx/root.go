package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/fault"
)

// section is a heading of help and the commands under it.
type section struct {
	title    string
	commands []func(*app) *cobra.Command
}

// sections lists every command, in the order of help. A new command is one line here.
func sections() []section {
	return []section{
		{"Data", []func(*app) *cobra.Command{
			newInit,
			newSnapshot,
			newCheckout,
			newImport,
			newLs,
			newGet,
			newProfile,
		}},
		{"Ask", []func(*app) *cobra.Command{
			newStatus,
			newLog,
			newShow,
			newDiff,
			newLineage,
			newTag,
		}},
		{"Run", []func(*app) *cobra.Command{
			newRun,
			newRepro,
			newRecord,
			newRerun,
			newJob,
			newBackend,
		}},
		{"Judge", []func(*app) *cobra.Command{
			newGate,
			newDrift,
			newLabel,
		}},
		{"Models", []func(*app) *cobra.Command{
			newModel,
			newPromote,
		}},
		{"Serve", []func(*app) *cobra.Command{
			newDeploy,
			newRollback,
			newService,
		}},
		{"Share", []func(*app) *cobra.Command{
			newPush,
			newPull,
			newTrust,
			newRemote,
			newExport,
			newServer,
		}},
		{"Care", care()},
	}
}

// troubleStatus is the annotation of a command whose own failures have a status other than 2.
const troubleStatus = "trouble-status"

// care are the commands that look after a repository, and those that no help shows.
func care() []func(*app) *cobra.Command {
	return []func(*app) *cobra.Command{
		newVerify,
		newGC,
		newErase,
		newConfig,
		newKey,
		newVersion,
		newCompletion,
		newHook,
		newAgent,
		newRouter,
		newTFData,
		newCascade,
		newMan,
		newDocs,
	}
}

// needsNothing is the annotation of a command that works anywhere and reads no settings.
const needsNothing = "needs-nothing"

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:           "mlx",
		Short:         "Versions of data, runs, gates, and what made what",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		Annotations:   map[string]string{needsNothing: ""},
		RunE:          helpAlone,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return a.enter(cmd)
		},
	}
	cobra.EnableCommandSorting = false // help keeps the order of sections
	root.CompletionOptions.DisableDefaultCmd = true
	flags := root.PersistentFlags()
	flags.SortFlags = false
	flags.StringVarP(&a.dir, "directory", "C", "", "work as if started in `DIR`")
	flags.BoolVar(&a.streams.JSON, "json", false, "print JSON: one document, or a row a line for lists")
	flags.BoolVarP(&a.streams.Quiet, "quiet", "q", false, "no progress, notes or hints")
	flags.BoolVarP(&a.streams.Verbose, "verbose", "v", false, "say why, step by step, on stderr")
	flags.StringVar(&a.color, "color", "", "`WHEN` to use colour: auto, always or never")
	completeFlag(root, "color", completeWords(string(cli.ColorAuto), string(cli.ColorAlways), string(cli.ColorNever)))
	root.SetFlagErrorFunc(flagError)
	root.SetHelpFunc(a.help)
	root.SetHelpCommand(newHelp(a))
	for _, s := range sections() {
		id := strings.ToLower(s.title)
		root.AddGroup(&cobra.Group{ID: id, Title: s.title})
		for _, make := range s.commands {
			cmd := make(a)
			if !cmd.Hidden {
				cmd.GroupID = id
			}
			root.AddCommand(cmd)
		}
	}
	return root
}

// execute runs the command that the arguments name and returns the exit status.
func (a *app) execute(ctx context.Context) int {
	root := newRoot(a)
	root.SetArgs(a.args)
	root.SetIn(a.streams.In)
	root.SetOut(a.streams.Out)
	root.SetErr(a.streams.Err)
	cmd, err := root.ExecuteContextC(ctx)
	a.close()
	if flushErr := a.streams.Flush(); err == nil {
		err = flushErr
	}
	if err == nil {
		return a.exitStatus()
	}
	return a.fail(ctx, cmd, err)
}

func (a *app) exitStatus() int {
	if a.child != 0 {
		return a.child
	}
	return int(a.status)
}

// fail reports err as the command cmd would and returns the exit status.
func (a *app) fail(ctx context.Context, cmd *cobra.Command, err error) int {
	if ctx.Err() != nil {
		err = ctx.Err() // whatever broke, broke because the user stopped it
	}
	if !a.entered {
		a.streams.JSON = a.streams.JSON || a.askedForJSON()
		if fault.KindOf(err) == fault.Internal {
			err = argumentsError(cmd, err)
		}
	}
	if len(fault.Hints(err)) == 0 && fault.KindOf(err) != fault.Interrupted {
		err = lastHint(cmd, err)
	}
	status := fault.KindOf(err).Row().Status
	if own := cmd.Annotations[troubleStatus]; own == "125" && status == 2 {
		status = 125
	}
	return a.streams.FailAs(err, status)
}

// askedForJSON looks for --json in a command line that could not be parsed, so that its error is JSON as well.
func (a *app) askedForJSON() bool {
	for _, arg := range a.args {
		if arg == "--" {
			return false
		}
		if arg == "--json" {
			return true
		}
	}
	return false
}

// helpAlone is what a command that only holds others does: it has no arguments of its own.
func helpAlone(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return unknownCommand(cmd, args)
	}
	return cmd.Help()
}

// noun makes a command that only holds others.
func noun(use, short string, subs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use:         use,
		Short:       short,
		Args:        cobra.ArbitraryArgs,
		Annotations: map[string]string{needsNothing: ""},
		RunE:        helpAlone,
	}
	cmd.AddCommand(subs...)
	return cmd
}

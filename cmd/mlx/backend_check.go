package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/train"
)

type backendCheckOptions struct {
	name    string
	cases   []string
	disturb string
	keep    bool
}

func newBackendCheck(a *app) *cobra.Command {
	var o backendCheckOptions
	cmd := &cobra.Command{
		Use:   "check NAME",
		Short: "Try everything mlx needs of a backend",
		Long: `Makes a project of its own in a temporary folder and executes small runs on the backend, about two minutes in all: whether one submit is one
run, whether logs are whole, outputs come back and secrets stay secret, and so on. What a backend should have and does not is fail; what cannot
be tried there, such as a server that is stopped meanwhile, is inconclusive. Ends with 1 if something fails, with 3 if nothing does and
something could not be tried. One that does not answer at all is not tried: 2.

--disturb names a program of yours that is called with "stop on", "stop off", "key on" and "key off": it makes the backend unreachable, or its key
another one, and undoes that; it ends with 3 where there is no way to.`,
		Example:           "mlx backend check local --case once --case ends",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeBackends,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name = args[0]
			return backendCheckRun(cmd.Context(), a, o)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringArrayVar(&o.cases, "case", nil, "only the case of this `NAME`; repeat it for more")
	flags.StringVar(&o.disturb, "disturb", "", "`PROGRAM` that takes the backend away for a moment")
	flags.BoolVar(&o.keep, "keep", false, "keep the temporary project, and say where it is")
	var names []string
	for _, c := range train.Conformance() {
		names = append(names, c.Name+"\t"+c.Title)
	}
	completeFlag(cmd, "case", completeWords(names...))
	return cmd
}

// backendCheckView is the JSON of `mlx backend check`.
type backendCheckView struct {
	Kind    string          `json:"kind"`
	Verdict string          `json:"verdict"`
	Backend string          `json:"backend"`
	Type    string          `json:"type"`
	Cases   []train.Finding `json:"cases"`
	Version string          `json:"mlx_version"`
	At      time.Time       `json:"at"`
}

// chosenCases are the cases that are wanted, in their order.
func chosenCases(names []string) ([]train.Case, error) {
	all := train.Conformance()
	var known []string
	for _, c := range all {
		known = append(known, c.Name)
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			err := fault.New(fault.Usage, "there is no case %q", name)
			if near := fault.Nearest(name, known); near != "" {
				return nil, err.Hint("--case %s   # did you mean this one?", near)
			}
			return nil, err.Hint("the cases are %s", strings.Join(known, ", "))
		}
	}
	if len(names) > 0 {
		all = slices.DeleteFunc(all, func(c train.Case) bool { return !slices.Contains(names, c.Name) })
	}
	return all, nil
}

func backendCheckRun(ctx context.Context, a *app, o backendCheckOptions) error {
	cases, err := chosenCases(o.cases)
	if err != nil {
		return err
	}
	driver, b, err := a.driver(ctx, o.name)
	if err != nil {
		return err
	}
	if err := answers(ctx, driver, o.name); err != nil {
		return err
	}
	bench, err := a.newBench(ctx, b, driver, o.disturb)
	if err != nil {
		return err
	}
	if o.keep {
		a.streams.Note("the project of the trial is %s", bench.root())
	} else {
		defer bench.remove()
	}
	v := backendCheckView{Kind: "backend_check/v1", Verdict: "pass", Backend: o.name, Type: b.Type, Version: mlxVersion(), At: a.now().UTC()}
	progress := a.streams.Progress("trying "+o.name, "cases", int64(len(cases)))
	defer progress.Done()
	for _, c := range cases {
		a.streams.Why("case %d, %s: %s", c.Number, c.Name, c.Title)
		trial := train.Trial{Bench: bench, Root: bench.root(), Backend: trainBackend(o.name, b)}
		f, err := c.Try(ctx, trial, a.now)
		if err != nil {
			return fault.New(fault.KindOf(err), "cannot try case %s of %s: %w", c.Name, o.name, err)
		}
		progress.Add(1)
		v.Cases = append(v.Cases, f)
		switch f.Verdict {
		case "fail":
			v.Verdict = "fail"
			a.answer(no)
		case "inconclusive":
			if v.Verdict == "pass" {
				v.Verdict = "inconclusive"
			}
			a.answer(unclear)
		}
	}
	return a.streams.EmitVerdict(v, v.Verdict != "pass", func(t *cli.Text) { backendCheckText(v, t) })
}

func backendCheckText(v backendCheckView, t *cli.Text) {
	t.Line(gateWord(v.Verdict, strings.ToUpper(v.Verdict)), cli.Str(v.Backend), cli.Str(v.Type))
	verdicts, cases, times := 0, 0, 0
	for _, f := range v.Cases {
		verdicts, cases, times = max(verdicts, len(f.Verdict)), max(cases, len(f.Case)), max(times, len(cli.FormatDuration(seconds(f.Seconds))))
	}
	for _, f := range v.Cases {
		if !t.TTY() {
			t.Line(gateWord(f.Verdict, f.Verdict), cli.Str(f.Case), cli.Duration(seconds(f.Seconds)), cli.Str(f.Text))
			continue
		}
		const edge, gap = 2, 2
		t.Hanging(edge, verdicts+cases+times+3*gap, gateWord(f.Verdict, fmt.Sprintf("%-*s", verdicts, f.Verdict)), cli.Str(fmt.Sprintf("%-*s", cases, f.Case)),
			cli.Str(fmt.Sprintf("%*s", times, cli.FormatDuration(seconds(f.Seconds)))), cli.Str(f.Text))
		if f.Verdict == "fail" {
			t.Hanging(edge+verdicts+cases+times+3*gap, 0, cli.Word(cli.RoleDim, f.Title))
		}
	}
}

// answers asks the backend for a job that nobody has submitted: where it cannot be reached, every case would wait for it, and say only that.
func answers(ctx context.Context, driver train.Driver, name string) error {
	ctx, stop := context.WithTimeout(ctx, lookWait)
	defer stop()
	_, err := driver.Status(ctx, []train.Ref{{ID: object.Sum([]byte("a trial of " + name))}})
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot try %s: %w", name, err)
	}
	return nil
}

// remove takes the project of the trial away.
func (b *bench) remove() {
	if err := errors.Join(os.RemoveAll(b.dir)); err != nil {
		b.app.streams.Why("cannot remove %s: %v", b.dir, err)
	}
}

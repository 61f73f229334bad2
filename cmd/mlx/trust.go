package main

import (
	"context"
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/repo"
	"mlx/internal/snapshot"
)

type trustOptions struct {
	at     string
	dryRun bool
	yes    bool
}

func newTrust(a *app) *cobra.Command {
	var o trustOptions
	cmd := &cobra.Command{
		Use:   "trust",
		Short: "Allow what a cloned mlx.yaml would contact, run or believe",
		Long: `Shows the remotes, backends, signing keys and commands of mlx.yaml that are new or have changed since you were last asked,
and the places where packages of models lie that others recorded, and remembers that you allow exactly these values. Until then nothing is contacted, run or believed. What you allow is
kept in your own configuration folder, for this clone only. CI allows what the base branch says, so that a pull request
cannot widen it: mlx trust --at origin/main -y.`,
		Example: `mlx trust --dry-run
mlx trust -y
mlx trust --at origin/main -y`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return trustRun(cmd.Context(), a, o)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.at, "at", "", "allow what mlx.yaml says in the git revision `REF`, not here")
	flags.BoolVar(&o.dryRun, "dry-run", false, "show what would be allowed; change nothing")
	flags.BoolVarP(&o.yes, "yes", "y", false, "allow it without a question")
	completeFlag(cmd, "at", a.completeRefs)
	return cmd
}

// trustView is the JSON of `mlx trust`.
type trustView struct {
	Kind    string           `json:"kind"`
	Allowed bool             `json:"allowed"` // all that mlx.yaml says here is allowed now
	Changed bool             `json:"changed"`
	Items   []repo.TrustItem `json:"items"`
}

func trustRun(ctx context.Context, a *app, o trustOptions) error {
	t, err := a.allowed()
	if err != nil {
		return err
	}
	items, err := a.trustItems(ctx, o.at)
	if err != nil {
		return err
	}
	if o.at == "" { // what a revision says of mlx.yaml says nothing of the records
		places, err := a.placeItems(ctx)
		if err != nil {
			return err
		}
		items = append(items, places...)
	}
	t.Judge(items)
	pending := slices.DeleteFunc(slices.Clone(items), func(i repo.TrustItem) bool { return i.State == "approved" })
	v := trustView{Kind: "trust/v1", Allowed: true, Changed: len(pending) > 0, Items: shownItems(items)}
	text := trustText{pending: shownItems(pending), at: o.at, all: a.streams.Verbose}
	switch {
	case o.dryRun:
		return a.streams.Emit(trustPlan(text.pending), text.render)
	case len(pending) > 0 && !o.yes:
		if err := a.askTrust(ctx, text); err != nil {
			return err
		}
		text.pending = nil // they were shown
		text.asked = true
	}
	if err := t.Approve(pending...); err != nil {
		return err
	}
	left := a.leftOut(ctx, t, o.at)
	v.Allowed = left == 0
	if err := a.streams.EmitVerdict(v, false, text.render); err != nil {
		return err
	}
	if left > 0 {
		a.streams.Note("%s of mlx.yaml here %s not those of %s, and %s not allowed", cli.FormatNum(int64(left), "value"),
			verb(left, "is", "are"), o.at, verb(left, "stays", "stay"))
	}
	return nil
}

func shownItems(items []repo.TrustItem) []repo.TrustItem {
	all := make([]repo.TrustItem, len(items))
	for i, item := range items {
		all[i] = item.Shown()
	}
	return all
}

func verb(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// trustItems lists what the configuration says, here or at a revision.
func (a *app) trustItems(ctx context.Context, at string) ([]repo.TrustItem, error) {
	r, err := a.repo()
	if err != nil {
		return nil, err
	}
	if at != "" {
		return r.TrustItemsAt(ctx, at)
	}
	c, err := a.config()
	if err != nil {
		return nil, err
	}
	items, err := c.TrustItems(r.ReadKey)
	if err != nil {
		return nil, err
	}
	p, err := a.readPipeline(ctx)
	if err != nil {
		a.streams.Note("some stages cannot be read, and none of these can run: %v", err)
		return items, nil
	}
	return repo.WithStages(items, p), nil
}

// leftOut counts the values here that are not allowed after those of a revision were. A file here that cannot be read names none:
// whoever needs it will be told.
func (a *app) leftOut(ctx context.Context, t *repo.Trust, at string) int {
	if at == "" {
		return 0
	}
	here, err := a.trustItems(ctx, "")
	if err != nil {
		a.streams.Why("cannot compare with the files here: %v", err)
		return 0
	}
	left := 0
	for _, i := range here {
		if !t.Approved(i.Kind, i.Name, i.Value) {
			left++
		}
	}
	return left
}

// askTrust shows the values to a person and asks.
func (a *app) askTrust(ctx context.Context, text trustText) error {
	if a.streams.Interactive() {
		if err := a.streams.Emit(nil, text.render); err != nil {
			return err
		}
	}
	yes, err := a.streams.Ask(ctx, "allow these exact values on this machine?")
	var e *fault.Error
	switch {
	case errors.As(err, &e):
		return e.Hint("mlx trust --dry-run   # shows what there is to allow").Hint("mlx trust -y   # allows all of it")
	case err != nil:
		return err
	case !yes:
		return fault.New(fault.Denied, "nothing was allowed").Hint("mlx show mlx.yaml   # shows all of it")
	}
	return nil
}

func trustPlan(pending []repo.TrustItem) planView {
	v := planView{Kind: "plan/v1", Command: "trust", Applies: true, Steps: []planStep{}, Needs: []planNeed{}, Classes: []snapshot.GCClass{}}
	for _, i := range pending {
		v.Steps = append(v.Steps, planStep{Do: "allow", What: i.Kind + " " + i.Name, Why: i.State + ": " + i.Value})
	}
	return v
}

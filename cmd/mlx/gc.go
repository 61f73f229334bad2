package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/snapshot"
)

type gcOptions struct {
	dryRun     bool
	keepLast   int
	keepWithin string
	forget     []string
	within     time.Duration
	withinSet  bool
	remote     string
	release    []string
	yes        bool
}

func newGC(a *app) *cobra.Command {
	var o gcOptions
	cmd := &cobra.Command{
		Use:   "gc",
		Short: "Remove what nothing needs any more",
		Long: `Stays: every version that a pointer file names in any commit, stash, reflog entry, index or file of any worktree; what is
tagged; what is registered as a version of a model; what was saved, or read or written by a run, within --keep-within, or is among the --keep-last newest of its
path. All clones that share the store are asked. Everything else is condemned, and deleted by the first gc that runs at
least a day later, unless it is needed again by then. Records are never removed.

With -r the same is done at a remote, for everybody: what was pushed there within the keep of mlx.yaml stays as well; what
goes is condemned, dropped by the first gc a day later and deleted by the first one 30 days after that. A version that
something still keeps goes only when --release names it.`,
		Example: "mlx gc --dry-run\nmlx gc --keep-last 3 --keep-within 7d\nmlx gc -r team --dry-run\nmlx gc -r team -y",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.withinSet = cmd.Flags().Changed("keep-within")
			return gcRun(cmd.Context(), a, o)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&o.dryRun, "dry-run", false, "say what would stay and go, and why; change nothing")
	flags.IntVar(&o.keepLast, "keep-last", 0, "keep the newest `N` versions of each path")
	flags.StringVar(&o.keepWithin, "keep-within", "30d", "keep what was saved, read or written within this `TIME`")
	flags.StringArrayVar(&o.forget, "forget", nil, "stop asking the `CLONE` of this id, which no longer exists")
	flags.StringVarP(&o.remote, "remote", "r", "", "collect at the remote of this `NAME`")
	flags.StringArrayVar(&o.release, "release", nil, "with -r: let the version `REF` go, whatever keeps it")
	flags.BoolVarP(&o.yes, "yes", "y", false, "with -r: do not ask")
	completeFlag(cmd, "remote", a.completeRemotes)
	return cmd
}

func gcRun(ctx context.Context, a *app, o gcOptions) (err error) {
	if o.within, err = cli.ParseDuration(o.keepWithin); err != nil {
		return err
	}
	if o.keepLast < 0 {
		return fault.New(fault.Usage, "cannot keep the last %d versions", o.keepLast)
	}
	switch {
	case o.remote != "" && len(o.forget) > 0:
		return fault.New(fault.Usage, "cannot forget a clone at a remote: --forget is for a store that clones share")
	case o.remote == "" && (len(o.release) > 0 || o.yes):
		return fault.New(fault.Usage, "--release and -y are for a remote").Hint("mlx gc -r NAME")
	case o.remote != "":
		return gcRemoteRun(ctx, a, o)
	}
	store, err := a.store()
	if err != nil {
		return err
	}
	if r, err := a.repo(); err == nil && !o.dryRun {
		a.sweepReruns(r)
		if err := a.cleanTracking(ctx); err != nil {
			return err
		}
	}
	if !o.dryRun {
		for _, id := range o.forget {
			if err := store.ForgetClone(id); err != nil {
				return err
			}
		}
	}
	live := liveRoots{app: a, options: o, store: store, now: a.now()}
	plan, err := store.PlanGC(ctx, live.all(ctx))
	if err != nil {
		return err
	}
	for _, root := range plan.Missing {
		a.streams.Why("version %s is not in this store (%s)", root.Digest.Short(), root.Why)
	}
	folders, err := endedFolders(ctx, a, !o.dryRun)
	if err != nil {
		return err
	}
	if o.dryRun {
		v := gcPlanView(plan, folders)
		return a.streams.Emit(v, func(t *cli.Text) { gcText(plan, folders, true, t) })
	}
	if err := store.ApplyGC(ctx, plan); err != nil {
		return err
	}
	if err := removeFolders(folders); err != nil {
		return err
	}
	return a.streams.EmitVerdict(gcDone(plan), false, func(t *cli.Text) { gcText(plan, folders, false, t) })
}

// gcView is the JSON of `mlx gc`.
type gcView struct {
	Kind           string             `json:"kind"`
	Classes        []snapshot.GCClass `json:"classes"`
	KeptBytes      int64              `json:"kept_bytes"`
	FreedBytes     int64              `json:"freed_bytes"`
	CondemnedBytes int64              `json:"condemned_bytes"`
	DeleteAt       *time.Time         `json:"delete_at"` // from when the condemned bytes may be deleted
}

func gcDone(p *snapshot.GCPlan) gcView {
	v := gcView{Kind: "gc/v1", Classes: append([]snapshot.GCClass{}, p.Classes...), KeptBytes: p.Kept, FreedBytes: p.Freed, CondemnedBytes: p.Later}
	if !p.After.IsZero() {
		at := p.After.UTC()
		v.DeleteAt = &at
	}
	return v
}

// planView is plan/v1.
type planView struct {
	Kind    string             `json:"kind"`
	Command string             `json:"command"`
	Applies bool               `json:"applies"`
	Steps   []planStep         `json:"steps"`
	Bytes   int64              `json:"bytes"`
	Needs   []planNeed         `json:"needs"`
	Classes []snapshot.GCClass `json:"classes"`
}

// refuse says what stands against the plan.
func (v *planView) refuse(why error) {
	v.Applies, v.Needs = false, append(v.Needs, against(why))
}

// lines prints the steps.
func (v *planView) lines(t *cli.Text) {
	for _, step := range v.Steps {
		t.KeyValue(2, step.Do, cli.Str(step.What), cli.Str(step.Why))
	}
}

type planStep struct {
	Do    string   `json:"do"`
	What  string   `json:"what"`
	Why   string   `json:"why"`
	Bytes int64    `json:"bytes"`
	Cost  *float64 `json:"cost"`
}

func gcPlanView(p *snapshot.GCPlan, folders []string) planView {
	v := planView{Kind: "plan/v1", Command: "gc", Applies: true, Steps: []planStep{}, Bytes: p.Freed + p.Later, Needs: []planNeed{},
		Classes: append([]snapshot.GCClass{}, p.Classes...)}
	for _, pack := range p.Packs {
		v.Steps = append(v.Steps, planStep{Do: pack.Do, What: "pack " + pack.ID.Hex(), Why: pack.Why, Bytes: pack.Bytes - pack.Live})
	}
	for _, file := range p.Leftover {
		v.Steps = append(v.Steps, planStep{Do: "delete", What: file, Why: "left by a process that was killed"})
	}
	for _, dir := range folders {
		v.Steps = append(v.Steps, planStep{Do: "delete", What: dir, Why: "left by a run that ended"})
	}
	return v
}

func gcText(p *snapshot.GCPlan, folders []string, dryRun bool, t *cli.Text) {
	var rows [][]cli.Cell
	for _, c := range p.Classes {
		word := cli.Word(cli.RolePass, "stays")
		if !c.Stays {
			word = cli.Word(cli.RoleWarn, "goes")
		}
		rows = append(rows, []cli.Cell{word, cli.Str(c.Why), cli.Num(c.Objects, "object"), cli.Bytes(c.Bytes)})
	}
	if n := len(p.Leftover); n > 0 {
		rows = append(rows, []cli.Cell{cli.Word(cli.RoleWarn, "goes"), cli.Str("left by processes that were killed"), cli.Num(int64(n), "file")})
	}
	if n := len(folders); n > 0 {
		rows = append(rows, []cli.Cell{cli.Word(cli.RoleWarn, "goes"), cli.Str("left by runs that ended"), cli.Num(int64(n), "folder")})
	}
	t.Rows(0, rows)
	freed := "freed"
	if dryRun {
		freed = "would free"
	}
	t.Line(cli.Str(freed), cli.Bytes(p.Freed))
	if p.Later > 0 {
		t.Line(cli.Str("condemned"), cli.Bytes(p.Later), cli.Fmt("deleted by the first gc after %s", cli.Str(p.After.UTC().Format(time.RFC3339))))
	}
}

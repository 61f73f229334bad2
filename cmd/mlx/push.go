package main

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"mlx/internal/audit"
	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/remote"
	"mlx/internal/snapshot"
)

type pushOptions struct {
	paths  []string
	remote string
	jobs   int
	dryRun bool
	fresh  bool
}

func newPush(a *app) *cobra.Command {
	var o pushOptions
	cmd := &cobra.Command{
		Use:   "push [PATH…]",
		Short: "Send data and records to a remote",
		Long: `Sends every record, and every version of data that the pointer files here or a record name and that this machine has; with PATH
only the present versions of that data. Only what is missing there travels. Records that others pushed meanwhile are taken
into this ledger. It ends by proving that the remote holds all that was asked for. A push that was stopped goes on where it
was when you run it again.`,
		Example:           "mlx push\nmlx push data/flights\nmlx push --dry-run",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completePaths,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.paths = args
			return pushRun(cmd.Context(), a, o)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	a.remoteFlags(cmd, &o.remote, &o.jobs)
	flags.BoolVar(&o.dryRun, "dry-run", false, "say what would be sent; send nothing")
	flags.BoolVar(&o.fresh, "fresh", false, "believe nothing of what was pushed before: compare with what lies there")
	return cmd
}

// remoteFlags are the flags of every command that moves bytes.
func (a *app) remoteFlags(cmd *cobra.Command, name *string, jobs *int) {
	flags := cmd.Flags()
	flags.StringVarP(name, "remote", "r", "", "the remote of this `NAME`; the default one where it is left out")
	flags.IntVarP(jobs, "jobs", "j", 0, "at most `N` requests at once")
	completeFlag(cmd, "remote", a.completeRemotes)
}

func pushRun(ctx context.Context, a *app, o pushOptions) error {
	r, err := a.openRemote(ctx, o.remote)
	if err != nil {
		return err
	}
	r.Parallel(o.jobs)
	if err := r.Advance(ctx); err != nil {
		return fault.New(fault.KindOf(err), "cannot push to %s: %w", r.Describe(), remoteTrouble(err, r.Name()))
	}
	roots, err := a.rootsToPush(ctx, o.paths, func(root object.Digest) bool { return !o.fresh && r.Holds(root) })
	if err != nil {
		return err
	}
	if err := a.mayLeave(ctx, r.Name(), roots); err != nil {
		return err
	}
	if o.dryRun {
		plan, err := r.PlanPush(ctx, remote.PushOptions{Roots: roots, Fresh: o.fresh})
		if err != nil {
			return remoteTrouble(err, r.Name())
		}
		return a.streams.Emit(pushPlanView(plan), func(t *cli.Text) { pushPlanText(plan, r.Name(), t) })
	}
	defer a.traffic(r)
	start := a.now()
	done, err := r.Push(ctx, remote.PushOptions{Roots: roots, Fresh: o.fresh})
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot push to %s: %w", r.Describe(), remoteTrouble(err, r.Name()))
	}
	v := pushView{Kind: "push/v1", Remote: r.Name(), Snapshots: done.Roots, Records: done.Records, Packs: done.Packs, BytesSent: done.Bytes,
		Changed: done.Roots+done.Records > 0, Head: done.Head, DurationS: a.now().Sub(start).Seconds()}
	return a.streams.EmitVerdict(v, false, func(t *cli.Text) { pushText(v, t) })
}

// pushView is push/v1.
type pushView struct {
	Kind      string      `json:"kind"`
	Remote    string      `json:"remote"`
	Snapshots int         `json:"snapshots"`
	Records   int         `json:"records"`
	Packs     int         `json:"packs"`
	BytesSent int64       `json:"bytes_sent"`
	Changed   bool        `json:"changed"`
	Head      remote.Head `json:"head"`
	DurationS float64     `json:"duration_s"`
}

func pushText(v pushView, t *cli.Text) {
	if !v.Changed {
		t.Line(cli.Str(v.Remote), cli.Str("nothing to push: it has all of this"))
		return
	}
	t.Line(cli.Str(v.Remote), cli.Num(int64(v.Snapshots), "snapshot"), cli.Num(int64(v.Records), "record"), cli.Bytes(v.BytesSent), cli.Duration(seconds(v.DurationS)))
}

// pushPlanView is plan/v1 of a push.
func pushPlanView(p remote.PushPlan) planView {
	v := planView{Kind: "plan/v1", Command: "push", Applies: true, Steps: []planStep{}, Bytes: p.Bytes, Needs: []planNeed{}, Classes: []snapshot.GCClass{}}
	for _, root := range p.Roots {
		v.Steps = append(v.Steps, planStep{Do: "send", What: root.Path + " " + root.Root.Hex(), Why: "the remote does not have it"})
	}
	if p.Records > 0 {
		v.Steps = append(v.Steps, planStep{Do: "send", What: cli.FormatNum(int64(p.Records), "record"), Why: "the remote does not have them"})
	}
	return v
}

func pushPlanText(p remote.PushPlan, name string, t *cli.Text) {
	for _, root := range p.Roots {
		t.Line(cli.Str("would send"), cli.Str(root.Path), cli.ID(root.Root))
	}
	if len(p.Roots)+p.Records == 0 {
		t.Line(cli.Str(name), cli.Str("nothing to push: it has all of this"))
		return
	}
	t.Line(cli.Str("would send"), cli.Num(int64(p.Records), "record"), cli.Fmt("%s in all", cli.Bytes(p.Bytes)))
}

// rootsToPush lists the versions that a push has to bring: those that pointer files name, and without words also all that
// records name and that are whole here. skip says of which it is known that nothing has to be done.
func (a *app) rootsToPush(ctx context.Context, words []string, skip func(object.Digest) bool) ([]remote.Root, error) {
	r, err := a.repo()
	if err != nil {
		return nil, err
	}
	paths, err := a.selectData(ctx, words, func(word, rel string) error { return a.untracked(r, "push", word, rel) })
	if err != nil {
		return nil, err
	}
	store, err := a.store()
	if err != nil {
		return nil, err
	}
	var all []remote.Root
	for _, path := range paths {
		p, _, err := a.pointerAt(r, path)
		if err != nil {
			return nil, err
		}
		if !skip(p.Root) {
			here, err := a.wholeHere(ctx, store, path, p.Root)
			if err != nil {
				return nil, err
			}
			if !here {
				continue
			}
		}
		all = append(all, remote.Root{Root: p.Root, Path: path, Kind: p.Kind})
	}
	if len(words) > 0 {
		return all, nil
	}
	recorded, err := a.recordedRoots(ctx, skip)
	if err != nil {
		return nil, err
	}
	var older []remote.Root // the present versions come last: what is newest there is what is asked for without a REF
	for _, root := range recorded {
		if slices.ContainsFunc(all, func(k remote.Root) bool { return k.Root == root.Root }) {
			continue
		}
		if here, err := store.Has(ctx, root.Root); err != nil {
			return nil, err
		} else if here {
			older = append(older, root)
		}
	}
	return append(older, all...), nil
}

// wholeHere says whether a version that a pointer names can be sent. One that was erased is left out, with a note; one that is
// not here for any other reason is an error.
func (a *app) wholeHere(ctx context.Context, store *snapshot.Store, path string, root object.Digest) (bool, error) {
	here, err := store.Has(ctx, root)
	if err != nil || here {
		return here, err
	}
	if gone := a.wasErased(ctx, path, root); gone != nil {
		a.streams.Note("%v", gone)
		return false, nil
	}
	about := fault.Ref{Kind: refSnapshot, ID: root.Hex(), Name: path}
	if a.holdsErased(store) {
		return false, fault.New(fault.Conflict, "cannot push %s: version %s is not whole here: it may share content that was erased", a.shown(path), root.Short()).
			About(about).Hint("mlx snapshot %s   # saves it again, without that", a.typed(path))
	}
	return false, fault.New(fault.NotFound, "cannot push %s: version %s is neither here nor known to be there", a.shown(path), root.Short()).
		About(about).Hint("mlx pull %s   # if another remote has it: -r NAME", a.typed(path))
}

// recordedRoots lists every version for which known is false and that a record names as saved, read, written or run, oldest
// first, each once.
func (a *app) recordedRoots(ctx context.Context, known func(object.Digest) bool) ([]remote.Root, error) {
	l, err := a.ledger()
	if err != nil {
		return nil, err
	}
	var all []remote.Root
	seen := map[object.Digest]bool{}
	add := func(root object.Digest, path string, kind snapshot.Kind) {
		if !seen[root] && !known(root) {
			seen[root] = true
			all = append(all, remote.Root{Root: root, Path: path, Kind: kind})
		}
	}
	nouns, names := []string{"snapshot", "run", "model", "prediction", "deploy"}, []string{"root", "patch", "files", "list", "kept", "code"}
	for rec, err := range l.Naming(ctx, nouns, names, known) {
		if err != nil {
			return nil, err
		}
		if snapshotSaved.Is(rec) {
			body, err := snapshotSaved.Decode(rec)
			if err != nil {
				return nil, err
			}
			add(body.Root, body.Path, snapshot.Kind(body.Kind))
		}
		if m, ok := keptModelOf(rec); ok {
			add(m.root, m.path, m.kind)
		}
		if audit.SegmentSealed.Is(rec) {
			body, err := audit.SegmentSealed.Decode(rec)
			if err != nil {
				return nil, err
			}
			add(body.Kept, predictionPath(body), snapshot.File)
		}
		for _, code := range codeOfReleases(rec) {
			add(code.Root, code.Path, snapshot.Directory)
		}
		body, ok := runBody(rec)
		if !ok {
			continue
		}
		for _, d := range body.Data {
			add(d.Root, d.Path, snapshot.Directory)
		}
		for _, o := range body.Outputs {
			add(o.Root, o.Path, snapshot.Kind(o.Kind))
		}
		for _, kept := range body.Kept() {
			add(kept.Root, "", kept.Kind)
		}
	}
	return all, nil
}

package main

import (
	"context"
	"iter"
	"path"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/registry"
	"mlx/internal/remote"
	"mlx/internal/snapshot"
)

type eraseOptions struct {
	ref    string
	basis  string
	record bool
	key    string
	dryRun bool
	yes    bool
	remote string
}

func newErase(a *app) *cobra.Command {
	var o eraseOptions
	cmd := &cobra.Command{
		Use:   "erase REF",
		Short: "Remove personal or wrong content for good; proofs stay valid",
		Long: `Removes a snapshot, or with REF:PATH a file or folder inside one, from this store and from every remote that can be reached,
at once and for everybody. Content that other versions need stays; they are named. What was done is recorded, with the reason:
other clones erase at their next pull or push, and nothing brings it back. With --record the bytes of a record are removed
instead; its id and every proof stay. A remote that cannot be reached now is named: run it again.`,
		Example: `mlx erase 'data/people:ana.csv' -m "asked to, ticket 4711" --dry-run
mlx erase 'data/people:ana.csv' -m "asked to, ticket 4711" -y
mlx erase --record @last -m "a secret in the command line" --key signing-key -y`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeRefs,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.ref = args[0]
			return eraseRun(cmd.Context(), a, o)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVarP(&o.basis, "message", "m", "", "on what `BASIS`: kept in the records for ever")
	flags.BoolVar(&o.record, "record", false, "remove the bytes of a record")
	flags.StringVar(&o.key, "key", "", "sign with the private SSH key in `FILE`: needed for records, and where the ledger trusts keys")
	flags.BoolVar(&o.dryRun, "dry-run", false, "say what would go; change nothing")
	flags.BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	flags.StringVarP(&o.remote, "remote", "r", "", "at the remote of this `NAME` only; all of them where it is left out")
	completeFlag(cmd, "remote", a.completeRemotes)
	return cmd
}

// typed is the command as far as it was typed.
func (o eraseOptions) typed() string {
	record := ""
	if o.record {
		record = "--record "
	}
	return "mlx erase " + record + shellWord(o.ref) + " -m " + shellWord(o.basis)
}

func eraseRun(ctx context.Context, a *app, o eraseOptions) error {
	if o.basis == "" {
		return fault.New(fault.Usage, "cannot erase without a reason").Hint("mlx erase %s -m BASIS   # is kept in the records", shellWord(o.ref))
	}
	if err := a.mayAsk("erase "+o.ref, o.yes || o.dryRun, o.typed()+" -y"); err != nil {
		return err
	}
	sign, err := a.signing(ctx, o)
	if err != nil {
		return err
	}
	if o.record {
		return a.eraseRecord(ctx, o, sign)
	}
	e := &erasing{a: a, o: o, sign: sign, view: eraseView{Kind: "erase/v1", Basis: o.basis, Remotes: []eraseRemoteView{}, Shared: []fault.Ref{}, Records: []string{}, Models: []fault.Ref{}}}
	return e.run(ctx)
}

// signing returns how to sign, or nil. A ledger that trusts keys believes only what one of them has signed.
func (a *app) signing(ctx context.Context, o eraseOptions) (func(text []byte, namespace string) (string, string, error), error) {
	l, err := a.ledger()
	if err != nil {
		return nil, err
	}
	if o.key == "" {
		keys, err := l.Keys(ctx)
		if err == nil && (len(keys) > 0 || o.record) {
			err = fault.New(fault.Usage, "cannot erase without a signature: whoever may push could erase what is yours").
				Hint("%s --key FILE   # the private half of a key of mlx key list", o.typed())
		}
		return nil, err
	}
	private, err := a.readFile(o.key, maxKeyFile)
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot read the key: %w", err)
	}
	return func(text []byte, namespace string) (string, string, error) {
		return l.Sign(private, nil, text, namespace)
	}, nil
}

// eraseView is erase/v1.
type eraseView struct {
	Kind     string            `json:"kind"`
	Snapshot *fault.Ref        `json:"snapshot"` // null where a record was redacted
	Path     *string           `json:"path"`     // inside the snapshot; null for all of it
	Record   *string           `json:"record"`   // whose bytes are gone
	Basis    string            `json:"basis"`
	Objects  int64             `json:"objects"`
	Bytes    int64             `json:"bytes"`
	Kept     int64             `json:"kept_objects"` // because other versions need them
	Shared   []fault.Ref       `json:"shared"`       // those versions
	Remotes  []eraseRemoteView `json:"remotes"`
	Records  []string          `json:"records"` // that say so
	Models   []fault.Ref       `json:"models"`  // versions whose bytes these are
	Changed  bool              `json:"changed"`
}

type eraseRemoteView struct {
	Name   string   `json:"name"`
	Done   bool     `json:"done"`
	Packs  int      `json:"packs"` // that were made anew without it, or are gone
	Cause  *string  `json:"cause"` // why it was not done
	Failed []string `json:"failed"`
	rem    *remote.Remote
}

// erasing is one erasure of data.
type erasing struct {
	a    *app
	o    eraseOptions
	sign func(text []byte, namespace string) (string, string, error)
	view eraseView

	roots  []object.Digest
	inside string
	stages []registry.Stage // of the versions of models whose bytes these are
	plan   *snapshot.ErasePlan
}

func (e *erasing) run(ctx context.Context) error {
	if err := e.target(ctx); err != nil {
		return err
	}
	store, err := e.a.store()
	if err != nil {
		return err
	}
	if err := e.reach(ctx); err != nil {
		return err
	}
	if e.plan, err = store.PlanErase(ctx, e.roots, e.inside, e.live(ctx)); err != nil {
		return fault.New(fault.KindOf(err), "cannot erase %s: %w", e.o.ref, err)
	}
	e.view.Objects, e.view.Bytes, e.view.Kept = e.plan.Objects, e.plan.Bytes, e.plan.Kept
	for _, s := range e.plan.Shared {
		e.view.Shared = append(e.view.Shared, fault.Ref{Kind: refSnapshot, ID: s.Root.Digest.Hex(), Name: s.Root.Why})
	}
	if e.o.dryRun {
		return e.a.streams.Emit(e.planView(), func(t *cli.Text) { e.text(t, "would erase") })
	}
	if !e.o.yes {
		if err := e.a.ask(ctx, "erase this for good?", func(t *cli.Text) { e.text(t, "would erase") }); err != nil {
			return err
		}
	}
	if err := e.apply(ctx, store); err != nil {
		return err
	}
	return e.a.streams.EmitVerdict(e.view, false, func(t *cli.Text) { e.text(t, "erased") })
}

// target finds what the reference names: a version, or a path inside one.
func (e *erasing) target(ctx context.Context) error {
	t, err := e.a.resolve(ctx, e.o.ref)
	if err == nil {
		t, err = e.a.tracked(ctx, t) // a path inside data is that path, never all of the data
	}
	if err != nil {
		return err
	}
	var at dataAt
	if t.Inner != "" {
		found, err := e.a.locate(ctx, t)
		if err != nil {
			return err
		}
		at, e.inside = dataAt{found.Path, found.Root}, found.Inner
	} else {
		list, err := e.a.versions(ctx, t)
		if err != nil {
			return err
		}
		if len(list) != 1 {
			return fault.New(fault.Usage, "cannot erase %s: it names %s, and each is erased by itself", e.o.ref, cli.FormatNum(int64(len(list)), "snapshot")).
				Hint("mlx show %s", shellWord(e.o.ref))
		}
		at = list[0]
	}
	e.roots = []object.Digest{at.Root}
	ref := refOf(refSnapshot, at.Root.Hex(), at.Path)
	e.view.Snapshot = &ref
	if e.inside != "" {
		e.view.Path = &e.inside
	}
	r, err := e.a.registry()
	if err != nil {
		return err
	}
	versions, err := r.Of(ctx, at.Root)
	for _, v := range versions {
		e.view.Models = append(e.view.Models, refOfVersion(v))
		e.stages = append(e.stages, v.Stage)
	}
	return err
}

// live yields every version but those that go, here and at the remotes: what they need stays.
func (e *erasing) live(ctx context.Context) iter.Seq2[snapshot.Root, error] {
	const ever = 200 * 365 * 24 * time.Hour
	here := liveRoots{app: e.a, options: gcOptions{within: ever, keepWithin: "ever"}, now: e.a.now()}
	return func(yield func(snapshot.Root, error) bool) {
		var err error
		if here.store, err = e.a.store(); err != nil {
			yield(snapshot.Root{}, err)
			return
		}
		for root, err := range here.all(ctx) {
			if !yield(root, err) || err != nil {
				return
			}
		}
		for _, r := range e.view.Remotes {
			if r.rem == nil {
				continue
			}
			for _, root := range r.rem.Roots() {
				if !slices.Contains(e.roots, root.Root) && !yield(snapshot.Root{Digest: root.Root, Why: "at remote " + r.Name}, nil) {
					return
				}
			}
		}
	}
}

func (e *erasing) planView() planView {
	v := planView{Kind: "plan/v1", Command: "erase", Applies: true, Steps: []planStep{}, Bytes: e.plan.Bytes, Needs: []planNeed{}, Classes: []snapshot.GCClass{}}
	what := path.Join(e.view.Snapshot.Name, e.inside)
	v.Steps = append(v.Steps, planStep{Do: "erase", What: what + " " + e.view.Snapshot.ID, Why: e.o.basis, Bytes: e.plan.Bytes})
	for _, r := range e.view.Remotes {
		do, why := "erase", e.o.basis
		if r.Cause != nil {
			do, why = "leave", *r.Cause
		}
		v.Steps = append(v.Steps, planStep{Do: do, What: "remote " + r.Name, Why: why})
	}
	return v
}

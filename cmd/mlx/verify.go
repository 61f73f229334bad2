package main

import (
	"context"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

type verifyOptions struct {
	refs   []string
	ledger bool
}

func newVerify(a *app) *cobra.Command {
	var o verifyOptions
	cmd := &cobra.Command{
		Use:   "verify [REF…]",
		Short: "Read every byte and name what is damaged",
		Long: `Reads the whole store and the whole ledger, compares every byte with its digest, and names each damaged object with the
snapshots and paths that it hurts. With references only their versions are read. Status 1 says that damage was found.`,
		Example:           "mlx verify\nmlx verify --ledger\nmlx verify data/flights",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeRefs,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.refs = args
			return verifyRun(cmd.Context(), a, o)
		},
	}
	cmd.Flags().BoolVar(&o.ledger, "ledger", false, "read the ledger only")
	return cmd
}

func verifyRun(ctx context.Context, a *app, o verifyOptions) error {
	if o.ledger && len(o.refs) > 0 {
		return fault.New(fault.Usage, "cannot verify the ledger of %s: --ledger reads all of it", o.refs[0])
	}
	v := verifyView{Kind: "verify/v1", Clean: true}
	if len(o.refs) == 0 {
		if err := a.verifyLedger(ctx, &v); err != nil {
			return err
		}
	}
	if !o.ledger {
		if err := a.verifyStore(ctx, &v, o.refs); err != nil {
			return err
		}
	}
	if !v.Clean {
		a.answer(no)
	}
	return a.streams.EmitVerdict(v, !v.Clean, func(t *cli.Text) { a.verifyText(v, t) })
}

func (a *app) verifyLedger(ctx context.Context, v *verifyView) error {
	r, err := a.repo()
	if err != nil {
		return err
	}
	l, err := a.ledger()
	if err != nil {
		return err
	}
	progress := a.streams.Progress("reading the ledger", "bytes", 0)
	var before int64
	report, err := l.Verify(ctx, func(done, total int64) {
		progress.SetTotal(total)
		progress.Add(done - before)
		before = done
	})
	progress.Done()
	if err != nil {
		return err
	}
	for _, note := range report.Notes {
		a.streams.Why("%s", note)
	}
	v.Ledger = &ledgerView{Records: report.Records, Bytes: report.Bytes, Checkpoints: report.Checkpoints, Size: report.Size,
		Root: report.Root.Hex(), Damage: []problemView{}}
	for _, p := range report.Problems {
		v.Ledger.Damage = append(v.Ledger.Damage, viewOfProblem(p, r.Ledger()))
	}
	v.Clean = v.Clean && report.OK()
	return nil
}

func (a *app) verifyStore(ctx context.Context, v *verifyView, refs []string) error {
	store, err := a.store()
	if err != nil {
		return err
	}
	r, err := a.repo()
	if err != nil {
		return err
	}
	settings, err := a.settings()
	if err != nil {
		return err
	}
	known, err := a.knownVersions(ctx, refs)
	if err != nil {
		return err
	}
	roots := distinctRoots(known)
	progress := a.streams.Progress("reading", "bytes", 0)
	report, err := store.Verify(ctx, roots, len(refs) > 0, progress)
	progress.Done()
	if err != nil {
		return err
	}
	v.Store = &storeView{Packs: report.Packs, Objects: report.Objects, Bytes: report.Bytes, Damage: []damageView{}}
	for _, d := range report.Damage {
		v.Store.Damage = append(v.Store.Damage, viewOfDamage(d, r.Store(settings), known))
	}
	v.Clean = v.Clean && len(report.Damage) == 0
	return nil
}

// knownVersions lists the versions that references name; without references, all that pointer files here and records
// name, so that damage can be told by path.
func (a *app) knownVersions(ctx context.Context, refs []string) ([]dataAt, error) {
	if len(refs) == 0 {
		return a.allVersions(ctx)
	}
	refs, err := a.spelled(ctx, refs)
	if err != nil {
		return nil, err
	}
	targets, err := a.resolveAll(ctx, refs)
	if err != nil {
		return nil, err
	}
	var all []dataAt
	for i, t := range targets {
		found, err := a.versions(ctx, t)
		if err != nil {
			return nil, err
		}
		if t.Kind == refRun {
			outputs, err := a.outputsOf(ctx, t)
			if err != nil {
				return nil, err
			}
			found = append(found, outputs...)
		}
		if len(found) == 0 {
			return nil, fault.New(fault.NotFound, "cannot verify %s: it has no data", refs[i]).Hint("mlx verify   # reads everything")
		}
		all = append(all, found...)
	}
	return all, nil
}

func distinctRoots(all []dataAt) []object.Digest {
	roots := make([]object.Digest, 0, len(all))
	seen := make(map[object.Digest]bool, len(all))
	for _, d := range all {
		if !seen[d.Root] {
			seen[d.Root] = true
			roots = append(roots, d.Root)
		}
	}
	return roots
}

func (a *app) allVersions(ctx context.Context) ([]dataAt, error) {
	all, err := a.versionsNow(ctx)
	if err != nil && fault.KindOf(err) != fault.Conflict {
		return nil, err
	}
	l, err := a.ledger()
	if err != nil {
		return nil, err
	}
	for rec, err := range l.Select(ctx, lineage.Query{Nouns: []string{"snapshot", "run"}, All: true}) {
		if fault.KindOf(err) == fault.Integrity {
			return all, nil // a damaged ledger names fewer paths; its damage is reported by itself
		}
		if err != nil {
			return nil, err
		}
		if snapshotSaved.Is(rec) {
			body, err := snapshotSaved.Decode(rec)
			if err != nil {
				return nil, err
			}
			all = append(all, dataAt{body.Path, body.Root})
		}
		if body, ok := runBody(rec); ok {
			for _, d := range body.Data {
				all = append(all, dataAt{d.Path, d.Root})
			}
			for _, out := range body.Outputs {
				all = append(all, dataAt{out.Path, out.Root})
			}
		}
	}
	return all, nil
}

package main

import (
	"context"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/repo"
	"mlx/internal/snapshot"
)

type checkoutOptions struct {
	paths         []string
	at            string
	force         bool
	externalLinks bool
}

func newCheckout(a *app) *cobra.Command {
	var o checkoutOptions
	cmd := &cobra.Command{
		Use:   "checkout [PATH…]",
		Short: "Restore the data of this commit or of another version",
		Long: `Makes data equal to the version that its pointer file names, or with --at to the one of a commit, tag, run or snapshot; the
pointer file stays as it is. Only files that differ are written. A change that is in no snapshot is never overwritten
without --force. A checkout that was stopped is finished by running it again.`,
		Example: `mlx checkout
mlx checkout data/flights
mlx checkout --at first-quarter data/flights
mlx checkout --force data/flights`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completePaths,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.paths = args
			return checkoutRun(cmd.Context(), a, o)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.at, "at", "", "restore the data of `REF`: a commit, tag, run or snapshot")
	flags.BoolVar(&o.force, "force", false, "overwrite and remove what is in no snapshot")
	flags.BoolVar(&o.externalLinks, "external-links", false, "allow symbolic links that lead out of the data")
	completeFlag(cmd, "at", a.completeRefs)
	return cmd
}

// restoration is one path and the version that it shall have. now is what the pointer file says, zero without one.
type restoration struct {
	dataAt
	kind snapshot.Kind
	now  snapshot.Pointer
	only func(path string, isDir bool) bool // nil: all of it
}

func checkoutRun(ctx context.Context, a *app, o checkoutOptions) error {
	r, err := a.repo()
	if err != nil {
		return err
	}
	var all []restoration
	if o.at == "" {
		all, err = a.wantedNow(ctx, r, o.paths)
	} else {
		all, err = a.wantedAt(ctx, r, o)
	}
	if err != nil {
		return err
	}
	v := checkoutView{Kind: "checkout/v1", Data: []restoredView{}}
	var troubles []error
	for _, w := range all {
		done, err := a.restore(ctx, r, w, o)
		if err != nil {
			troubles = append(troubles, err)
			continue
		}
		v.Data = append(v.Data, done)
	}
	if len(troubles) > 0 && (a.streams.JSON || len(v.Data) == 0) {
		return a.untold(troubles) // with --json stdout is one whole document or empty
	}
	if err := a.streams.EmitVerdict(v, false, func(t *cli.Text) { a.checkoutText(v, o, t) }); err != nil || len(troubles) == 0 {
		return err
	}
	return a.untold(troubles)
}

// wantedNow is what the pointer files name.
func (a *app) wantedNow(ctx context.Context, r *repo.Repo, words []string) ([]restoration, error) {
	paths, err := a.selectData(ctx, words, func(word, rel string) error { return a.untracked(r, "checkout", word, rel) })
	if err != nil {
		return nil, err
	}
	var all []restoration
	for _, path := range paths {
		pointer, _, err := a.pointerAt(r, path)
		if err != nil {
			return nil, err
		}
		all = append(all, restoration{dataAt{path, pointer.Root}, pointer.Kind, snapshot.Pointer{}, nil})
	}
	return all, nil
}

// wantedAt is the data that a reference names, limited to the words of the command line.
func (a *app) wantedAt(ctx context.Context, r *repo.Repo, o checkoutOptions) ([]restoration, error) {
	found, err := a.resolve(ctx, o.at)
	if err != nil {
		return nil, err
	}
	if found, err = a.tracked(ctx, found); err != nil {
		return nil, err
	}
	if found.Inner != "" {
		return nil, fault.New(fault.Usage, "cannot check out %s: a version is restored as a whole", o.at).Hint("mlx show %s", shellWord(o.at))
	}
	versions, err := a.versions(ctx, found)
	if err != nil {
		return nil, err
	}
	if versions, err = a.limit(r, versions, found, o); err != nil {
		return nil, err
	}
	var all []restoration
	for _, v := range versions {
		w := restoration{dataAt: v}
		if w.now, _, err = a.pointerAt(r, v.Path); err != nil && fault.KindOf(err) != fault.Conflict {
			return nil, err
		}
		if w.kind, err = a.kindAt(ctx, r, found, w); err != nil {
			return nil, err
		}
		all = append(all, w)
	}
	return all, nil
}

// kindAt says whether a version is that of a folder or of a single file, which its bytes do not tell: the pointer file
// of the commit knows, or the record that saved it, or the path as it is now.
func (a *app) kindAt(ctx context.Context, r *repo.Repo, found target, w restoration) (snapshot.Kind, error) {
	if found.Kind == refGit {
		text, err := r.FileAt(ctx, found.Commit, w.Path+repo.PointerExt)
		if err != nil {
			return "", err
		}
		p, err := snapshot.ParsePointer(text)
		return p.Kind, err
	}
	l, err := a.ledger()
	if err != nil {
		return "", err
	}
	where := "root == " + strconv.Quote(w.Root.String())
	for rec, err := range l.Select(ctx, lineage.Query{Nouns: []string{"snapshot"}, Where: where, Limit: 1, All: true}) {
		if err != nil {
			return "", err
		}
		if body, err := snapshotSaved.Decode(rec); err == nil {
			return snapshot.Kind(body.Kind), nil
		}
	}
	if w.now.Kind != "" {
		return w.now.Kind, nil
	}
	return snapshot.Directory, nil
}

// limit keeps the versions whose paths the words name. A snapshot of its own may be restored at another path.
func (a *app) limit(r *repo.Repo, all []dataAt, found target, o checkoutOptions) ([]dataAt, error) {
	if len(o.paths) == 0 {
		return all, nil
	}
	var kept []dataAt
	for _, word := range o.paths {
		rel, err := r.Rel(word)
		if err != nil {
			return nil, err
		}
		if found.Kind == refSnapshot && len(all) == 1 && len(o.paths) == 1 && pointerAbove(r, rel) == rel {
			return []dataAt{{rel, all[0].Root}}, nil
		}
		before := len(kept)
		for _, v := range all {
			if (within(v.Path, rel) || repo.Match(rel, v.Path)) && !slices.Contains(kept, v) {
				kept = append(kept, v)
			}
		}
		if len(kept) == before {
			return nil, fault.New(fault.NotFound, "cannot check out %s: %s has no data of this path", word, o.at).Hint("mlx show %s", shellWord(o.at))
		}
	}
	return kept, nil
}

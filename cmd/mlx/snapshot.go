package main

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/repo"
	"mlx/internal/snapshot"
)

type snapshotOptions struct {
	paths   []string
	message string
	tags    []string
	fresh   bool

	from       string // where nodes find it
	shards     shardsFlags
	divided    bool   // among runs on a backend
	shard, out string // of the part of such a run
	ownRules   bool   // the folder is that of the project of whoever divided the work
	dryRun     bool
}

func newSnapshot(a *app) *cobra.Command {
	var o snapshotOptions
	cmd := &cobra.Command{
		Use:   "snapshot [PATH…]",
		Short: "Save a version of data",
		Long: `Keeps the bytes of each file or folder in the store, records that they were there, and writes the pointer file PATH.mlx, which
git keeps in place of the data. Without a path all tracked data that has changed is saved. Only files that changed are
read; .mlxignore, in git's syntax, leaves files out.

With --on and --shards so many runs on a backend read a part of the folder each, and the version is that of one pass. It is for data that
the nodes see: a PATH on a disk that they share with this machine, or with --from what PATH is to be a version of, a folder of theirs or a
bucket (s3, gs, azblob), which this machine need not reach. What a PATH here holds comes into the store here as in one pass. What lies
elsewhere goes to the remote of the backend and stays there (mlx pull brings it); without one it comes into the store here. A
folder that only this machine sees is read faster where it is, by mlx snapshot PATH, and mlx push sends it.`,
		Example: `mlx snapshot data/flights -m "January to March"
mlx snapshot --tag april --tag region=eu
mlx snapshot
mlx snapshot data/flights --on local --shards 2 --dry-run
mlx snapshot data/flights --on local --shards 2
mlx snapshot data/scans --from /srv/scans --on cluster --shards 8`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completePaths,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.paths, o.divided = args, cmd.Flags().Changed("shards")
			return snapshotRun(cmd.Context(), a, o)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVarP(&o.message, "message", "m", "", "`TEXT` that says what is in this version")
	flags.StringArrayVar(&o.tags, "tag", nil, "tag the version with `NAME[=VALUE]`; repeat it for more")
	flags.BoolVar(&o.fresh, "fresh", false, "read every file, whatever is remembered of it")
	o.shards.add(a, cmd)
	flags.StringVar(&o.from, "from", "", "with --on: where its nodes find the data, an absolute path or the URL of a bucket, `SOURCE`")
	flags.BoolVar(&o.dryRun, "dry-run", false, "with --on: print what each run would read, and what would be sent")
	flags.StringVar(&o.shard, "shard", "", "keep only what falls to part `I/N` of a folder, and report it with -o")
	flags.StringVarP(&o.out, "out", "o", "", "write the report of --shard to `FILE`")
	flags.BoolVar(&o.ownRules, "own-rules", false, "with --shard and --from: what the .mlxignore in that folder says counts, as if it lay here")
	return cmd
}

func snapshotRun(ctx context.Context, a *app, o snapshotOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	if o.shard != "" {
		return a.saveShard(ctx, o)
	}
	if o.divided {
		return a.snapshotInShards(ctx, o)
	}
	r, err := a.repo()
	if err != nil {
		return err
	}
	paths, err := a.pathsToSave(ctx, r, o.paths)
	if err != nil {
		return err
	}
	if err := o.checkTags(len(paths)); err != nil {
		return err
	}
	s := saver{app: a, repo: r, options: o}
	if s.ledger, err = a.ledger(); err != nil {
		return err
	}
	if s.store, err = a.store(); err != nil {
		return err
	}
	var all []saved
	for _, path := range paths {
		done, err := s.save(ctx, path)
		if err != nil {
			return err
		}
		all = append(all, done)
	}
	return a.emitSaved(ctx, r, o, all)
}

// checkTags refuses bad tags before anything is saved. A plain name belongs to one version, so it cannot name several.
func (o snapshotOptions) checkTags(paths int) error {
	for _, word := range o.tags {
		t, err := parseTag(word)
		if err != nil {
			return err
		}
		if paths > 1 && !t.annotates() {
			return fault.New(fault.Usage, "cannot tag %d versions %s: a name belongs to one", paths, word).
				Hint("mlx snapshot PATH --tag %s   # names one; NAME=VALUE may stand at many", word)
		}
	}
	return nil
}

// pathsToSave returns what the words name: tracked data, or files and folders that are to be tracked from now on.
func (a *app) pathsToSave(ctx context.Context, r *repo.Repo, words []string) ([]string, error) {
	var fresh []string
	known, err := a.selectData(ctx, words, func(word, rel string) error {
		fresh = append(fresh, rel)
		return a.mayTrack(ctx, r, word, rel)
	})
	if err != nil {
		return nil, err
	}
	for _, rel := range known {
		if err := a.noteTracked(ctx, r, rel); err != nil {
			return nil, err
		}
	}
	for _, word := range words {
		if rel, err := r.Rel(word); err == nil && !slices.Contains(known, rel) && slices.ContainsFunc(known, func(p string) bool { return p != rel && within(p, rel) }) {
			return nil, fault.New(fault.Conflict, "cannot snapshot %s: data in it is tracked by itself", word).
				Hint("mlx snapshot   # saves all tracked data that changed")
		}
	}
	all := append(known, fresh...)
	slices.Sort(all)
	return slices.Compact(all), nil
}

// saved is what became of one path.
type saved struct {
	body    savedBody
	rec     lineage.Record // zero when nothing changed
	changed bool
	wrote   []string // files of the work tree that are to be committed
}

// saver saves one path after the other.
type saver struct {
	app     *app
	repo    *repo.Repo
	ledger  *lineage.Ledger
	store   *snapshot.Store
	options snapshotOptions
}

// save keeps the present content of a path. The order makes what is acknowledged last: bytes in the store, then the
// record, then the ignore rule, then the pointer; only after that may gc again take what nothing names.
func (s saver) save(ctx context.Context, rel string) (saved, error) {
	pointer, _, err := s.app.pointerAt(s.repo, rel)
	if err != nil {
		return saved{}, err
	}
	ignore, err := s.repo.Matcher(rel)
	if err != nil {
		return saved{}, err
	}
	progress := s.app.streams.Progress("reading", "bytes", 0)
	kept, err := s.store.Save(ctx, snapshot.SaveOptions{
		Path: s.repo.Abs(rel), Previous: pointer.Root, Ignore: ignore, Fresh: s.options.fresh, Progress: progress,
	})
	progress.Done()
	if err != nil {
		return saved{}, fault.New(fault.KindOf(err), "cannot snapshot %s: %w", s.app.shown(rel), err)
	}
	return s.keep(ctx, rel, pointer, kept)
}

// keep records a version of a path, points to it and tags it. pointer is what named the version before; zero for none.
func (s saver) keep(ctx context.Context, rel string, pointer snapshot.Pointer, kept snapshot.Saved) (done saved, err error) {
	done = saved{changed: kept.Root != pointer.Root, body: bodyOf(rel, pointer.Root, kept, s.options.message)}
	if done.changed {
		if done.rec, err = s.acknowledge(ctx, &done, pointer, kept); err != nil {
			return saved{}, err
		}
	}
	for _, word := range s.options.tags {
		if err := s.app.tagAs(ctx, refSnapshot, kept.Root, word); err != nil {
			return saved{}, err
		}
	}
	if err := kept.Release(); err != nil {
		s.app.streams.Why("cannot release snapshot %s: %v", kept.Root.Short(), err)
	}
	return done, nil
}

func (s saver) acknowledge(ctx context.Context, done *saved, before snapshot.Pointer, kept snapshot.Saved) (lineage.Record, error) {
	rec, err := snapshotSaved.Append(ctx, s.ledger, lineage.Entry[savedBody]{Body: done.body})
	if err != nil {
		return rec, err
	}
	return rec, s.point(done, before, kept)
}

// point lets git ignore the data, and its pointer name the version that a record already tells of.
func (s saver) point(done *saved, before snapshot.Pointer, kept snapshot.Saved) error {
	ignored, err := s.repo.IgnoreData(done.body.Path)
	if err != nil {
		return err
	}
	if before.Root.IsZero() {
		done.wrote = append(done.wrote, done.body.Pointer)
	}
	if ignored {
		done.wrote = append(done.wrote, ".gitignore")
	}
	file := s.repo.Abs(done.body.Pointer)
	if err := repo.WriteFile(file, snapshot.Pointer{Root: kept.Root, Summary: kept.Summary}.Encode(), 0o666); err != nil {
		return fault.New(fault.KindOf(err), "cannot write %s: %w", s.app.shown(done.body.Pointer), err)
	}
	return nil
}

func bodyOf(rel string, previous object.Digest, kept snapshot.Saved, message string) savedBody {
	body := savedBody{
		Path: rel, Root: kept.Root, Kind: string(kept.Summary.Kind), Files: kept.Summary.Files, Bytes: kept.Summary.Bytes,
		BytesStored: kept.Stored, Message: strings.TrimSpace(message), Pointer: rel + snapshot.Suffix,
	}
	if !previous.IsZero() {
		body.Previous = &previous
	}
	return body
}

package main

import (
	"context"

	"github.com/spf13/cobra"

	"mlx/internal/audit"
	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/snapshot"
)

type verifyOptions struct {
	refs   []string
	ledger bool
	remote string
	sample string
	repair bool

	signature, key string

	shards     shardsFlags
	divided    bool   // among runs on a backend
	shard, out string // of the part of such a run
	store      string // folder of the store that the part is of
}

func newVerify(a *app) *cobra.Command {
	var o verifyOptions
	cmd := &cobra.Command{
		Use:   "verify [REF…]",
		Short: "Read every byte and name what is damaged",
		Long: `Reads the whole store and the whole ledger, compares every byte with its digest, and names each damaged object with the
snapshots and paths that it hurts. With references only their versions are read. Status 1 says that damage was found.

With -r a remote is read instead: its whole log, every pack of records, and the packs of data, or with --sample a random
share of these. --repair brings good copies of what is damaged here from any remote, and with -r sends again what is damaged
there and whole here; what could be repaired does not count as damage.

With --on and --shards so many runs on a backend read a part each, and the answer is that of one pass. With references it is the objects
of their versions, as the node has them; what it lacks travels there, or comes from the remote of the backend. Without, it is the packs of
the store here, which the nodes have to see on a disk that they share with this machine. With -r it is the packs of the remote, by the
credentials that nodes have (secrets: of the backend). The ledger, and the log and records of a remote, are read here.

With --signature the bytes of one reference are compared with an OpenSSF model signature, as model-signing and mlx model sign -o
write it, by the public key or the certificates in --key. Of a path these are the files that lie there now.`,
		Example: `mlx verify
mlx verify --ledger
mlx verify data/flights
mlx verify --repair
mlx verify --on local --shards 2
mlx verify data/flights --on local --shards 2
mlx verify -r team --sample 1%
mlx verify -r team --repair
mlx verify -r team --on local --shards 2
mlx verify ./model --signature model.sig --key release-key.pub`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeRefs,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.refs, o.divided = args, cmd.Flags().Changed("shards")
			return verifyRun(cmd.Context(), a, o)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&o.ledger, "ledger", false, "read the ledger only")
	flags.StringVarP(&o.remote, "remote", "r", "", "read the remote of this `NAME`")
	flags.StringVar(&o.sample, "sample", "", "with -r: read a random `SHARE` of the packs of data, such as 1%")
	flags.BoolVar(&o.repair, "repair", false, "put good copies in the place of what is damaged")
	flags.StringVar(&o.signature, "signature", "", "compare with the OpenSSF model signature in `FILE`")
	flags.StringVar(&o.key, "key", "", "public key (PEM or .pub) or certificates in `FILE` that must have made it")
	completeFlag(cmd, "remote", a.completeRemotes)
	o.shards.add(a, cmd)
	flags.StringVar(&o.shard, "shard", "", "read only what falls to part `I/N` of the references, and report it with -o")
	flags.StringVarP(&o.out, "out", "o", "", "write the report of --shard to `FILE`")
	flags.StringVar(&o.store, "store", "", "with --shard: of the packs of the store in `DIR`")
	return cmd
}

func verifyRun(ctx context.Context, a *app, o verifyOptions) (err error) {
	if o.divided, err = o.shards.asked("verify", o.divided); err != nil {
		return err
	}
	if err := o.check(); err != nil {
		return err
	}
	if o.shard != "" {
		return a.readShard(ctx, o)
	}
	v := verifyView{Kind: "verify/v1", Clean: true}
	if o.signature != "" {
		if err := a.verifySignature(ctx, &v, o); err != nil {
			return err
		}
		return a.verified(v)
	}
	if o.remote != "" {
		if err := a.verifyRemote(ctx, &v, o); err != nil {
			return err
		}
		return a.verified(v)
	}
	if len(o.refs) == 0 {
		if err := a.verifyLedger(ctx, &v); err != nil {
			return err
		}
	}
	if !o.ledger {
		if err := a.verifyStore(ctx, &v, o); err != nil {
			return err
		}
	}
	return a.verified(v)
}

// check refuses flags that do not belong together.
func (o verifyOptions) check() error {
	switch {
	case (o.signature == "") != (o.key == ""):
		return fault.New(fault.Usage, "a signature is checked with the key that must have made it: --signature and --key belong together").
			Hint("mlx verify REF --signature FILE --key PUBKEY")
	case o.signature != "" && (len(o.refs) != 1 || o.ledger || o.repair || o.remote != ""):
		return fault.New(fault.Usage, "a signature is compared with the bytes of one reference, and with nothing else").
			Hint("mlx verify REF --signature %s --key %s", shellWord(o.signature), shellWord(o.key))
	case o.remote != "" && (o.ledger || len(o.refs) > 0):
		return fault.New(fault.Usage, "cannot verify a part of remote %s: all of it is read", o.remote).Hint("mlx verify -r %s --sample 1%%   # reads less", o.remote)
	case o.ledger && len(o.refs) > 0:
		return fault.New(fault.Usage, "cannot verify the ledger of %s: --ledger reads all of it", o.refs[0])
	case o.sample != "" && o.remote == "":
		return fault.New(fault.Usage, "--sample is for a remote").Hint("mlx verify -r NAME --sample %s", o.sample)
	case o.sample != "" && o.repair:
		return fault.New(fault.Usage, "cannot repair by a sample: what was not read may be damaged").Hint("mlx verify -r %s --repair", o.remote)
	case (o.shard == "") != (o.out == ""):
		return fault.New(fault.Usage, "a part is reported in a file: --shard and -o belong together").Hint("mlx verify REF --shard 1/4 -o FILE")
	case o.shard != "" && len(o.refs) == 0 && o.store == "" && o.remote == "" || o.shard == "" && o.store != "":
		return fault.New(fault.Usage, "--shard reads a part of references, of a --store or of a remote").Hint("mlx verify REF --shard 1/4 -o FILE")
	case (o.divided || o.shard != "") && (o.ledger || o.repair || o.signature != ""):
		return fault.New(fault.Usage, "what is divided into shards is data, to be read: no ledger, no signature and no repair").Hint("mlx verify --on BACKEND --shards 4")
	case o.ledger && o.repair:
		return fault.New(fault.Usage, "cannot repair the ledger: only data has copies that can be told apart").Hint("mlx pull   # takes the records of a remote")
	}
	return nil
}

// verified gives the answer.
func (a *app) verified(v verifyView) error {
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
	return a.verifyPredictions(ctx, l, v)
}

func (a *app) verifyStore(ctx context.Context, v *verifyView, o verifyOptions) error {
	refs := o.refs
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
	if len(refs) == 0 {
		if roots, err = a.withoutElsewhere(ctx, store, roots); err != nil {
			return err
		}
	}
	read := func() (snapshot.Report, error) {
		progress := a.streams.Progress("reading", "bytes", 0)
		defer progress.Done()
		return store.Verify(ctx, roots, len(refs) > 0, progress)
	}
	switch {
	case o.divided && len(refs) > 0:
		read = func() (snapshot.Report, error) { return a.versionsInShards(ctx, roots, o) }
	case o.divided:
		read = func() (snapshot.Report, error) { return a.storeInShards(ctx, store, roots, o) }
	}
	report, err := read()
	if err != nil {
		return err
	}
	repaired := 0
	if len(report.Damage) > 0 && o.repair {
		if repaired, err = a.repairStore(ctx, report); err == nil {
			report, err = read()
		}
		if err != nil {
			return err
		}
	}
	v.Store = &storeView{Repaired: repaired, Packs: report.Packs, Objects: report.Objects, Bytes: report.Bytes, Damage: []damageView{}}
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
	for rec, err := range l.Select(ctx, lineage.Query{Nouns: []string{"snapshot", "run", "model", "prediction", "deploy"}, All: true}) {
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
		if m, ok := keptModelOf(rec); ok && m.version != "" {
			all = append(all, dataAt{m.path, m.root})
		}
		if audit.SegmentSealed.Is(rec) {
			body, err := audit.SegmentSealed.Decode(rec)
			if err != nil {
				return nil, err
			}
			all = append(all, dataAt{predictionPath(body), body.Kept})
		}
		all = append(all, codeOfReleases(rec)...)
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

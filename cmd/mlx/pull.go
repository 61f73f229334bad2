package main

import (
	"context"
	"encoding/json"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/remote"
	"mlx/internal/repo"
	"mlx/internal/snapshot"
)

type pullOptions struct {
	paths      []string
	remote     string
	jobs       int
	noCheckout bool
	join       bool
	checkpoint string
}

func newPull(a *app) *cobra.Command {
	var o pullOptions
	cmd := &cobra.Command{
		Use:   "pull [PATH…]",
		Short: "Fetch data and records, and check out",
		Long: `Takes the records of a remote into the ledger, fetches the versions that the pointer files name, and checks them out. PATH is
data, or a file, folder or pattern inside data: then only that part travels and is written. Only what is missing here is
fetched; a pull that was stopped goes on where it was.`,
		Example: `mlx pull
mlx pull data/flights
mlx pull 'data/flights/2013-0*.csv'
mlx pull --no-checkout`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completePaths,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.paths = args
			return pullRun(cmd.Context(), a, o)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	a.remoteFlags(cmd, &o.remote, &o.jobs)
	flags.BoolVar(&o.noCheckout, "no-checkout", false, "fetch only: leave the files of the work tree alone")
	flags.BoolVar(&o.join, "join", false, "make one history of this ledger and the remote's, which began apart")
	flags.StringVar(&o.checkpoint, "checkpoint", "", "believe the remote only if it holds what `FILE` says (mlx show remote:NAME --json)")
	return cmd
}

func pullRun(ctx context.Context, a *app, o pullOptions) error {
	r, err := a.openRemote(ctx, o.remote)
	if err != nil {
		return err
	}
	if o.join {
		if r, err = a.joinLedger(ctx, r, o.remote); err != nil {
			return err
		}
	}
	defer a.traffic(r)
	r.Parallel(o.jobs)
	if o.checkpoint != "" {
		head, err := a.readCheckpoint(o.checkpoint)
		if err != nil {
			return err
		}
		r.Expect(head)
	}
	wanted, err := a.partsToPull(ctx, o.paths) // a wrong word asks nobody
	if err != nil {
		return err
	}
	v := pullView{Kind: "pull/v1", Remote: r.Name(), Data: []pulledView{}}
	if v.NewRecords, err = r.Sync(ctx); err != nil {
		return a.notPulled(err, r)
	}
	head, _ := r.Head()
	v.Records = int(head.Size)
	for _, part := range wanted {
		done, err := a.pullPart(ctx, r, part, o)
		if err != nil {
			return a.notPulled(err, r)
		}
		v.Data = append(v.Data, done)
	}
	_, _, v.BytesReceived = r.Requests()
	return a.streams.EmitVerdict(v, false, func(t *cli.Text) { a.pullText(v, t) })
}

func (a *app) notPulled(err error, r *remote.Remote) error {
	return fault.New(fault.KindOf(err), "cannot pull from %s: %w", r.Describe(), remoteTrouble(err, r.Name()))
}

// part is data to pull: all of it, or what lies at some paths in it.
type part struct {
	path   string
	root   object.Digest
	kind   snapshot.Kind
	inside []string // patterns and paths below path; empty is all of it
}

// partsToPull finds what the words of the command line name: tracked data, or something inside it.
func (a *app) partsToPull(ctx context.Context, words []string) ([]part, error) {
	r, err := a.repo()
	if err != nil {
		return nil, err
	}
	inside := map[string][]string{}
	all, err := r.Pointers(ctx)
	if err != nil {
		return nil, err
	}
	paths, err := a.selectData(ctx, words, func(word, rel string) error {
		above := dataAbove(all, rel)
		if above == "" {
			return a.untracked(r, "pull", word, rel)
		}
		inside[above] = append(inside[above], strings.TrimPrefix(rel, above+"/"))
		return nil
	})
	if err != nil {
		return nil, err
	}
	var parts []part
	for _, path := range all {
		whole := false
		for _, p := range paths {
			whole = whole || p == path
		}
		if !whole && inside[path] == nil {
			continue
		}
		pointer, _, err := a.pointerAt(r, path)
		if err != nil {
			return nil, err
		}
		p := part{path: path, root: pointer.Root, kind: pointer.Kind}
		if !whole {
			p.inside = inside[path]
		}
		parts = append(parts, p)
	}
	return parts, nil
}

// dataAbove returns the tracked path that holds rel, which may be a pattern, or "".
func dataAbove(all []string, rel string) string {
	for _, path := range all {
		if strings.HasPrefix(rel, path+"/") {
			return path
		}
	}
	return ""
}

// only says which paths below the root of a part are wanted; nil is all.
func (p part) only() func(path string, isDir bool) bool {
	if len(p.inside) == 0 {
		return nil
	}
	return func(path string, isDir bool) bool {
		for _, want := range p.inside {
			if within(path, want) || repo.Match(want, path) {
				return true
			}
			if isDir && mayHold(path, want) {
				return true
			}
		}
		return false
	}
}

// mayHold says whether something below the folder can fit the pattern.
func mayHold(folder, pattern string) bool {
	have, want := strings.Split(folder, "/"), strings.Split(pattern, "/")
	for i, name := range have {
		if i >= len(want) {
			return false
		}
		if want[i] == "**" {
			return true
		}
		if name != want[i] && !repo.Match(want[i], name) {
			return false
		}
	}
	return len(want) > len(have)
}

// pullPart fetches a part that is not here, and checks it out.
func (a *app) pullPart(ctx context.Context, r *remote.Remote, p part, o pullOptions) (pulledView, error) {
	v := pulledView{Path: p.path, Snapshot: p.root.Hex()}
	start := a.now()
	store, err := a.store()
	if err != nil {
		return v, err
	}
	here := false
	if p.inside == nil {
		if here, err = store.Has(ctx, p.root); err != nil {
			return v, err
		}
	}
	if !here {
		if !r.Holds(p.root) {
			if gone := a.wasErased(ctx, p.path, p.root); gone != nil {
				return v, gone
			}
			return v, fault.New(fault.NotFound, "it has no version %s of %s: nobody has pushed it", p.root.Short(), a.shown(p.path)).
				About(fault.Ref{Kind: refSnapshot, ID: p.root.Hex(), Name: p.path}).Hint("mlx push %s   # on the machine that made it", a.typed(p.path))
		}
		done, err := r.Fetch(ctx, remote.FetchOptions{Roots: []object.Digest{p.root}, Only: p.only()})
		if err != nil {
			return v, err
		}
		v.BytesReceived, v.Changed = done.Bytes, done.Objects > 0
		defer func() {
			if err := done.Release(); err != nil {
				a.streams.Why("cannot release snapshot %s: %v", p.root.Short(), err)
			}
		}()
	}
	if !o.noCheckout {
		if err := a.checkOutPart(ctx, p, &v); err != nil {
			return v, err
		}
	} else if p.inside == nil {
		s, err := store.Stat(ctx, p.root)
		if err != nil {
			return v, err
		}
		v.Files, v.Bytes = s.Files, s.Bytes
	}
	if gone := a.wasErased(ctx, p.path, p.root); gone != nil { // the work tree may still have it
		a.streams.Note("%v", gone)
	}
	v.DurationS = a.now().Sub(start).Seconds()
	return v, nil
}

func (a *app) checkOutPart(ctx context.Context, p part, v *pulledView) error {
	r, err := a.repo()
	if err != nil {
		return err
	}
	done, err := a.restore(ctx, r, restoration{dataAt: dataAt{p.path, p.root}, kind: p.kind, only: p.only()}, checkoutOptions{})
	if err != nil {
		return err
	}
	v.Files, v.Bytes, v.Changed = done.Files, done.Bytes, v.Changed || done.Changed
	if p.inside != nil {
		v.Files = done.Written
		a.streams.Note("only a part of %s is here: mlx snapshot would save a version without the rest; mlx pull %s brings it", a.shown(p.path), a.typed(p.path))
	}
	return nil
}

// readCheckpoint reads a head that mlx show remote:NAME --json has written, or the head alone.
func (a *app) readCheckpoint(file string) (*remote.Head, error) {
	b, err := a.readFile(file, maxIdentity)
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot read the checkpoint %s: %w", file, err)
	}
	var whole struct {
		Head *remote.Head `json:"head"`
	}
	if err := json.Unmarshal(b, &whole); err == nil && whole.Head != nil {
		return whole.Head, nil
	}
	var head remote.Head
	if err := json.Unmarshal(b, &head); err != nil || head.Remote == "" || head.Entry.IsZero() {
		return nil, fault.New(fault.Usage, "cannot read the checkpoint %s: it holds no head of a remote", file).
			Hint("mlx show remote:NAME --json   # writes one, where the remote is known")
	}
	return &head, nil
}

// joinLedger gives this project the ledger id of the remote: from then on the two are one history. It returns the remote,
// opened again: the state of a project below the root lies under its ledger id, and so does what its user allows.
func (a *app) joinLedger(ctx context.Context, rem *remote.Remote, word string) (*remote.Remote, error) {
	id, err := rem.LedgerID(ctx)
	if err != nil {
		return nil, a.notPulled(err, rem)
	}
	r, err := a.repo()
	if err != nil {
		return nil, err
	}
	config, err := a.config()
	if err != nil || config.Ledger == id {
		return rem, err
	}
	name := rem.Name()
	c, _ := config.Remotes.Get(name)
	if err := r.SetLedger(id); err != nil {
		return nil, err
	}
	if r.Home != r.Shared {
		if err := os.Rename(r.Home, r.HomeOf(id)); err != nil {
			return nil, fault.New(fault.KindOf(err), "cannot join: %w", err)
		}
	}
	a.reopen()
	t, err := a.allowed()
	if err == nil {
		err = t.Approve(repo.TrustItem{Kind: repo.TrustRemote, Name: name, Value: c.TrustValue()})
	}
	if err != nil {
		return nil, err
	}
	a.streams.Note("mlx.yaml now names ledger %s: commit it, so that all clones share this history", id)
	return a.openRemote(ctx, word)
}

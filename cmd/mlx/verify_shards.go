package main

import (
	"context"
	"fmt"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/remote"
	"mlx/internal/repo"
	"mlx/internal/snapshot"
)

// verifyWork is what shards of mlx verify do: words are what each of them is given beside its part. Damage is told of the bytes as they
// are now, so that nothing of an earlier command is taken up.
func verifyWork(o verifyOptions, words []string) shardWork {
	w := shardWork{flags: o.shards, what: "verify " + strings.Join(o.refs, " "), ending: ".json", most: maxShardReport, fresh: true}
	switch {
	case o.remote != "":
		w.what = "verify -r " + o.remote
	case len(o.refs) == 0:
		w.what = "verify"
	}
	w.command = func(i int, out string) []string {
		return append(append([]string{"mlx", "verify"}, words...), "--shard", fmt.Sprintf("%d/%d", i+1, o.shards.n), "-o", out)
	}
	return w
}

// shardReports lets the shards read, and returns what each found.
func (a *app) shardReports(ctx context.Context, w shardWork) ([]shardReport, error) {
	texts, err := a.inShards(ctx, w)
	if err != nil {
		return nil, err
	}
	return partsIn[shardReport](texts, shardReportKind)
}

// versionsInShards lets runs on a backend read versions there, and joins what they found.
func (a *app) versionsInShards(ctx context.Context, roots []object.Digest, o verifyOptions) (all snapshot.Report, err error) {
	var words []string
	for _, root := range roots {
		words = append(words, root.Hex())
	}
	w := verifyWork(o, words)
	w.versions = roots
	parts, err := a.shardReports(ctx, w)
	for i, part := range parts {
		if part.Report == nil {
			return all, noPart(i)
		}
		all.Join(*part.Report)
	}
	return all, err
}

// storeInShards lets runs on a backend read the packs of the store here, which their nodes have to see, and says whom the damage hurts.
func (a *app) storeInShards(ctx context.Context, store *snapshot.Store, roots []object.Digest, o verifyOptions) (snapshot.Report, error) {
	r, err := a.repo()
	if err != nil {
		return snapshot.Report{}, err
	}
	settings, err := a.settings()
	if err != nil {
		return snapshot.Report{}, err
	}
	packs, err := store.PackNames()
	if err != nil {
		return snapshot.Report{}, err
	}
	parts, err := a.shardReports(ctx, verifyWork(o, []string{"--store", r.Store(settings)}))
	if err != nil {
		return snapshot.Report{}, err
	}
	var read []snapshot.PackReport
	for i, part := range parts {
		if part.Packs == nil {
			return snapshot.Report{}, noPart(i)
		}
		read = append(read, *part.Packs)
	}
	return store.VerifyRead(ctx, roots, packs, read)
}

// remoteInShards lets runs on a backend read the packs of a remote.
func (a *app) remoteInShards(o verifyOptions, place repo.Remote) func(context.Context) ([]remote.PackFound, error) {
	return func(ctx context.Context) ([]remote.PackFound, error) {
		words := []string{"-r", place.URL}
		if o.sample != "" {
			words = append(words, "--sample", o.sample)
		}
		parts, err := a.shardReports(ctx, verifyWork(o, words))
		var all []remote.PackFound
		for _, part := range parts {
			all = append(all, part.Remote...)
		}
		return all, err
	}
}

// mayRead refuses to let nodes read a remote whose data has to stay in another region.
func (a *app) mayRead(place repo.Remote, o verifyOptions) error {
	b, err := a.backend(o.shards.on)
	switch {
	case err != nil:
		return err
	case place.Scheme() == gitScheme:
		return fault.New(fault.Usage, "cannot divide remote %s: it holds records alone", o.remote).Hint("mlx verify -r %s", shellWord(o.remote))
	case place.Region != "" && b.Region != place.Region:
		return fault.New(fault.Denied, "cannot verify %s on %s: the remote is in region %s, and the backend is in another one, or in none", o.remote, o.shards.on, place.Region).
			Hint("mlx backend list   # a backend with region: %s", place.Region)
	}
	return nil
}

func noPart(i int) error {
	return fault.New(fault.Integrity, "cannot read the report of shard %d: it is that of another work", i+1)
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/remote"
	"mlx/internal/snapshot"
)

// shardReportKind is that of the report of one shard.
const shardReportKind = "verify-shard/v1"

// shardReport is what one shard of mlx verify found, for the mlx that divided the work. One of its parts is there.
type shardReport struct {
	Kind   string               `json:"kind"`
	Report *snapshot.Report     `json:"report,omitempty"` // of versions
	Packs  *snapshot.PackReport `json:"packs,omitempty"`  // of a store
	Remote []remote.PackFound   `json:"remote,omitempty"`
}

// maxShardReport bounds what is read of one.
const maxShardReport = 64 << 20

// readShard verifies what falls to one shard and writes the report to a file.
func (a *app) readShard(ctx context.Context, o verifyOptions) error {
	part, parts, err := parseShard(o.shard, "mlx verify REF --shard 1/4 -o FILE")
	if err != nil {
		return err
	}
	shard := snapshot.Shard{I: part, N: parts}
	report := shardReport{Kind: shardReportKind}
	damaged := false
	switch {
	case o.store != "":
		damaged, err = a.readStoreShard(ctx, o, shard, &report)
	case o.remote != "":
		damaged, err = a.readRemoteShard(ctx, o, shard, &report)
	default:
		damaged, err = a.readVersionsShard(ctx, o, shard, &report)
	}
	if err != nil {
		return err
	}
	text, err := json.Marshal(report)
	if err != nil {
		return err
	}
	if damaged {
		a.answer(no)
	}
	return writeReport(o.out, append(text, '\n'))
}

// readVersionsShard reads a part of some versions. They are named by their digests alone: no record on a node tells of them.
func (a *app) readVersionsShard(ctx context.Context, o verifyOptions, shard snapshot.Shard, out *shardReport) (bool, error) {
	store, err := a.store()
	if err != nil {
		return false, err
	}
	r, err := a.repo()
	if err != nil {
		return false, err
	}
	settings, err := a.settings()
	if err != nil {
		return false, err
	}
	var roots []object.Digest
	for _, ref := range o.refs {
		if root, err := object.ParseDigest(ref); err == nil {
			roots = append(roots, root)
			continue
		}
		known, err := a.knownVersions(ctx, []string{ref})
		if err != nil {
			return false, err
		}
		roots = append(roots, distinctRoots(known)...)
	}
	progress := a.streams.Progress("reading", "bytes", 0)
	report, err := store.VerifyShard(ctx, roots, shard, progress)
	progress.Done()
	for i := range report.Damage {
		d := &report.Damage[i]
		d.Cause = strings.ReplaceAll(d.Cause, r.Store(settings)+string(filepath.Separator), "")
	}
	out.Report = &report
	return len(report.Damage) > 0, err
}

// readStoreShard reads a part of the packs of a store that lies on a disk which this machine shares.
func (a *app) readStoreShard(ctx context.Context, o verifyOptions, shard snapshot.Shard, out *shardReport) (bool, error) {
	if info, err := os.Stat(filepath.Join(o.store, "packs")); err != nil || !info.IsDir() {
		return false, fault.New(fault.NotFound, "%s does not see the store at %s", a.host(), o.store).Hint("mlx verify   # reads it on the machine that does")
	}
	store, err := snapshot.Open(snapshot.Options{Dir: o.store, Now: a.now})
	if err != nil {
		return false, err
	}
	progress := a.streams.Progress("reading", "bytes", 0)
	report, err := store.VerifyPacks(ctx, shard, progress)
	progress.Done()
	out.Packs = &report
	return len(report.Damage) > 0, errors.Join(err, store.Close())
}

// readRemoteShard reads a part of the packs of a remote, which is named by its URL: whoever types that has chosen it.
func (a *app) readRemoteShard(ctx context.Context, o verifyOptions, shard snapshot.Shard, out *shardReport) (damaged bool, err error) {
	sample, err := a.sampleOf(o)
	if err != nil {
		return false, err
	}
	from := &origin{}
	defer func() { err = errors.Join(err, from.close()) }()
	r, err := a.lightRemote(ctx, from, "", o.remote)
	if err != nil {
		return false, err
	}
	out.Remote, err = r.VerifyPacks(ctx, shard.Has, sample)
	if err != nil {
		return false, fault.New(fault.KindOf(err), "cannot verify %s: %w", r.Describe(), remoteTrouble(err, ""))
	}
	for _, p := range out.Remote {
		damaged = damaged || len(p.Damage) > 0
	}
	return damaged, nil
}

// sampleOf draws what is read of a remote; nil is all of it.
func (a *app) sampleOf(o verifyOptions) (func() bool, error) {
	if o.sample == "" {
		return nil, nil
	}
	share, err := cli.ParseShare(o.sample)
	if err != nil {
		return nil, err
	}
	if share <= 0 || share > 1 {
		return nil, fault.New(fault.Usage, "cannot read %s of a remote", o.sample).Hint("mlx verify -r %s --sample 1%%", o.remote)
	}
	seed := uint64(a.now().UnixNano())       //nolint:gosec // any bits will do
	chance := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // nobody gains by guessing it
	return func() bool { return chance.Float64() < share }, nil
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot"
)

// shardReport is what one shard of mlx verify found, for the mlx that divided the work.
type shardReport struct {
	Kind   string          `json:"kind"` // "verify-shard/v1"
	Report snapshot.Report `json:"report"`
}

// maxShardReport bounds what is read of one.
const maxShardReport = 64 << 20

// readShard verifies the part of some versions that falls to one shard and writes the report to a file. The versions are named by
// their digests alone: no record on a node tells of them.
func (a *app) readShard(ctx context.Context, o verifyOptions) error {
	part, parts, err := parseShard(o.shard, "mlx verify REF --shard 1/4 -o FILE")
	if err != nil {
		return err
	}
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
	var roots []object.Digest
	for _, ref := range o.refs {
		if root, err := object.ParseDigest(ref); err == nil {
			roots = append(roots, root)
			continue
		}
		known, err := a.knownVersions(ctx, []string{ref})
		if err != nil {
			return err
		}
		roots = append(roots, distinctRoots(known)...)
	}
	progress := a.streams.Progress("reading", "bytes", 0)
	report, err := store.VerifyShard(ctx, roots, snapshot.Shard{I: part, N: parts}, progress)
	progress.Done()
	if err != nil {
		return err
	}
	for i := range report.Damage {
		d := &report.Damage[i]
		d.Cause = strings.ReplaceAll(d.Cause, r.Store(settings)+string(filepath.Separator), "")
	}
	text, err := json.Marshal(shardReport{Kind: "verify-shard/v1", Report: report})
	if err != nil {
		return err
	}
	if len(report.Damage) > 0 {
		a.answer(no)
	}
	return writeReport(o.out, append(text, '\n'))
}

// verifyInShards lets runs on a backend read versions there, and joins what they found.
func (a *app) verifyInShards(ctx context.Context, v *verifyView, o verifyOptions) error {
	known, err := a.knownVersions(ctx, o.refs)
	if err != nil {
		return err
	}
	roots := distinctRoots(known)
	w := shardWork{flags: o.shards, what: "verify " + strings.Join(o.refs, " "), ending: ".json", most: maxShardReport, versions: roots}
	w.command = func(i int, out string) []string {
		words := []string{"mlx", "verify"}
		for _, root := range roots {
			words = append(words, root.Hex())
		}
		return append(words, "--shard", fmt.Sprintf("%d/%d", i+1, o.shards.n), "-o", out)
	}
	parts, err := a.inShards(ctx, w)
	if err != nil {
		return err
	}
	var all snapshot.Report
	for i, text := range parts {
		var part shardReport
		if err := json.Unmarshal(text, &part); err != nil || part.Kind != "verify-shard/v1" {
			return fault.New(fault.Integrity, "cannot read the report of shard %d: %w", i+1, err)
		}
		all.Join(part.Report)
	}
	v.Store = &storeView{Packs: all.Packs, Objects: all.Objects, Bytes: all.Bytes, Damage: []damageView{}}
	for _, d := range all.Damage {
		v.Store.Damage = append(v.Store.Damage, viewOfDamage(d, "", known))
	}
	v.Clean = v.Clean && len(all.Damage) == 0
	return nil
}

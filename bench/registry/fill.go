//go:build unix

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/registry"
)

const (
	versions = 20 // of each model
	moves    = 12 // of each model: every other version goes to staging, then to production
)

// fill writes n models into the ledger in dir as mlx would have: their versions, and each of some in staging and production with an
// alias that moves along.
func fill(ctx context.Context, dir string, n int) error {
	clock := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	l, err := lineage.Open(lineage.Options{Dir: dir, Now: func() time.Time { return clock }, By: "ana", Host: "bench", PID: os.Getpid()})
	if err != nil {
		return err
	}
	for i := range n {
		if err := fillModel(ctx, l, nameOf(i), i, &clock); err != nil {
			return err
		}
	}
	return errors.Join(l.Seal(ctx), l.Close())
}

func nameOf(i int) string { return fmt.Sprintf("model-%04d", i) }

// digest is that of the bytes of a version, or of the snapshot that keeps them.
func digest(what string, model, version int) object.Digest {
	return object.Sum(binary.BigEndian.AppendUint64([]byte(what), uint64(model*versions+version)))
}

// fillModel writes one model: first its versions, then what was done with them, in the order of time.
func fillModel(ctx context.Context, l *lineage.Ledger, name string, model int, clock *time.Time) error {
	drafts := make([]lineage.Draft, versions)
	for v := range drafts {
		root, made := digest("root", model, v+1), digest("run", model, v+1)
		drafts[v] = registry.Registered.Draft(lineage.Entry[registry.Registration]{
			Body: registry.Registration{Model: name, Version: v + 1, Root: root, Digest: digest("bytes", model, v+1), Kind: "file", Path: "work/model.pkl",
				Files: 1, Bytes: int64(1_000_000 + v), Run: &made, Format: "pickle"},
			In: []lineage.Input{registry.Named(name), {Role: "bytes", ID: root}, {Role: "run", ID: made}},
		})
	}
	*clock = clock.Add(time.Minute)
	registered, err := l.AppendAll(ctx, drafts...)
	if err != nil {
		return err
	}
	var standing, alias []object.Digest
	for i := range moves {
		v := versions - moves + i + 1
		in := []lineage.Input{registry.Named(name), {Role: "version", ID: registered[v-1].ID}}
		*clock = clock.Add(time.Second)
		from, to := registry.Experimenting, registry.Production
		if i == moves-1 {
			to = registry.Staging
		}
		move := lineage.Entry[registry.Move]{Body: registry.Move{Model: name, Version: v, Digest: digest("bytes", model, v), From: from, To: to}, In: in}
		named := lineage.Entry[registry.Alias]{Body: registry.Alias{Model: name, Alias: "champion", Version: v}, In: in, Prev: alias}
		if to == registry.Production {
			move.Prev = standing
		}
		recs, err := l.AppendAll(ctx, registry.Moved.Draft(move), registry.Aliased.Draft(named))
		if err != nil {
			return err
		}
		if alias = []object.Digest{recs[1].ID}; to == registry.Production {
			standing = []object.Digest{recs[0].ID}
		}
	}
	return nil
}

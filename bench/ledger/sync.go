//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"mlx/internal/lineage"
	"mlx/internal/object"
)

// syncs measures what a remote costs the ledger, without any network: packs are files in a folder.
func syncs(ctx context.Context, o options) error {
	from, packs, to := filepath.Join(o.dir, "from"), filepath.Join(o.dir, "travel"), filepath.Join(o.dir, "to")
	if err := os.MkdirAll(packs, 0o755); err != nil {
		return err
	}
	for _, step := range []struct {
		what, bar string
		args      []string
	}{
		{"runs x 50 keys, written in groups", "", []string{"child-fill", from, strconv.Itoa(o.records)}},
		{"export, all new", "bar 1.5 s cpu with the transfer", []string{"child-export", from, packs}},
		{"export, nothing new", "bar 0.030 s cpu of the call", []string{"child-export", from, packs}},
		{"import into an empty ledger, every id checked", "bar 1.5 s cpu", []string{"child-import", to, packs}},
		{"import again", "", []string{"child-import", to, packs}},
	} {
		c, err := alone(ctx, step.args...)
		if err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
		row(fmt.Sprintf("%d records: %s", o.records, step.what), c, "%s (%s)", strings.TrimSpace(c.out), step.bar)
	}
	return nil
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func travelling(dir string, yield func(lineage.SyncPack) bool) error {
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if !yield(lineage.SyncPack{Pack: object.Sum(data), Data: data}) {
			return nil
		}
	}
	return err
}

func exportAll(ctx context.Context, dir, packs string) error {
	l, err := openLedger(dir)
	if err != nil {
		return err
	}
	have := map[object.Digest]bool{}
	var bad error
	if err := travelling(packs, func(p lineage.SyncPack) bool {
		ids, err := lineage.PackIDs(p.Data)
		bad = errors.Join(bad, err)
		for _, id := range ids {
			have[id] = true
		}
		return true
	}); err != nil || bad != nil {
		return errors.Join(err, bad)
	}
	n, records, before := 0, 0, cpuTime()
	for p, err := range l.Export(ctx, func(id object.Digest) bool { return have[id] }) {
		if err != nil {
			return err
		}
		n, records = n+1, records+p.Records
		if err := os.WriteFile(filepath.Join(packs, fmt.Sprintf("%06d", len(have)+n)), p.Data, 0o644); err != nil {
			return err
		}
	}
	fmt.Printf("%d records in %d packs, %.3f s cpu", records, n, (cpuTime() - before).Seconds())
	return l.Close()
}

func importAll(ctx context.Context, dir, packs string) error {
	l, err := openLedger(dir)
	if err != nil {
		return err
	}
	var bad error
	ids, added, err := l.ImportAll(ctx, func(yield func(lineage.SyncPack, error) bool) {
		bad = travelling(packs, func(p lineage.SyncPack) bool { return yield(p, nil) })
	})
	if err := errors.Join(err, bad); err != nil {
		return err
	}
	fmt.Printf("%d records, %d new", len(ids), added)
	return l.Close()
}

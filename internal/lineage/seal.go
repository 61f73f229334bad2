package lineage

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"time"

	"mlx/internal/lineage/internal/disk"
	"mlx/internal/lineage/internal/line"
	"mlx/internal/lineage/internal/segment"
	"mlx/internal/object"
)

const (
	idleAfter   = 10 * time.Second // a segment that nobody wrote to for so long is sealed with others
	orphanAfter = time.Minute      // a claimed one that is still there after so long has lost its sealer
	tooMany     = 256              // as many segments are all sealed, however fresh
	sweepAfter  = time.Hour        // a temporary file that old has lost its writer
)

// Seal packs every segment, also those of other processes, which then go on in new ones.
func (l *Ledger) Seal(ctx context.Context) error {
	if err := l.writable("seal the ledger"); err != nil {
		return err
	}
	l.write.Lock()
	var err error
	if l.seg != nil {
		err = l.seg.Close()
		l.seg = nil
	}
	l.write.Unlock()
	if err != nil {
		return because(err, "cannot seal the ledger")
	}
	l.working.Wait()
	return l.sealWhere(ctx, func(string, fs.FileInfo) bool { return true })
}

// sealIdle packs the segment called own, those that seem idle and those whose sealer seems dead.
func (l *Ledger) sealIdle(ctx context.Context, own string) error {
	names, err := segment.Names(l.path(segFolder))
	if err != nil {
		return err
	}
	now := l.opts.Now()
	return l.sealWhere(ctx, func(path string, info fs.FileInfo) bool {
		age := now.Sub(info.ModTime())
		switch {
		case segment.Claimed(path):
			return age > orphanAfter
		case segment.Base(path) == own || len(names) > tooMany:
			return true
		}
		return age > idleAfter
	})
}

func (l *Ledger) sealWhere(ctx context.Context, wanted func(path string, info fs.FileInfo) bool) error {
	l.seal.Lock()
	defer l.seal.Unlock()
	if err := l.sealThese(ctx, wanted); err != nil {
		return because(err, "cannot seal the ledger")
	}
	if err := l.consolidate(ctx); err != nil {
		return because(err, "cannot consolidate the ledger")
	}
	l.sweep()
	return nil
}

func (l *Ledger) sealThese(ctx context.Context, wanted func(path string, info fs.FileInfo) bool) error {
	dir := l.path(segFolder)
	bases, err := segment.Names(dir)
	if err != nil {
		return err
	}
	before, _, err := l.lastOrder()
	if err != nil {
		return err
	}
	var claimed []string
	repeats := false
	for _, base := range bases {
		path, info, err := segment.Find(dir, base)
		if err != nil || !wanted(path, info) {
			continue // packed by someone else, or not now
		}
		repeats = repeats || segment.MayRepeat(path)
		path, mine, err := segment.Claim(dir, base)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			continue // packed by someone else; or open in its writer, on Windows
		}
		if err != nil {
			return err
		}
		claimed, repeats = append(claimed, path), repeats || !mine
	}
	strays, err := l.strays()
	if err != nil || len(claimed) == 0 && len(strays) == 0 {
		return err
	}
	if err := disk.SyncDir(dir); err != nil {
		return err
	}
	if repeats || len(strays) > 0 {
		before = order{} // anything may be anywhere
	}
	return l.packSegments(ctx, claimed, strays, &before)
}

// strays returns the packs that the log does not know: of a sealer that died before it could tell, or put there by hand.
func (l *Ledger) strays() ([]object.Digest, error) {
	ids, n, err := l.packOrder()
	return ids[len(ids)-n:], err
}

// packSegments packs the records of the claimed segments, and of strays, that are in no pack of the log yet; it is known that those of
// without hold none of them. Only when they are in the log for certain are the segments removed.
func (l *Ledger) packSegments(ctx context.Context, claimed []string, strays []object.Digest, without *order) error {
	bad := map[string]bool{}
	facts, err := readClaimed(claimed, bad, false)
	if err != nil {
		return err
	}
	err = l.addPacks(ctx, facts, strays, without)
	if errors.Is(err, errNoRecord) { // a checksum is right, but what it covers is none: look at each
		if facts, err = readClaimed(claimed, bad, true); err != nil {
			return err
		}
		err = l.addPacks(ctx, facts, strays, without)
	}
	if err != nil {
		return err
	}
	for _, path := range claimed {
		if err := segment.Drop(path, bad[path]); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// readClaimed reads claimed segments and notes in bad which of them hold something that cannot be packed. Writers have checked
// their records; strict checks them again.
func readClaimed(claimed []string, bad map[string]bool, strict bool) ([]fact, error) {
	var facts []fact
	var check line.Parser
	for _, path := range claimed {
		damage, _, err := segment.ScanFile(path, func(_ int64, rec []byte) error {
			if strict {
				if _, err := check.Parse(rec); err != nil {
					bad[path] = true
					return nil
				}
			}
			facts = append(facts, fact{object.Sum(rec), rec})
			return nil
		})
		if errors.Is(err, fs.ErrNotExist) {
			continue // another sealer was faster
		}
		if err != nil {
			return nil, err
		}
		bad[path] = bad[path] || slices.ContainsFunc(damage, func(d segment.Damage) bool { return !d.Torn })
	}
	return facts, nil
}

// sweep removes what crashes have left: old temporary files, and packs that were replaced.
func (l *Ledger) sweep() {
	if o, _, err := l.lastOrder(); err == nil {
		l.removePacks(o.Replaced)
	}
	now := l.opts.Now()
	names, _ := disk.List(l.path(tmpFolder))
	for _, n := range names {
		if info, err := os.Lstat(l.path(tmpFolder, n)); err == nil && now.Sub(info.ModTime()) > sweepAfter {
			_ = os.Remove(l.path(tmpFolder, n))
		}
	}
}

package lineage

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"time"

	"mlx/internal/fault"
	"mlx/internal/lineage/internal/pack"
	"mlx/internal/object"
)

const (
	smallRecords = sealRecords         // a pack of fewer is small
	smallMany    = 16                  // as many small ones at the end of the log become one
	openMany     = 48                  // as many that are not full become one
	fullRecords  = pack.MaxRecords / 2 // a pack of as many is full, and never touched again
	fullRaw      = pack.MaxRaw / 2     // or of as many bytes
	claimAfter   = time.Minute         // a claim that old has lost its maker
	unionBatch   = 64 << 20            // bytes of records moved at a time
)

func (s sealed) full() bool { return s.Records >= fullRecords || s.Raw >= fullRaw }

// planMerge returns which packs at the end of the log should become one: from, and before to. Each record is written once when it is
// sealed, perhaps once as one of few, and once into a full pack.
func planMerge(packs []sealed) (from, to int) {
	records, raw := 0, int64(0)
	small := len(packs)
	for from = len(packs); from > 0 && !packs[from-1].full(); from-- {
		records, raw = records+packs[from-1].Records, raw+packs[from-1].Raw
		if small == from && packs[from-1].Records < smallRecords && packs[from-1].Raw < sealBytes {
			small--
		}
	}
	switch {
	case records >= fullRecords, raw >= fullRaw, len(packs)-from >= openMany:
	case len(packs)-small >= smallMany:
		from = small
	default:
		return 0, 0
	}
	records, raw = 0, 0
	for to = from; to < len(packs) && records+packs[to].Records <= pack.MaxRecords && raw+packs[to].Raw < pack.MaxRaw; to++ {
		records, raw = records+packs[to].Records, raw+packs[to].Raw
	}
	if to-from < 2 {
		return 0, 0
	}
	return from, to
}

// consolidate replaces small packs by large ones, in the same order of records.
func (l *Ledger) consolidate(ctx context.Context) error {
	for range 3 { // a merge can make another one due
		o, _, err := l.lastOrder()
		if err != nil {
			return err
		}
		from, to := planMerge(o.Packs)
		if to == 0 {
			return nil
		}
		if done, err := l.mergeRun(ctx, o.Packs[from:to]); err != nil || !done {
			return err
		}
	}
	return nil
}

// mergeRun replaces a run of packs. done is false when someone else is at it or was faster.
func (l *Ledger) mergeRun(ctx context.Context, run []sealed) (done bool, err error) {
	free, release := l.claimMerge(run[0].Pack)
	if !free {
		return false, nil
	}
	defer release()
	var facts []fact
	seen := map[object.Digest]bool{}
	for _, s := range run {
		more, _, err := l.readPack(s.Pack)
		if errors.Is(err, fs.ErrNotExist) || fault.KindOf(err) == fault.Integrity {
			return false, nil // merged by someone else; or damaged, and then it stays what it is
		}
		if err != nil {
			return false, err
		}
		for _, f := range more {
			if !seen[f.id] {
				seen[f.id] = true
				facts = append(facts, f)
			}
		}
	}
	packs, err := l.writePacks(ctx, facts)
	if err != nil {
		return false, err
	}
	return l.replaceRun(packIDs(run), packs)
}

func packIDs(packs []sealed) []object.Digest {
	ids := make([]object.Digest, len(packs))
	for i, s := range packs {
		ids[i] = s.Pack
	}
	return ids
}

// replaceRun puts packs in the place of old in the log and removes those, unless old is no longer there in one piece. Packs that come too late
// stay where they are: the next sealer sees that they repeat records and condemns them.
func (l *Ledger) replaceRun(old []object.Digest, packs []sealed) (done bool, err error) {
	err = l.reorder(func(o *order) (bool, error) {
		at := slices.IndexFunc(o.Packs, func(s sealed) bool { return s.Pack == old[0] })
		done = at >= 0 && at+len(old) <= len(o.Packs) && slices.Equal(packIDs(o.Packs[at:at+len(old)]), old) && l.mayList(o, packs)
		if !done {
			return false, nil
		}
		o.Packs = slices.Replace(slices.Clone(o.Packs), at, at+len(old), packs...)
		o.Replaced = append(o.Replaced, old...)
		return true, nil
	})
	if err != nil || !done {
		return false, err
	}
	l.removePacks(old)
	return true, nil
}

// claimMerge keeps two processes from doing the same work. It is no lock: who finds an old claim goes on all the same, and two
// who go on do no harm.
func (l *Ledger) claimMerge(first object.Digest) (free bool, release func()) {
	path := l.path(tmpFolder, "merge-"+first.Short())
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err == nil {
		_ = f.Close()
		return true, func() { _ = os.Remove(path) }
	}
	info, err := os.Lstat(path)
	if err == nil && l.opts.Now().Sub(info.ModTime()) > claimAfter {
		return true, func() { _ = os.Remove(path) }
	}
	return false, nil
}

// Union adds every record of other that is not here yet, and returns how many these were. Records are checked on the way.
// Since state is a function of the set of records, two ledgers that have taken from each other agree.
func (l *Ledger) Union(ctx context.Context, other *Ledger) (added int, err error) {
	if err := l.writable("join ledgers"); err != nil {
		return 0, err
	}
	theirs, err := other.settled()
	if err == nil {
		err = theirs.damage
	}
	if err != nil {
		return 0, err
	}
	ours, err := l.settled()
	if err != nil {
		return 0, err
	}
	set, err := l.unionRedactions(ctx, other)
	if err != nil {
		return 0, because(err, "cannot join ledgers")
	}
	l.seal.Lock()
	defer l.seal.Unlock()
	f := &fetcher{view: theirs}
	defer f.close()
	var batch []fact
	size := 0
	flush := func() error {
		err := l.addPacks(ctx, batch, nil, &order{})
		added += len(batch)
		batch, size = nil, 0
		return err
	}
	for i, p := range theirs.parts {
		for row, id := range p.ix.IDs() {
			if ours.holds(id) {
				continue
			}
			raw, err := l.fetchChecked(f, hit{part: i, row: row, id: id}, set)
			if err != nil {
				return added, err
			}
			batch, size = append(batch, fact{id, raw}), size+len(raw)
			if size > unionBatch {
				if err := flush(); err != nil {
					return added, err
				}
			}
		}
	}
	if len(batch) == 0 {
		return added, nil
	}
	return added, flush()
}

// fetchChecked returns a line of another ledger that is the record it should be, or stands for one that is redacted.
func (l *Ledger) fetchChecked(f *fetcher, h hit, set *redactions) ([]byte, error) {
	raw, err := f.line(h.part, h.row)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.Unavailable, "cannot join ledgers: the other one is being consolidated")
	}
	if err != nil {
		return nil, err
	}
	if raw, err = passable(set, h.id, raw); err == nil && !isGone(h.id, raw) {
		_, err = l.check(h.id, raw)
	}
	return raw, err
}

// unionRedactions returns what both ledgers say is redacted.
func (l *Ledger) unionRedactions(ctx context.Context, other *Ledger) (*redactions, error) {
	if err := l.makeFolders(); err != nil {
		return nil, err
	}
	theirs, err := other.redactions(ctx)
	if err != nil {
		return nil, err
	}
	set, err := l.redactions(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range theirs.signed {
		keepFirst(set.signed, r)
	}
	for _, r := range theirs.effective {
		keepFirst(set.effective, r)
	}
	return set, nil
}

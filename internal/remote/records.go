package remote

import (
	"context"
	"iter"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// fetchRecords brings packs of records into the ledger and returns the ids that each holds, in order.
func (r *Remote) fetchRecords(ctx context.Context, packs []RecordPack) (map[object.Digest][]object.Digest, error) {
	ids := make(map[object.Digest][]object.Digest, len(packs))
	if len(packs) == 0 {
		return ids, nil
	}
	var total int64
	for _, p := range packs {
		total += p.Bytes
	}
	progress := r.o.Progress("fetching records", total)
	defer progress.Done()
	_, added, err := r.o.Ledger.ImportAll(ctx, func(yield func(lineage.SyncPack, error) bool) {
		for p, err := range r.arriving(ctx, packs, progress) {
			ids[p.Pack] = p.IDs
			if !yield(p, err) {
				return
			}
		}
	})
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot take the records of remote %s: %w", r.o.Name, err)
	}
	r.added += added
	if _, err = r.o.Ledger.ApplyRedactions(ctx); err == nil {
		err = r.learn(ctx)
	}
	return ids, err
}

// arriving yields packs in their order, while the next ones are on their way.
func (r *Remote) arriving(ctx context.Context, packs []RecordPack, progress Progress) iter.Seq2[lineage.SyncPack, error] {
	type arrival struct {
		pack lineage.SyncPack
		err  error
	}
	return func(yield func(lineage.SyncPack, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		queue := make(chan chan arrival, ahead)
		go func() {
			defer close(queue)
			for _, p := range packs {
				one := make(chan arrival, 1)
				select {
				case queue <- one:
				case <-ctx.Done():
					return
				}
				go func() {
					pack, err := r.readRecords(ctx, p)
					one <- arrival{pack, err}
				}()
			}
		}()
		for i := 0; ; i++ {
			one, ok := <-queue
			if !ok {
				if i < len(packs) { // stopped: the rest must not look as if it had nothing in it
					yield(lineage.SyncPack{}, context.Cause(ctx))
				}
				return
			}
			a := <-one
			progress.Add(packs[i].Bytes)
			if !yield(a.pack, a.err) || a.err != nil {
				return
			}
		}
	}
}

// ahead is how many packs of records are fetched before their turn. Small ones are most of them.
const ahead = 4

// readRecords reads a pack of records; its bytes have the digest that the log names, and as many records.
func (r *Remote) readRecords(ctx context.Context, p RecordPack) (lineage.SyncPack, error) {
	out := lineage.SyncPack{Pack: p.Pack, Records: p.Records}
	bad := func(what string) (lineage.SyncPack, error) {
		return out, fault.New(fault.Integrity, "pack of records %s of remote %s %s", p.Pack.Short(), r.o.Name, what)
	}
	var err error
	out.Data, err = r.read(ctx, p.key(), p.Bytes)
	if notFound(err) {
		err = fault.New(fault.Integrity, "pack of records %s is gone from remote %s: %w", p.Pack.Short(), r.o.Name, err).
			Hint("mlx verify -r %s   # what that hurts", r.o.Name)
	}
	if err != nil {
		return out, err
	}
	if object.Sum(out.Data) != p.Pack {
		return bad("is damaged")
	}
	if out.IDs, err = lineage.PackIDs(out.Data); err != nil {
		return out, err
	}
	if len(out.IDs) != p.Records {
		return bad("has another number of records than the log says")
	}
	return out, nil
}

// cargo is records that have been uploaded and wait for the entry that names them.
type cargo struct {
	packs []RecordPack
	ids   []object.Digest
	bytes int64
}

// sendRecords uploads what the ledger has and the remote has not.
func (r *Remote) sendRecords(ctx context.Context) (cargo, error) {
	var c cargo
	if r.o.Ledger == nil {
		return c, nil
	}
	for p, err := range r.o.Ledger.Export(ctx, r.known.has) {
		if err != nil {
			return c, err
		}
		if err := r.sendPack(ctx, p, &c); err != nil {
			return c, err
		}
	}
	return c, nil
}

func (r *Remote) sendPack(ctx context.Context, p lineage.SyncPack, c *cargo) error {
	progress := r.o.Progress("sending records", int64(len(p.Data)))
	defer progress.Done()
	sealed, size, err := r.put(ctx, recordFolder, recordSuffix, p.Data)
	if err != nil {
		return err
	}
	progress.Add(int64(len(p.Data)))
	c.packs = append(c.packs, RecordPack{Pack: p.Pack, Object: sealed, Bytes: size, Records: p.Records})
	c.ids = append(c.ids, p.IDs...)
	c.bytes += size
	return nil
}

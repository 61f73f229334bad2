package remote

import (
	"context"
	"sync"

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
	var mu sync.Mutex
	err := each(ctx, len(packs), min(2, r.o.Jobs), func(ctx context.Context, i int) error { // a pack may have 256 MiB when unpacked
		p := packs[i]
		data, err := r.readRecords(ctx, p)
		if err != nil {
			return err
		}
		progress.Add(p.Bytes)
		list, added, err := r.o.Ledger.Import(ctx, data, p.Pack)
		if err != nil {
			return fault.New(fault.KindOf(err), "cannot take pack of records %s of remote %s: %w", p.Pack.Short(), r.o.Name, err)
		}
		if len(list) != p.Records {
			return fault.New(fault.Integrity, "pack of records %s of remote %s has %d records, its log says %d", p.Pack.Short(), r.o.Name, len(list), p.Records)
		}
		mu.Lock()
		defer mu.Unlock()
		ids[p.Pack] = list
		r.added += added
		return nil
	})
	if err != nil {
		return nil, err
	}
	if _, err = r.o.Ledger.ApplyRedactions(ctx); err == nil {
		err = r.learn(ctx)
	}
	return ids, err
}

// readRecords reads a pack of records; its bytes have the digest that the log names.
func (r *Remote) readRecords(ctx context.Context, p RecordPack) ([]byte, error) {
	data, err := r.read(ctx, p.key(), p.Bytes)
	if err == nil && object.Sum(data) != p.Pack {
		err = fault.New(fault.Integrity, "pack of records %s of remote %s is damaged", p.Pack.Short(), r.o.Name)
	}
	return data, err
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

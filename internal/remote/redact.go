package remote

import (
	"context"
	"slices"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// Redact removes from the remote the bytes of the records that the ledger has redacted: each pack of records that still has
// some is replaced by one of the same ids without them, in an entry that a trusted key has signed, and its object deleted at
// once. It returns how many packs were replaced, and what could not be deleted.
func (r *Remote) Redact(ctx context.Context, by *Signer) (replaced int, failed []Failure, err error) {
	if r.o.Ledger == nil {
		return 0, nil, fault.New(fault.Usage, "there is no ledger to redact by")
	}
	r.signer = by
	if _, err := r.Push(ctx, PushOptions{}); err != nil { // the records that say why come first
		return 0, nil, err
	}
	set, err := r.o.Ledger.Redacted(ctx)
	if err != nil || len(set) == 0 {
		return 0, nil, err
	}
	gone := func(id object.Digest) bool { _, ok := set[id]; return ok }
	for range maxRaces {
		n, err := r.redactOne(ctx, gone)
		if err != nil {
			return replaced, nil, err
		}
		switch n {
		case allRedacted:
			failed, err := r.deleteRedacted(ctx, gone)
			return replaced, failed, err
		case redactedOne:
			replaced++
		case redactionLost:
			if err := r.follow(ctx); err != nil {
				return replaced, nil, err
			}
		}
	}
	return replaced, nil, fault.New(fault.Unavailable, "cannot redact records of remote %s: others push too fast", r.o.Name)
}

// How a step of a redaction ends.
const (
	allRedacted = iota
	redactedOne
	redactionLost // somebody else has extended the log
)

// redactOne replaces the first pack that has bytes which must go: one an entry, so that the order of ids stays.
func (r *Remote) redactOne(ctx context.Context, gone func(object.Digest) bool) (int, error) {
	for _, p := range r.known.state.Records {
		one, err := r.readRecords(ctx, p)
		if err != nil {
			return 0, err
		}
		data, name, err := lineage.RewritePack(one.Data, gone)
		if err != nil {
			return 0, err
		}
		if data == nil {
			continue
		}
		ids, err := lineage.PackIDs(data)
		if err != nil {
			return 0, err
		}
		e := &Entry{Do: DoReplace, Replaced: []object.Digest{p.Pack}}
		for _, id := range ids {
			if gone(id) && !slices.Contains(r.known.state.Redacted, id) {
				e.Redacted = append(e.Redacted, id)
			}
		}
		sealed, size, err := r.put(ctx, recordFolder, recordSuffix, data)
		if err != nil {
			return 0, err
		}
		e.Records = []RecordPack{{Pack: name, Object: sealed, Bytes: size, Records: len(ids)}}
		if ok, err := r.append(ctx, e, nil); err != nil || !ok {
			return redactionLost, err
		}
		return redactedOne, nil
	}
	return allRedacted, nil
}

// deleteRedacted deletes every pack of records that does not count and has bytes which must go: those that were just
// replaced, others that were joined before, and what killed pushes have left.
func (r *Remote) deleteRedacted(ctx context.Context, gone func(object.Digest) bool) ([]Failure, error) {
	objects, err := r.objects(ctx, recordFolder)
	if err != nil {
		return nil, err
	}
	for _, p := range r.known.state.Records {
		delete(objects, p.key())
	}
	var keys []string
	for key, o := range objects {
		data, err := r.read(ctx, key, o.Size)
		if notFound(err) {
			continue
		}
		if err == nil {
			data, _, err = lineage.RewritePack(data, gone)
		}
		if isDamage(err) { // what it holds cannot be told
			keys = append(keys, key)
			continue
		}
		if err != nil {
			return nil, err
		}
		if data != nil {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return r.deleteAll(ctx, keys, r.o.Now()), nil
}

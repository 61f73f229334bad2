package remote

import (
	"context"
	"slices"
	"strings"
	"time"

	"mlx/internal/bucket"
)

// rollsKept is how many of the newest rolls stay: a reader may hold an older hint.
const rollsKept = 2

// leftovers lists packs of records, tables and rolls that have counted for nothing for 30 days.
func (r *Remote) leftovers(ctx context.Context) ([]GCObject, error) {
	s := &r.known.state
	named := map[string]bool{}
	for _, p := range s.Records {
		named[p.key()] = true
	}
	for _, t := range s.Tables {
		named[t.key()] = true
	}
	var out []GCObject
	for folder, why := range map[string]string{
		recordFolder: "records that are in other packs, or that no entry names", tableFolder: "a table that was replaced",
	} {
		list, err := r.old(ctx, folder, named)
		if err != nil {
			return nil, err
		}
		for _, o := range list {
			out = append(out, GCObject{Key: o.Key, Bytes: o.Size, Why: why})
		}
	}
	if len(out) > 0 {
		recent, sealed, err := r.recent(ctx)
		if err != nil {
			return nil, err
		}
		out = slices.DeleteFunc(out, func(o GCObject) bool {
			return recent[o.Key] || sealed && strings.HasPrefix(o.Key, recordFolder)
		})
	}
	rolls, err := r.old(ctx, rollFolder, nil)
	if err != nil {
		return nil, err
	}
	for _, o := range rolls {
		if o.Key < rollKey(r.known.roll) { // and older ones than that are kept below
			out = append(out, GCObject{Key: o.Key, Bytes: o.Size, Why: "a roll that newer ones replace"})
		}
	}
	slices.SortFunc(out, func(a, b GCObject) int { return strings.Compare(a.Key, b.Key) })
	return out, nil
}

// old lists what lies in a folder for 30 days and is not named.
func (r *Remote) old(ctx context.Context, folder string, named map[string]bool) ([]bucket.Object, error) {
	objects, err := r.objects(ctx, folder)
	if err != nil {
		return nil, err
	}
	var out []bucket.Object
	for key, o := range objects {
		if !named[key] && r.o.Now().Sub(o.Modified) >= dropGrace {
			out = append(out, o)
		}
	}
	slices.SortFunc(out, func(a, b bucket.Object) int { return strings.Compare(a.Key, b.Key) })
	if folder == rollFolder {
		out = out[:max(0, len(out)-rollsKept)]
	}
	return out, nil
}

// recent returns the objects that entries of the last 30 days name. sealed: some of them are packs of records that were
// replaced, whose objects cannot be told because they are encrypted.
func (r *Remote) recent(ctx context.Context) (keys map[string]bool, sealed bool, err error) {
	keys = map[string]bool{}
	for seq := r.known.state.Seq; ; seq-- {
		raw, err := r.read(ctx, logKey(seq), maxEntry)
		if err != nil {
			return nil, false, err
		}
		e, err := parseEntry(raw)
		if err != nil {
			return nil, false, err
		}
		if r.o.Now().Sub(e.time()) >= dropGrace {
			return keys, sealed, nil
		}
		for _, p := range e.Records {
			keys[p.key()] = true
		}
		for _, t := range e.Tables {
			keys[t.key()] = true
		}
		for _, d := range e.Replaced {
			keys[RecordPack{Pack: d}.key()] = true
			sealed = sealed || r.ring != nil
		}
		if seq == 0 {
			return keys, sealed, nil
		}
	}
}

// forget is how long the name of a deleted pack stays taken: until no gc can still be deleting its object.
const forget = 24 * time.Hour

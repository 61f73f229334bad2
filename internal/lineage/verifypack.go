package lineage

import (
	"bytes"
	"context"
	"os"
	"slices"

	"mlx/internal/lineage/internal/column"
	"mlx/internal/lineage/internal/disk"
	"mlx/internal/lineage/internal/pack"
	"mlx/internal/lineage/internal/sshsig"
	"mlx/internal/lineage/internal/tree"
	"mlx/internal/object"
)

// maxPack is the size above which a file cannot be a pack.
const maxPack = 1 << 30

// pack checks one pack and its index.
func (v *verifier) pack(ctx context.Context, id object.Digest) error {
	path := v.l.packPath(id)
	if info, err := os.Lstat(path); err == nil && info.Size() > maxPack {
		v.report.problem(path, 0, object.Digest{}, "%d bytes are too many for a pack", info.Size())
		return nil
	}
	data, release, err := disk.Map(path)
	if os.IsNotExist(err) {
		return nil // replaced meanwhile; if not, the log says so
	}
	if err != nil {
		return err
	}
	defer func() { _ = release() }()
	v.report.Packs++
	v.report.Bytes += int64(len(data))
	if object.Sum(data) != id {
		v.report.problem(path, 0, object.Digest{}, "its bytes are not what its name says")
	}
	r, err := pack.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		v.report.problem(path, int64(len(data)), object.Digest{}, "%v: none of its records can be found", err)
	} else if err := v.frames(ctx, path, id, r); err != nil {
		return err
	}
	return nil
}

// frames checks every record of a pack.
func (v *verifier) frames(ctx context.Context, path string, id object.Digest, r *pack.Reader) error {
	dec, err := pack.NewDecoder(false)
	if err != nil {
		return err
	}
	defer dec.Close()
	b := column.NewBuilder(len(r.IDs))
	b.SetFrames(framesOf(r.Frames))
	sound := true
	var buf []byte
	for i, f := range r.Frames {
		if err := ctx.Err(); err != nil {
			return err
		}
		if buf, err = dec.Decode(buf, r, i); err == nil {
			err = pack.Lines(buf, f, func(row, offset int, rec []byte) error {
				loc := column.Loc{Frame: uint32(i), Offset: uint32(offset), Length: uint32(len(rec))}
				if isGone(r.IDs[row], rec) {
					v.gone[r.IDs[row]] = path
					b.AddGone(r.IDs[row], loc)
					return nil
				}
				sum := object.Sum(rec)
				if sum != r.IDs[row] {
					sound = false
					v.report.problem(path, f.Offset, r.IDs[row], "record is not what its id says")
					return nil
				}
				if !sound {
					return nil
				}
				err := b.Add(sum, rec, loc)
				if err != nil { // the builder is useless now, and the pack will never be read
					sound = false
					v.report.problem(path, f.Offset, sum, "%v", err)
				}
				return nil
			})
		}
		if err != nil {
			sound = false
			for _, lost := range r.IDs[f.First : f.First+f.Records] {
				v.report.problem(path, f.Offset, lost, "frame %d: %v", i, err)
			}
		}
		v.done += int64(f.Stored)
		v.progress(v.done, v.total)
	}
	if sound {
		v.index(id, b.Finish(id))
	}
	return nil
}

// graph checks what records say about each other, over the packs and segments that are sound.
func (v *verifier) graph(ctx context.Context) error {
	view, err := v.l.settled()
	if err != nil {
		return err
	}
	if view.damage != nil && len(v.report.Problems) == 0 {
		v.report.problem(v.l.opts.Dir, 0, object.Digest{}, "%v", view.damage)
	}
	var ids []object.Digest
	seen := map[object.Digest]bool{}
	for _, p := range view.parts {
		path := v.l.path(segFolder)
		if p.file != nil {
			path = p.file.path
		}
		own := p.ix.IDs()
		p.ix.Foreign(func(id object.Digest, row int) bool {
			if !view.holds(id) {
				v.report.problem(path, 0, own[row], "record names %s in prev, which is not in the ledger", id)
			}
			return true
		})
		for _, id := range own {
			if view.strays == 0 || !seen[id] {
				ids = append(ids, id)
			}
			if view.strays > 0 {
				seen[id] = true
			}
		}
	}
	v.report.Records = len(ids)
	v.report.Size, v.report.Root = rootOf(ids)
	if err := v.redacted(ctx, view); err != nil {
		return err
	}
	return v.checkpoints(ctx, ids)
}

// checkpoints checks each signature against its key, and what it says against the tree. A key counts from its place in the log to
// that of its revocation.
func (v *verifier) checkpoints(ctx context.Context, ids []object.Digest) error {
	var signed []Record
	place := map[object.Digest]int{}
	for r, err := range v.l.Select(ctx, Query{Nouns: []string{"checkpoint", "key"}, Sort: "lc", All: true}) {
		if err != nil {
			return v.unreadable(err)
		}
		place[r.ID] = -1
		signed = append(signed, r)
	}
	if len(signed) == 0 {
		return nil
	}
	for i, id := range ids {
		if _, ok := place[id]; ok {
			place[id] = i
		}
	}
	slices.SortStableFunc(signed, func(a, b Record) int { return place[a.ID] - place[b.ID] })
	trusted := map[string]object.Digest{} // fingerprint -> key.added
	var t tree.Root
	for _, r := range signed {
		switch {
		case addedKind().Is(r):
			if body, err := addedKind().Decode(r); err == nil {
				trusted[body.Fingerprint] = r.ID
			}
		case revokedKind().Is(r):
			for fp, id := range trusted {
				if slices.Contains(r.Prev, id) {
					delete(trusted, fp)
				}
			}
		case checkpointKind().Is(r):
			v.report.Checkpoints++
			v.checkpoint(r, trusted, ids, &t)
		}
	}
	return nil
}

// unreadable passes an error on, unless it is damage that has been reported already.
func (v *verifier) unreadable(err error) error {
	if v.report.OK() {
		return err
	}
	return nil
}

func (v *verifier) checkpoint(r Record, trusted map[string]object.Digest, ids []object.Digest, t *tree.Root) {
	const where = "checkpoint"
	c, err := checkpointKind().Decode(r)
	if err != nil {
		v.report.problem(where, 0, r.ID, "%v", err)
		return
	}
	key, err := sshsig.Verify(c.Signature, Namespace, c.Text())
	switch {
	case err != nil:
		v.report.problem(where, 0, r.ID, "%v", err)
		return
	case key.Fingerprint() != c.Fingerprint:
		v.report.problem(where, 0, r.ID, "signed by %s, not by %s", key.Fingerprint(), c.Fingerprint)
		return
	case trusted[c.Fingerprint].IsZero():
		v.report.problem(where, 0, r.ID, "signed by %s, a key that was not trusted at that place of the log", c.Fingerprint)
		return
	case c.Size > uint64(len(ids)):
		v.report.problem(where, 0, r.ID, "signed for %d records, there are %d", c.Size, len(ids))
		return
	}
	if t.Size() > c.Size {
		*t = tree.Root{}
	}
	for t.Size() < c.Size {
		t.Add(ids[t.Size()])
	}
	if t.Sum() != c.Root {
		v.report.problem(where, 0, r.ID, "the first %d records are not those that were signed", c.Size)
	}
}

package lineage

import (
	"context"
	"slices"

	"mlx/internal/fault"
	"mlx/internal/lineage/internal/tree"
	"mlx/internal/object"
)

// Proof shows that a record is the leaf at Index of the Merkle tree with that Size and Root.
type Proof struct {
	Record object.Digest   `json:"record"`
	Index  uint64          `json:"index"`
	Size   uint64          `json:"size"`
	Root   object.Digest   `json:"root"`
	Hashes []object.Digest `json:"hashes"`
}

// Growth shows that the tree with OldSize and OldRoot is the beginning of the one with Size and Root: nothing was changed,
// removed or put in between.
type Growth struct {
	OldSize uint64          `json:"old_size"`
	OldRoot object.Digest   `json:"old_root"`
	Size    uint64          `json:"size"`
	Root    object.Digest   `json:"root"`
	Hashes  []object.Digest `json:"hashes"`
}

// Head returns size and root of the tree over all records in log order, those that are not sealed last. Sealing keeps the place
// of whatever is sealed; unsealed records of several processes may still change places among themselves.
func (l *Ledger) Head(ctx context.Context) (size uint64, root object.Digest, err error) {
	ids, _, err := l.leaves(ctx)
	if err != nil {
		return 0, object.Digest{}, err
	}
	size, root = rootOf(ids)
	return size, root, nil
}

func rootOf(ids []object.Digest) (uint64, object.Digest) {
	var t tree.Root
	for _, id := range ids {
		t.Add(id)
	}
	return t.Size(), t.Sum()
}

// leaves returns the ids of all records in log order, each at its first appearance, and how many of them are sealed.
func (l *Ledger) leaves(ctx context.Context) (ids []object.Digest, sealed int, err error) {
	v, err := l.settled()
	if err == nil {
		err = v.damage
	}
	if err != nil {
		return nil, 0, err
	}
	packs := 0
	for _, p := range v.parts {
		if p.file != nil {
			packs++
		}
	}
	seen := map[object.Digest]bool{}
	for i, p := range v.parts {
		if err := ctx.Err(); err != nil {
			return nil, 0, err
		}
		if i < packs-v.strays { // the log repeats nothing
			ids = append(ids, p.ix.IDs()...)
			sealed = len(ids)
			continue
		}
		for _, id := range p.ix.IDs() {
			if !seen[id] {
				seen[id] = true
				ids = append(ids, id)
			}
		}
	}
	return ids, sealed, nil
}

// Prove shows that the record called id is in the ledger as it is now.
func (l *Ledger) Prove(ctx context.Context, id object.Digest) (Proof, error) {
	ids, _, err := l.leaves(ctx)
	if err != nil {
		return Proof{}, err
	}
	at := slices.Index(ids, id)
	if at < 0 {
		return Proof{}, fault.New(fault.NotFound, "no record %s in the ledger", id.Short())
	}
	hashes, err := tree.Prove(ids, at)
	if err != nil {
		return Proof{}, fault.New(fault.Internal, "cannot prove record %s: %w", id.Short(), err)
	}
	_, root := rootOf(ids)
	return Proof{Record: id, Index: uint64(at), Size: uint64(len(ids)), Root: root, Hashes: hashes}, nil
}

// VerifyProof checks p against nothing but itself: compare its Size and Root with a checkpoint that you believe.
func VerifyProof(p Proof) error {
	if err := tree.Check(p.Hashes, p.Size, p.Root, p.Index, p.Record); err != nil {
		return fault.New(fault.Integrity, "cannot believe the proof for record %s: %w", p.Record.Short(), err)
	}
	return nil
}

// ProveGrowth shows that the first old records are still what they were.
func (l *Ledger) ProveGrowth(ctx context.Context, old uint64) (Growth, error) {
	ids, _, err := l.leaves(ctx)
	if err != nil {
		return Growth{}, err
	}
	if old == 0 || old > uint64(len(ids)) {
		return Growth{}, fault.New(fault.Usage, "cannot prove growth from %d records: the ledger has %d", old, len(ids))
	}
	hashes, err := tree.ProveGrowth(ids, int(old))
	if err != nil {
		return Growth{}, fault.New(fault.Internal, "cannot prove growth from %d records: %w", old, err)
	}
	_, root := rootOf(ids)
	_, oldRoot := rootOf(ids[:old])
	return Growth{OldSize: old, OldRoot: oldRoot, Size: uint64(len(ids)), Root: root, Hashes: hashes}, nil
}

// VerifyGrowth checks g against nothing but itself.
func VerifyGrowth(g Growth) error {
	if err := tree.CheckGrowth(g.Hashes, g.Size, g.Root, g.OldSize, g.OldRoot); err != nil {
		return fault.New(fault.Integrity, "cannot believe that the ledger only grew: %w", err)
	}
	return nil
}

// Package tree hides the Merkle tree over record ids (RFC 6962): how a root, a proof that a record is in it, and a proof
// that it only grew are made and checked. It stores nothing: a million ids are hashed in less than a second.
package tree

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"

	"mlx/internal/object"
)

// Root hashes ids in order, keeping only the right edge of the tree.
type Root struct {
	size  uint64
	edge  []tlog.Hash // complete subtrees from left to right
	spans []uint64    // their numbers of leaves
}

// Add appends a leaf.
func (r *Root) Add(id object.Digest) {
	r.size++
	r.edge, r.spans = append(r.edge, tlog.RecordHash(id[:])), append(r.spans, 1)
	for n := len(r.spans); n > 1 && r.spans[n-1] == r.spans[n-2]; n-- {
		r.edge[n-2] = tlog.NodeHash(r.edge[n-2], r.edge[n-1])
		r.spans[n-2] *= 2
		r.edge, r.spans = r.edge[:n-1], r.spans[:n-1]
	}
}

// Size is the number of leaves.
func (r *Root) Size() uint64 { return r.size }

// Sum returns the root over the leaves so far; of none it is the hash of nothing.
func (r *Root) Sum() object.Digest {
	if r.size == 0 {
		return object.Sum(nil)
	}
	sum := r.edge[len(r.edge)-1]
	for i := len(r.edge) - 2; i >= 0; i-- {
		sum = tlog.NodeHash(r.edge[i], sum)
	}
	return object.Digest(sum)
}

// State returns what is needed to go on: the size (u64, little-endian) and the hashes of the complete subtrees from left to right.
func (r *Root) State() []byte {
	out := binary.LittleEndian.AppendUint64(nil, r.size)
	for _, h := range r.edge {
		out = append(out, h[:]...)
	}
	return out
}

// Restore makes a Root of what State returned.
func Restore(state []byte) (Root, error) {
	if len(state) < 8 {
		return Root{}, fmt.Errorf("%d bytes are too few for the state of a tree", len(state))
	}
	r := Root{size: binary.LittleEndian.Uint64(state)}
	rest := state[8:]
	if r.size > 1<<62 || len(rest) != bits.OnesCount64(r.size)*tlog.HashSize {
		return Root{}, fmt.Errorf("%d bytes are not the state of a tree of %d", len(state), r.size)
	}
	for left := r.size; left > 0; rest = rest[tlog.HashSize:] {
		span := uint64(1) << (bits.Len64(left) - 1)
		r.edge, r.spans = append(r.edge, tlog.Hash(rest[:tlog.HashSize])), append(r.spans, span)
		left -= span
	}
	return r, nil
}

// store holds every node hash, in the order that tlog gives them.
type store []tlog.Hash

func (s store) ReadHashes(at []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(at))
	for i, k := range at {
		if k < 0 || k >= int64(len(s)) {
			return nil, fmt.Errorf("no hash %d in the tree", k)
		}
		out[i] = s[k]
	}
	return out, nil
}

func build(ids []object.Digest) (store, error) {
	s := make(store, 0, 2*len(ids))
	for i, id := range ids {
		more, err := tlog.StoredHashes(int64(i), id[:], s)
		if err != nil {
			return nil, err
		}
		s = append(s, more...)
	}
	return s, nil
}

// Prove returns the hashes that lead from leaf n to the root over ids.
func Prove(ids []object.Digest, n int) ([]object.Digest, error) {
	s, err := build(ids)
	if err != nil {
		return nil, err
	}
	proof, err := tlog.ProveRecord(int64(len(ids)), int64(n), s)
	return fromHashes(proof), err
}

// Check checks that the leaf id stands at n in the tree with that size and root.
func Check(proof []object.Digest, size uint64, root object.Digest, n uint64, id object.Digest) error {
	if size > 1<<62 || n >= size {
		return fmt.Errorf("no leaf %d in a tree of %d", n, size)
	}
	return tlog.CheckRecord(toHashes(proof), int64(size), tlog.Hash(root), int64(n), tlog.RecordHash(id[:]))
}

// ProveGrowth returns the hashes that show that the tree over the first old ids is the beginning of the tree over all.
func ProveGrowth(ids []object.Digest, old int) ([]object.Digest, error) {
	s, err := build(ids)
	if err != nil {
		return nil, err
	}
	proof, err := tlog.ProveTree(int64(len(ids)), int64(old), s)
	return fromHashes(proof), err
}

// CheckGrowth checks that the tree with the old size and root is the beginning of the other.
func CheckGrowth(proof []object.Digest, size uint64, root object.Digest, old uint64, oldRoot object.Digest) error {
	if size > 1<<62 || old == 0 || old > size {
		return fmt.Errorf("a tree of %d is not the beginning of one of %d", old, size)
	}
	return tlog.CheckTree(toHashes(proof), int64(size), tlog.Hash(root), int64(old), tlog.Hash(oldRoot))
}

func fromHashes(in []tlog.Hash) []object.Digest {
	out := make([]object.Digest, len(in))
	for i, h := range in {
		out[i] = object.Digest(h)
	}
	return out
}

func toHashes(in []object.Digest) []tlog.Hash {
	out := make([]tlog.Hash, len(in))
	for i, d := range in {
		out[i] = tlog.Hash(d)
	}
	return out
}

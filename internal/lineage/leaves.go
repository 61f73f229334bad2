package lineage

import (
	"mlx/internal/fault"
	"mlx/internal/lineage/internal/tree"
	"mlx/internal/object"
)

// Tree is the Merkle tree (RFC 6962) over a list of ids that grows. It keeps as many hashes as the size has bits, not the ids.
type Tree struct{ root tree.Root }

// NewTree returns the tree of no ids.
func NewTree() *Tree { return &Tree{} }

// TreeOf goes on from what State returned.
func TreeOf(state []byte) (*Tree, error) {
	root, err := tree.Restore(state)
	if err != nil {
		return nil, fault.New(fault.Integrity, "cannot read a Merkle tree: %w", err)
	}
	return &Tree{root}, nil
}

// Add appends ids.
func (t *Tree) Add(ids ...object.Digest) {
	for _, id := range ids {
		t.root.Add(id)
	}
}

// Size is the number of ids so far.
func (t *Tree) Size() uint64 { return t.root.Size() }

// Root is the hash that commits to the ids so far and their order.
func (t *Tree) Root() object.Digest { return t.root.Sum() }

// State returns the tree in at most 8 + 32·64 bytes.
func (t *Tree) State() []byte { return t.root.State() }

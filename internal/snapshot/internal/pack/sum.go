package pack

import (
	"crypto/sha256"
	"hash"

	"mlx/internal/fault"
	"mlx/internal/snapshot/internal/sha2x"
)

// sumOf is the common digest of payloads.
type sumOf struct{ hash.Hash }

func newSumOf() *sumOf { return &sumOf{sha256.New()} }

func (s *sumOf) digest() [32]byte { return [32]byte(s.Sum(nil)) }

// CheckChunks compares the chunks of a decoded frame with their digests, two at a time.
func CheckChunks(raw []byte, pieces []Piece) error {
	for len(pieces) > 1 {
		a, b := pieces[0], pieces[1]
		x, y := sha2x.Sum2(raw[:a.Len], raw[a.Len:a.Len+b.Len])
		if x != a.ID || y != b.ID {
			bad := a
			if x == a.ID {
				bad = b
			}
			return notItself(bad)
		}
		raw, pieces = raw[a.Len+b.Len:], pieces[2:]
	}
	if len(pieces) == 1 && sha256.Sum256(raw[:pieces[0].Len]) != pieces[0].ID {
		return notItself(pieces[0])
	}
	return nil
}

func notItself(p Piece) error {
	return fault.New(fault.Integrity, "object %s: its bytes do not have its digest", p.ID.Short())
}

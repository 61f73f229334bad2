// Package object hides how a value is named: the digest of its bytes, and the one canonical encoding
// (RFC 8785) that gives a value its bytes.
package object

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"mlx/internal/fault"
)

// Digest is the SHA-256 of some bytes. The zero Digest means "none".
type Digest [sha256.Size]byte

const scheme = "sha256:"

// Sum returns the digest of b.
func Sum(b []byte) Digest { return sha256.Sum256(b) }

// ParseDigest reads "sha256:" and 64 lower-case hex digits; the scheme may be left out.
func ParseDigest(s string) (Digest, error) {
	var d Digest
	h := strings.TrimPrefix(s, scheme)
	if len(h) != 2*len(d) || !isLowerHex(h) {
		return Digest{}, fault.New(fault.Usage, "cannot read digest %.80q: it must be sha256: and 64 hex digits", s)
	}
	if _, err := hex.Decode(d[:], []byte(h)); err != nil {
		return Digest{}, fault.New(fault.Usage, "cannot read digest %.80q: %w", s, err)
	}
	return d, nil
}

// String returns "sha256:" and 64 hex digits.
func (d Digest) String() string {
	b := make([]byte, len(scheme), len(scheme)+2*len(d))
	copy(b, scheme)
	return string(hex.AppendEncode(b, d[:]))
}

// Hex returns 64 hex digits.
func (d Digest) Hex() string { return hex.EncodeToString(d[:]) }

// Short returns the 12 hex digits shown to people.
func (d Digest) Short() string { return hex.EncodeToString(d[:6]) }

// IsZero reports whether d is the zero Digest.
func (d Digest) IsZero() bool { return d == Digest{} }

// Compare orders digests by their bytes.
func (d Digest) Compare(e Digest) int { return bytes.Compare(d[:], e[:]) }

// MarshalText writes what String does; the zero Digest is empty.
func (d Digest) MarshalText() ([]byte, error) {
	if d.IsZero() {
		return []byte{}, nil
	}
	return []byte(d.String()), nil
}

// UnmarshalText reads what MarshalText wrote.
func (d *Digest) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*d = Digest{}
		return nil
	}
	parsed, err := ParseDigest(string(text))
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}

func isLowerHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

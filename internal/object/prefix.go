package object

import (
	"strings"

	"mlx/internal/fault"
)

// MinPrefix is the least number of hex digits that names a digest.
const MinPrefix = 4

// Prefix is the beginning of a digest's hex form.
type Prefix struct{ hex string }

// ParsePrefix reads 4 to 64 lower-case hex digits, with or without "sha256:".
func ParsePrefix(s string) (Prefix, error) {
	h := strings.TrimPrefix(s, scheme)
	switch {
	case !isLowerHex(h) || len(h) > 2*len(Digest{}):
		return Prefix{}, fault.New(fault.Usage, "%.80q is no digest prefix", s)
	case len(h) < MinPrefix:
		return Prefix{}, fault.New(fault.Usage, "a digest prefix needs %d or more digits", MinPrefix)
	}
	return Prefix{h}, nil
}

// String returns the hex digits.
func (p Prefix) String() string { return p.hex }

// Match reports whether d begins with p.
func (p Prefix) Match(d Digest) bool {
	lo, hi := p.Range()
	return lo.Compare(d) <= 0 && d.Compare(hi) <= 0
}

// Range returns the least and the greatest digest that begin with p.
func (p Prefix) Range() (lo, hi Digest) { return p.fill('0'), p.fill('f') }

func (p Prefix) fill(pad byte) Digest {
	var d Digest
	for i := range 2 * len(d) {
		c := pad
		if i < len(p.hex) {
			c = p.hex[i]
		}
		d[i/2] = d[i/2]<<4 | nibble(c)
	}
	return d
}

func nibble(c byte) byte {
	if c >= 'a' {
		return c - 'a' + 10
	}
	return c - '0'
}

// Package sha2x computes two SHA-256 digests at once: of a chunk and of the file that it belongs to, or of two chunks.
//
// It hides that a processor with SHA extensions leaves half of its unit idle on one stream: two interleaved streams cost
// about as much as one. Elsewhere the standard library does the same work one after the other, with equal results.
package sha2x

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"sync"
)

const block = 64

// fast is fixed at the first use: the processor does not change.
var fast = sync.OnceValue(supported)

// state is one SHA-256 computation that the twin block function can advance.
type state struct {
	h   [8]uint32
	buf [block]byte
	n   int    // bytes waiting in buf
	len uint64 // bytes written
}

func (s *state) reset() {
	// FIPS 180-4, section 5.3.3.
	s.h = [8]uint32{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}
	s.n, s.len = 0, 0
}

// twin advances two states by p and q. Blocks that only one of them has left are compressed beside a scratch state.
func twin(a *state, p []byte, b *state, q []byte) {
	p, q = a.fill(p, b, q)
	k := min(len(p), len(q)) / block
	if k > 0 {
		blocks2(&a.h, &b.h, &p[0], &q[0], k)
		p, q = p[k*block:], q[k*block:]
	}
	a.rest(p)
	b.rest(q)
}

// fill completes the waiting blocks, so that what is left starts at a block of its state.
func (s *state) fill(p []byte, o *state, q []byte) ([]byte, []byte) {
	return s.top(p), o.top(q)
}

func (s *state) top(p []byte) []byte {
	s.len += uint64(len(p))
	if s.n == 0 {
		return p
	}
	k := copy(s.buf[s.n:], p)
	s.n += k
	if s.n == block {
		s.alone(&s.buf[0], 1)
		s.n = 0
	}
	return p[k:]
}

// rest compresses the whole blocks of p and keeps what remains.
func (s *state) rest(p []byte) {
	if k := len(p) / block; k > 0 {
		s.alone(&p[0], k)
		p = p[k*block:]
	}
	if len(p) > 0 {
		s.n = copy(s.buf[:], p)
	}
}

func (s *state) alone(p *byte, n int) {
	var scratch [8]uint32
	blocks2(&s.h, &scratch, p, p, n)
}

// pad returns the padding that ends the message (FIPS 180-4, section 5.1.1).
func (s *state) pad(buf *[2 * block]byte) []byte {
	buf[0] = 0x80
	k := block - 8 - s.n
	if s.n >= block-8 {
		k += block
	}
	binary.BigEndian.PutUint64(buf[k:], s.len*8)
	return buf[:k+8]
}

func (s *state) digest() (d [32]byte) {
	for i, v := range s.h {
		binary.BigEndian.PutUint32(d[4*i:], v)
	}
	return d
}

// Sum2 returns the SHA-256 of a and of b.
func Sum2(a, b []byte) (da, db [32]byte) {
	if !fast() {
		return sha256.Sum256(a), sha256.Sum256(b)
	}
	var s, t state
	s.reset()
	t.reset()
	twin(&s, a, &t, b)
	var pa, pb [2 * block]byte
	twin(&s, s.pad(&pa), &t, t.pad(&pb))
	return s.digest(), t.digest()
}

// Stream is the SHA-256 of a whole file that arrives chunk by chunk.
type Stream struct {
	s     state
	plain hash.Hash // where there is no twin function
}

// NewStream returns an empty stream.
func NewStream() *Stream {
	w := &Stream{}
	w.Reset()
	return w
}

// Reset empties the stream.
func (w *Stream) Reset() {
	if fast() {
		w.s.reset()
		return
	}
	if w.plain == nil {
		w.plain = sha256.New()
	}
	w.plain.Reset()
}

// Chunk appends p to the stream and returns the SHA-256 of p alone.
func (w *Stream) Chunk(p []byte) [32]byte {
	if w.plain != nil {
		w.plain.Write(p) // a hash never fails
		return sha256.Sum256(p)
	}
	var t state
	t.reset()
	twin(&w.s, p, &t, p)
	var pad [2 * block]byte
	t.rest2(t.pad(&pad))
	return t.digest()
}

// rest2 appends p and compresses what it completes.
func (s *state) rest2(p []byte) { s.rest(s.top(p)) }

// Sum returns the SHA-256 of all chunks so far and leaves the stream usable only after Reset.
func (w *Stream) Sum() [32]byte {
	if w.plain != nil {
		return [32]byte(w.plain.Sum(nil))
	}
	var pad [2 * block]byte
	w.s.rest2(w.s.pad(&pad))
	return w.s.digest()
}

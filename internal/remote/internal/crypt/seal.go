package crypt

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"hash"
	"io"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// SealBytes seals a small object. The same bytes in the same context give the same object.
func (r *Ring) SealBytes(context string, plain []byte) ([]byte, error) {
	o := Object{Context: context, Name: object.Sum(plain), Size: int64(len(plain))}
	if err := o.check(); err != nil {
		return nil, err
	}
	b, err := r.boxFor(o)
	if err != nil {
		return nil, err
	}
	out := append(make([]byte, 0, SealedSize(o.Size)), b.head...)
	for i := range segments(o.Size) {
		off, n := span(i, o.Size)
		out = b.seal(out, i, plain[off:off+n])
	}
	return out, nil
}

// Seal returns the sealed object as a stream that can be read again from any place, so that an upload can be retried.
// The same object gives the same bytes as long as no key is added. Nonces hang on the name, so other bytes than the
// named ones must never be sealed: the stream fails with kind Integrity, before its end, if plain is not what Name says.
func (r *Ring) Seal(o Object, plain io.ReaderAt) (*Sealed, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	b, err := r.boxFor(o)
	if err != nil {
		return nil, err
	}
	return &Sealed{box: b, plain: plain, hash: sha256.New(), held: -1}, nil
}

// SealedDigest returns the SHA-256 of the sealed object, in one pass. It gives no sealed byte away, so it leaves to Seal
// the check that plain is what the name says.
func (r *Ring) SealedDigest(o Object, plain io.ReaderAt) (d object.Digest, err error) {
	s, err := r.Seal(o, plain)
	if err != nil {
		return d, err
	}
	s.hash = nil
	sum := sha256.New()
	if _, err := s.WriteTo(sum); err != nil {
		return d, err
	}
	sum.Sum(d[:0])
	return d, nil
}

func (r *Ring) boxFor(o Object) (*box, error) {
	k := r.current()
	return newBox(k, o, k.saltOf(o.Context, o.Name))
}

// Sealed is the stream of a sealed object. It is for one goroutine.
type Sealed struct {
	box    *box
	plain  io.ReaderAt
	pos    int64
	hash   hash.Hash // of the plain bytes; nil where nobody gets the sealed ones
	hashed int64     // segments that the hash has seen
	held   int64     // segment in sealed; -1 for none
	in     []byte
	sealed []byte
}

// Size returns the length of the stream.
func (s *Sealed) Size() int64 { return SealedSize(s.box.Size) }

// Read seals the next bytes.
func (s *Sealed) Read(p []byte) (int, error) {
	rest, err := s.rest()
	if err != nil {
		return 0, err
	}
	n := copy(p, rest)
	s.pos += int64(n)
	return n, nil
}

// WriteTo writes what is left of the stream.
func (s *Sealed) WriteTo(w io.Writer) (total int64, err error) {
	for {
		rest, err := s.rest()
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		n, err := w.Write(rest)
		s.pos += int64(n)
		total += int64(n)
		if err != nil {
			return total, err
		}
	}
}

// Seek goes to a place of the sealed stream.
func (s *Sealed) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += s.pos
	case io.SeekEnd:
		offset += s.Size()
	}
	if offset < 0 || whence < io.SeekStart || whence > io.SeekEnd {
		return 0, fault.New(fault.Internal, "cannot go to byte %d of a sealed object", offset)
	}
	s.pos = offset
	return offset, nil
}

// rest returns the bytes from pos to the end of the header or segment that it lies in.
func (s *Sealed) rest() ([]byte, error) {
	if s.pos >= s.Size() {
		return nil, io.EOF
	}
	if s.pos < int64(headerSize) {
		return s.box.head[s.pos:], nil
	}
	i, skip := (s.pos-int64(headerSize))/sealedFull, (s.pos-int64(headerSize))%sealedFull
	if i != s.held {
		if err := s.load(i); err != nil {
			return nil, err
		}
	}
	return s.sealed[skip:], nil
}

// load seals segment i. Before the last one is given away, all bytes have been hashed and are those of the name.
func (s *Sealed) load(i int64) error {
	s.held = -1
	last := s.hash != nil && i == segments(s.box.Size)-1
	for j := s.hashed; last && j < i; j++ {
		if err := s.fetch(j); err != nil {
			return err
		}
	}
	if err := s.fetch(i); err != nil {
		return err
	}
	if last && !bytes.Equal(s.hash.Sum(nil), s.box.Name[:]) {
		return fault.New(fault.Integrity, "cannot seal %s: its bytes are not those of %s", s.box.Context, s.box.Name.Short())
	}
	s.sealed = s.box.seal(s.sealed[:0], i, s.in)
	s.held = i
	return nil
}

// fetch reads segment i of the plain bytes.
func (s *Sealed) fetch(i int64) error {
	off, n := span(i, s.box.Size)
	if s.in == nil {
		most := min(segmentSize, s.box.Size)
		s.in, s.sealed = make([]byte, most), make([]byte, 0, most+tagSize)
	}
	s.in = s.in[:n]
	if got, err := s.plain.ReadAt(s.in, off); int64(got) < n {
		if errors.Is(err, io.EOF) {
			return fault.New(fault.Integrity, "cannot seal %s: it ends before byte %d", s.box.Context, s.box.Size)
		}
		return fault.New(fault.KindOf(err), "cannot seal %s: %w", s.box.Context, err)
	}
	if s.hash != nil && i == s.hashed {
		s.hash.Write(s.in)
		s.hashed++
	}
	return nil
}

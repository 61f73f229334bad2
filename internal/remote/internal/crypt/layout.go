package crypt

import (
	"crypto/cipher"
	"crypto/sha256"

	"mlx/internal/fault"
	"mlx/internal/object"
)

const (
	magic       = "mlxseal\x01"
	headerSize  = len(magic) + len(KeyID{}) + sha256.Size
	segmentSize = 64 << 10 // plain bytes; all but the last are full
	tagSize     = 16
	sealedFull  = segmentSize + tagSize
	maxSize     = 1 << 46 // plain bytes of an object: its segments fit any counter
	maxContext  = 1024
)

// Overhead is how many bytes sealing adds to an object of one segment.
const Overhead = int64(headerSize + tagSize)

// Object says what is sealed. Its context is its role and key, as "log/0000000000000001": an object does not open under
// another one.
type Object struct {
	Context string
	Name    object.Digest // SHA-256 of the plain bytes; when opening it may be zero for unknown, which costs a read more
	Size    int64         // plain bytes
}

func (o Object) check() error {
	if len(o.Context) == 0 || len(o.Context) > maxContext {
		return fault.New(fault.Internal, "cannot use %d bytes as the context of a sealed object", len(o.Context))
	}
	if o.Size < 0 || o.Size > maxSize {
		return fault.New(fault.Integrity, "cannot have a sealed object of %d bytes", o.Size)
	}
	return nil
}

// SealedSize returns how many bytes an object of that many plain ones has.
func SealedSize(plain int64) int64 {
	return int64(headerSize) + plain + segments(plain)*tagSize
}

// PlainSize is the reverse of SealedSize; false when no object has that size.
func PlainSize(sealed int64) (int64, bool) {
	body := sealed - int64(headerSize)
	if body < tagSize || body > maxSize*2 {
		return 0, false
	}
	plain := body - (body+sealedFull-1)/sealedFull*tagSize
	return plain, plain >= 0 && plain <= maxSize && SealedSize(plain) == sealed
}

// segments returns the number of segments; an empty object has one, empty.
func segments(plain int64) int64 { return max(1, (plain+segmentSize-1)/segmentSize) }

// span returns where segment i of an object lies in the plain bytes.
func span(i, size int64) (off, n int64) {
	off = i * segmentSize
	return off, min(segmentSize, size-off)
}

// header is what stands before the segments.
type header struct {
	key  KeyID
	salt [sha256.Size]byte
}

func (h header) encode() []byte {
	b := append(make([]byte, 0, headerSize), magic...)
	return append(append(b, h.key[:]...), h.salt[:]...)
}

func parseHeader(b []byte) (h header, err error) {
	if len(b) != headerSize || string(b[:len(magic)]) != magic {
		return h, fault.New(fault.Integrity, "cannot open an object: it is not sealed as version 1")
	}
	copy(h.key[:], b[len(magic):])
	copy(h.salt[:], b[len(magic)+len(h.key):])
	return h, nil
}

// box seals and opens the segments of one object.
type box struct {
	Object
	head []byte
	aead cipher.AEAD
	bind []byte // associated data of every segment: header and context
	key  ringKey
	salt [sha256.Size]byte
}

func newBox(k ringKey, o Object, salt [sha256.Size]byte) (*box, error) {
	aead, err := k.aead(o.Context, salt)
	if err != nil {
		return nil, err
	}
	head := header{k.id, salt}.encode()
	bind := append(append(make([]byte, 0, headerSize+len(o.Context)), head...), o.Context...)
	return &box{Object: o, head: head, aead: aead, bind: bind, key: k, salt: salt}, nil
}

// seal appends sealed segment i to dst.
func (b *box) seal(dst []byte, i int64, plain []byte) []byte {
	n := nonce(i, i == segments(b.Size)-1)
	return b.aead.Seal(dst, n[:], plain, b.bind)
}

// open opens segment i in place.
func (b *box) open(i int64, sealed []byte) ([]byte, error) {
	n := nonce(i, i == segments(b.Size)-1)
	plain, err := b.aead.Open(sealed[:0], n[:], sealed, b.bind)
	if err != nil {
		return nil, damaged(b.Context)
	}
	return plain, nil
}

// isNamed says whether the object has that name: what its salt was made from.
func (b *box) isNamed(name object.Digest) bool { return b.key.saltOf(b.Context, name) == b.salt }

func damaged(context string) error {
	return fault.New(fault.Integrity, "cannot open %s: it was changed, cut or put there in place of another", context)
}

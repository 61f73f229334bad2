// Package crypt hides how a remote is kept from those who can read its bucket: which keys there are and who can open
// them, the bytes of a sealed object, and how nonces come about. Callers see objects that are sealed and opened by name.
package crypt

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"slices"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// Key is one master key of a remote. Every key in use is derived from one.
type Key [32]byte

// KeyID names a key. It tells nothing about the key.
type KeyID [8]byte

// String returns 16 hex digits.
func (id KeyID) String() string { return hex.EncodeToString(id[:]) }

// ErrNoKey means that an object was sealed with a key that the ring lacks: the ring is older than the object, or was
// put back to an older state, or is that of another remote.
var ErrNoKey = errors.New("the keyring has no such key")

// maxKeys bounds how often the key of a remote may be changed.
const maxKeys = 256

// Ring holds the keys of one remote, oldest first. It never changes, so any number of goroutines may use it.
type Ring struct {
	keys []ringKey
}

type ringKey struct {
	master Key
	id     KeyID
	salt   []byte // of HMAC: makes the salt of an object out of its name
}

// NewRing makes a ring of one new key.
func NewRing(rand io.Reader) (*Ring, error) { return (&Ring{}).Rotate(rand) }

// Rotate returns a ring with one more key, which seals from now on. The older ones still open.
func (r *Ring) Rotate(rand io.Reader) (*Ring, error) {
	if len(r.keys) >= maxKeys {
		return nil, fault.New(fault.Conflict, "cannot change the key: the remote has had %d already", len(r.keys))
	}
	var master Key
	if _, err := io.ReadFull(rand, master[:]); err != nil {
		return nil, fault.New(fault.Unavailable, "cannot make a key: %w", err)
	}
	k, err := newRingKey(master)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(r.keys, func(old ringKey) bool { return old.id == k.id }) {
		return nil, fault.New(fault.Internal, "cannot make a key: the source of randomness repeats itself")
	}
	return &Ring{keys: append(slices.Clone(r.keys), k)}, nil
}

// Keys returns the ids of all keys, oldest first. The first stays for the life of a remote, so that it tells whether a
// keyring belongs to the remote that it is offered for; the last seals.
func (r *Ring) Keys() []KeyID {
	ids := make([]KeyID, len(r.keys))
	for i, k := range r.keys {
		ids[i] = k.id
	}
	return ids
}

func (r *Ring) current() ringKey { return r.keys[len(r.keys)-1] }

func (r *Ring) byID(id KeyID) (ringKey, error) {
	for _, k := range r.keys {
		if k.id == id {
			return k, nil
		}
	}
	return ringKey{}, fault.New(fault.Integrity, "cannot open an object sealed with key %s: %w", id, ErrNoKey)
}

func newRingKey(master Key) (ringKey, error) {
	k := ringKey{master: master}
	id, err := derive(master, nil, "mlx key id v1", len(k.id))
	if err != nil {
		return k, err
	}
	copy(k.id[:], id)
	k.salt, err = derive(master, nil, "mlx salt v1", sha256.Size)
	return k, err
}

// saltOf returns the salt of an object: the same for the same name and context, and to others a random number.
func (k ringKey) saltOf(context string, name object.Digest) (salt [sha256.Size]byte) {
	mac := hmac.New(sha256.New, k.salt)
	mac.Write(name[:])
	mac.Write([]byte(context)) // last, so that its length need not be stated
	mac.Sum(salt[:0])
	return salt
}

// aead returns the cipher of one object. Each object has a key of its own, so a count is nonce enough.
func (k ringKey) aead(context string, salt [sha256.Size]byte) (cipher.AEAD, error) {
	key, err := derive(k.master, salt[:], "mlx object v1 "+context, len(k.master))
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fault.New(fault.Internal, "cannot set up the cipher: %w", err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fault.New(fault.Internal, "cannot set up the cipher: %w", err)
	}
	return gcm, nil
}

func derive(master Key, salt []byte, info string, n int) ([]byte, error) {
	key, err := hkdf.Key(sha256.New, master[:], salt, info, n)
	if err != nil {
		return nil, fault.New(fault.Internal, "cannot derive a key: %w", err)
	}
	return key, nil
}

// nonce returns the nonce of segment i. The last one differs, so that a cut object does not open.
func nonce(i int64, last bool) (n [12]byte) {
	binary.BigEndian.PutUint64(n[3:11], uint64(i))
	if last {
		n[11] = 1
	}
	return n
}

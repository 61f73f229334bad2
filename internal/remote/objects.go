package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"mlx/internal/bucket"
	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/remote/internal/crypt"
)

// The folders of a remote.
const (
	logFolder     = "log/"
	rollFolder    = "roll/"
	packFolder    = "packs/"
	tableFolder   = "tables/"
	recordFolder  = "records/"
	keyringFolder = "keyring/"
	tailKey       = "tail"

	packSuffix   = ".pack"
	recordSuffix = ".jsonl.zst"
)

func logKey(seq uint64) string     { return fmt.Sprintf("%s%016d", logFolder, seq) }
func rollKey(seq uint64) string    { return fmt.Sprintf("%s%016d", rollFolder, seq) }
func keyringKey(seq uint64) string { return fmt.Sprintf("%s%016d", keyringFolder, seq) }

// stored is the name under which an object lies: that of its stored bytes where they are encrypted.
func stored(plain, sealed object.Digest) string {
	if sealed.IsZero() {
		return plain.Hex()
	}
	return sealed.Hex()
}

func (p ChunkPack) key() string  { return packFolder + stored(p.Pack, p.Object) + packSuffix }
func (t Table) key() string      { return tableFolder + stored(t.Table, t.Object) }
func (p RecordPack) key() string { return recordFolder + stored(p.Pack, p.Object) + recordSuffix }

// read reads a small object and opens it.
func (r *Remote) read(ctx context.Context, key string, limit int64) ([]byte, error) {
	b, err := r.o.Bucket.Read(ctx, key, crypt.SealedSize(limit))
	if err != nil {
		return nil, err
	}
	return r.unseal(ctx, key, b)
}

// unseal opens the bytes of an object. The first one that turns out to be encrypted brings the keys.
func (r *Remote) unseal(ctx context.Context, key string, b []byte) ([]byte, error) {
	ring, err := r.opener(ctx, key, b)
	if err != nil || ring == nil {
		return b, err
	}
	plain, err := ring.OpenBytes(contextOf(key), b)
	if errors.Is(err, crypt.ErrNoKey) { // somebody has changed the key since
		if ring, err = r.reopen(ctx); err == nil {
			plain, err = ring.OpenBytes(contextOf(key), b)
		}
	}
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot open %s: %w", key, err)
	}
	if id, _ := crypt.SealedWith(b); key == logKey(0) && id != ring.Keys()[0] {
		return nil, fault.New(fault.Integrity, "cannot open %s: the keyring is not that of this remote", key)
	}
	return plain, nil
}

// opener returns the ring for the bytes of an object; nil: the remote is not encrypted. A remote is encrypted from its first
// object on, or never: an object that is of the other kind was put there by somebody else.
func (r *Remote) opener(ctx context.Context, key string, b []byte) (*crypt.Ring, error) {
	r.locking.Lock()
	defer r.locking.Unlock()
	sealed := crypt.IsSealed(b)
	switch {
	case r.ring != nil:
		return r.ring, nil
	case r.known.sealed && !sealed:
		return nil, fault.New(fault.Integrity, "cannot believe %s: remote %s is encrypted, and this is not", key, r.o.Name)
	case len(r.o.Recipients) > 0 && !sealed:
		return nil, r.notEncrypted()
	case r.known.state.begun() && !r.known.sealed && sealed:
		return nil, fault.New(fault.Integrity, "cannot believe %s: remote %s is not encrypted, and this is", key, r.o.Name)
	case !sealed:
		return nil, nil
	}
	err := r.unlock(ctx)
	return r.ring, err
}

// reopen reads the keyring again.
func (r *Remote) reopen(ctx context.Context) (*crypt.Ring, error) {
	r.locking.Lock()
	defer r.locking.Unlock()
	err := r.unlock(ctx)
	return r.ring, err
}

// The contexts of objects that are named by their own digest.
const (
	packContext  = "packs"
	tableContext = "tables"
)

// contextOf is what ciphertext is bound to: the object's role, and its number where that is its name. An object named by
// its own digest needs no more.
func contextOf(key string) string {
	switch folder, _, _ := strings.Cut(key, "/"); folder + "/" {
	case tableFolder, recordFolder, packFolder:
		return folder
	}
	return key
}

// seal is what a small object has to be stored as.
func (r *Remote) seal(ctx context.Context, key string, plain []byte) ([]byte, error) {
	if err := r.ready(ctx); err != nil {
		return nil, err
	}
	if r.ring == nil {
		return plain, nil
	}
	return r.ring.SealBytes(contextOf(key), plain)
}

// create makes a small object under a number. false: the number is taken.
func (r *Remote) create(ctx context.Context, key string, plain []byte) (bool, error) {
	b, err := r.seal(ctx, key, plain)
	if err == nil {
		err = r.o.Bucket.Create(ctx, key, b)
	}
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	return err == nil, err
}

// write writes a small object.
func (r *Remote) write(ctx context.Context, key string, plain []byte) error {
	b, err := r.seal(ctx, key, plain)
	if err != nil {
		return err
	}
	return r.o.Bucket.Write(ctx, key, bytes.NewReader(b), int64(len(b)))
}

// put writes a small object that is named by its content: in the given folder, by the digest of what is stored. It
// returns that digest where it is not that of the plain bytes, and how many bytes are stored.
func (r *Remote) put(ctx context.Context, folder, suffix string, plain []byte) (sealed object.Digest, size int64, err error) {
	b, err := r.seal(ctx, folder, plain)
	if err != nil {
		return sealed, 0, err
	}
	name := object.Sum(b)
	if r.ring != nil {
		sealed = name
	}
	return sealed, int64(len(b)), r.o.Bucket.Write(ctx, folder+name.Hex()+suffix, bytes.NewReader(b), int64(len(b)))
}

// readRange writes bytes [off, off+n) of an object that is read in parts to w.
func (r *Remote) readRange(ctx context.Context, key string, o crypt.Object, span [2]int64, w io.Writer) error {
	off, n := span[0], span[1]
	if err := r.ready(ctx); err != nil {
		return err
	}
	if r.ring == nil {
		return r.o.Bucket.ReadTo(ctx, key, off, n, w)
	}
	for n > 0 {
		part := min(n, sealedPart)
		b, err := r.ring.OpenRange(o, off, part, func(off, n int64) ([]byte, error) { return r.o.Bucket.ReadRange(ctx, key, off, n) })
		if err != nil {
			return err
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
		off, n = off+part, n-part
	}
	return nil
}

// sealedPart is how much of an encrypted object is opened in memory at a time.
const sealedPart = 4 << 20

// readPack writes a range of a pack of chunks to w.
func (r *Remote) readPack(ctx context.Context, p ChunkPack, off, n int64, w io.Writer) error {
	return r.readRange(ctx, p.key(), crypt.Object{Context: packContext, Name: p.Plain, Size: p.Bytes}, [2]int64{off, n}, w)
}

// readTable returns a range of a table.
func (r *Remote) readTable(ctx context.Context, t Table, off, n int64) ([]byte, error) {
	var b bytes.Buffer
	err := r.readRange(ctx, t.key(), crypt.Object{Context: tableContext, Name: t.Table, Size: t.Bytes}, [2]int64{off, n}, &b)
	return b.Bytes(), err
}

// size is how many bytes the object of a pack has.
func (r *Remote) size(p ChunkPack) int64 {
	if p.Object.IsZero() {
		return p.Bytes
	}
	return crypt.SealedSize(p.Bytes)
}

// notFound says whether an error means that an object is not there.
func notFound(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// objects lists a folder: sizes by name. Where listing is denied it returns nil and no error.
func (r *Remote) objects(ctx context.Context, folder string) (map[string]bucket.Object, error) {
	out := map[string]bucket.Object{}
	for o, err := range r.o.Bucket.List(ctx, folder) {
		if fault.KindOf(err) == fault.Denied {
			r.o.Note("%s may not be listed: %v", folder, err)
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		out[o.Key] = o
	}
	return out, nil
}

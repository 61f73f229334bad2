package pack

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"slices"

	"mlx/internal/object"
)

// Piece is a chunk on its way into a pack.
type Piece struct {
	ID  object.Digest
	Len int
}

// Writer writes one pack into a temporary file and gives it its name at the end. It belongs to one goroutine.
type Writer struct {
	f       *os.File
	off     int64
	buf     []byte
	frames  []Frame
	entries []entry
	sum     hash.Hash // over the payloads that are not raw
}

const bufferSize = 256 << 10

// NewWriter starts a pack in the folder tmp. The owner's name begins that of the file, so that a later process can tell
// whether the writer still lives.
func NewWriter(tmp, owner string) (*Writer, error) {
	return NewWriterAs(filepath.Join(tmp, owner+"-*"+TempSuffix))
}

// NewWriterAs is NewWriter for a file of another pattern, as os.CreateTemp knows them: one that nobody adopts.
func NewWriterAs(pattern string) (*Writer, error) {
	f, err := os.CreateTemp(filepath.Dir(pattern), filepath.Base(pattern))
	if err != nil {
		return nil, fmt.Errorf("start a pack: %w", err)
	}
	return &Writer{f: f, off: int64(len(magic)), buf: append(make([]byte, 0, bufferSize), magic...), sum: sha256.New()}, nil
}

// TempSuffix ends the name of a pack that is not finished.
const TempSuffix = ".pack.tmp"

// Size returns the bytes of the pack so far, without its index.
func (w *Writer) Size() int64 { return w.off }

// Chunks returns how many chunks the pack has so far.
func (w *Writer) Chunks() int { return len(w.entries) }

// Add appends a frame whose payload encodes the given chunks, raw bytes long together.
func (w *Writer) Add(codec Codec, chunks []Piece, raw int, payload []byte) error {
	if len(chunks) > maxChunks || len(w.frames) >= maxFrames || raw < 1 || raw > Limit || len(payload) > maxStored {
		return fmt.Errorf("a frame of %d chunks and %d bytes is too large", len(chunks), raw)
	}
	f := Frame{Codec: codec, Offset: w.off, Raw: raw, Stored: len(payload), Chunks: len(chunks)}
	if codec != Raw {
		w.sum.Write(payload) // a hash never fails
	}
	at, lens := 0, make([]int, 0, 64)
	for _, c := range chunks {
		w.entries = append(w.entries, entry{id: c.ID, frame: uint32(len(w.frames)), at: uint32(at), size: uint32(c.Len)})
		lens = append(lens, c.Len)
		at += c.Len
	}
	w.frames = append(w.frames, f)
	w.off += f.size()
	w.buf = f.appendHead(w.buf, lens)
	if len(w.buf)+len(payload) <= cap(w.buf) {
		w.buf = append(w.buf, payload...)
		return nil
	}
	if err := w.flush(); err != nil {
		return err
	}
	if len(payload) > bufferSize/8 { // long payloads need no copy
		return w.write(payload)
	}
	w.buf = append(w.buf, payload...)
	return nil
}

func (w *Writer) flush() error {
	err := w.write(w.buf)
	w.buf = w.buf[:0]
	return err
}

func (w *Writer) write(b []byte) error {
	if _, err := w.f.Write(b); err != nil {
		return fmt.Errorf("write a pack: %w", err)
	}
	return nil
}

// Close writes the index, makes the pack durable and moves it into the folder packs under its name.
// The caller syncs that folder. An empty pack is dropped: the name is zero.
func (w *Writer) Close(packs string) (object.Digest, int64, error) {
	return w.CloseAs(func(name object.Digest) string { return filepath.Join(packs, FileName(name)) })
}

// CloseAs is Close for a pack that goes elsewhere: path says where.
func (w *Writer) CloseAs(path func(name object.Digest) string) (object.Digest, int64, error) {
	if len(w.frames) == 0 {
		return object.Digest{}, 0, w.Abort()
	}
	slices.SortFunc(w.entries, func(a, b entry) int { return cmp.Or(a.id.Compare(b.id), cmp.Compare(a.frame, b.frame)) })
	if err := w.flush(); err != nil {
		return object.Digest{}, 0, w.fail(err)
	}
	idx := appendIndex(make([]byte, 0, len(w.frames)*frameRow+len(w.entries)*chunkRow+trailerSize), w.off, w.frames, w.entries, [32]byte(w.sum.Sum(nil)))
	name := object.Digest(sha256.Sum256(idx))
	if err := w.write(idx); err != nil {
		return name, 0, w.fail(err)
	}
	if err := w.f.Sync(); err != nil {
		return name, 0, w.fail(fmt.Errorf("make a pack durable: %w", err))
	}
	if err := w.f.Chmod(0o444); err != nil {
		return name, 0, w.fail(fmt.Errorf("protect a pack: %w", err))
	}
	tmp := w.f.Name()
	if err := w.f.Close(); err != nil {
		return name, 0, w.fail(fmt.Errorf("close a pack: %w", err))
	}
	if err := os.Rename(tmp, path(name)); err != nil {
		return name, 0, w.fail(fmt.Errorf("name a pack: %w", err))
	}
	return name, w.off + int64(len(idx)), nil
}

// Abort drops the pack.
func (w *Writer) Abort() error {
	w.f.Close()
	return os.Remove(w.f.Name())
}

func (w *Writer) fail(err error) error {
	_ = w.Abort() // the first error is the one that matters
	return err
}

// FileName returns the name of a pack's file.
func FileName(name object.Digest) string { return name.Hex() + ".pack" }

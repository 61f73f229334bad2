package pack

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// Set is all packs of a store, as last listed. Safe for many goroutines.
type Set struct {
	dir  string
	mu   sync.RWMutex
	open map[object.Digest]*File
	list []*File // newest first, so that a repeated look-up ends early
	bad  map[object.Digest]error
}

// NewSet returns the set of packs in the folder dir, which need not exist. Nothing is read before Refresh.
func NewSet(dir string) *Set {
	return &Set{dir: dir, open: map[object.Digest]*File{}, bad: map[object.Digest]error{}}
}

// List returns the names of the packs that are there now.
func List(dir string) ([]object.Digest, error) {
	names, err := readNames(dir)
	if err != nil {
		return nil, err
	}
	var out []object.Digest
	for _, n := range names {
		if hex, ok := strings.CutSuffix(n, ".pack"); ok {
			if d, err := object.ParseDigest(hex); err == nil {
				out = append(out, d)
			}
		}
	}
	return out, nil
}

func readNames(dir string) ([]string, error) {
	f, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list packs: %w", err)
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list packs: %w", err)
	}
	return names, nil
}

// Refresh lists the folder again: new packs are opened, packs that are gone are forgotten. A damaged pack is left out and
// remembered for Damaged.
func (s *Set) Refresh() error {
	names, err := List(s.dir)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	there := make(map[object.Digest]bool, len(names))
	for _, n := range names {
		there[n] = true
		if s.open[n] != nil || s.bad[n] != nil {
			continue
		}
		f, err := OpenFile(filepath.Join(s.dir, FileName(n)), n)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			delete(there, n)
		case fault.KindOf(err) == fault.Integrity:
			s.bad[n] = err
		case err != nil:
			return fmt.Errorf("open a pack: %w", err)
		default:
			s.open[n] = f
			s.list = append(s.list, f)
		}
	}
	kept := s.list[:0:0]
	for _, f := range s.list {
		if there[f.name] {
			kept = append(kept, f)
		} else {
			delete(s.open, f.name) // a reader may still use it; the file closes when nobody does
		}
	}
	s.list = kept
	maps.DeleteFunc(s.bad, func(n object.Digest, _ error) bool { return !there[n] })
	return nil
}

// Close releases all packs. No reader may be left.
func (s *Set) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, f := range s.list {
		errs = append(errs, f.Close())
	}
	s.list, s.open = nil, map[object.Digest]*File{}
	return errors.Join(errs...)
}

// Files returns the packs as last listed.
func (s *Set) Files() []*File {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.list
}

// File returns the pack of that name, nil where it was not there.
func (s *Set) File(name object.Digest) *File {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.open[name]
}

// Damaged returns the packs whose index cannot be trusted, with the reason.
func (s *Set) Damaged() map[object.Digest]error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return maps.Clone(s.bad)
}

// Loc is where a chunk lies.
type Loc struct {
	File  *File
	Frame Frame
	at    int
	Size  int
	Row   int // number of the chunk's row in the pack's index
}

// Find returns where a chunk lies, among the packs that skip (when not nil) does not name. A full copy is preferred to a
// delta.
func (s *Set) Find(d object.Digest, skip map[object.Digest]bool) (Loc, bool) {
	s.mu.RLock()
	list := s.list
	s.mu.RUnlock()
	var second Loc
	for i := len(list) - 1; i >= 0; i-- {
		f := list[i]
		row, ok := f.x.search(d)
		if !ok || skip[f.name] {
			continue
		}
		e := f.x.entry(row)
		l := Loc{File: f, Frame: f.x.frame(int(e.frame)), at: int(e.at), Size: int(e.size), Row: row}
		if l.Frame.Codec != Delta {
			return l, true
		}
		second = l
	}
	return second, second.File != nil
}

// Base returns the digest of the base chunk of a delta.
func (l Loc) Base() (object.Digest, error) {
	var b object.Digest
	if _, err := l.File.f.ReadAt(b[:], l.Frame.Offset+int64(l.Frame.headSize())); err != nil {
		return b, fault.New(fault.Integrity, "cannot read %s: %w", l.File.path, err)
	}
	return b, nil
}

// Reader reads chunks from a set. It keeps the last decoded frame of small chunks, since neighbours are read together.
// It belongs to one goroutine.
type Reader struct {
	set     *Set
	dec     *Decoder
	payload []byte
	frames  [4]cached // the frames decoded last, in a ring
	turn    int
	base    []byte // of a delta, decoded

	basePayload []byte

	last *File // where the chunk before was found: neighbours lie together
}

type cached struct {
	file *File
	off  int64
	raw  []byte
}

// NewReader returns a reader of the set.
func (s *Set) NewReader() (*Reader, error) {
	d, err := NewDecoder()
	if err != nil {
		return nil, err
	}
	return &Reader{set: s, dec: d}, nil
}

// Read returns the bytes of a chunk, checked against its digest. They are valid until the next call.
func (r *Reader) Read(d object.Digest) ([]byte, error) {
	l, ok := r.near(d)
	if !ok {
		l, ok = r.set.Find(d, nil)
	}
	if !ok { // a pack may have come since, or gc may have moved the chunk
		if err := r.set.Refresh(); err != nil {
			return nil, err
		}
		if l, ok = r.set.Find(d, nil); !ok {
			return nil, r.set.absent(d)
		}
	}
	r.last = l.File
	b, err := r.ReadLoc(d, l)
	if err != nil {
		if b, ok := r.elsewhere(d, l.File); ok {
			return b, nil
		}
		return nil, fmt.Errorf("object %s: %w", d.Short(), err)
	}
	return b, nil
}

// near looks for a full copy of a chunk in the pack that had the one before.
func (r *Reader) near(d object.Digest) (Loc, bool) {
	if r.last == nil {
		return Loc{}, false
	}
	e, ok := r.last.x.find(d)
	if !ok {
		return Loc{}, false
	}
	l := Loc{File: r.last, Frame: r.last.x.frame(int(e.frame)), at: int(e.at), Size: int(e.size)}
	return l, l.Frame.Codec != Delta
}

// absent says why no pack has a chunk.
func (s *Set) absent(d object.Digest) error {
	for name := range s.Damaged() {
		return fault.New(fault.Integrity, "object %s is in no pack that can be read, and pack %s is damaged", d.Short(), name.Short()).
			Hint("mlx verify   # what is damaged, and what that hurts")
	}
	return fault.New(fault.NotFound, "object %s is not on this machine", d.Short())
}

// elsewhere reads a chunk from any pack but the one where it cannot be read.
func (r *Reader) elsewhere(d object.Digest, bad *File) ([]byte, bool) {
	for _, f := range r.set.Files() {
		if e, ok := f.x.find(d); ok && f != bad {
			l := Loc{File: f, Frame: f.x.frame(int(e.frame)), at: int(e.at), Size: int(e.size)}
			if b, err := r.ReadLoc(d, l); err == nil {
				return b, true
			}
		}
	}
	return nil, false
}

// ReadLoc is Read where the place is known.
func (r *Reader) ReadLoc(d object.Digest, l Loc) ([]byte, error) {
	raw, err := r.frame(l)
	if err != nil {
		return nil, err
	}
	b := raw[l.at : l.at+l.Size]
	if sha256.Sum256(b) != d {
		return nil, fault.New(fault.Integrity, "damaged in %s: its bytes do not have its digest", l.File.path)
	}
	return b, nil
}

// frame returns a decoded frame, from the ring where it is there.
func (r *Reader) frame(l Loc) ([]byte, error) {
	if l.Frame.Codec == Raw && l.Frame.Chunks == 1 {
		if cap(r.payload) < Limit {
			r.payload = make([]byte, Limit)
		}
		b := r.payload[:l.at+l.Size]
		if _, err := l.File.f.ReadAt(b[l.at:], l.Frame.Offset+int64(l.Frame.headSize()+l.at)); err != nil {
			return nil, fault.New(fault.Integrity, "cannot read %s: %w", l.File.path, err)
		}
		return b, nil
	}
	for i := range r.frames {
		if c := &r.frames[i]; c.file == l.File && c.off == l.Frame.Offset {
			return c.raw, nil
		}
	}
	c := &r.frames[r.turn]
	c.file = nil
	raw, err := r.unpack(l, c.raw)
	if err != nil {
		return nil, err
	}
	*c = cached{file: l.File, off: l.Frame.Offset, raw: raw}
	r.turn = (r.turn + 1) % len(r.frames)
	return raw, nil
}

// unpack reads and decodes a frame into buf.
func (r *Reader) unpack(l Loc, buf []byte) ([]byte, error) {
	if l.Frame.Codec == Raw {
		return l.File.payload(l.Frame, buf)
	}
	payload, err := l.File.payload(l.Frame, r.payload)
	if err != nil {
		return nil, err
	}
	r.payload = payload
	raw, err := r.Decode(l.Frame, payload, buf[:0])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.File.path, err)
	}
	return raw, nil
}

// Decode decodes a payload into dst. The base of a delta must have a full copy in the set: a delta of a delta is refused.
func (r *Reader) Decode(f Frame, payload, dst []byte) ([]byte, error) {
	switch f.Codec {
	case Raw:
		return payload, nil
	case Zstd:
		return r.dec.Zstd(dst, payload, f.Raw)
	case Delta:
		id, rest, err := baseOf(payload)
		if err != nil {
			return nil, err
		}
		base, l, err := r.fullCopy(id)
		if err != nil {
			return nil, err
		}
		if sha256.Sum256(base) != id {
			return nil, fault.New(fault.Integrity, "base %s of a delta is damaged in %s", id.Short(), l.File.path)
		}
		return r.dec.Delta(dst, rest, base, f.Raw)
	}
	return nil, fault.New(fault.Integrity, "damaged frame: %s", f.Codec)
}

// fullCopy reads the base of a delta, which must be stored as itself, without comparing its digest. It has buffers of its own: the caller holds the
// reader's payload.
func (r *Reader) fullCopy(d object.Digest) ([]byte, Loc, error) {
	l, ok := r.set.Find(d, nil)
	if !ok {
		return nil, l, fault.New(fault.NotFound, "base %s of a delta is not on this machine", d.Short())
	}
	if l.Frame.Codec == Delta {
		return nil, l, fault.New(fault.Integrity, "base %s of a delta is itself a delta", d.Short())
	}
	payload, err := l.File.payload(l.Frame, r.basePayload)
	if err != nil {
		return nil, l, err
	}
	r.basePayload = payload
	raw, err := r.Decode(l.Frame, payload, r.base[:0])
	if err != nil {
		return nil, l, err
	}
	if l.Frame.Codec == Zstd {
		r.base = raw
	}
	return raw[l.at : l.at+l.Size], l, nil
}

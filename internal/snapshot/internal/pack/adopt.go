package pack

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"mlx/internal/object"
)

func sortByPlace(rows []entry) {
	slices.SortFunc(rows, func(a, b entry) int { return cmp.Compare(a.at, b.at) })
}

// Adopt finishes the pack that a dead writer left at path: it keeps the frames that are whole and can be decoded, cuts
// the rest off, and moves the pack into the folder packs. A file without one whole frame is removed; the name is zero.
//
// A delta without its base is left out, and so is a frame with a chunk that refuse (when not nil) names: the frames behind
// it move up. A kill meanwhile leaves a file whose whole frames are good as before.
func Adopt(path, packs string, o AdoptOptions) (object.Digest, int64, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return object.Digest{}, 0, err
	}
	w := &Writer{f: f, off: int64(len(magic)), sum: sha256.New()}
	if err := w.scan(o); err != nil {
		f.Close()
		return object.Digest{}, 0, fmt.Errorf("adopt %s: %w", path, err)
	}
	if err := errors.Join(f.Truncate(w.off), seekTo(f, w.off)); err != nil {
		f.Close()
		return object.Digest{}, 0, fmt.Errorf("adopt %s: %w", path, err)
	}
	return w.Close(packs)
}

// AdoptOptions say how frames are decoded, and which chunks are not taken.
type AdoptOptions struct {
	Decode func(Frame, []byte) ([]byte, error)
	Refuse func(object.Digest) bool
}

func seekTo(f *os.File, off int64) error {
	_, err := f.Seek(off, io.SeekStart)
	return err
}

// scan collects the whole frames from the start of the file. A frame that is cut short or cannot be decoded ends it.
func (w *Writer) scan(o AdoptOptions) error {
	st, err := w.f.Stat()
	if err != nil {
		return err
	}
	room := st.Size() // for frames: a pack that wanted only its name has its index already
	var trailer [trailerSize]byte
	if n, _ := w.f.ReadAt(trailer[:], max(0, room-trailerSize)); n == trailerSize {
		if start, err := indexSpan(trailer[:], room); err == nil {
			room = start
		}
	}
	r := bufio.NewReaderSize(w.f, 1<<20)
	first := make([]byte, len(magic))
	if _, err := io.ReadFull(r, first); err != nil || string(first) != magic {
		return nil // nothing to keep
	}
	var payload []byte
	for at := w.off; ; {
		head, _ := r.Peek(frameRow)
		if len(head) < frameRow {
			return nil
		}
		if f, ok := frameOf(le.Uint64(head)); ok {
			head, _ = r.Peek(f.headSize())
		}
		f, lens, err := parseHead(head, room-at)
		if err != nil {
			return nil
		}
		f.Offset = w.off
		whole := bytes.Clone(head[:f.headSize()])
		if _, err := r.Discard(f.headSize()); err != nil {
			return nil
		}
		payload = slices.Grow(payload[:0], f.Stored)[:f.Stored]
		if _, err := io.ReadFull(r, payload); err != nil {
			return nil
		}
		raw, err := o.Decode(f, payload)
		if err != nil && f.Codec != Delta || err == nil && len(raw) != f.Raw {
			return nil
		}
		moved := at > w.off
		at += f.size()
		if err != nil || o.refuses(lens, raw) {
			continue
		}
		if moved {
			if _, err := w.f.WriteAt(append(whole, payload...), w.off); err != nil {
				return err
			}
		}
		w.keep(f, lens, payload, raw)
	}
}

func (o AdoptOptions) refuses(lens []int, raw []byte) bool {
	if o.Refuse == nil {
		return false
	}
	for _, n := range lens {
		if o.Refuse(sha256.Sum256(raw[:n])) {
			return true
		}
		raw = raw[n:]
	}
	return false
}

// keep enters a frame that stands in the file already.
func (w *Writer) keep(f Frame, lens []int, payload, raw []byte) {
	if f.Codec != Raw {
		w.sum.Write(payload) // a hash never fails
	}
	at := 0
	for _, n := range lens {
		w.entries = append(w.entries, entry{id: sha256.Sum256(raw[at : at+n]), frame: uint32(len(w.frames)), at: uint32(at), size: uint32(n)})
		at += n
	}
	w.frames = append(w.frames, f)
	w.off += f.size()
}

package pack

import (
	"bufio"
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
func Adopt(path, packs string, decode func(Frame, []byte) ([]byte, error)) (object.Digest, int64, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return object.Digest{}, 0, err
	}
	w := &Writer{f: f, off: int64(len(magic)), sum: sha256.New()}
	if err := w.scan(decode); err != nil {
		f.Close()
		return object.Digest{}, 0, fmt.Errorf("adopt %s: %w", path, err)
	}
	if err := errors.Join(f.Truncate(w.off), seekTo(f, w.off)); err != nil {
		f.Close()
		return object.Digest{}, 0, fmt.Errorf("adopt %s: %w", path, err)
	}
	return w.Close(packs)
}

func seekTo(f *os.File, off int64) error {
	_, err := f.Seek(off, io.SeekStart)
	return err
}

// scan collects the whole frames from the start of the file. A frame that is cut short or cannot be decoded ends it.
func (w *Writer) scan(decode func(Frame, []byte) ([]byte, error)) error {
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
	for {
		head, _ := r.Peek(frameRow)
		if len(head) < frameRow {
			return nil
		}
		if f, ok := frameOf(le.Uint64(head)); ok {
			head, _ = r.Peek(f.headSize())
		}
		f, lens, err := parseHead(head, room-w.off)
		if err != nil {
			return nil
		}
		f.Offset = w.off
		if _, err := r.Discard(f.headSize()); err != nil {
			return nil
		}
		payload = slices.Grow(payload[:0], f.Stored)[:f.Stored]
		if _, err := io.ReadFull(r, payload); err != nil {
			return nil
		}
		raw, err := decode(f, payload)
		if err != nil || len(raw) != f.Raw {
			return nil
		}
		w.keep(f, lens, payload, raw)
	}
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

package crypt

import (
	"errors"
	"io"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// OpenBytes opens a small object. One that was changed, cut, or sealed in another context is an error of kind
// Integrity, as is one of a key that the ring lacks (ErrNoKey). It allocates no more than the object has.
func (r *Ring) OpenBytes(context string, sealed []byte) ([]byte, error) {
	size, ok := PlainSize(int64(len(sealed)))
	if !ok {
		return nil, damaged(context)
	}
	b, err := r.boxOf(Object{Context: context, Size: size}, sealed[:headerSize])
	if err != nil {
		return nil, err
	}
	plain := make([]byte, 0, size)
	buf := make([]byte, 0, min(size+tagSize, sealedFull))
	for i := range segments(size) {
		off, n := span(i, size)
		from := int64(headerSize) + off + i*tagSize
		part, err := b.open(i, append(buf[:0], sealed[from:from+n+tagSize]...))
		if err != nil {
			return nil, err
		}
		plain = append(plain, part...)
	}
	if !b.isNamed(object.Sum(plain)) {
		return nil, damaged(context)
	}
	return plain, nil
}

// Fetch returns n bytes of a sealed object from off on.
type Fetch func(off, n int64) ([]byte, error)

// OpenRange returns n plain bytes of an object from off on. It fetches the segments that they lie in, in one request,
// and before that the header if the object's name is not known.
func (r *Ring) OpenRange(o Object, off, n int64, read Fetch) ([]byte, error) {
	if err := o.checkRange(off, n); err != nil || n == 0 {
		return nil, err
	}
	boxes, err := r.boxesOf(o, read)
	if err != nil {
		return nil, err
	}
	first, last := off/segmentSize, (off+n-1)/segmentSize
	from := int64(headerSize) + first*sealedFull
	end := min(int64(headerSize)+(last+1)*sealedFull, SealedSize(o.Size))
	sealed, err := fetch(o, read, from, end-from)
	if err != nil {
		return nil, err
	}
	lead := sealed[:min(len(sealed), sealedFull)]
	b, plain, err := openFirst(boxes, first, lead)
	if err != nil {
		return nil, err
	}
	out := append(make([]byte, 0, n), plain[off-first*segmentSize:min(int64(len(plain)), off+n-first*segmentSize)]...)
	for i := first + 1; i <= last; i++ {
		at := (i - first) * sealedFull
		plain, err := b.open(i, sealed[at:min(at+sealedFull, int64(len(sealed)))])
		if err != nil {
			return nil, err
		}
		out = append(out, plain[:min(int64(len(plain)), n-int64(len(out)))]...)
	}
	return out, nil
}

func (o Object) checkRange(off, n int64) error {
	if err := o.check(); err != nil {
		return err
	}
	if off < 0 || n < 0 || off > o.Size || n > o.Size-off {
		return fault.New(fault.Integrity, "cannot read %d bytes of %s from byte %d: it has %d", n, o.Context, off, o.Size)
	}
	return nil
}

// openFirst opens a segment with the one of the boxes that fits. A try in place would destroy what the next one needs.
func openFirst(boxes []*box, i int64, sealed []byte) (*box, []byte, error) {
	for _, b := range boxes[:len(boxes)-1] {
		if plain, err := b.open(i, append(make([]byte, 0, len(sealed)), sealed...)); err == nil {
			return b, plain, nil
		}
	}
	b := boxes[len(boxes)-1]
	plain, err := b.open(i, sealed)
	return b, plain, err
}

// boxesOf returns what may open an object: by its header, or without reading that by each key, newest first.
func (r *Ring) boxesOf(o Object, read Fetch) ([]*box, error) {
	if o.Name.IsZero() {
		head, err := fetch(o, read, 0, int64(headerSize))
		if err != nil {
			return nil, err
		}
		b, err := r.boxOf(o, head)
		return []*box{b}, err
	}
	boxes := make([]*box, 0, len(r.keys))
	for i := len(r.keys) - 1; i >= 0; i-- {
		k := r.keys[i]
		b, err := newBox(k, o, k.saltOf(o.Context, o.Name))
		if err != nil {
			return nil, err
		}
		boxes = append(boxes, b)
	}
	return boxes, nil
}

// boxOf returns what opens an object with that header.
func (r *Ring) boxOf(o Object, head []byte) (*box, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	h, err := parseHeader(head)
	if err != nil {
		return nil, err
	}
	k, err := r.byID(h.key)
	if err != nil {
		return nil, err
	}
	if !o.Name.IsZero() && k.saltOf(o.Context, o.Name) != h.salt {
		return nil, damaged(o.Context)
	}
	return newBox(k, o, h.salt)
}

func fetch(o Object, read Fetch, off, n int64) ([]byte, error) {
	b, err := read(off, n)
	if err != nil {
		return nil, err
	}
	if int64(len(b)) != n {
		return nil, fault.New(fault.Integrity, "cannot open %s: %d bytes came where %d were asked for", o.Context, len(b), n)
	}
	return b, nil
}

// OpenTo opens a whole object from a stream and writes it. What was written counts only when it returns nil: each
// segment is checked before it is written, and at the end that nothing follows. It does not hash the plain bytes.
func (r *Ring) OpenTo(o Object, w io.Writer, sealed io.Reader) error {
	if err := o.check(); err != nil {
		return err
	}
	head := make([]byte, headerSize)
	if err := readFull(o, sealed, head); err != nil {
		return err
	}
	b, err := r.boxOf(o, head)
	if err != nil {
		return err
	}
	if err := copySegments(b, w, sealed); err != nil {
		return err
	}
	return atEnd(o, sealed)
}

func copySegments(b *box, w io.Writer, sealed io.Reader) error {
	buf := make([]byte, min(b.Size+tagSize, sealedFull))
	for i := range segments(b.Size) {
		_, n := span(i, b.Size)
		if err := readFull(b.Object, sealed, buf[:n+tagSize]); err != nil {
			return err
		}
		plain, err := b.open(i, buf[:n+tagSize])
		if err != nil {
			return err
		}
		if _, err := w.Write(plain); err != nil {
			return err
		}
	}
	return nil
}

func readFull(o Object, in io.Reader, b []byte) error {
	_, err := io.ReadFull(in, b)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return damaged(o.Context)
	}
	return err
}

// atEnd holds that nothing follows.
func atEnd(o Object, in io.Reader) error {
	var one [1]byte
	if n, err := io.ReadFull(in, one[:]); n > 0 {
		return damaged(o.Context)
	} else if !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

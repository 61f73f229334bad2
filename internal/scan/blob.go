package scan

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"os"
)

// blob is bytes that can be read at any place: a file, a part of one, or what was expanded from an archive.
type blob struct {
	r    io.ReaderAt
	size int64
}

func bytesBlob(b []byte) blob { return blob{r: bytes.NewReader(b), size: int64(len(b))} }

// part returns n bytes from off; both are cut to what there is.
func (b blob) part(off, n int64) blob {
	off = min(max(off, 0), b.size)
	n = min(max(n, 0), b.size-off)
	return blob{r: io.NewSectionReader(b.r, off, n), size: n}
}

// head returns the first n bytes, or all if there are fewer.
func (b blob) head(n int) []byte { return b.at(0, n) }

// at returns up to n bytes from off.
func (b blob) at(off int64, n int) []byte {
	if off < 0 || off >= b.size || n <= 0 {
		return nil
	}
	buf := make([]byte, min(int64(n), b.size-off))
	got, err := b.r.ReadAt(buf, off)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil
	}
	return buf[:got]
}

// stretches yields all of b, and where each part of it begins. They overlap, so that a word of up to 64 bytes is whole in one.
func (b blob) stretches() iter.Seq2[int64, []byte] {
	const step, overlap = 48 << 10, 64
	return func(yield func(int64, []byte) bool) {
		for at := int64(0); at < b.size; at += step {
			if !yield(at, b.at(at, step+overlap)) {
				return
			}
		}
	}
}

func (b blob) reader() io.Reader { return io.NewSectionReader(b.r, 0, b.size) }

// window is how much a cursor holds: the longest text that take can return.
const window = 64 << 10

// cursor walks a blob forward. After an error every read fails; short tells the end of the blob from a read error.
type cursor struct {
	b     blob
	buf   []byte
	start int64 // of buf in b
	pos   int64
	err   error
}

func newCursor(b blob, at int64) *cursor { return &cursor{b: b, pos: at, start: at} }

var errShort = errors.New("the file ends too early")

func (c *cursor) left() int64 { return c.b.size - c.pos }

// take returns the next n bytes, n at most window. They hold until the next call.
func (c *cursor) take(n int) ([]byte, error) {
	p, err := c.peek(n)
	c.pos += int64(len(p))
	return p, err
}

func (c *cursor) peek(n int) ([]byte, error) {
	if c.err != nil {
		return nil, c.err
	}
	if int64(n) > c.left() || n > window {
		return nil, errShort
	}
	i := int(c.pos - c.start)
	if c.pos < c.start || i+n > len(c.buf) {
		if err := c.fill(); err != nil {
			return nil, err
		}
		i = 0
	}
	return c.buf[i : i+n], nil
}

// fill loads the window that starts at pos.
func (c *cursor) fill() error {
	n := int(min(window, c.left()))
	if cap(c.buf) < n {
		c.buf = make([]byte, window)
	}
	c.buf, c.start = c.buf[:n], c.pos
	got, err := c.b.r.ReadAt(c.buf, c.pos)
	if got < n {
		if err == nil || errors.Is(err, io.EOF) {
			err = errShort
		}
		c.err = err
	}
	return c.err
}

func (c *cursor) byte() (byte, error) {
	if i := c.pos - c.start; c.err == nil && i >= 0 && i < int64(len(c.buf)) {
		c.pos++
		return c.buf[i], nil
	}
	p, err := c.take(1)
	if err != nil {
		return 0, err
	}
	return p[0], nil
}

// skip passes over n bytes without reading them.
func (c *cursor) skip(n int64) error {
	if n < 0 || n > c.left() {
		return errShort
	}
	c.pos += n
	return c.err
}

// line returns the bytes up to the next newline and passes over it. One longer than the window is passed over unread: nil,
// true.
func (c *cursor) line() (p []byte, long bool, err error) {
	n := int(min(window, c.left()))
	for size := min(256, n); ; size = min(size*4, n) {
		p, err := c.peek(size)
		if err != nil {
			return nil, false, err
		}
		if i := bytes.IndexByte(p, '\n'); i >= 0 {
			c.pos += int64(i) + 1
			return p[:i], false, nil
		}
		if size == n {
			return nil, true, c.skipLine()
		}
	}
}

// skipLine passes over the rest of a line.
func (c *cursor) skipLine() error {
	for c.left() > 0 {
		p, err := c.take(int(min(window, c.left())))
		if err != nil {
			return err
		}
		if i := bytes.IndexByte(p, '\n'); i >= 0 {
			c.pos -= int64(len(p) - i - 1)
			return nil
		}
	}
	return errShort
}

// inMemory is how large an expanded file may be before it goes to disk.
const inMemory = 8 << 20

var errTooLarge = errors.New("it expands to more than may be expanded")

// spool keeps what r yields, at most limit bytes, in memory or in a file that has no name. What came before an error is kept
// and returned with it: a loader reads a broken stream up to where it breaks.
func spool(r io.Reader, limit int64, temp string) (blob, func(), error) {
	var small bytes.Buffer
	n, err := io.Copy(&small, io.LimitReader(r, min(inMemory, limit)+1))
	nothing := func() {}
	if n > limit {
		return bytesBlob(small.Bytes()[:limit]), nothing, errTooLarge
	}
	if err != nil || n <= inMemory {
		return bytesBlob(small.Bytes()), nothing, err
	}
	f, err := os.CreateTemp(temp, "mlx-scan-*")
	if err != nil {
		return blob{}, nothing, err
	}
	done := func() {
		f.Close()
		os.Remove(f.Name())
	}
	if _, err := f.Write(small.Bytes()); err != nil {
		return blob{}, done, &diskError{err}
	}
	more, err := io.Copy(fileWriter{f}, io.LimitReader(r, limit-n+1))
	if n += more; n > limit {
		return blob{r: f, size: limit}, done, errTooLarge
	}
	return blob{r: f, size: n}, done, err
}

// diskError is trouble of this machine, not of the file that is judged.
type diskError struct{ err error }

func (e *diskError) Error() string { return e.err.Error() }
func (e *diskError) Unwrap() error { return e.err }

// fileWriter marks errors of writing, so that they are not taken for a broken stream.
type fileWriter struct{ f *os.File }

func (w fileWriter) Write(p []byte) (int, error) {
	n, err := w.f.Write(p)
	if err != nil {
		err = &diskError{err}
	}
	return n, err
}

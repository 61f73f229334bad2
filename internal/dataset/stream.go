package dataset

import (
	"context"
	"io"
	"sync"

	"mlx/internal/fault"
)

// streamKept is how much of the beginning of a stream is kept, from which its form and types are inferred.
const streamKept = 4 << 20

// FromStream is a file that can be read once, as from a pipe. It is for text whose types are fixed: where a type turns out to be another
// after the beginning, all would have to be read again, and that is an error.
func FromStream(name string, in io.Reader) File {
	s := &stream{name: name, in: in}
	return File{Name: name, Size: -1, Open: func(context.Context) (io.ReadCloser, error) { return &streamReader{s: s}, nil }}
}

type stream struct {
	name string
	mu   sync.Mutex
	in   io.Reader
	kept []byte // from the beginning on
	read int64
}

// streamReader reads a stream from its beginning, as long as nobody read further than what is kept.
type streamReader struct {
	s  *stream
	at int64
}

func (r *streamReader) Read(p []byte) (int, error) {
	s := r.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.at < int64(len(s.kept)) {
		n := copy(p, s.kept[r.at:])
		r.at += int64(n)
		return n, nil
	}
	if r.at < s.read {
		return 0, fault.New(fault.Usage, "cannot read %s again: it comes from a pipe, and the type of a column changes after its beginning", s.name).
			Hint("fix the types of all columns with a schema, or write it to a file first")
	}
	n, err := s.in.Read(p)
	if s.read == int64(len(s.kept)) && len(s.kept)+n <= streamKept {
		s.kept = append(s.kept, p[:n]...)
	}
	s.read += int64(n)
	r.at += int64(n)
	return n, err
}

// Close leaves the rest to whoever reads next.
func (r *streamReader) Close() error { return nil }

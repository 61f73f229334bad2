package snapshot

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"sort"
	"sync"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// anywhere reads a file of a version at any place. It is safe for many goroutines.
type anywhere struct {
	mu     sync.Mutex
	starts []int64 // where each chunk begins, and the size of the file; nil until the first read
	rows   []row
	free   []*placed
}

// placed is a reader and the chunk that it read last: a page is often read in pieces.
type placed struct {
	*reader
	at    int
	bytes []byte
}

// ReadAt implements io.ReaderAt: it reads anywhere, also on many goroutines at once. Every chunk is compared with its digest.
func (f *openFile) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 {
		return 0, &fs.PathError{Op: "read", Path: f.info.Name(), Err: fs.ErrInvalid}
	}
	p, err := f.take()
	if err != nil {
		return 0, fmt.Errorf("%s: %w", f.info.Name(), err)
	}
	defer f.give(p)
	n := 0
	for n < len(b) {
		if err := f.ctx.Err(); err != nil {
			return n, err
		}
		i := sort.Search(len(f.any.rows), func(i int) bool { return f.any.starts[i+1] > off })
		if i == len(f.any.rows) {
			return n, io.EOF
		}
		if err := f.chunk(p, i); err != nil {
			return n, fmt.Errorf("%s: %w", f.info.Name(), err)
		}
		k := copy(b[n:], p.bytes[off-f.any.starts[i]:])
		n, off = n+k, off+int64(k)
	}
	return n, nil
}

// chunk lets p hold chunk i.
func (f *openFile) chunk(p *placed, i int) error {
	if p.at == i {
		return nil
	}
	p.at = -1
	b, err := p.Read(f.any.rows[i].ID)
	if err != nil {
		return err
	}
	if len(b) != f.any.rows[i].Len {
		return wrongSize(f.info.e, int64(len(b)))
	}
	p.at, p.bytes = i, b
	return nil
}

// take returns a reader that nobody uses, and finds out first where the chunks are.
func (f *openFile) take() (*placed, error) {
	f.any.mu.Lock()
	defer f.any.mu.Unlock()
	if n := len(f.any.free); n > 0 {
		p := f.any.free[n-1]
		f.any.free = f.any.free[:n-1]
		return p, nil
	}
	r, err := f.s.reader()
	if err != nil {
		return nil, err
	}
	if f.any.starts == nil {
		starts, rows, at := []int64{0}, []row(nil), int64(0)
		for w, err := range r.rows(f.info.e.Sum, f.info.e.Recipe, f.info.e.Size) {
			if err != nil {
				return nil, err
			}
			at += int64(w.Len)
			starts, rows = append(starts, at), append(rows, w)
		}
		f.any.starts, f.any.rows = starts, rows
	}
	return &placed{reader: r, at: -1}, nil
}

func (f *openFile) give(p *placed) {
	f.any.mu.Lock()
	defer f.any.mu.Unlock()
	f.any.free = append(f.any.free, p)
}

// HasFile says whether every byte of a file of a version is in this store. The folders above it must be.
func (s *Store) HasFile(ctx context.Context, root object.Digest, name string) (bool, error) {
	f, err := s.FS(ctx, root)
	if err != nil {
		return false, err
	}
	t, ok := f.(*treeFS)
	if !ok {
		return false, fs.ErrInvalid
	}
	e, err := t.find("stat", name)
	if err != nil || e.Size == 0 || e.Kind == kindDirectory {
		return err == nil, err
	}
	here := true
	look := func(d object.Digest) { here = here && s.set.Usable(d, nil) }
	if e.Recipe.IsZero() {
		look(e.Sum)
		return here, nil
	}
	if look(e.Recipe); !here {
		return false, nil
	}
	err = s.recipeObjects(t.r, e.Recipe, look)
	if fault.KindOf(err) == fault.NotFound {
		return false, nil
	}
	return here && err == nil, err
}

package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"sync"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot/internal/chunk"
	"mlx/internal/snapshot/internal/disk"
	"mlx/internal/snapshot/internal/sha2x"
)

const (
	bigFile   = 1 << 20 // larger files are read by a goroutine of their own, and compressed by all workers
	blockSize = 1 << 20
	jobFiles  = 128 // files of one folder in one job
	tries     = 3   // a file that changes while it is read is read again, then refused
)

// read reads the dirty files, and stores what is new of them.
func (v *saver) read(ctx context.Context) error {
	if v.o.Progress != nil {
		v.o.Progress.SetTotal(v.scan.bytes)
	}
	if v.scan.dirty == 0 {
		return nil
	}
	ctx = v.pool.start(ctx)
	var big []target
	v.pool.fail(v.submitSmall(ctx, &big))
	var producers sync.WaitGroup
	queue := make(chan target)
	for range min(len(v.pool.workers), len(big)) {
		producers.Go(func() {
			p := newProducer(v)
			for t := range queue {
				if ctx.Err() == nil {
					v.pool.fail(p.file(ctx, t))
				}
			}
		})
	}
	for _, t := range big {
		queue <- t
	}
	close(queue)
	producers.Wait()
	return v.pool.wait(ctx)
}

// target is a dirty file and the folder it lies in.
type target struct {
	f *folder
	t *item
}

func (t target) path() string { return join(t.f.rel(), t.t.name) }

// submitSmall gives the small files to the workers, folder by folder, and collects the big ones.
func (v *saver) submitSmall(ctx context.Context, big *[]target) error {
	var err error
	v.scan.root.each("", func(_ string, f *folder) {
		var batch []*item
		send := func() {
			if len(batch) > 0 && err == nil {
				list := batch
				err = v.pool.submit(ctx, func(w *worker) error { return v.readBatch(ctx, w, f, list) })
			}
			batch = nil
		}
		for i := range f.items {
			t := &f.items[i]
			switch {
			case !t.dirty:
			case t.kind.Regular() && t.size > bigFile:
				v.base(f, t)
				*big = append(*big, target{f, t})
			default:
				v.base(f, t)
				if batch = append(batch, t); len(batch) == jobFiles {
					send()
				}
			}
		}
		send()
	})
	if ctx.Err() != nil {
		return nil // somebody else failed, or the user interrupted: wait says which
	}
	return err
}

// readBatch reads some files of one folder.
func (v *saver) readBatch(ctx context.Context, w *worker, f *folder, list []*item) error {
	d, err := f.open(v.scan.top)
	if err != nil {
		return fmt.Errorf("read %s: %w", filepath.Join(v.scan.top, f.rel()), err)
	}
	defer d.Close()
	for _, t := range list {
		if err := ctx.Err(); err != nil {
			return err
		}
		size := t.size
		if t.kind == disk.Symlink {
			err = w.symlink(d, t)
		} else {
			err = v.small(w, d, target{f, t})
		}
		if err != nil {
			return readError(join(f.rel(), t.name), err)
		}
		v.progress(size)
	}
	return nil
}

func (v *saver) progress(n int64) {
	if v.o.Progress != nil {
		v.o.Progress.Add(n)
	}
}

// readError names the file; one that vanished under the scan is a conflict with whoever removes files.
func readError(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.Conflict, "cannot save %s: it vanished while the folder was read", path).Hint("mlx snapshot   # again, when nothing writes there")
	}
	if errors.Is(err, errErased) {
		return fault.New(fault.Conflict, "cannot save %s: %w", path, err)
	}
	var known *fault.Error
	if errors.As(err, &known) {
		return err
	}
	return fmt.Errorf("cannot save %s: %w", path, err)
}

func changing(path string) error {
	return fault.New(fault.Conflict, "cannot save %s: it changes while it is read", path).Hint("mlx snapshot   # again, when nothing writes to it")
}

func (w *worker) symlink(d *disk.Dir, t *item) error {
	target, err := d.Readlink(t.name)
	if err != nil {
		return err
	}
	t.sum, t.recipe, t.size, t.dirty = object.Sum([]byte(target)), nil, int64(len(target)), false
	if target == "" || !w.p.claim(t.sum) {
		return nil
	}
	return w.put(t.sum, []byte(target), object.Digest{})
}

// small reads a file of at most bigFile bytes in one go.
func (v *saver) small(w *worker, d *disk.Dir, at target) error {
	t := at.t
	if w.buf == nil {
		w.buf = make([]byte, bigFile+1)
	}
	for range tries {
		n, before, after, err := d.Read(t.name, w.buf)
		if err != nil {
			return err
		}
		if !before.Same(after) || int64(n) != after.Size || !after.Kind.Regular() {
			continue
		}
		old := v.oldRows(w.r, t)
		kind := t.kind
		t.setMeta(after)
		if !disk.HasExecutable {
			t.kind = kind
		}
		return w.whole(t, w.buf[:n], old)
	}
	return changing(at.path())
}

// whole stores the content of a file that is in memory.
func (w *worker) whole(t *item, b []byte, old *baseFinder) error {
	t.dirty, t.recipe, t.linked = false, nil, false
	if len(b) <= chunk.Min { // one chunk for certain: its digest is the file's
		t.sum = object.Sum(b)
		if len(b) == 0 || !w.p.claim(t.sum) {
			return nil
		}
		return w.put(t.sum, b, old.find(0, 0, int64(len(b))))
	}
	sum, rec, err := w.object(b, old)
	t.sum = sum
	t.setRecipe(rec)
	return err
}

// producer reads big files, one after the other: it cuts and hashes, the workers look up and compress.
type producer struct {
	v      *saver
	r      *reader
	cutter *chunk.Cutter
	stream *sha2x.Stream
	free   chan *block
	ends   []int
}

// block is a run of chunks in one buffer, on its way to a worker.
type block struct {
	buf   []byte
	todo  []todo
	bytes int64
	path  string // of the file
}

// todo is a claimed chunk of a block.
type todo struct {
	id       object.Digest
	from, to int
	base     object.Digest
}

func newProducer(v *saver) *producer {
	p := &producer{v: v, cutter: chunk.NewCutter(), stream: sha2x.NewStream(), free: make(chan *block, 4)}
	for range cap(p.free) {
		p.free <- &block{buf: make([]byte, blockSize+chunk.Max)}
	}
	return p
}

// file reads one big file; again if it changed meanwhile.
func (p *producer) file(ctx context.Context, at target) error {
	if p.r == nil {
		r, err := p.v.s.set.NewReader()
		if err != nil {
			return err
		}
		p.r = &reader{Reader: r}
	}
	old := p.v.oldRows(p.r, at.t)
	for range tries {
		ok, err := p.try(ctx, at, old)
		if ok || err != nil {
			return readErrorOrNil(at, err)
		}
	}
	return changing(at.path())
}

func readErrorOrNil(at target, err error) error {
	if err == nil {
		return nil
	}
	return readError(at.path(), err)
}

func (p *producer) try(ctx context.Context, at target, old *baseFinder) (bool, error) {
	d, err := at.f.open(p.v.scan.top)
	if err != nil {
		return false, err
	}
	defer d.Close()
	before, err := d.Stat(at.t.name)
	if err != nil || !before.Kind.Regular() {
		return false, err
	}
	f, err := d.OpenFile(at.t.name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	rows, total, err := p.blocks(ctx, source{f, at.path()}, old)
	if err != nil {
		return false, err
	}
	after, err := d.Stat(at.t.name)
	if err != nil || !before.Same(after) || total != after.Size {
		return false, err
	}
	return true, p.done(ctx, at, after, rows)
}

// done stores the recipe and notes the result.
func (p *producer) done(ctx context.Context, at target, m disk.Meta, rows []row) error {
	t := at.t
	if disk.HasExecutable {
		t.setMeta(m)
	} else {
		t.size, t.mtime = m.Size, m.Mtime
	}
	t.dirty, t.linked, t.sum = false, false, p.stream.Sum()
	return p.v.pool.submit(ctx, func(w *worker) error {
		rec, err := w.recipe(rows)
		t.setRecipe(rec)
		return err
	})
}

// source is a file that is read, and what it is called.
type source struct {
	io.Reader
	path string
}

// blocks reads the file to its end and sends its new chunks to the workers.
func (p *producer) blocks(ctx context.Context, f source, old *baseFinder) ([]row, int64, error) {
	p.stream.Reset()
	var rows []row
	var carry []byte // the start of a chunk whose end is in the next block
	offset, cut := int64(0), uint64(0)
	for {
		var b *block
		select {
		case b = <-p.free:
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		}
		known := copy(b.buf, carry)
		n, err := io.ReadFull(f, b.buf[known:known+blockSize])
		last := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !last {
			return nil, 0, err
		}
		data := b.buf[:known+n]
		p.ends = p.cutter.Cut(data, known, last, p.ends[:0])
		b.todo, b.bytes, b.path = b.todo[:0], int64(n), f.path
		start := 0
		for _, end := range p.ends {
			c := data[start:end]
			w := row{ID: p.stream.Chunk(c), Len: len(c), Cut: cut}
			rows = append(rows, w)
			if p.v.pool.claim(w.ID) {
				b.todo = append(b.todo, todo{id: w.ID, from: start, to: end, base: old.find(cut, offset, int64(len(c)))})
			}
			cut, start, offset = cutHash(c), end, offset+int64(len(c))
		}
		carry = append(carry[:0], data[start:]...)
		if err := p.send(ctx, b); err != nil {
			return nil, 0, err
		}
		if last {
			return rows, offset, nil
		}
	}
}

// send gives a block to a worker, which gives its buffer back.
func (p *producer) send(ctx context.Context, b *block) error {
	return p.v.pool.submit(ctx, func(w *worker) error {
		defer func() { p.free <- b }()
		for _, t := range b.todo {
			if err := w.put(t.id, b.buf[t.from:t.to], t.base); err != nil {
				return readError(b.path, err)
			}
		}
		p.v.progress(b.bytes)
		return nil
	})
}

package snapshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"mlx/internal/object"
	"mlx/internal/snapshot/internal/chunk"
	"mlx/internal/snapshot/internal/pack"
	"mlx/internal/snapshot/internal/sha2x"
)

const (
	packTarget  = 64 << 20  // a pack is closed when it is this large,
	packChunks  = 128 << 10 // or has so many chunks: their rows are held until then
	batchTarget = 128 << 10
	batchBelow  = 16 << 10 // smaller chunks share a frame with their neighbours
	deltaBelow  = 512      // a chunk this small is never a delta
)

// pool is the workers of one save: each compresses, and writes packs of its own.
type pool struct {
	s       *Store
	skip    map[object.Digest]bool
	erased  map[object.Digest]bool
	claims  claims
	workers []*worker
	jobs    chan func(*worker) error
	done    sync.WaitGroup
	cancel  context.CancelFunc
	mu      sync.Mutex
	err     error
	stored  int64
	dry     bool // chunks are named and none is written
}

func newPool(s *Store, skip map[object.Digest]bool, workers int) (*pool, error) {
	p := &pool{s: s, skip: skip}
	var err error
	if p.erased, err = s.Erased(); err != nil {
		return nil, err
	}
	for range workers {
		w, err := newWorker(p)
		if err != nil {
			return nil, err
		}
		p.workers = append(p.workers, w)
	}
	return p, nil
}

// start sets the workers going; submit gives them work, wait ends it.
func (p *pool) start(ctx context.Context) context.Context {
	ctx, p.cancel = context.WithCancel(ctx)
	p.jobs = make(chan func(*worker) error)
	for _, w := range p.workers {
		p.done.Go(func() {
			for job := range p.jobs {
				if ctx.Err() == nil {
					p.fail(job(w))
				}
			}
		})
	}
	return ctx
}

// submit waits for a free worker.
func (p *pool) submit(ctx context.Context, job func(*worker) error) error {
	select {
	case p.jobs <- job:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fail keeps the first error and stops the others.
func (p *pool) fail(err error) {
	if err == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
	}
	p.cancel()
}

func (p *pool) wait(ctx context.Context) error {
	close(p.jobs)
	p.done.Wait()
	defer p.cancel()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return p.err
	}
	return ctx.Err()
}

// close finishes every pack, makes the folder durable and returns the bytes written.
func (p *pool) close() (int64, error) {
	var errs []error
	for _, w := range p.workers {
		errs = append(errs, w.flush(), w.closePack())
	}
	// Also where nothing was written: another process may have named a pack that we rely on, and not yet synced it.
	errs = append(errs, syncDir(p.s.packs()))
	return p.stored, errors.Join(errs...)
}

// claims remembers the chunks that this save writes, so that each is written once.
type claims struct{ shard [64]claimShard }

type claimShard struct {
	sync.Mutex
	m map[object.Digest]struct{}
}

// take returns true for the first who asks.
func (c *claims) take(d object.Digest) bool {
	s := &c.shard[d[31]&63]
	s.Lock()
	defer s.Unlock()
	if _, ok := s.m[d]; ok {
		return false
	}
	if s.m == nil {
		s.m = map[object.Digest]struct{}{}
	}
	s.m[d] = struct{}{}
	return true
}

// claim says whether the caller must write the chunk: it is in no usable pack, and nobody else writes it.
func (p *pool) claim(d object.Digest) bool {
	return !p.dry && !p.s.set.Usable(d, p.skip) && p.claims.take(d)
}

// worker compresses chunks and writes them into packs of its own. It belongs to one goroutine at a time.
type worker struct {
	p      *pool
	enc    *pack.Encoder
	r      *reader
	pack   *pack.Writer
	batch  [2]batch // raw, compressed
	out    []byte
	buf    []byte
	cutter *chunk.Cutter
	stream *sha2x.Stream
	ends   []int
	rows   []row

	add func(codec pack.Codec, pieces []pack.Piece, raw int, payload []byte) error // when not nil, takes the frames
}

// batch collects small chunks for one frame.
type batch struct {
	raw    []byte
	pieces []pack.Piece
}

func newWorker(p *pool) (*worker, error) {
	enc, err := pack.NewEncoder()
	if err != nil {
		return nil, err
	}
	r, err := p.s.set.NewReader()
	if err != nil {
		return nil, err
	}
	return &worker{p: p, enc: enc, r: &reader{Reader: r}, cutter: chunk.NewCutter(), stream: sha2x.NewStream()}, nil
}

// put writes a claimed chunk: as a delta against base where that pays, else compressed where that pays, else raw.
func (w *worker) put(id object.Digest, raw []byte, base object.Digest) error {
	if w.p.erased[id] {
		return errErased
	}
	if !base.IsZero() && len(raw) >= deltaBelow {
		if done, err := w.putDelta(id, raw, base); done || err != nil {
			return err
		}
	}
	shrinks := w.enc.Compressible(raw)
	if len(raw) < batchBelow {
		return w.collect(id, raw, shrinks)
	}
	if shrinks {
		out, ok := w.enc.Compress(w.out[:0], raw)
		if w.out = out; ok {
			return w.frame(pack.Zstd, []pack.Piece{{ID: id, Len: len(raw)}}, len(raw), out)
		}
	}
	return w.frame(pack.Raw, []pack.Piece{{ID: id, Len: len(raw)}}, len(raw), raw)
}

// putDelta stores raw as a delta if that takes at most half of what it would take compressed.
func (w *worker) putDelta(id object.Digest, raw []byte, base object.Digest) (bool, error) {
	baseRaw, base, ok := w.base(base)
	if !ok {
		return false, nil
	}
	out, ok, err := w.enc.Delta(w.out[:0], base, baseRaw, raw, len(raw)/2)
	w.out = out
	if err != nil || !ok {
		return false, err
	}
	if len(out) > len(raw)/32 && w.enc.Compressible(raw) { // no zstd frame of ordinary data is that small
		n := len(out)
		plain, _ := w.enc.Compress(out, raw)
		w.out = plain
		if out = plain[:n]; n > (len(plain)-n)/2 {
			return false, nil
		}
	}
	return true, w.frame(pack.Delta, []pack.Piece{{ID: id, Len: len(raw)}}, len(raw), out)
}

// base returns the bytes of a base. Where the store has it as a delta, that delta's own base serves: depth is one.
// A base that is gone or damaged is no base.
func (w *worker) base(id object.Digest) ([]byte, object.Digest, bool) {
	l, ok := w.p.s.set.Find(id, w.p.skip)
	if !ok {
		return nil, id, false
	}
	if l.Frame.Codec == pack.Delta {
		b, err := l.Base()
		if err != nil {
			return nil, id, false
		}
		id = b
		if l, ok = w.p.s.set.Find(id, w.p.skip); !ok || l.Frame.Codec == pack.Delta {
			return nil, id, false
		}
	}
	raw, err := w.r.ReadLoc(id, l)
	return raw, id, err == nil
}

// collect adds a small chunk to a batch.
func (w *worker) collect(id object.Digest, raw []byte, shrinks bool) error {
	b := &w.batch[0]
	if shrinks {
		b = &w.batch[1]
	}
	b.raw = append(b.raw, raw...)
	b.pieces = append(b.pieces, pack.Piece{ID: id, Len: len(raw)})
	if len(b.raw) >= batchTarget {
		return w.flushBatch(b, shrinks)
	}
	return nil
}

func (w *worker) flushBatch(b *batch, shrinks bool) error {
	if len(b.pieces) == 0 {
		return nil
	}
	defer func() { b.raw, b.pieces = b.raw[:0], b.pieces[:0] }()
	if shrinks {
		out, ok := w.enc.Compress(w.out[:0], b.raw)
		if w.out = out; ok {
			return w.frame(pack.Zstd, b.pieces, len(b.raw), out)
		}
	}
	return w.frame(pack.Raw, b.pieces, len(b.raw), b.raw)
}

// flush writes the batches out.
func (w *worker) flush() error {
	return errors.Join(w.flushBatch(&w.batch[0], false), w.flushBatch(&w.batch[1], true))
}

// frame appends a frame to the pack, and ends the pack when it is large enough.
func (w *worker) frame(codec pack.Codec, pieces []pack.Piece, raw int, payload []byte) (err error) {
	if w.add != nil {
		return w.add(codec, pieces, raw, payload)
	}
	if w.pack == nil {
		if w.pack, err = pack.NewWriter(w.p.s.tmp(), w.p.s.writerName()); err != nil {
			return err
		}
	}
	if err := w.pack.Add(codec, pieces, raw, payload); err != nil {
		return err
	}
	if w.pack.Size() >= packTarget || w.pack.Chunks() >= packChunks {
		return w.closePack()
	}
	return nil
}

func (w *worker) closePack() error {
	if w.pack == nil {
		return nil
	}
	_, n, err := w.pack.Close(w.p.s.packs())
	w.pack = nil
	w.p.mu.Lock()
	w.p.stored += n
	w.p.mu.Unlock()
	return err
}

// object stores a file, a tree or other bytes that are in memory. old finds the bases of deltas.
func (w *worker) object(b []byte, old *baseFinder) (sum, rec object.Digest, err error) {
	w.stream.Reset()
	w.rows = w.rows[:0]
	start, cut := 0, uint64(0)
	w.ends = w.cutter.Cut(b, 0, true, w.ends[:0])
	for _, end := range w.ends {
		c := b[start:end]
		id := object.Digest(w.stream.Chunk(c))
		w.rows = append(w.rows, row{ID: id, Len: len(c), Cut: cut})
		if w.p.claim(id) {
			if err := w.put(id, c, old.find(cut, int64(start), int64(len(c)))); err != nil {
				return sum, rec, err
			}
		}
		cut, start = cutHash(c), end
	}
	sum = w.stream.Sum()
	rec, err = w.recipe(w.rows)
	return sum, rec, err
}

// recipe stores the recipe of a file with these chunks, and returns its digest; zero for a single chunk.
func (w *worker) recipe(rows []row) (object.Digest, error) {
	if len(rows) < 2 {
		return object.Digest{}, nil
	}
	for level := 0; ; level++ {
		size := int64(0)
		for i := range rows {
			size += int64(rows[i].Len)
		}
		b := appendRecipe(nil, level, size, rows)
		if len(b) <= chunk.Max {
			id := object.Sum(b)
			if !w.p.claim(id) {
				return id, nil
			}
			return id, w.put(id, b, object.Digest{})
		}
		if level == maxLevel {
			return object.Digest{}, fmt.Errorf("a file of %d bytes is too large", size)
		}
		next, err := w.pieces(b)
		if err != nil {
			return object.Digest{}, err
		}
		rows = next
	}
}

// pieces stores a long recipe as chunks.
func (w *worker) pieces(b []byte) ([]row, error) {
	var rows []row
	start, cut := 0, uint64(0)
	for _, end := range w.cutter.Cut(b, 0, true, nil) {
		c := b[start:end]
		id := object.Sum(c)
		rows = append(rows, row{ID: id, Len: len(c), Cut: cut})
		if w.p.claim(id) {
			if err := w.put(id, bytes.Clone(c), object.Digest{}); err != nil {
				return nil, err
			}
		}
		cut, start = cutHash(c), end
	}
	return rows, nil
}

package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot/internal/index"
	"mlx/internal/snapshot/internal/pack"
)

// PackInfo says what there is to know of a pack without its bytes.
type PackInfo struct {
	Name   object.Digest
	Bytes  int64 // of the whole pack
	Index  int64 // where its index starts
	Chunks int64
}

// check refuses numbers that no pack can have, so that nothing is allocated for them.
func (p PackInfo) check() error {
	if p.Index < 0 || p.Bytes <= p.Index || p.Bytes-p.Index > maxPackIndex {
		return fault.New(fault.Integrity, "pack %s: %d bytes with an index at %d", p.Name.Short(), p.Bytes, p.Index)
	}
	return nil
}

// maxPackIndex bounds the index of a pack: 6 million chunks. The writer makes packs of 128 Ki.
const maxPackIndex = 256 << 20

// RangeReader writes bytes [off, off+n) of a remote pack to w.
type RangeReader func(ctx context.Context, p PackInfo, off, n int64, w io.Writer) error

// CatalogOptions say what a remote holds, and how to read it.
type CatalogOptions struct {
	Dir    string     // cache of pack indexes; made when needed
	Packs  []PackInfo // packs that may be relied on, newest last
	Index  func(ctx context.Context, p PackInfo) ([]byte, error)
	Tables []TableInfo
	Table  func(ctx context.Context, t TableInfo, off, n int64) ([]byte, error)
	Read   RangeReader // finds the bases of deltas; where it is nil, a delta that is not here as well counts as absent
	Jobs   int         // indexes that are read at once; 0 means 8
}

// Catalog knows which packs of a remote hold which chunks. Safe for many goroutines.
type Catalog struct {
	s      *Store
	o      CatalogOptions
	packs  map[object.Digest]*remotePack
	tables []*table
	mu     sync.Mutex                    // for changes of loaded
	loaded atomic.Pointer[[]*remotePack] // newest first
}

// remotePack is a pack of a remote.
type remotePack struct {
	info  PackInfo
	order int // newest last
	mu    sync.Mutex
	x     *pack.Index // nil until it is loaded
	bases map[int]object.Digest

	byFrame [][]int32
}

// place is where a chunk lies in a remote.
type place struct {
	p     *remotePack
	x     *pack.Index
	row   int
	frame pack.Frame
	nr    int // of the frame
}

// Catalog returns the catalog of a remote. It reads nothing yet but the list of the packs that are here.
func (s *Store) Catalog(_ context.Context, o CatalogOptions) (*Catalog, error) {
	if err := s.refresh(); err != nil {
		return nil, err
	}
	if o.Jobs <= 0 {
		o.Jobs = 8
	}
	c := &Catalog{s: s, o: o, packs: make(map[object.Digest]*remotePack, len(o.Packs))}
	c.loaded.Store(&[]*remotePack{})
	for i, p := range o.Packs {
		if err := p.check(); err != nil {
			return nil, err
		}
		c.packs[p.Name] = &remotePack{info: p, order: i}
	}
	for _, t := range o.Tables {
		if err := t.check(); err != nil {
			return nil, err
		}
		c.tables = append(c.tables, &table{info: t})
	}
	return c, nil
}

// LoadAll reads every index that is not cached, several at once.
func (c *Catalog) LoadAll(ctx context.Context) error {
	return c.load(ctx, func(*remotePack) bool { return true })
}

// load reads the indexes of some packs.
func (c *Catalog) load(ctx context.Context, which func(*remotePack) bool) error {
	var todo []*remotePack
	for _, p := range c.packs {
		if !p.isLoaded() && which(p) {
			todo = append(todo, p)
		}
	}
	return side(ctx, c.o.Jobs, todo, c.loadOne)
}

func (p *remotePack) isLoaded() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.x != nil
}

// side does something for each of a list, jobs of them at once, and returns the first error.
func side[T any](ctx context.Context, jobs int, list []T, do func(context.Context, T) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan T)
	var group sync.WaitGroup
	for range min(jobs, len(list)) {
		group.Go(func() {
			for t := range queue {
				if ctx.Err() != nil {
					continue
				}
				if err := do(ctx, t); err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, t := range list {
		queue <- t
	}
	close(queue)
	group.Wait()
	return context.Cause(ctx)
}

// loadOne takes the index of a pack from the store, the cache, or the remote.
func (c *Catalog) loadOne(ctx context.Context, p *remotePack) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.x != nil {
		return nil
	}
	x, err := c.indexOf(ctx, p.info)
	if err != nil {
		return fmt.Errorf("pack %s of the remote: %w", p.info.Name.Short(), err)
	}
	p.x = x
	c.mu.Lock()
	defer c.mu.Unlock()
	list := append(slices.Clone(*c.loaded.Load()), p)
	slices.SortFunc(list, func(a, b *remotePack) int { return b.order - a.order })
	c.loaded.Store(&list)
	return nil
}

func (c *Catalog) indexOf(ctx context.Context, p PackInfo) (*pack.Index, error) {
	if f := c.s.set.File(p.Name); f != nil && f.Size() == p.Bytes {
		return f.Index(), nil
	}
	path := filepath.Join(c.o.Dir, p.Name.Hex()+".idx")
	if st, err := os.Stat(path); err == nil && st.Size() == p.Bytes-p.Index {
		if b, err := os.ReadFile(path); err == nil {
			if x, err := pack.ParseIndex(b, p.Name, p.Index); err == nil {
				return x, nil
			}
		}
	}
	b, err := c.o.Index(ctx, p)
	if err != nil {
		return nil, err
	}
	if int64(len(b)) != p.Bytes-p.Index {
		return nil, fault.New(fault.Integrity, "its index has %d bytes, not %d", len(b), p.Bytes-p.Index)
	}
	x, err := pack.ParseIndex(b, p.Name, p.Index)
	if err != nil || c.o.Dir == "" {
		return x, err
	}
	if err := os.MkdirAll(c.o.Dir, 0o777); err != nil {
		return nil, fmt.Errorf("cache an index: %w", err)
	}
	if err := index.Replace(path, b); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("cache an index: %w", err)
	}
	return x, nil
}

// where returns where a chunk lies: a full copy is preferred, and required with full.
func (c *Catalog) where(ctx context.Context, d object.Digest, full bool) (place, bool, error) {
	at, ok := c.known(d)
	if ok && (!full || at.frame.Codec != pack.Delta) {
		return at, true, nil
	}
	if len(*c.loaded.Load()) < len(c.packs) {
		if err := c.loadFor(ctx, d, full); err != nil {
			return at, false, err
		}
		at, ok = c.known(d)
	}
	return at, ok && (!full || at.frame.Codec != pack.Delta), nil
}

// loadFor loads the packs that may have a chunk: those that no table knows, and those that a table names.
func (c *Catalog) loadFor(ctx context.Context, d object.Digest, full bool) error {
	covered, err := c.covered(ctx)
	if err != nil {
		return err
	}
	if err := c.load(ctx, func(p *remotePack) bool { return !covered[p.info.Name] }); err != nil {
		return err
	}
	if at, ok := c.known(d); ok && (!full || at.frame.Codec != pack.Delta) {
		return nil
	}
	for _, t := range c.tables {
		names, err := t.find(ctx, c.o.Table, d)
		if err != nil {
			return err
		}
		if err := c.load(ctx, func(p *remotePack) bool { return slices.Contains(names, p.info.Name) }); err != nil {
			return err
		}
	}
	return nil
}

// known returns where a chunk lies in the packs whose indexes are loaded: in full where there is a full copy.
func (c *Catalog) known(d object.Digest) (place, bool) {
	var second place
	for at := range c.places(d) {
		if at.frame.Codec != pack.Delta {
			return at, true
		}
		second = at
	}
	return second, second.p != nil
}

// places yields every place of a chunk in the packs whose indexes are loaded.
func (c *Catalog) places(d object.Digest) iter.Seq[place] {
	return func(yield func(place) bool) {
		for _, p := range *c.loaded.Load() {
			row, ok := p.x.Find(d)
			if !ok {
				continue
			}
			nr := p.x.Row(row).Frame
			if !yield(place{p: p, x: p.x, row: row, nr: nr, frame: p.x.Frame(nr)}) {
				return
			}
		}
	}
}

// Has says whether the remote has a chunk that can be read: a delta counts only with its base.
func (c *Catalog) Has(ctx context.Context, d object.Digest) (bool, error) {
	_, _, ok, err := c.usable(ctx, d)
	return ok, err
}

// usable returns the pack that has a chunk and, where it is a delta, the pack that has its base.
func (c *Catalog) usable(ctx context.Context, d object.Digest) (p, base *remotePack, ok bool, err error) {
	at, ok, err := c.where(ctx, d, false)
	if err != nil || !ok {
		return nil, nil, false, err
	}
	if at.frame.Codec != pack.Delta {
		return at.p, nil, true, nil
	}
	for at := range c.places(d) { // one of several deltas may have its base
		id, ok, err := c.base(ctx, at)
		if err != nil {
			return nil, nil, false, err
		}
		if !ok {
			continue
		}
		of, ok, err := c.where(ctx, id, true)
		if ok || err != nil {
			return at.p, of.p, ok, err
		}
	}
	return nil, nil, false, nil
}

// choice returns the place to read a chunk from: of several deltas, one that has its base.
func (c *Catalog) choice(ctx context.Context, d object.Digest, full bool) (place, bool, error) {
	at, ok, err := c.where(ctx, d, full)
	if err != nil || !ok || at.frame.Codec != pack.Delta {
		return at, ok, err
	}
	n := 0
	for range c.places(d) {
		n++
	}
	if n < 2 {
		return at, true, nil
	}
	p, _, ok, err := c.usable(ctx, d)
	for other := range c.places(d) {
		if ok && other.p == p {
			return other, true, err
		}
	}
	return at, true, err
}

// Complete counts the objects of a version that the remote lacks: none proves that it holds the version. Trees and
// recipes are read from the store.
func (c *Catalog) Complete(ctx context.Context, root object.Digest) (missing int, err error) {
	r, err := c.s.reader()
	if err != nil {
		return 0, err
	}
	var failed error
	err = c.s.eachObject(ctx, r, root, func(d object.Digest) {
		if failed != nil {
			return
		}
		ok, err := c.Has(ctx, d)
		if failed = err; !ok {
			missing++
		}
	})
	return missing, errors.Join(failed, err)
}

// frames returns the rows of each frame of a pack.
func (p *remotePack) frames() [][]int32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byFrame == nil {
		p.byFrame = p.x.ByFrame()
	}
	return p.byFrame
}

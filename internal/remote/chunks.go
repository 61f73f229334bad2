package remote

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"path/filepath"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/remote/internal/crypt"
	"mlx/internal/snapshot"
)

// open returns the catalog of some packs of the remote; with tables a look-up reads no more than it needs.
func (r *Remote) open(ctx context.Context, packs []ChunkPack, tables []Table) (*snapshot.Catalog, error) {
	o := snapshot.CatalogOptions{Dir: filepath.Join(filepath.Dir(r.known.file), "packs"), Jobs: r.o.Jobs, Read: r.reader(packs)}
	for _, p := range packs {
		o.Packs = append(o.Packs, p.Info())
	}
	tableOf := map[object.Digest]Table{}
	for _, t := range tables {
		tableOf[t.Table] = t
		o.Tables = append(o.Tables, t.Info())
	}
	o.Index = func(ctx context.Context, p snapshot.PackInfo) ([]byte, error) {
		b := bytes.NewBuffer(make([]byte, 0, p.Bytes-p.Index)) // bounded by the catalog
		err := o.Read(ctx, p, p.Index, p.Bytes-p.Index, b)
		return b.Bytes(), err
	}
	o.Table = func(ctx context.Context, t snapshot.TableInfo, off, n int64) ([]byte, error) {
		return r.readTable(ctx, tableOf[t.Name], off, n)
	}
	return r.o.Store.Catalog(ctx, o)
}

// reader reads ranges of packs by their names.
func (r *Remote) reader(packs []ChunkPack) snapshot.RangeReader {
	byName := make(map[object.Digest]ChunkPack, len(packs))
	for _, p := range packs {
		byName[p.Pack] = p
	}
	return func(ctx context.Context, p snapshot.PackInfo, off, n int64, w io.Writer) error {
		return r.inPack(p.Name, r.readPack(ctx, byName[p.Name], off, n, w))
	}
}

// inPack says which pack could not be read.
func (r *Remote) inPack(name object.Digest, err error) error {
	if err == nil {
		return nil
	}
	if notFound(err) {
		return fault.New(fault.Integrity, "pack %s is gone from remote %s", name.Short(), r.o.Name).
			Hint("mlx verify -r %s   # what that hurts", r.o.Name)
	}
	return fault.New(fault.KindOf(err), "pack %s of remote %s: %w", name.Short(), r.o.Name, err)
}

// send uploads a pack of chunks, unless its object is there already: a push that was killed has left it.
func (p *pusher) send(ctx context.Context, parcel *snapshot.Parcel) (ChunkPack, error) {
	c := ChunkPack{Pack: parcel.Info.Name, Bytes: parcel.Info.Bytes, Index: parcel.Info.Index, Chunks: parcel.Info.Chunks}
	if err := parcel.Verify(ctx); err != nil { // what is damaged here must not be believed elsewhere
		return c, err
	}
	plain, err := parcel.Open()
	if err != nil {
		return c, err
	}
	defer plain.Close()
	if err := p.r.ready(ctx); err != nil {
		return c, err
	}
	var body io.ReadSeeker = plain
	if p.r.ring != nil {
		if body, err = p.r.sealPack(&c, plain); err != nil {
			return c, err
		}
	}
	if there, err := p.sent(ctx, c); there || err != nil {
		return c, err
	}
	return c, p.r.o.Bucket.Write(ctx, c.key(), body, p.r.size(c))
}

// sent says whether the object of a pack lies there already. Its bytes are not looked at, so a repair does not ask.
func (p *pusher) sent(ctx context.Context, c ChunkPack) (bool, error) {
	if p.anew {
		return false, nil
	}
	if err := p.list(ctx); err != nil {
		return false, err
	}
	if p.there != nil {
		return !p.missing(c), nil
	}
	n, err := p.r.o.Bucket.Size(ctx, c.key())
	return err == nil && n == p.r.size(c), nil
}

// sealPack names the encrypted object of a pack and returns its bytes. The same pack always gives the same ones.
func (r *Remote) sealPack(c *ChunkPack, plain io.ReadSeeker) (io.ReadSeeker, error) {
	h := sha256.New()
	if _, err := io.Copy(h, plain); err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot read pack %s: %w", c.Pack.Short(), err)
	}
	c.Plain = object.Digest(h.Sum(nil))
	at := &readerAt{plain}
	o := crypt.Object{Context: packContext, Name: c.Plain, Size: c.Bytes}
	var err error
	if c.Object, err = r.ring.SealedDigest(o, at); err != nil {
		return nil, err
	}
	return r.ring.Seal(o, at)
}

// readerAt reads a file from any place, one read after the other.
type readerAt struct{ in io.ReadSeeker }

func (a *readerAt) ReadAt(b []byte, off int64) (int, error) {
	if _, err := a.in.Seek(off, io.SeekStart); err != nil {
		return 0, err
	}
	return io.ReadFull(a.in, b)
}

// FetchOptions say which versions to bring here, or which part of them.
type FetchOptions struct {
	Roots []object.Digest
	Only  func(path string, isDir bool) bool // nil: everything; told of paths below the root
}

// Fetch brings versions into the store. Read the log first (Sync), so that what others have pushed is known.
func (r *Remote) Fetch(ctx context.Context, o FetchOptions) (snapshot.Fetched, error) {
	erased, err := r.Erasures(ctx)
	if err != nil {
		return snapshot.Fetched{}, err
	}
	for _, root := range o.Roots {
		if one, ok := erased.Of(root); ok && one.Path == "" {
			return snapshot.Fetched{}, one.Refusal(root)
		}
	}
	packs := r.known.state.readable()
	progress := r.o.Progress("fetching", 0)
	defer progress.Done()
	var got snapshot.Fetched
	err = r.withTables(func(tables []Table) error {
		catalog, err := r.open(ctx, packs, tables)
		if err != nil {
			return err
		}
		got, err = r.o.Store.Fetch(ctx, snapshot.FetchOptions{
			Roots: o.Roots, Only: o.Only, From: catalog, Read: r.reader(packs), Jobs: r.o.Jobs, Progress: progress,
		})
		return err
	})
	return got, err
}

// withTables does something with the tables, and if it fails by damage without them: they are derived, and may well be what
// is damaged.
func (r *Remote) withTables(do func([]Table) error) error {
	tables := r.known.state.Tables
	err := do(tables)
	if len(tables) == 0 || !isDamage(err) {
		return err
	}
	r.o.Note("again without the tables of remote %s: %v", r.o.Name, err)
	return do(nil)
}

// Sync reads what is new in the log, and its records into the ledger. It returns how many of them were not there yet.
func (r *Remote) Sync(ctx context.Context) (int, error) {
	before := r.added
	if err := r.advance(ctx); err != nil {
		return 0, err
	}
	if !r.known.state.begun() {
		return 0, fault.New(fault.NotFound, "remote %s is empty", r.o.Name).Hint("mlx push -r %s   # where the data is", r.o.Name)
	}
	return r.added - before, nil
}

// Holds says which versions the log names.
func (r *Remote) Holds(root object.Digest) bool { return r.known.state.holds(root) }

// Roots returns every version that the remote holds, oldest first.
func (r *Remote) Roots() []Root {
	var out []Root
	for _, h := range r.known.state.Roots {
		out = append(out, h.Root)
	}
	return out
}

// Unsent counts the records of the ledger that the remote, as last seen, has not.
func (r *Remote) Unsent(ctx context.Context) (int, error) {
	n := 0
	ids, err := r.o.Ledger.IDs(ctx)
	for _, id := range ids {
		if !r.known.has(id) {
			n++
		}
	}
	return n, err
}

package snapshot

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// A bundle brings versions from one store to another in one stream (docs/format/link.md): the magic, the roots, packs with
// their indexes first, so that each frame can be checked as it arrives, and an end mark that counts them.
const (
	bundleMagic = "mlx bundle 1\n" + algorithm
	packMark    = 'P'
	endMark     = 'E'
	packHead    = 32 + 8 + 8 + 4
	endSize     = 4 + 8 + 8

	maxBundleRoots = 1 << 16
	maxBundlePacks = 1 << 20
)

// askFrom is how many stored bytes must be about to travel before the receiver is asked what it has of them.
const askFrom = 8 << 20

// BundleOptions say what a receiver shall hold, and what it holds.
type BundleOptions struct {
	Roots []object.Digest
	Held  []object.Digest // versions that the receiver has whole; one that is not here tells nothing

	// Ask, when not nil, asks the receiver which objects it has: those of a bundle that was cut short, or of other versions.
	// It is called at most once, where much would be sent, before anything is written.
	Ask      func(ctx context.Context, ids []object.Digest) ([]bool, error)
	Progress Progress // in bytes that are written; nil for none
}

// BundleInfo counts a bundle.
type BundleInfo struct {
	Packs   int64
	Objects int64 // that the receiver lacked
	Bytes   int64 // of the whole stream
}

// WriteBundle writes all that a receiver lacks of some versions, each of which must be whole here. A delta travels as it is
// where the receiver can read its base, whatever form that has there.
func (s *Store) WriteBundle(ctx context.Context, w io.Writer, o BundleOptions) (info BundleInfo, err error) {
	if len(o.Roots) > maxBundleRoots {
		return info, fault.New(fault.Usage, "cannot send %d versions at once", len(o.Roots))
	}
	sh, err := s.shipFor(ctx, o)
	if err != nil {
		return info, err
	}
	defer func() { err = errors.Join(err, sh.Close()) }()
	if o.Progress != nil {
		o.Progress.SetTotal(sh.Bytes)
	}
	out := &bundleWriter{w: bufio.NewWriterSize(w, 256<<10), progress: o.Progress}
	out.head(o.Roots)
	for _, p := range sh.Packs {
		if err := ctx.Err(); err != nil {
			return info, err
		}
		out.pack(ctx, p)
	}
	out.end(sh)
	return BundleInfo{Packs: int64(len(sh.Packs)), Objects: sh.Objects, Bytes: out.n}, out.err
}

// shipFor prepares the packs of a bundle.
func (s *Store) shipFor(ctx context.Context, o BundleOptions) (*Shipment, error) {
	there := heldSet{}
	if err := s.set.Refresh(); err != nil { // other processes write to the store while this one has it open
		return nil, err
	}
	h, err := s.shipper(ShipOptions{Whole: wholeAt}, there)
	if err != nil {
		return nil, err
	}
	rest := slices.DeleteFunc(slices.Clone(o.Roots), func(d object.Digest) bool { return slices.Contains(o.Held, d) })
	if len(rest) > 0 {
		for _, root := range o.Held {
			if err := s.holds(ctx, there, root); err != nil {
				return nil, err
			}
		}
	}
	for _, root := range rest {
		if err := h.root(ctx, root); err != nil {
			return nil, err
		}
	}
	if o.Ask != nil {
		if err := h.ask(ctx, there, o.Ask); err != nil {
			return nil, err
		}
	}
	return h.shipment(ctx)
}

// heldSet is the objects that the receiver can read. It makes a delta whose base it has in another form whole itself.
type heldSet map[object.Digest]struct{}

func (h heldSet) has(_ context.Context, d object.Digest) ([]object.Digest, bool, error) {
	_, ok := h[d]
	return nil, ok, nil
}

func (h heldSet) bases(ctx context.Context, d object.Digest) ([]object.Digest, bool, error) {
	return h.has(ctx, d)
}

// holds notes the objects of a version that the receiver has. What is not here of it stays unknown.
func (s *Store) holds(ctx context.Context, there heldSet, root object.Digest) error {
	if _, ok := there[root]; ok {
		return nil
	}
	r, err := s.reader()
	if err != nil {
		return err
	}
	r.loose = true
	err = s.eachObject(ctx, r, root, func(d object.Digest) { there[d] = struct{}{} })
	if kind := fault.KindOf(err); kind == fault.NotFound || kind == fault.Integrity {
		return nil
	}
	return err
}

// ask takes out of what is wanted what the receiver says that it has.
func (h *shipper) ask(ctx context.Context, there heldSet, ask func(context.Context, []object.Digest) ([]bool, error)) error {
	files := h.files()
	var bytes int64
	for _, f := range files {
		bytes += h.wanted(f, f.Index().ByFrame())
	}
	if bytes < askFrom {
		return nil
	}
	ids := make([]object.Digest, 0, h.objects)
	for _, f := range files {
		for row := range f.Len() {
			if h.want[f].has(row) {
				ids = append(ids, f.Index().Row(row).ID)
			}
		}
	}
	got, err := ask(ctx, ids)
	if err == nil && len(got) != len(ids) {
		err = fault.New(fault.Integrity, "asked of %d objects, told of %d", len(ids), len(got))
	}
	if err != nil {
		return fmt.Errorf("ask what is there: %w", err)
	}
	for i, d := range ids {
		if got[i] {
			there[d] = struct{}{}
		}
	}
	for _, f := range files {
		want := h.want[f]
		for row := range f.Len() {
			if _, ok := there[f.Index().Row(row).ID]; ok && want.has(row) {
				want.drop(row)
				h.objects--
			}
		}
	}
	return nil
}

// bundleWriter writes the parts of a bundle. The first error stays.
type bundleWriter struct {
	w        *bufio.Writer
	n        int64
	err      error
	progress Progress
}

// Write implements io.Writer.
func (b *bundleWriter) Write(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.w.Write(p)
	b.n += int64(n)
	b.err = err
	if b.progress != nil {
		b.progress.Add(int64(n))
	}
	return n, err
}

func (b *bundleWriter) put(p []byte) { _, _ = b.Write(p) } // the error stays in b

func (b *bundleWriter) head(roots []object.Digest) {
	b.put([]byte(bundleMagic))
	b.put(binary.LittleEndian.AppendUint32(nil, uint32(len(roots)))) //nolint:gosec // bounded by maxBundleRoots
	for _, r := range roots {
		b.put(r[:])
	}
}

// pack writes a pack, its index in front of its frames.
func (b *bundleWriter) pack(ctx context.Context, p *Parcel) {
	head := append([]byte{packMark}, p.Info.Name[:]...)
	head = binary.LittleEndian.AppendUint64(head, uint64(p.Info.Bytes))  //nolint:gosec // sizes of files
	head = binary.LittleEndian.AppendUint64(head, uint64(p.Info.Index))  //nolint:gosec // the same
	head = binary.LittleEndian.AppendUint32(head, uint32(p.Info.Chunks)) //nolint:gosec // rows of an index
	b.put(head)
	b.put(p.file.Index().Bytes())
	if b.err != nil {
		return
	}
	from := io.NewSectionReader(p.file.Reader(), 0, p.Info.Index)
	if _, err := io.CopyBuffer(b, &contextReader{ctx, from}, make([]byte, 256<<10)); err != nil && b.err == nil {
		b.err = fmt.Errorf("send pack %s: %w", p.Info.Name.Short(), err)
	}
}

func (b *bundleWriter) end(sh *Shipment) {
	end := binary.LittleEndian.AppendUint32([]byte{endMark}, uint32(len(sh.Packs))) //nolint:gosec // fewer than a folder holds
	end = binary.LittleEndian.AppendUint64(end, uint64(sh.Objects))                 //nolint:gosec // a count
	end = binary.LittleEndian.AppendUint64(end, uint64(sh.Bytes))                   //nolint:gosec // a size
	b.put(end)
	if b.err == nil {
		b.err = b.w.Flush()
	}
}

// contextReader ends when its context does.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

// Read implements io.Reader.
func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

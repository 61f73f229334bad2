package snapshot

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot/internal/pack"
)

// ShipOptions say what a remote shall hold, and what it holds.
type ShipOptions struct {
	Roots    []object.Digest
	There    *Catalog
	Whole    float64  // share of a pack that must be wanted to send it as it is; 0 means 0.75
	Progress Progress // in bytes that are copied; nil for none
}

// wholeAt is the share of a pack from which it travels as it is.
const wholeAt = 0.75

// Shipment is what brings a remote all that it lacks of some versions.
type Shipment struct {
	Packs   []*Parcel
	Relies  []object.Digest // packs of the catalog that the versions need besides, sorted
	Objects int64           // that the remote lacks
	Bytes   int64           // of all packs
}

// Ship prepares the packs that bring a remote what it lacks of the versions. Each version must be whole here.
func (s *Store) Ship(ctx context.Context, o ShipOptions) (*Shipment, error) {
	if o.Whole == 0 {
		o.Whole = wholeAt
	}
	h, err := s.shipper(o, catalogHolder{o.There})
	if err != nil {
		return nil, err
	}
	for _, root := range o.Roots {
		if err := h.root(ctx, root); err != nil {
			return nil, err
		}
	}
	return h.shipment(ctx)
}

func (s *Store) shipper(o ShipOptions, there holder) (*shipper, error) {
	r, err := s.reader()
	if err != nil {
		return nil, err
	}
	h := &shipper{s: s, o: o, there: there, r: r, want: map[*pack.File]rowSet{}, whole: map[*pack.File]bool{}, pinned: map[*pack.File]bool{}, relies: map[object.Digest]bool{}}
	h.erased, err = s.Erased()
	return h, err
}

// shipment makes the packs of what is wanted.
func (h *shipper) shipment(ctx context.Context) (*Shipment, error) {
	sh := &Shipment{Relies: slices.SortedFunc(maps.Keys(h.relies), object.Digest.Compare), Objects: h.objects}
	if h.objects == 0 {
		return sh, nil
	}
	if err := h.pack(ctx, sh); err != nil {
		return nil, errors.Join(err, sh.Close())
	}
	return sh, nil
}

// holder knows what the receiver has. Both return the packs that it relies on for that, where they have names.
type holder interface {
	// has says whether the receiver can read an object.
	has(ctx context.Context, d object.Digest) (relies []object.Digest, ok bool, err error)
	// bases says whether an object that is sent may be a delta against this one.
	bases(ctx context.Context, d object.Digest) (relies []object.Digest, ok bool, err error)
}

// catalogHolder is a remote, which keeps deltas as they are: their base must be there in full.
type catalogHolder struct{ c *Catalog }

func (h catalogHolder) has(ctx context.Context, d object.Digest) ([]object.Digest, bool, error) {
	p, base, ok, err := h.c.usable(ctx, d)
	if err != nil || !ok {
		return nil, false, err
	}
	relies := []object.Digest{p.info.Name}
	if base != nil {
		relies = append(relies, base.info.Name)
	}
	return relies, true, nil
}

func (h catalogHolder) bases(ctx context.Context, d object.Digest) ([]object.Digest, bool, error) {
	at, ok, err := h.c.where(ctx, d, true)
	if err != nil || !ok {
		return nil, false, err
	}
	return []object.Digest{at.p.info.Name}, true, nil
}

// rowSet is a set of the rows of a pack.
type rowSet []uint64

func newRowSet(n int) rowSet     { return make(rowSet, (n+63)/64) }
func (b rowSet) has(i int) bool  { return b[i>>6]>>(i&63)&1 != 0 }
func (b rowSet) set(i int)       { b[i>>6] |= 1 << (i & 63) }
func (b rowSet) drop(i int)      { b[i>>6] &^= 1 << (i & 63) }
func (b rowSet) take(i int) bool { had := b.has(i); b.set(i); return !had }

// shipper is one Ship.
type shipper struct {
	s       *Store
	o       ShipOptions
	there   holder
	r       *reader
	want    map[*pack.File]rowSet
	full    []pack.Loc // deltas whose base does not travel: they go in full
	fullIDs []object.Digest
	whole   map[*pack.File]bool // packs that travel as they are
	pinned  map[*pack.File]bool // those of them that others' bases lie in
	relies  map[object.Digest]bool
	erased  map[object.Digest]bool
	anew    bool // nothing is copied without being decoded
	objects int64
}

// root notes what the remote lacks of a version.
func (h *shipper) root(ctx context.Context, root object.Digest) error {
	var failed error
	err := h.s.eachObject(ctx, h.r, root, func(d object.Digest) {
		if failed == nil {
			failed = h.object(ctx, d)
		}
	})
	if err = errors.Join(failed, err); err != nil {
		return fmt.Errorf("version %s: %w", root.Short(), err)
	}
	return nil
}

func (h *shipper) object(ctx context.Context, d object.Digest) error {
	relies, ok, err := h.there.has(ctx, d)
	if err != nil {
		return err
	}
	if ok {
		h.rely(relies)
		return nil
	}
	if h.erased[d] {
		return fault.New(fault.Conflict, "object %s was erased from this store", d.Short())
	}
	l, ok := h.s.set.Find(d, nil)
	if !ok || l.Frame.Codec == pack.Delta && !h.s.set.Usable(d, nil) {
		return fault.New(fault.NotFound, "object %s is not on this machine", d.Short())
	}
	set, ok := h.want[l.File]
	if !ok {
		set = newRowSet(l.File.Len())
		h.want[l.File] = set
	}
	if set.take(l.Row) {
		h.objects++
	}
	return nil
}

// pack makes the parcels: first the deltas are parted whose base is not there.
func (h *shipper) pack(ctx context.Context, sh *Shipment) error {
	files := h.files()
	byFrame := make(map[*pack.File][][]int32, len(files))
	for _, f := range files {
		byFrame[f] = f.Index().ByFrame()
		h.whole[f] = h.share(f, byFrame[f]) >= h.o.Whole
	}
	for _, f := range files {
		if err := h.deltas(ctx, f, byFrame[f]); err != nil {
			return err
		}
	}
	for _, f := range files { // less is wanted of a pack when its deltas go in full
		h.whole[f] = h.pinned[f] || h.whole[f] && h.share(f, byFrame[f]) >= h.o.Whole
	}
	c := &copier{s: h.s, progress: h.o.Progress, erased: h.erased}
	for _, f := range files {
		if !h.whole[f] {
			c.todo += h.wanted(f, byFrame[f])
		}
	}
	if c.progress != nil {
		c.progress.SetTotal(c.todo)
	}
	for _, f := range files {
		if h.whole[f] {
			sh.add(&Parcel{s: h.s, file: f, Info: infoOf(f)})
			continue
		}
		if err := c.file(ctx, f, byFrame[f], h.want[f]); err != nil {
			return errors.Join(err, c.abort())
		}
	}
	for i, l := range h.full {
		if err := c.full(ctx, h.fullIDs[i], l); err != nil {
			return errors.Join(err, c.abort())
		}
	}
	return c.end(sh)
}

// deltas takes the wanted deltas out of a pack whose base neither the remote has in full nor this shipment brings.
func (h *shipper) deltas(ctx context.Context, f *pack.File, byFrame [][]int32) error {
	x, want := f.Index(), h.want[f]
	for i, rows := range byFrame {
		if x.Frame(i).Codec != pack.Delta || len(rows) == 0 || !want.has(int(rows[0])) {
			continue
		}
		base, err := f.BaseOfFrame(x.Frame(i))
		if err != nil {
			return err
		}
		ok, err := h.brings(ctx, base)
		if err != nil {
			return err
		}
		if !ok {
			d := x.Row(int(rows[0])).ID
			l, _ := h.s.set.Find(d, nil)
			h.full, h.fullIDs = append(h.full, l), append(h.fullIDs, d)
			want.drop(int(rows[0]))
		}
	}
	return nil
}

// brings says whether a chunk will be in the remote in full. A wanted full copy never leaves the shipment; another one
// travels where all of its pack does.
func (h *shipper) brings(ctx context.Context, d object.Digest) (bool, error) {
	if l, ok := h.s.set.Find(d, nil); ok && l.Frame.Codec != pack.Delta {
		if set, ok := h.want[l.File]; ok && set.has(l.Row) {
			return true, nil
		}
		if h.whole[l.File] {
			h.pinned[l.File] = true
			return true, nil
		}
	}
	relies, ok, err := h.there.bases(ctx, d)
	h.rely(relies)
	return ok, err
}

// files returns the packs that something is wanted of, in the order of their names.
func (h *shipper) files() []*pack.File {
	return slices.SortedFunc(maps.Keys(h.want), func(a, b *pack.File) int { return a.Name().Compare(b.Name()) })
}

func (h *shipper) rely(packs []object.Digest) {
	for _, p := range packs {
		h.relies[p] = true
	}
}

// wanted returns the stored bytes of the frames that something is wanted of.
func (h *shipper) wanted(f *pack.File, byFrame [][]int32) (n int64) {
	x, want := f.Index(), h.want[f]
	for i, rows := range byFrame {
		if slices.ContainsFunc(rows, func(r int32) bool { return want.has(int(r)) }) {
			n += x.Frame(i).Size()
		}
	}
	return n
}

// share returns which part of the stored bytes of a pack is wanted.
func (h *shipper) share(f *pack.File, byFrame [][]int32) float64 {
	x, want := f.Index(), h.want[f]
	var n, all int64
	for i, rows := range byFrame {
		frame := x.Frame(i)
		all += frame.Size()
		raw := 0
		for _, r := range rows {
			row := x.Row(int(r))
			if h.erased[row.ID] {
				return 0
			}
			if want.has(int(r)) {
				raw += row.Size
			}
		}
		n += frame.Size() * int64(raw) / int64(frame.Raw)
	}
	return float64(n) / float64(max(all, 1))
}

// Close removes the temporary packs.
func (sh *Shipment) Close() error {
	var errs []error
	for _, p := range sh.Packs {
		errs = append(errs, p.close())
	}
	return errors.Join(errs...)
}

func (sh *Shipment) add(p *Parcel) {
	sh.Packs = append(sh.Packs, p)
	sh.Bytes += p.Info.Bytes
}

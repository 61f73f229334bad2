package snapshot

import (
	"context"
	"encoding/binary"
	"slices"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot/internal/pack"
)

// IndexedPack is a pack and its index.
type IndexedPack struct {
	Info  PackInfo
	Index []byte
}

// MergedTables are the tables of a remote after a push.
type MergedTables struct {
	Tables []TableInfo // all that count from now on
	New    TableInfo   // the one of them that must be stored
	Bytes  []byte      // of New
}

// BuildTable makes the table of some packs. It states which pack has which chunk.
func BuildTable(packs []IndexedPack) ([]byte, TableInfo, error) {
	b := &tableBuilder{}
	for _, p := range packs {
		x, err := pack.ParseIndex(p.Index, p.Info.Name, p.Info.Index)
		if err != nil {
			return nil, TableInfo{}, err
		}
		b.index(p.Info, x)
	}
	return b.build()
}

// MergeTables decides which tables the new packs are put together with, so that each table that stays is at least twice
// as large as the next smaller one. Packs that are no longer in the catalog are left out of what is written anew; those
// that no table knew come in.
func (c *Catalog) MergeTables(ctx context.Context, added []IndexedPack) (MergedTables, error) {
	b := &tableBuilder{}
	in := map[object.Digest]bool{}
	for _, p := range added {
		x, err := pack.ParseIndex(p.Index, p.Info.Name, p.Info.Index)
		if err != nil {
			return MergedTables{}, err
		}
		b.index(p.Info, x)
		in[p.Info.Name] = true
	}
	covered, err := c.covered(ctx)
	if err != nil {
		return MergedTables{}, err
	}
	lone := func(p *remotePack) bool { return !covered[p.info.Name] && !in[p.info.Name] }
	if err := c.load(ctx, lone); err != nil {
		return MergedTables{}, err
	}
	for _, p := range c.inOrder() {
		if lone(p) {
			b.index(p.info, p.x)
		}
	}
	list := slices.Clone(c.tables)
	slices.SortStableFunc(list, func(a, b *table) int { return int(a.info.Chunks - b.info.Chunks) })
	for len(list) > 0 && list[0].info.Chunks < 2*int64(len(b.rows)) {
		if err := b.table(ctx, c, list[0]); err != nil {
			return MergedTables{}, err
		}
		list = list[1:]
	}
	var out MergedTables
	for _, t := range list {
		out.Tables = append(out.Tables, t.info)
	}
	if len(b.packs) == 0 {
		return out, nil
	}
	out.Bytes, out.New, err = b.build()
	out.Tables = append(out.Tables, out.New)
	return out, err
}

// inOrder returns all packs, oldest first.
func (c *Catalog) inOrder() []*remotePack {
	out := make([]*remotePack, 0, len(c.packs))
	for _, p := range c.packs {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b *remotePack) int { return a.order - b.order })
	return out
}

// tableBuilder collects packs and rows.
type tableBuilder struct {
	packs  []PackInfo
	number map[object.Digest]uint32
	rows   [][tableRow]byte
}

// pack enters a pack, and says whether it is new.
func (b *tableBuilder) pack(p PackInfo) (uint32, bool) {
	if n, ok := b.number[p.Name]; ok {
		return n, false
	}
	if b.number == nil {
		b.number = map[object.Digest]uint32{}
	}
	n := uint32(len(b.packs)) //nolint:gosec // bounded by maxTablePacks in build
	b.number[p.Name] = n
	b.packs = append(b.packs, p)
	return n, true
}

func (b *tableBuilder) index(p PackInfo, x *pack.Index) {
	n, ok := b.pack(p)
	if !ok {
		return
	}
	for i := range x.Len() {
		d := x.Row(i).ID
		b.row(d[:8], n)
	}
}

func (b *tableBuilder) row(prefix []byte, n uint32) {
	var r [tableRow]byte
	copy(r[:], prefix)
	binary.LittleEndian.PutUint32(r[8:], n)
	b.rows = append(b.rows, r)
}

// table enters the rows of a table that is there already, for the packs that still are.
func (b *tableBuilder) table(ctx context.Context, c *Catalog, t *table) error {
	if err := t.head(ctx, c.o.Table); err != nil {
		return err
	}
	rows := t.all
	if rows == nil {
		all, err := t.read(ctx, c.o.Table, 0, t.info.Bytes)
		if err == nil && object.Sum(all) != t.info.Name {
			err = fault.New(fault.Integrity, "table %s of the remote: its bytes do not have its digest", t.info.Name.Short())
		}
		if err == nil {
			rows = all[t.info.rows():]
			err = checkRows(rows, len(t.packs))
		}
		if err != nil {
			return err
		}
	}
	number := make([]int64, len(t.packs))
	for i, p := range t.packs {
		number[i] = -1
		if _, ok := c.packs[p.Name]; ok {
			if n, fresh := b.pack(p); fresh {
				number[i] = int64(n)
			}
		}
	}
	for ; len(rows) > 0; rows = rows[tableRow:] {
		if n := number[binary.LittleEndian.Uint32(rows[8:])]; n >= 0 {
			b.row(rows[:8], uint32(n)) //nolint:gosec // it came from pack
		}
	}
	return nil
}

// build sorts the rows and encodes the table.
func (b *tableBuilder) build() ([]byte, TableInfo, error) {
	slices.SortFunc(b.rows, func(x, y [tableRow]byte) int { return compareRows(x[:], y[:]) })
	b.rows = slices.Compact(b.rows)
	info := TableInfo{Chunks: int64(len(b.rows)), Packs: int64(len(b.packs))}
	info.Bytes = info.rows() + tableRow*info.Chunks
	if err := info.check(); err != nil {
		return nil, TableInfo{}, err
	}
	out := append(make([]byte, 0, info.Bytes), tableMagic...)
	out = binary.LittleEndian.AppendUint32(out, uint32(info.Packs)) //nolint:gosec // checked
	out = binary.LittleEndian.AppendUint64(out, uint64(info.Chunks))
	for _, p := range b.packs {
		out = append(out, p.Name[:]...)
		out = binary.LittleEndian.AppendUint64(out, uint64(p.Bytes))
		out = binary.LittleEndian.AppendUint64(out, uint64(p.Index))
		out = binary.LittleEndian.AppendUint32(out, uint32(p.Chunks)) //nolint:gosec // a pack counts its chunks in 32 bits
	}
	for i := range b.rows {
		out = append(out, b.rows[i][:]...)
	}
	info.Name = object.Sum(out)
	return out, info, nil
}

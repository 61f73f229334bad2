package snapshot

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"sort"
	"sync"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// TableInfo names a table: which pack has which chunk.
type TableInfo struct {
	Name   object.Digest // SHA-256 of its bytes
	Bytes  int64
	Chunks int64
	Packs  int64
}

const (
	tableMagic = "mlx table 1\n" + algorithm
	tableHead  = int64(len(tableMagic)) + 4 + 8
	tablePack  = 32 + 8 + 8 + 4
	tableRow   = 8 + 4

	maxTablePacks  = 1 << 20
	maxTableChunks = 1 << 36
	wholeTable     = 4 << 20 // a table up to this size is read whole
)

// check refuses numbers that no table can have.
func (t TableInfo) check() error {
	if t.Packs < 1 || t.Packs > maxTablePacks || t.Chunks < 0 || t.Chunks > maxTableChunks || t.Bytes != t.rows()+tableRow*t.Chunks {
		return fault.New(fault.Integrity, "table %s: %d bytes for %d packs and %d chunks", t.Name.Short(), t.Bytes, t.Packs, t.Chunks)
	}
	return nil
}

// rows returns where the rows start.
func (t TableInfo) rows() int64 { return tableHead + tablePack*t.Packs }

// tableReader reads bytes [off, off+n) of a table.
type tableReader func(ctx context.Context, t TableInfo, off, n int64) ([]byte, error)

// table is one table, as far as it was read.
type table struct {
	info  TableInfo
	mu    sync.Mutex
	packs []PackInfo // nil until the head is read
	all   []byte     // the rows, where the table was read whole
}

// read reads a range, and refuses one of another length.
func (t *table) read(ctx context.Context, read tableReader, off, n int64) ([]byte, error) {
	b, err := read(ctx, t.info, off, n)
	if err == nil && int64(len(b)) != n {
		err = fault.New(fault.Integrity, "cut short: %d bytes, not %d", len(b), n)
	}
	if err != nil {
		return nil, fmt.Errorf("table %s of the remote: %w", t.info.Name.Short(), err)
	}
	return b, nil
}

// head reads the list of packs: all of a small table, the first bytes of a large one.
func (t *table) head(ctx context.Context, read tableReader) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.packs != nil {
		return nil
	}
	n := t.info.rows()
	if t.info.Bytes <= wholeTable {
		n = t.info.Bytes
	}
	b, err := t.read(ctx, read, 0, n)
	if err != nil {
		return err
	}
	if n == t.info.Bytes && object.Sum(b) != t.info.Name {
		return fault.New(fault.Integrity, "table %s of the remote: its bytes do not have its digest", t.info.Name.Short())
	}
	packs, err := parseTableHead(b, t.info)
	if err != nil {
		return err
	}
	if n == t.info.Bytes {
		if err := checkRows(b[t.info.rows():], len(packs)); err != nil {
			return err
		}
		t.all = b[t.info.rows():]
	}
	t.packs = packs
	return nil
}

// parseTableHead reads the head of a table, whose numbers must be those of info.
func parseTableHead(b []byte, info TableInfo) ([]PackInfo, error) {
	bad := func(why string) ([]PackInfo, error) { return nil, fault.New(fault.Integrity, "damaged table: %s", why) }
	if err := info.check(); err != nil {
		return nil, err
	}
	if int64(len(b)) < info.rows() || !bytes.HasPrefix(b, []byte(tableMagic)) {
		return bad("wrong first line or digest algorithm")
	}
	n := b[len(tableMagic):]
	if int64(binary.LittleEndian.Uint32(n)) != info.Packs || binary.LittleEndian.Uint64(n[4:]) != uint64(info.Chunks) {
		return bad("its numbers are not those that the log states")
	}
	out := make([]PackInfo, info.Packs)
	for i := range out {
		p := b[tableHead+int64(i)*tablePack:]
		out[i] = PackInfo{
			Name:   object.Digest(p[:32]),
			Bytes:  int64(binary.LittleEndian.Uint64(p[32:]) & (1<<63 - 1)),
			Index:  int64(binary.LittleEndian.Uint64(p[40:]) & (1<<63 - 1)),
			Chunks: int64(binary.LittleEndian.Uint32(p[48:])),
		}
		if err := out[i].check(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// checkRows refuses rows that are out of order, or name no pack.
func checkRows(rows []byte, packs int) error {
	for i := 0; i < len(rows); i += tableRow {
		if int(binary.LittleEndian.Uint32(rows[i+8:])) >= packs || i > 0 && compareRows(rows[i-tableRow:], rows[i:]) >= 0 {
			return fault.New(fault.Integrity, "damaged table: row %d", i/tableRow)
		}
	}
	return nil
}

// compareRows orders rows by the digest's first bytes, then by the pack's number.
func compareRows(a, b []byte) int {
	return cmp.Or(bytes.Compare(a[:8], b[:8]), cmp.Compare(binary.LittleEndian.Uint32(a[8:]), binary.LittleEndian.Uint32(b[8:])))
}

// find returns the packs that may have a chunk.
func (t *table) find(ctx context.Context, read tableReader, d object.Digest) ([]object.Digest, error) {
	if err := t.head(ctx, read); err != nil {
		return nil, err
	}
	rows := t.all
	if rows == nil {
		var err error
		if rows, err = t.window(ctx, read, d); err != nil {
			return nil, err
		}
	}
	n := len(rows) / tableRow
	lo := sort.Search(n, func(i int) bool { return bytes.Compare(rows[i*tableRow:i*tableRow+8], d[:8]) >= 0 })
	var out []object.Digest
	for ; lo < n && bytes.Equal(rows[lo*tableRow:lo*tableRow+8], d[:8]); lo++ {
		if k := int(binary.LittleEndian.Uint32(rows[lo*tableRow+8:])); k < len(t.packs) {
			out = append(out, t.packs[k].Name)
		}
	}
	return out, nil
}

// window reads the rows around the place where a chunk's would be: digests are evenly spread, so that the n-th of them
// is hardly ever further than some square roots of their number from where it is expected.
func (t *table) window(ctx context.Context, read tableReader, d object.Digest) ([]byte, error) {
	n := t.info.Chunks
	hi, _ := bits.Mul64(binary.BigEndian.Uint64(d[:8]), uint64(n))
	guess := min(int64(hi), n-1)
	for step := int64(4*math.Sqrt(float64(n))) + 64; ; step *= 8 {
		lo, hi := max(0, guess-step), min(n, guess+step)
		rows, err := t.read(ctx, read, t.info.rows()+lo*tableRow, (hi-lo)*tableRow)
		if err != nil {
			return nil, err
		}
		if err := checkRows(rows, len(t.packs)); err != nil {
			return nil, err
		}
		below := lo == 0 || bytes.Compare(rows[:8], d[:8]) < 0
		above := hi == n || bytes.Compare(rows[len(rows)-tableRow:][:8], d[:8]) > 0
		if below && above {
			return rows, nil
		}
	}
}

// covered returns the packs that a table knows.
func (c *Catalog) covered(ctx context.Context) (map[object.Digest]bool, error) {
	out := map[object.Digest]bool{}
	for _, t := range c.tables {
		if err := t.head(ctx, c.o.Table); err != nil {
			return nil, err
		}
		for _, p := range t.packs {
			out[p.Name] = true
		}
	}
	return out, nil
}

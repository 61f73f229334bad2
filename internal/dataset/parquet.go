package dataset

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"os"
	"path/filepath"
	"sync"

	"mlx/internal/fault"
)

// parquetFile is a Parquet file. Its metadata is in memory, its values never more than some pages of each column that is read. The format
// is decoded here and not by a library: those allocate what a header claims, and panic.
type parquetFile struct {
	file   File
	opts   Options
	size   int64
	meta   *parquetFooter
	root   *parquetNode
	leaves []*parquetNode
	fields Schema // as the table sees them
	native Schema // as they are stored
	rules  *textRules
	temp   string // folder of a temporary copy

	mu      sync.Mutex
	in      Random
	users   int
	readers []*parquetRows // with their memory, for the next unit
}

const (
	parquetTail  = 8        // length of the metadata, and the magic word
	maxFooter    = 1 << 30  // of its metadata
	footerAtOnce = 64 << 10 // read in the hope that all metadata is there
	parquetMagic = "PAR1"
)

// openParquet opens a Parquet file. What cannot be read anywhere is copied to a temporary file first.
func openParquet(ctx context.Context, f File, opts Options) (file, error) {
	p := &parquetFile{file: f, opts: opts, size: f.Size}
	if err := p.open(ctx); err != nil {
		return nil, errors.Join(p.failed(err), p.Close())
	}
	return p, nil
}

// failed names the file of an error. What is not classified is damage.
func (p *parquetFile) failed(err error) error {
	kind := fault.KindOf(err)
	if kind == fault.Internal {
		kind = fault.Integrity
	}
	return fault.New(kind, "cannot read %s: %w", p.file.Name, err)
}

func (p *parquetFile) open(ctx context.Context) error {
	if p.file.At == nil || p.size < 0 {
		if err := p.copy(ctx); err != nil {
			return err
		}
	}
	in, err := p.acquire(ctx)
	if err != nil {
		return err
	}
	defer p.release()
	footer, err := p.footer(in)
	if err != nil {
		return err
	}
	if p.meta, err = parseParquetFooter(footer); err != nil {
		return err
	}
	if p.meta.encrypted {
		return fault.New(fault.Usage, "it is encrypted")
	}
	if p.root, p.leaves, err = parquetTree(p.meta.elements); err != nil {
		return err
	}
	for i, g := range p.meta.groups {
		if len(g.chunks) != len(p.leaves) {
			return fmt.Errorf("row group %d has %d columns, and the schema has %d", i+1, len(g.chunks), len(p.leaves))
		}
	}
	if p.rules, err = newTextRules(p.opts); err != nil {
		return err
	}
	return p.describe()
}

// footer reads the metadata at the end of the file.
func (p *parquetFile) footer(in io.ReaderAt) ([]byte, error) {
	if p.size == 0 {
		return nil, fault.New(fault.Usage, "it is empty and no Parquet file")
	}
	if p.size < int64(len(parquetMagic))+parquetTail {
		return nil, fault.New(fault.Usage, "it is no Parquet file: it has %d bytes", p.size)
	}
	tail := make([]byte, min(p.size, footerAtOnce))
	if err := readFull(in, tail, p.size-int64(len(tail))); err != nil {
		return nil, err
	}
	head := tail
	if int64(len(tail)) < p.size {
		head = make([]byte, len(parquetMagic))
		if err := readFull(in, head, 0); err != nil {
			return nil, err
		}
	}
	last := string(tail[len(tail)-4:])
	switch first := string(head[:4]); {
	case first == "PARE" || last == "PARE":
		return nil, fault.New(fault.Usage, "it is encrypted")
	case first != parquetMagic && last != parquetMagic:
		return nil, fault.New(fault.Usage, "it is no Parquet file: it does not begin with %s", parquetMagic)
	case first != parquetMagic:
		return nil, fmt.Errorf("it does not begin with %s: its start is missing or damaged", parquetMagic)
	case last != parquetMagic:
		return nil, fmt.Errorf("it does not end with %s: it is cut short or damaged", parquetMagic)
	}
	n := int64(binary.LittleEndian.Uint32(tail[len(tail)-parquetTail:]))
	if n > p.size-parquetTail-4 || n > maxFooter {
		return nil, fmt.Errorf("its metadata has %d bytes, and the file has %d", n, p.size)
	}
	if n <= int64(len(tail)-parquetTail) {
		return tail[int64(len(tail)-parquetTail)-n : len(tail)-parquetTail], nil
	}
	footer := make([]byte, n)
	return footer, readFull(in, footer, p.size-parquetTail-n)
}

// copy makes a temporary copy, decompressed where the file is compressed as a whole.
func (p *parquetFile) copy(ctx context.Context) error {
	dir, err := os.MkdirTemp(p.opts.Temp, "mlx-table-*")
	if err != nil {
		return err
	}
	p.temp = dir
	in, err := openPlain(ctx, p.file)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(filepath.Join(dir, "copy"))
	if err != nil {
		return err
	}
	n, err := io.Copy(out, in)
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	name := out.Name()
	p.size = n
	p.file.At = func(context.Context) (Random, error) { return os.Open(name) }
	return nil
}

// acquire opens the file for one more user. Files that nobody reads are closed: a table may have more than a process may open.
func (p *parquetFile) acquire(ctx context.Context) (io.ReaderAt, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.users == 0 {
		in, err := p.file.At(ctx)
		if err != nil {
			return nil, err
		}
		p.in = in
	}
	p.users++
	return p.in, nil
}

func (p *parquetFile) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.users--; p.users == 0 {
		_ = p.in.Close() // it was only read
	}
}

// Close removes a temporary copy.
func (p *parquetFile) Close() error {
	if p.temp == "" {
		return nil
	}
	return os.RemoveAll(p.temp)
}

// describe makes the schema.
func (p *parquetFile) describe() error {
	for _, n := range p.root.nodes {
		f := n.field()
		if p.native.Index(f.Name) >= 0 {
			return fmt.Errorf("it has two columns %q", f.Name)
		}
		if f.Type == Int && n.conv.unsigned && p.beyond(n.leaf) {
			f.Type = Uint
		}
		p.native = append(p.native, f)
		if f.Type == Time && f.Naive && p.rules.zone != nil {
			f.Naive = false
		}
		if i := p.opts.Schema.Index(f.Name); i >= 0 {
			want := p.opts.Schema[i]
			want.From = f.From
			f = want
		}
		p.fields = append(p.fields, f)
	}
	return nil
}

// beyond says whether some value of a leaf of unsigned numbers is above the largest int64. Where the file does not tell, reading does.
func (p *parquetFile) beyond(leaf int) bool {
	for _, g := range p.meta.groups {
		if m := g.chunks[leaf].max; len(m) == 8 && binary.LittleEndian.Uint64(m) > math.MaxInt64 {
			return true
		}
	}
	return false
}

func (p *parquetFile) name() string   { return p.file.Name }
func (p *parquetFile) schema() Schema { return p.fields }
func (p *parquetFile) rows() int64    { return p.meta.rows }
func (p *parquetFile) format() string { return "parquet" }

// settled says whether the types are known without reading: an unsigned number may turn out to be a large one.
func (p *parquetFile) settled() bool {
	for i, n := range p.root.nodes {
		if n.leaf < 0 || !n.conv.unsigned || p.fields[i].Type != Int {
			continue
		}
		for _, g := range p.meta.groups {
			if g.rows > 0 && len(g.chunks[n.leaf].max) != 8 {
				return false
			}
		}
	}
	return true
}

// widens says whether a column can be read as a wider type.
func (p *parquetFile) widens(have, to Field) bool {
	switch have.Type {
	case Int:
		return to.Type == Uint || to.Type == Float || to.Type == Decimal
	case Uint:
		return to.Type == Float
	case Decimal:
		return to.Type == Float || to.Type == Decimal && to.Scale == have.Scale
	case Date:
		return to.Type == Time && to.Naive
	default:
		return false
	}
}

const (
	unitRows   = 2 * batchRows // at least, when a row group is cut
	unitGroups = 16            // so many row groups keep the workers of any machine busy
)

// units yields row groups. Where there are too few of them to keep all workers busy, they are cut: on every machine in the same way, so
// that shards on several make one table.
func (p *parquetFile) units(_ context.Context, want Schema) iter.Seq2[unit, error] {
	return func(yield func(unit, error) bool) {
		size := int64(math.MaxInt64)
		if len(p.meta.groups) < unitGroups {
			size = max((p.meta.rows/unitGroups+batchRows-1)/batchRows*batchRows, unitRows)
		}
		for i, g := range p.meta.groups {
			for first := int64(0); first < g.rows; {
				n := g.rows - first
				if n/2 > size/2+size/4 { // a short rest is no unit of its own
					n = size
				}
				if !yield(&parquetUnit{p: p, group: i, first: first, rows: n, want: want}, nil) {
					return
				}
				first += n
			}
		}
	}
}

package lineage

import (
	"errors"
	"io/fs"
	"os"
	"sync"

	"mlx/internal/fault"
	"mlx/internal/lineage/internal/column"
	"mlx/internal/lineage/internal/disk"
	"mlx/internal/lineage/internal/line"
	"mlx/internal/lineage/internal/pack"
	"mlx/internal/object"
)

// part is a set of records with an index over them: a pack, or some of what is not sealed yet.
type part struct {
	ix    *column.Index
	file  *packFile // nil for unsealed records
	lines [][]byte  // of unsealed records
}

// packFile is an opened pack. Its index is opened at once, the pack itself when a record of it is read.
type packFile struct {
	id      object.Digest
	path    string
	ix      *column.Index
	release func() error

	mu   sync.Mutex
	file *os.File
}

// open opens the file of the pack.
func (p *packFile) open() (*os.File, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.file != nil {
		return p.file, nil
	}
	f, err := os.Open(p.path)
	p.file = f
	return f, err
}

// openPack opens a pack by its own index; bytes that are none are damage.
func openPack(path string) (*pack.Reader, error) {
	r, err := pack.Open(path)
	var sys *fs.PathError
	if err != nil && !errors.As(err, &sys) {
		return nil, fault.New(fault.Integrity, "cannot read %s: %w", path, err).Hint("mlx verify --ledger")
	}
	return r, err
}

func (p *packFile) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var err error
	if p.file != nil {
		err = p.file.Close()
		p.file = nil
	}
	return errors.Join(err, p.release())
}

// openPackFile opens the pack called id through its index. An index that is missing or damaged is made again, in memory
// only where nothing can be written.
func (l *Ledger) openPackFile(id object.Digest) (*packFile, error) {
	p := &packFile{id: id, path: l.packPath(id), release: func() error { return nil }}
	if data, release, err := disk.Map(l.idxPath(id)); err == nil {
		if p.ix, err = column.Parse(data, id); err == nil {
			if _, err := os.Lstat(p.path); err != nil {
				return nil, errors.Join(err, release())
			}
			p.release = release
			return p, nil
		}
		if err := release(); err != nil {
			return nil, err
		}
	}
	return p, l.reindex(p)
}

// reindex builds the index of p from its pack.
func (l *Ledger) reindex(p *packFile) error {
	r, err := openPack(p.path)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	b := column.NewBuilder(len(r.IDs))
	b.SetFrames(framesOf(r.Frames))
	err = eachRecord(r, false, func(id object.Digest, rec []byte, loc column.Loc) error { return addTo(b, id, rec, loc) })
	if err != nil {
		return fault.New(fault.Integrity, "cannot read %s: %w", p.path, err).Hint("mlx verify --ledger")
	}
	data := b.Finish(p.id)
	l.keepIndex(p.id, data)
	p.ix, err = column.Parse(data, p.id)
	return err
}

func framesOf(frames []pack.Frame) []column.Frame {
	out := make([]column.Frame, len(frames))
	for i, f := range frames {
		out[i] = column.Frame{Offset: uint64(f.Offset), Stored: uint32(f.Stored), Raw: uint32(f.Raw), First: uint32(f.First), Records: uint32(f.Records)}
	}
	return out
}

// keepIndex writes a derived index. It may fail silently: then the next process builds it again.
func (l *Ledger) keepIndex(id object.Digest, data []byte) {
	if l.opts.ReadOnly {
		return
	}
	err := disk.Replace(l.path(tmpFolder), l.idxPath(id), data)
	if errors.Is(err, fs.ErrNotExist) && l.makeFolders() == nil { // someone has deleted the whole folder, as one may
		_ = disk.Replace(l.path(tmpFolder), l.idxPath(id), data)
	}
}

// eachRecord reads a whole pack and yields every record whose bytes are what their id says, or the line that stands for one that was redacted; anything else is an error. With
// keep the caller may keep the bytes.
func eachRecord(r *pack.Reader, keep bool, yield func(id object.Digest, rec []byte, loc column.Loc) error) error {
	dec, err := pack.NewDecoder(true)
	if err != nil {
		return err
	}
	defer dec.Close()
	var buf []byte
	for i, f := range r.Frames {
		if keep {
			buf = nil
		}
		if buf, err = dec.Decode(buf, r, i); err != nil {
			return fault.New(fault.Integrity, "frame %d: %w", i, err)
		}
		err = pack.Lines(buf, f, func(row, offset int, rec []byte) error {
			id := r.IDs[row]
			if !isGone(id, rec) && object.Sum(rec) != id {
				return fault.New(fault.Integrity, "record %d is not what its id %s says", row, id.Short())
			}
			return yield(id, rec, column.Loc{Frame: uint32(i), Offset: uint32(offset), Length: uint32(len(rec))})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// record makes a Record of a line that has been parsed.
func record(id object.Digest, raw []byte, h line.Header) Record {
	r := Record{ID: id, Kind: h.Kind, LC: h.LC, At: microTime(h.At), By: h.By, Prev: h.Prev, Op: h.Op, Crit: h.Crit, Body: h.Body, Raw: raw}
	for _, in := range h.In {
		r.In = append(r.In, Input{Role: in.Role, ID: in.ID})
	}
	return r
}

package dataset

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"iter"
	"os"
	"slices"

	"mlx/internal/fault"
)

// rowSpill keeps records in partitions, each in the order in which they were added. What does not fit into memory goes to one file,
// which has no name any more where the system allows that, so that nothing is left of it however mlx ends.
type rowSpill struct {
	dir   string
	limit int // bytes in memory
	held  int
	parts []rowPartition
	file  *os.File
	end   int64
}

type rowPartition struct {
	blocks []rowBlock
	buf    []byte
	size   int64
}

type rowBlock struct {
	at   int64
	size int
}

func newRowSpill(dir string, limit int) *rowSpill { return &rowSpill{dir: dir, limit: limit} }

// add appends a record to a partition, which is made if need be.
func (s *rowSpill) add(part int, record []byte) error {
	p := s.room(part)
	p.buf = append(p.buf, record...)
	return s.added(p, len(record))
}

// pair appends a record of two numbers.
func (s *rowSpill) pair(part int, x, y int64) error {
	p := s.room(part)
	p.buf = binary.LittleEndian.AppendUint64(p.buf, uint64(x))
	p.buf = binary.LittleEndian.AppendUint64(p.buf, uint64(y))
	return s.added(p, 16)
}

func (s *rowSpill) room(part int) *rowPartition {
	if n := part + 1 - len(s.parts); n > 0 {
		s.parts = append(s.parts, make([]rowPartition, n)...)
	}
	return &s.parts[part]
}

func (s *rowSpill) added(p *rowPartition, n int) error {
	p.size += int64(n)
	s.held += n
	if s.held <= s.limit {
		return nil
	}
	return s.flush()
}

// flush writes all that is in memory to the file.
func (s *rowSpill) flush() error {
	if s.file == nil {
		if err := s.create(); err != nil {
			return s.failed(err)
		}
	}
	for i := range s.parts {
		p := &s.parts[i]
		if len(p.buf) == 0 {
			continue
		}
		if _, err := s.file.WriteAt(p.buf, s.end); err != nil {
			return s.failed(err)
		}
		p.blocks = append(p.blocks, rowBlock{s.end, len(p.buf)})
		s.end += int64(len(p.buf))
		p.buf = p.buf[:0]
	}
	s.held = 0
	return nil
}

func (s *rowSpill) create() error {
	if err := os.MkdirAll(s.dir, 0o777); err != nil {
		return err
	}
	f, err := os.CreateTemp(s.dir, "rows-*")
	if err != nil {
		return err
	}
	s.file = f
	os.Remove(f.Name()) // where open files cannot be removed, close does
	return nil
}

func (s *rowSpill) failed(err error) error {
	return fault.New(fault.KindOf(err), "cannot keep rows on disk in %s: %w", s.dir, err).
		Hint("free some space there: what is kept takes 32 bytes a row, and the rows that differ")
}

// settle lets go of the memory that a spill which went to disk has for more records.
func (s *rowSpill) settle() error {
	if s.file == nil {
		return nil
	}
	if err := s.flush(); err != nil {
		return err
	}
	for i := range s.parts {
		s.parts[i].buf = nil
	}
	return nil
}

// blocks yields the records of a partition, several at a time, each block valid until the next. Several goroutines may read.
func (s *rowSpill) blocks(part int) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if part >= len(s.parts) {
			return
		}
		p := &s.parts[part]
		var buf []byte
		for _, b := range p.blocks {
			buf = slices.Grow(buf[:0], b.size)[:b.size]
			if _, err := s.file.ReadAt(buf, b.at); err != nil {
				yield(nil, s.failed(err))
				return
			}
			if !yield(buf, nil) {
				return
			}
		}
		if len(p.buf) > 0 {
			yield(p.buf, nil)
		}
	}
}

// size is the number of bytes in a partition.
func (s *rowSpill) size(part int) int64 {
	if part >= len(s.parts) {
		return 0
	}
	return s.parts[part].size
}

// drop lets go of a partition that stands in memory.
func (s *rowSpill) drop(part int) {
	if part < len(s.parts) {
		s.parts[part].buf = nil
	}
}

func (s *rowSpill) close() {
	s.parts = nil
	if s.file != nil {
		s.file.Close()
		os.Remove(s.file.Name())
		s.file = nil
	}
}

// pairs yields the pairs of a spill whose partitions follow each other, in the order of their first numbers.
func (s *rowSpill) pairs() iter.Seq2[[2]int64, error] {
	return func(yield func([2]int64, error) bool) {
		var all [][2]int64
		for part := range s.parts {
			all = all[:0]
			for block, err := range s.blocks(part) {
				if err == nil && len(block)%16 != 0 {
					err = s.failed(fmt.Errorf("a block has %d bytes", len(block)))
				}
				if err != nil {
					yield([2]int64{}, err)
					return
				}
				for ; len(block) > 0; block = block[16:] {
					all = append(all, [2]int64{int64(binary.LittleEndian.Uint64(block)), int64(binary.LittleEndian.Uint64(block[8:]))})
				}
			}
			slices.SortFunc(all, func(x, y [2]int64) int { return cmp.Compare(x[0], y[0]) })
			for _, p := range all {
				if !yield(p, nil) {
					return
				}
			}
		}
	}
}

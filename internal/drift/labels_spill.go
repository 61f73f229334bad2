package drift

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"

	"mlx/internal/fault"
)

// labelParts is how many parts a join is cut into: only one of them is in memory at a time once the disk is used.
const labelParts = 256

// labelSpill keeps entries by part. Beyond limit bytes all go to one file, which has no name any more where the system allows that.
type labelSpill struct {
	dir    string
	limit  int64
	held   int64 // bytes of memory that parts have, used or not
	parts  [labelParts][]byte
	blocks [labelParts][]labelBlock
	file   *os.File
	end    int64
}

type labelBlock struct {
	at   int64
	size int
}

// labelEntry is one mention of an id: a prediction, or a label that some table gives it.
type labelEntry struct {
	key  [2]uint64
	rank uint32 // 0: a prediction; else the number of the table of labels, the later the greater
	row  int64  // in its table, from 0
	at   float64
	text []byte // the label; nil: none
}

// maxEntry is the most bytes that an entry takes beside its text.
const maxEntry = 16 + 3*binary.MaxVarintLen64 + 8

// add keeps an entry. Memory grows until it reaches the limit, and is filled again and again after that: growing it further would leave as much
// behind for the garbage collector. Only a part that has less than half of its share still grows.
func (s *labelSpill) add(e labelEntry) error {
	part := e.key[0] % labelParts
	if buf := s.parts[part]; s.file != nil && len(buf)+maxEntry+len(e.text) > cap(buf) && int64(cap(buf)) > s.limit/(2*labelParts) {
		if err := s.flush(); err != nil {
			return err
		}
	}
	buf, before := s.parts[part], cap(s.parts[part])
	buf = binary.LittleEndian.AppendUint64(buf, e.key[0])
	buf = binary.LittleEndian.AppendUint64(buf, e.key[1])
	buf = binary.AppendUvarint(buf, uint64(e.rank))
	buf = binary.AppendUvarint(buf, uint64(e.row))
	buf = binary.LittleEndian.AppendUint64(buf, math.Float64bits(e.at))
	size := uint64(0)
	if e.text != nil {
		size = uint64(len(e.text)) + 1
	}
	buf = binary.AppendUvarint(buf, size)
	s.parts[part] = append(buf, e.text...)
	if s.held += int64(cap(s.parts[part]) - before); s.held > s.limit && s.file == nil {
		return s.flush()
	}
	return nil
}

// flush writes what is in memory to the file.
func (s *labelSpill) flush() error {
	if s.file == nil {
		if err := os.MkdirAll(s.dir, 0o777); err != nil {
			return s.failed(err)
		}
		f, err := os.CreateTemp(s.dir, "labels-*")
		if err != nil {
			return s.failed(err)
		}
		s.file = f
		os.Remove(f.Name()) // where open files cannot be removed, close does
	}
	w := bufio.NewWriterSize(io.NewOffsetWriter(s.file, s.end), 1<<20)
	for i, buf := range s.parts {
		if len(buf) == 0 {
			continue
		}
		if _, err := w.Write(buf); err != nil {
			return s.failed(err)
		}
		s.blocks[i] = append(s.blocks[i], labelBlock{s.end, len(buf)})
		s.end += int64(len(buf))
		s.parts[i] = buf[:0]
	}
	return s.failed(w.Flush())
}

func (s *labelSpill) failed(err error) error {
	if err == nil {
		return nil
	}
	return fault.New(fault.KindOf(err), "cannot join labels on disk in %s: %w", s.dir, err).Hint("free some space there, or set TMPDIR")
}

// entries reads a part. The texts are those of one buffer that belongs to the answer.
func (s *labelSpill) entries(part int) ([]labelEntry, error) {
	var buf []byte
	for _, b := range s.blocks[part] {
		at := len(buf)
		buf = append(buf, make([]byte, b.size)...)
		if _, err := s.file.ReadAt(buf[at:], b.at); err != nil {
			return nil, s.failed(err)
		}
	}
	buf = append(buf, s.parts[part]...)
	s.parts[part] = nil
	var all []labelEntry
	for len(buf) > 0 {
		e, rest, err := readEntry(buf)
		if err != nil {
			return nil, s.failed(err)
		}
		all, buf = append(all, e), rest
	}
	return all, nil
}

// errShortEntry says that a part does not hold what was written to it.
var errShortEntry = errors.New("an entry is cut off")

func readEntry(b []byte) (e labelEntry, rest []byte, err error) {
	if len(b) < 16 {
		return e, nil, errShortEntry
	}
	e.key = [2]uint64{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])}
	rank, n := binary.Uvarint(b[16:])
	if n <= 0 || rank > 1<<32-1 {
		return e, nil, errShortEntry
	}
	b = b[16+n:]
	row, n := binary.Uvarint(b)
	if n <= 0 || len(b) < n+8 || row > 1<<62 {
		return e, nil, errShortEntry
	}
	e.rank, e.row, e.at = uint32(rank), int64(row), math.Float64frombits(binary.LittleEndian.Uint64(b[n:]))
	b = b[n+8:]
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n)+1 {
		return e, nil, errShortEntry
	}
	b = b[n:]
	if size > 0 {
		e.text = b[: size-1 : size-1]
		b = b[size-1:]
	}
	return e, b, nil
}

func (s *labelSpill) close() {
	s.parts = [labelParts][]byte{}
	if s.file != nil {
		s.file.Close()
		os.Remove(s.file.Name())
		s.file = nil
	}
}

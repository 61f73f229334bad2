package gate

import (
	"encoding/binary"
	"errors"
	"io"
	"os"

	"mlx/internal/fault"
)

const (
	spillMemory = 12 << 20 // bytes that a store keeps in memory before it writes to a file
	spillBlock  = 4096     // words of a full block
)

// spill keeps words in lists: in memory while they are few, the rest in one temporary file.
type spill struct {
	temp  string
	room  int // words that may still be kept in memory
	lists []spillList
	file  *os.File
	end   int64
	buf   []byte
}

// spillList is one list: blocks in the file or in memory, in their order, and the block that is being filled.
type spillList struct {
	blocks []spilled
	last   []uint64
	words  int
}

type spilled struct {
	words []uint64 // nil: in the file
	at    int64
}

func newSpill(temp string, lists int) *spill {
	return &spill{temp: temp, room: spillMemory / 8, lists: make([]spillList, lists)}
}

// add appends words, no more than a block holds, to a list. They stay together in one block.
func (s *spill) add(list int, words ...uint64) error {
	l := &s.lists[list]
	if len(l.last)+len(words) > spillBlock {
		if err := s.shelve(l); err != nil {
			return err
		}
	}
	l.last = append(l.last, words...)
	l.words += len(words)
	return nil
}

func (s *spill) shelve(l *spillList) error {
	if s.room >= len(l.last) {
		s.room -= len(l.last)
		l.blocks = append(l.blocks, spilled{words: l.last})
		l.last = make([]uint64, 0, spillBlock)
		return nil
	}
	if s.file == nil {
		file, err := os.CreateTemp(s.temp, "mlx-gate-*")
		if err != nil {
			return fault.New(fault.KindOf(err), "cannot keep values for a check: %w", err)
		}
		s.file = file
		os.Remove(file.Name()) // nothing is left of it however mlx ends; where open files cannot be removed, close does
	}
	s.buf = s.buf[:0]
	s.buf = binary.LittleEndian.AppendUint64(s.buf, uint64(len(l.last)))
	for _, w := range l.last {
		s.buf = binary.LittleEndian.AppendUint64(s.buf, w)
	}
	if _, err := s.file.WriteAt(s.buf, s.end); err != nil {
		return fault.New(fault.KindOf(err), "cannot keep values for a check: %w", err)
	}
	l.blocks = append(l.blocks, spilled{at: s.end})
	s.end += int64(len(s.buf))
	l.last = l.last[:0]
	return nil
}

// size is the number of words of a list.
func (s *spill) size(list int) int { return s.lists[list].words }

// each calls visit with the words of a list, in the order in which they were added, block by block.
func (s *spill) each(list int, visit func(words []uint64)) error {
	l := &s.lists[list]
	var words []uint64
	for _, b := range l.blocks {
		if b.words != nil {
			visit(b.words)
			continue
		}
		var err error
		if words, err = s.load(words[:0], b.at); err != nil {
			return err
		}
		visit(words)
	}
	visit(l.last)
	return nil
}

func (s *spill) load(words []uint64, at int64) ([]uint64, error) {
	if cap(s.buf) < 8*(spillBlock+1) {
		s.buf = make([]byte, 8*(spillBlock+1))
	}
	buf := s.buf[:8*(spillBlock+1)]
	n, err := s.file.ReadAt(buf, at)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fault.New(fault.KindOf(err), "cannot read kept values of a check: %w", err)
	}
	count := 0
	if n >= 8 {
		count = int(min(binary.LittleEndian.Uint64(buf), spillBlock))
	}
	if n < 8*(count+1) || count == 0 {
		return nil, fault.New(fault.Integrity, "cannot read kept values of a check: %s is cut off", s.file.Name())
	}
	for i := range count {
		words = append(words, binary.LittleEndian.Uint64(buf[8*(i+1):]))
	}
	return words, nil
}

// close removes the file.
func (s *spill) close() {
	if s.file != nil {
		s.file.Close()
		os.Remove(s.file.Name())
		s.file = nil
	}
}

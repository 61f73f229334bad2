package drift

import (
	"encoding/binary"
	"io"
	"os"
	"sync"

	"mlx/internal/fault"
)

// word is what a stream is made of.
type word interface{ uint32 | uint64 }

// store keeps the columns of a table, each in the order of the rows. What does not fit into memory goes to one file, which has no name
// any more where the system allows that, so that nothing is left of it however mlx ends.
type store struct {
	dir     string
	limit   int64 // bytes in memory
	held    int64
	streams []flusher
	file    *os.File
	end     int64
	scratch []byte
	mu      sync.Mutex // of end, while columns are sorted
	spare   [][]uint64 // memory of streams that are no more
}

type flusher interface {
	flush() error
	waiting() int
	release()
}

func newStore(dir string, limit int64) *store { return &store{dir: dir, limit: limit} }

// close lets go of the file.
func (s *store) close() {
	if s.file != nil {
		s.file.Close()
		os.Remove(s.file.Name()) // where open files cannot be removed before
	}
}

// reset forgets all streams and keeps memory.
func (s *store) reset() {
	for _, f := range s.streams {
		if k, ok := f.(*stream[uint64]); ok {
			s.giveBack(k.mem)
			k.mem, k.blocks, k.n = nil, nil, 0
		}
	}
	s.streams, s.held, s.end = s.streams[:0], 0, 0
}

func (s *store) giveBack(mem []uint64) {
	if cap(mem) > 0 {
		s.spare = append(s.spare, mem[:0])
	}
}

// room is memory for n words, used before if there is some.
func (s *store) room(n int64) []uint64 {
	for i, mem := range s.spare {
		if int64(cap(mem)) >= n {
			s.spare[i] = s.spare[len(s.spare)-1]
			s.spare = s.spare[:len(s.spare)-1]
			return mem
		}
	}
	return make([]uint64, 0, n)
}

func (s *store) open() error {
	if s.file != nil {
		return nil
	}
	if err := os.MkdirAll(s.dir, 0o777); err != nil {
		return s.failed(err)
	}
	f, err := os.CreateTemp(s.dir, "drift-*")
	if err != nil {
		return s.failed(err)
	}
	s.file = f
	os.Remove(f.Name())
	return nil
}

func (s *store) failed(err error) error {
	return fault.New(fault.KindOf(err), "cannot keep columns on disk in %s: %w", s.dir, err).
		Hint("free some space there: what is kept takes 8 bytes a value")
}

// flushAll writes what is in memory to the file. Streams that hold little wait, unless all do.
func (s *store) flushAll() error {
	if err := s.open(); err != nil {
		return err
	}
	for _, f := range s.streams {
		if f.waiting() == 0 {
			continue
		}
		if err := f.flush(); err != nil {
			return s.failed(err)
		}
	}
	s.held = 0
	return nil
}

// ready opens the file, whoever comes first.
func (s *store) ready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open()
}

// reserve is a place of the file for so many bytes.
func (s *store) reserve(n int64) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.end
	s.end += n
	return at
}

// settle lets go of the memory that is only there for more words, once columns went to the file.
func (s *store) settle() error {
	if s.file == nil || s.end == 0 {
		return nil
	}
	if err := s.flushAll(); err != nil {
		return err
	}
	for _, f := range s.streams {
		f.release()
	}
	return nil
}

// write appends to the file and says where.
func (s *store) write(data []byte) (at int64, err error) {
	at = s.reserve(int64(len(data)))
	_, err = s.file.WriteAt(data, at)
	return at, err
}

// block is some words of a stream in the file.
type block struct {
	at int64
	n  int
}

// stream is a sequence of words: first those in the file, then those in memory.
type stream[T word] struct {
	store  *store
	mem    []T
	blocks []block
	n      int64
}

func newStream[T word](s *store) *stream[T] {
	st := &stream[T]{store: s}
	s.streams = append(s.streams, st)
	return st
}

func width[T word]() int {
	var zero T
	if _, ok := any(zero).(uint32); ok {
		return 4
	}
	return 8
}

// add appends words.
func (s *stream[T]) add(words []T) error {
	s.mem = append(s.mem, words...)
	s.n += int64(len(words))
	s.store.held += int64(len(words) * width[T]())
	if s.store.held > s.store.limit {
		return s.store.flushAll()
	}
	return nil
}

func (s *stream[T]) waiting() int { return len(s.mem) }

func (s *stream[T]) release() { s.mem = nil }

const spillBlock = 1 << 16 // words that are encoded at once

func (s *stream[T]) flush() error {
	for rest := s.mem; len(rest) > 0; {
		n := min(len(rest), spillBlock)
		s.store.scratch = encodeWords(s.store.scratch[:0], rest[:n])
		at, err := s.store.write(s.store.scratch)
		if err != nil {
			return err
		}
		s.blocks, rest = append(s.blocks, block{at, n}), rest[n:]
	}
	s.mem = s.mem[:0]
	return nil
}

func encodeWords[T word](dst []byte, words []T) []byte {
	switch w := any(words).(type) {
	case []uint32:
		for _, v := range w {
			dst = binary.LittleEndian.AppendUint32(dst, v)
		}
	case []uint64:
		for _, v := range w {
			dst = binary.LittleEndian.AppendUint64(dst, v)
		}
	}
	return dst
}

func decodeWords[T word](dst []T, data []byte) {
	switch w := any(dst).(type) {
	case []uint32:
		for i := range w {
			w[i] = binary.LittleEndian.Uint32(data[4*i:])
		}
	case []uint64:
		for i := range w {
			w[i] = binary.LittleEndian.Uint64(data[8*i:])
		}
	}
}

// spilled says whether some of the words stand in the file.
func (s *stream[T]) spilled() bool { return len(s.blocks) > 0 }

// reader reads streams of one store; each goroutine has its own.
type reader[T word] struct {
	words []T
	bytes []byte
}

// block reads a block of the file. It is valid until the next call.
func (r *reader[T]) block(s *store, b block) ([]T, error) {
	size := b.n * width[T]()
	if cap(r.bytes) < size {
		r.bytes, r.words = make([]byte, size), make([]T, b.n)
	}
	data, words := r.bytes[:size], r.words[:b.n]
	if n, err := s.file.ReadAt(data, b.at); n < size {
		if err == nil {
			err = io.ErrUnexpectedEOF
		}
		return nil, s.failed(err)
	}
	decodeWords(words, data)
	return words, nil
}

// each visits the words in order, some at a time; what is visited is valid until the next.
func (r *reader[T]) each(s *stream[T], visit func(words []T) error) error {
	if s == nil {
		return nil
	}
	for _, b := range s.blocks {
		words, err := r.block(s.store, b)
		if err == nil {
			err = visit(words)
		}
		if err != nil {
			return err
		}
	}
	if len(s.mem) == 0 {
		return nil
	}
	return visit(s.mem)
}

// puller takes the words of a stream one by one. After the last there are only zeros.
type puller[T word] struct {
	s      *stream[T]
	reader reader[T]
	words  []T
	block  int
	err    error
}

func (p *puller[T]) next() T {
	for len(p.words) == 0 {
		if !p.fill() {
			return 0
		}
	}
	v := p.words[0]
	p.words = p.words[1:]
	return v
}

// fill goes on to the next block; false after the last.
func (p *puller[T]) fill() bool {
	if p.s == nil || p.err != nil || p.block > len(p.s.blocks) {
		return false
	}
	p.block++
	if p.block > len(p.s.blocks) {
		p.words = p.s.mem
		return true
	}
	p.words, p.err = p.reader.block(p.s.store, p.s.blocks[p.block-1])
	return p.err == nil
}

package cascade

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"sync"

	"mlx/internal/fault"
)

// The file of a list: a head, a table of where the hashes with the same first bits begin, the hashes in order, and the checksum of these.
//
//	 0  "MLXHASH1"
//	 8  u32  length of a hash in bytes
//	12  u32  B, how many first bits the table knows, at most 24
//	16  u64  N, how many hashes there are, below 2^32
//	24  32   what it was made of
//	56  u32  CRC-32C of the table
//	60  u32  CRC-32C of the head up to here
//	64  u32  2^B + 1 times: number of the first hash whose first bits are these, or more
//	         N hashes, ascending, each once
//	    u32  CRC-32C of the hashes
//
// All numbers are little endian. A look-up reads one piece of the file, however long that is: the table is what is held in memory.
const (
	listMagic  = "MLXHASH1"
	headLength = 64
	maxBits    = 24
	perEntry   = 32      // hashes that the table leaves to be looked through, as far as they are spread evenly
	readAtOnce = 4 << 10 // bytes
)

// castagnoli is the checksum that processors compute by themselves.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// widths are the lengths of hashes: 64 bits, MD5, SHA-1, SHA-256, SHA-512.
func known(width int) bool {
	return width == 8 || width == 16 || width == 20 || width == 32 || width == 64
}

// head is what a list says of itself.
type head struct {
	width, bits int
	count       int64
	source      [32]byte
	tableSum    uint32
}

func (h head) encode() []byte {
	b := make([]byte, headLength)
	copy(b, listMagic)
	binary.LittleEndian.PutUint32(b[8:], uint32(h.width))
	binary.LittleEndian.PutUint32(b[12:], uint32(h.bits))
	binary.LittleEndian.PutUint64(b[16:], uint64(h.count))
	copy(b[24:56], h.source[:])
	binary.LittleEndian.PutUint32(b[56:], h.tableSum)
	binary.LittleEndian.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli()))
	return b
}

func readHead(b []byte) (h head, err error) {
	h.width, h.bits = int(binary.LittleEndian.Uint32(b[8:])), int(binary.LittleEndian.Uint32(b[12:]))
	count := binary.LittleEndian.Uint64(b[16:])
	copy(h.source[:], b[24:56])
	h.tableSum = binary.LittleEndian.Uint32(b[56:])
	switch {
	case string(b[:8]) != listMagic:
		return h, errors.New("it is no list of hashes")
	case binary.LittleEndian.Uint32(b[60:]) != crc32.Checksum(b[:60], castagnoli()):
		return h, errors.New("its head is damaged")
	case !known(h.width) || h.bits < 0 || h.bits > maxBits || count == 0 || count >= 1<<32:
		return h, errors.New("its head makes no sense")
	}
	h.count = int64(count)
	return h, nil
}

// size is how long the file is.
func (h head) size() int64 { return h.hashes() + h.count*int64(h.width) + 4 }

// hashes is where they begin.
func (h head) hashes() int64 { return headLength + 4*(1<<h.bits+1) }

// List is a list of hashes that is open to be looked up in, from several sides at once.
type List struct {
	head
	from  io.ReaderAt
	close func() error
	table []uint32
	reads sync.Pool
}

// Open opens the file of a list.
func Open(name string) (*List, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot look hashes up: %w", err)
	}
	info, err := f.Stat()
	var l *List
	if err == nil {
		l, err = newList(f, info.Size())
	}
	if err != nil {
		return nil, errors.Join(fault.New(fault.Integrity, "cannot look hashes up in %s: %w", name, err), f.Close())
	}
	l.close = f.Close
	return l, nil
}

func newList(from io.ReaderAt, size int64) (*List, error) {
	if size < headLength {
		return nil, errors.New("it is too short for a list of hashes")
	}
	b := make([]byte, headLength)
	if _, err := from.ReadAt(b, 0); err != nil {
		return nil, err
	}
	h, err := readHead(b)
	if err != nil {
		return nil, err
	}
	if h.size() != size {
		return nil, fmt.Errorf("it has %d bytes, and should have %d", size, h.size())
	}
	raw := make([]byte, h.hashes()-headLength)
	if _, err := from.ReadAt(raw, headLength); err != nil {
		return nil, err
	}
	if crc32.Checksum(raw, castagnoli()) != h.tableSum {
		return nil, errors.New("its table is damaged")
	}
	l := &List{head: h, from: from, table: make([]uint32, len(raw)/4), close: func() error { return nil }}
	for i := range l.table {
		l.table[i] = binary.LittleEndian.Uint32(raw[4*i:])
		if i > 0 && l.table[i] < l.table[i-1] || int64(l.table[i]) > h.count {
			return nil, errors.New("its table makes no sense")
		}
	}
	l.reads.New = func() any { b := make([]byte, max(readAtOnce, h.width)); return &b }
	return l, nil
}

// Close ends its use.
func (l *List) Close() error { return l.close() }

// Len is how many hashes there are.
func (l *List) Len() int64 { return l.count }

// Width is how many bytes a hash has.
func (l *List) Width() int { return l.width }

// Source is what the list was made of, as Build was told.
func (l *List) Source() [32]byte { return l.source }

// Verify reads all of it, and says whether the hashes are those that were written.
func (l *List) Verify() error {
	at, end := l.hashes(), l.size()-4
	sum := crc32.New(castagnoli())
	if _, err := io.Copy(sum, io.NewSectionReader(l.from, at, end-at)); err != nil {
		return err
	}
	var want [4]byte
	if _, err := l.from.ReadAt(want[:], end); err != nil {
		return err
	}
	if sum.Sum32() != binary.LittleEndian.Uint32(want[:]) {
		return fault.New(fault.Integrity, "the hashes of the list are damaged")
	}
	return nil
}

// prefix is where the table tells of a hash.
func (h head) prefix(hash []byte) int {
	if h.bits == 0 {
		return 0
	}
	return int(binary.BigEndian.Uint32(hash) >> (32 - h.bits))
}

// Has says whether a hash is on the list.
func (l *List) Has(hash []byte) (bool, error) {
	if len(hash) != l.width {
		return false, nil
	}
	p := l.prefix(hash)
	from, to := int64(l.table[p]), int64(l.table[p+1])
	buffer, ok := l.reads.Get().(*[]byte)
	if !ok {
		return false, errors.New("no memory to read into")
	}
	defer l.reads.Put(buffer)
	width := int64(l.width)
	for (to-from)*width > readAtOnce { // a list whose hashes begin alike
		middle := from + (to-from)/2
		one := (*buffer)[:width]
		if _, err := l.from.ReadAt(one, l.hashes()+middle*width); err != nil {
			return false, err
		}
		switch c := bytes.Compare(hash, one); {
		case c == 0:
			return true, nil
		case c < 0:
			to = middle
		default:
			from = middle + 1
		}
	}
	some := (*buffer)[:(to-from)*width]
	if len(some) == 0 {
		return false, nil
	}
	if _, err := l.from.ReadAt(some, l.hashes()+from*width); err != nil {
		return false, err
	}
	for ; len(some) > 0; some = some[width:] {
		if bytes.Equal(some[:width], hash) {
			return true, nil
		}
	}
	return false, nil
}

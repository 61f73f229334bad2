package sqlite

import (
	"encoding/binary"
	"io"
	"maps"
)

const (
	walHeader   = 32
	frameHeader = 24
	walMagic    = 0x377f0682 // the last bit says that sums are of big-endian words
)

// wal is a write-ahead log: pages of transactions that are not in the file yet. The nil one has none.
type wal struct {
	r     io.ReaderAt
	at    map[uint32]int64 // where the newest committed version of a page is
	pages uint32           // of the database, 0 where nothing was committed
}

func (w *wal) find(page uint32) (int64, bool) {
	if w == nil {
		return 0, false
	}
	at, ok := w.at[page]
	return at, ok
}

// readWAL reads frames up to the first that is none: what follows is of an older log, or was cut off.
func readWAL(r io.ReaderAt, size int64, pageSize int) (*wal, error) {
	w := &wal{r: r, at: make(map[uint32]int64)}
	if size < walHeader {
		return w, nil
	}
	head := make([]byte, walHeader)
	if err := readFull(r, head, 0); err != nil {
		return nil, err
	}
	kind := binary.BigEndian.Uint32(head)
	var order binary.ByteOrder = binary.LittleEndian
	if kind&1 == 1 {
		order = binary.BigEndian
	}
	sum := checksum{order: order}
	sum.add(head[:24])
	if kind&^1 != walMagic || !sum.is(head[24:]) || int(binary.BigEndian.Uint32(head[8:])) != pageSize {
		return w, nil // as SQLite, which takes it for empty
	}
	frame := make([]byte, frameHeader+pageSize)
	open := make(map[uint32]int64) // of the transaction that is being read
	for at := int64(walHeader); at+int64(len(frame)) <= size; at += int64(len(frame)) {
		if err := readFull(r, frame, at); err != nil {
			return nil, err
		}
		sum.add(frame[:8])
		sum.add(frame[frameHeader:])
		if string(frame[8:16]) != string(head[16:24]) || !sum.is(frame[16:]) {
			break
		}
		open[binary.BigEndian.Uint32(frame)] = at + frameHeader
		if pages := binary.BigEndian.Uint32(frame[4:]); pages > 0 {
			w.pages = pages
			maps.Copy(w.at, open)
			clear(open)
		}
	}
	return w, nil
}

// checksum is that of the log: over all of it from the beginning.
type checksum struct {
	order binary.ByteOrder
	a, b  uint32
}

func (c *checksum) add(p []byte) {
	for i := 0; i+8 <= len(p); i += 8 {
		c.a += c.order.Uint32(p[i:]) + c.b
		c.b += c.order.Uint32(p[i+4:]) + c.a
	}
}

func (c *checksum) is(p []byte) bool {
	return binary.BigEndian.Uint32(p) == c.a && binary.BigEndian.Uint32(p[4:]) == c.b
}

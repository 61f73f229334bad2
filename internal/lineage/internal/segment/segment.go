// Package segment hides the file that one process appends to: how its lines are framed, how a torn write is told from
// damage, and how the file changes hands without any lock.
//
// A line is the CRC-32C of the record in 8 hex digits, a space, the record and a newline. Behind the last one there may be
// zeros: room that its writer made beforehand, because writing into existing room costs the file system no journal entry.
package segment

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"mlx/internal/lineage/internal/line"
)

const (
	crcLen = 8
	// MaxLine is the longest line, newline included.
	MaxLine = crcLen + 1 + line.MaxBytes + 1
	// MaxBytes is the size above which a segment is refused: writers leave one long before that.
	MaxBytes = 256 << 20

	hexDigits = "0123456789abcdef"
)

// Frame appends the line of record rec to dst.
func Frame(dst, rec []byte) []byte {
	crc := crc32.Checksum(rec, crc32.MakeTable(crc32.Castagnoli))
	for shift := 28; shift >= 0; shift -= 4 {
		dst = append(dst, hexDigits[crc>>shift&15])
	}
	dst = append(dst, ' ')
	dst = append(dst, rec...)
	return append(dst, '\n')
}

// Unframe returns the record in a line without its newline, if its checksum is right.
func Unframe(b []byte) ([]byte, bool) {
	if len(b) < crcLen+1 || b[crcLen] != ' ' {
		return nil, false
	}
	rec := b[crcLen+1:]
	crc := crc32.Checksum(rec, crc32.MakeTable(crc32.Castagnoli))
	for i := range crcLen {
		if b[i] != hexDigits[crc>>(28-4*i)&15] {
			return nil, false
		}
	}
	return rec, true
}

// Damage is a stretch of a segment that holds no record.
type Damage struct {
	Offset int64
	Length int64
	What   string
	Torn   bool // the end of a write that was never acknowledged
}

// tornZeros is how many zero bytes in a row show that a part of the last write never reached the disk. No record holds any.
const tornZeros = 16

// Scan calls yield for each whole record in data with the offset of its line; the bytes alias data. What is damaged is
// skipped up to the next newline and reported. Zeros at the end are room that the writer has not used yet; size is
// what remains without them.
func Scan(data []byte, yield func(offset int64, rec []byte) error) (bad []Damage, size int64, err error) {
	data = bytes.TrimRight(data, "\x00")
	for at := 0; at < len(data); {
		b, ended := data[at:], false
		if n := bytes.IndexByte(b, '\n'); n >= 0 {
			b, ended = b[:n], true
		}
		rec, what := read(b, ended)
		if what != "" {
			bad = append(bad, Damage{Offset: int64(at), Length: int64(len(b)), What: what})
		}
		if rec != nil {
			if err := yield(int64(at), rec); err != nil {
				return bad, 0, err
			}
		}
		at += len(b) + 1
		if at < len(data) || what == "" || rec != nil {
			continue
		}
		last := &bad[len(bad)-1]
		last.Torn = !ended || bytes.Contains(b, make([]byte, tornZeros))
	}
	return bad, int64(len(data)), nil
}

// read returns the record in a line, and what is wrong with the line.
func read(b []byte, ended bool) (rec []byte, what string) {
	if len(b) >= MaxLine {
		return nil, "line longer than a record may be"
	}
	rec, ok := Unframe(b)
	switch {
	case ok: // also without its newline: the record is whole
		return rec, ""
	case ended || len(b) == 0:
		return nil, "checksum does not match"
	}
	if rec, ok = Unframe(b[:len(b)-1]); ok {
		return rec, "newline damaged"
	}
	return nil, "torn write"
}

// ScanFile scans the segment at path.
func ScanFile(path string, yield func(offset int64, rec []byte) error) (bad []Damage, size int64, err error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, 0, err
	}
	if info.Size() > MaxBytes {
		return []Damage{{Length: info.Size(), What: fmt.Sprintf("%d bytes: a segment has at most %d", info.Size(), MaxBytes)}}, info.Size(), nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, 0, err
	}
	return Scan(data, yield)
}

// Grown reports whether the segment at path, which had size bytes without unused room, has others now.
func Grown(path string, size int64) bool {
	f, err := os.Open(path)
	if err != nil {
		return true
	}
	defer func() { _ = f.Close() }()
	var next [2]byte
	n, err := f.ReadAt(next[:], max(size-1, 0))
	if size == 0 {
		return n > 0 && next[0] != 0
	}
	return n == 0 || next[0] == 0 || n == 2 && next[1] != 0 || err != nil && !errors.Is(err, io.EOF)
}

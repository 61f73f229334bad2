// Package segment hides the file that one process appends to: how its lines are framed, how a torn write is told from
// damage, and how the file changes hands without any lock.
//
// A line is the CRC-32C of the record in 8 hex digits, a space, the record and a newline.
package segment

import (
	"bufio"
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
	Torn   bool // the end of the file without a newline: a write that was never acknowledged
}

// Scan calls yield for each whole record in r with the offset of its line; the bytes are only valid until it returns.
// What is damaged is skipped up to the next newline and reported.
func Scan(r io.Reader, yield func(offset int64, rec []byte) error) ([]Damage, error) {
	var bad []Damage
	in := bufio.NewReaderSize(r, 64<<10)
	var offset int64
	for {
		b, size, ended, err := nextLine(in)
		if err != nil || size == 0 {
			return bad, err
		}
		rec, ok := Unframe(b)
		last, damage := Damage{Offset: offset, Length: size}, true
		switch {
		case ok: // also without its newline: the record is whole
			damage = false
		case size > MaxLine:
			last.What = "line longer than a record may be"
		case ended:
			last.What = "checksum does not match"
		case len(b) > 0:
			if rec, ok = Unframe(b[:len(b)-1]); ok {
				last.What = "newline damaged"
				break
			}
			last.What, last.Torn = "torn write", true
		}
		if damage {
			bad = append(bad, last)
		}
		if ok {
			if err := yield(offset, rec); err != nil {
				return bad, err
			}
		}
		offset += size
	}
}

// nextLine reads up to a newline. Of a line that is too long it keeps nothing but the size.
func nextLine(in *bufio.Reader) (b []byte, size int64, ended bool, err error) {
	for {
		part, err := in.ReadSlice('\n')
		size += int64(len(part))
		ended = err == nil
		if ended {
			part = part[:len(part)-1]
		}
		switch {
		case size > MaxLine:
			b = nil
		case len(b) == 0 && ended:
			return part, size, true, nil
		default:
			b = append(b, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return b, size, ended, err
		}
	}
}

// ScanFile scans the segment at path.
func ScanFile(path string, yield func(offset int64, rec []byte) error) (bad []Damage, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	if info.Size() > MaxBytes {
		return []Damage{{Length: info.Size(), What: fmt.Sprintf("%d bytes: a segment has at most %d", info.Size(), MaxBytes)}}, info.Size(), nil
	}
	bad, err = Scan(io.LimitReader(f, MaxBytes), yield)
	return bad, info.Size(), err
}

package history

import (
	"bufio"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"iter"
	"os"

	"mlx/internal/fault"
)

// The log of a run of W&B is framed as that of LevelDB: blocks of 32 KiB, in them pieces of records, each with a checksum, a length
// and what part of its record it is. The file begins with seven bytes of its own.
const (
	wandbMagic  = ":W&B\xe1\xbe"
	blockBytes  = 32 << 10
	frameBytes  = 7
	maxLogEntry = 64 << 20

	wholeRecord = 1
	firstPiece  = 2
	middlePiece = 3
	lastPiece   = 4
)

// logRecords yields the records of a log. One that was cut off at the end, as by a kill, ends it; damage before that is an error. A
// record is valid until the next one.
func logRecords(r io.Reader) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		in := bufio.NewReaderSize(r, blockBytes)
		head := make([]byte, frameBytes)
		if _, err := io.ReadFull(in, head); err != nil || string(head[:len(wandbMagic)]) != wandbMagic || head[6] > 1 {
			yield(nil, fault.New(fault.Usage, "it is no log of W&B, or one of a later version"))
			return
		}
		l := logReader{in: in, at: frameBytes}
		for {
			record, err := l.next()
			if errors.Is(err, io.EOF) {
				return
			}
			if !yield(record, err) || err != nil {
				return
			}
		}
	}
}

type logReader struct {
	in     *bufio.Reader
	at     int64 // in the file
	record []byte
	open   bool
}

// next returns the next whole record, io.EOF at the end.
func (l *logReader) next() ([]byte, error) {
	for {
		if rest := blockBytes - l.at%blockBytes; rest < frameBytes {
			if _, err := l.in.Discard(int(rest)); err != nil {
				return nil, ended(err)
			}
			l.at += rest
		}
		kind, data, err := l.piece()
		if err != nil {
			return nil, err
		}
		switch {
		case kind == 0 && len(data) == 0: // room that was never written to
			return nil, io.EOF
		case kind == wholeRecord || kind == firstPiece:
			l.record, l.open = append(l.record[:0], data...), kind == firstPiece
		case (kind == middlePiece || kind == lastPiece) && l.open:
			if len(l.record)+len(data) > maxLogEntry {
				return nil, l.damaged("a record of more than 64 MiB")
			}
			l.record, l.open = append(l.record, data...), kind == middlePiece
		default:
			return nil, l.damaged("a piece without a beginning")
		}
		if !l.open {
			return l.record, nil
		}
	}
}

// piece reads one piece and checks its sum.
func (l *logReader) piece() (kind byte, data []byte, err error) {
	head := make([]byte, frameBytes)
	if _, err := io.ReadFull(l.in, head); err != nil {
		return 0, nil, ended(err)
	}
	size := int64(binary.LittleEndian.Uint16(head[4:]))
	if size > blockBytes-frameBytes-l.at%blockBytes {
		return 0, nil, l.damaged("a piece that is longer than its block")
	}
	data = make([]byte, size)
	if _, err := io.ReadFull(l.in, data); err != nil {
		return 0, nil, ended(err)
	}
	kind = head[6]
	sum := crc32.Update(crc32.ChecksumIEEE([]byte{kind}), crc32.IEEETable, data)
	if kind != 0 && sum != binary.LittleEndian.Uint32(head) {
		return 0, nil, l.damaged("a sum that does not fit")
	}
	l.at += frameBytes + size
	return kind, data, nil
}

// ended is the end of the file, also in the middle of something.
func ended(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return io.EOF
	}
	return err
}

func (l *logReader) damaged(why string) error {
	return fault.New(fault.Integrity, "the log is damaged at byte %d: %s", l.at, why)
}

// logFile yields the records of a file.
func logFile(file string) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		info, err := os.Lstat(file)
		if err == nil && !info.Mode().IsRegular() {
			err = fault.New(fault.Usage, "%s is no file", file)
		}
		if err != nil {
			yield(nil, err)
			return
		}
		f, err := os.Open(file)
		if err != nil {
			yield(nil, err)
			return
		}
		defer f.Close()
		for record, err := range logRecords(f) {
			if !yield(record, err) {
				return
			}
		}
	}
}

package dataset

import (
	"bytes"
	"context"
	"errors"
	"io"
	"unicode/utf8"

	"mlx/internal/fault"
)

// textBlock is how much of a text file one worker parses at once, unless a record is longer: what fits the second cache of a core.
const textBlock = 1 << 18

// textRecordMost bounds a record, and with it the memory of a reader.
const textRecordMost = 64 << 20

// textStream is the decompressed content of a text file as UTF-8, without a byte order mark.
type textStream struct {
	plain *plainFile
	io.Reader
}

// openText opens a text file. What is no text is refused by name.
func openText(ctx context.Context, f File) (*textStream, error) {
	p, err := openPlain(ctx, f)
	if err != nil {
		return nil, err
	}
	s := &textStream{plain: p, Reader: p}
	start, err := p.Peek(64)
	if err != nil && !errors.Is(err, io.EOF) {
		p.Close()
		return nil, p.fault(err)
	}
	if err := s.encoding(start); err != nil {
		p.Close()
		return nil, err
	}
	return s, nil
}

func (s *textStream) encoding(start []byte) error {
	name := s.plain.name
	for _, known := range []struct{ magic, what string }{
		{"PAR1", "a Parquet file"}, {"ARROW1", "an Arrow file"}, {"ORC", "an ORC file"}, {"Obj\x01", "an Avro file"},
		{"PK\x03\x04", "a zip archive (Excel files are such)"}, {"\xd0\xcf\x11\xe0", "an old Excel file"}, {"SQLite format 3\x00", "an SQLite database"},
		{"\x89HDF", "an HDF5 file"}, {"\xfd7zXZ\x00", "an xz file"}, {"\x89PNG", "an image"}, {"%PDF", "a PDF file"}, {"\x93NUMPY", "a NumPy file"},
		{"\x80\x04", "a pickle"}, {"\x80\x05", "a pickle"}, {"\x1f\x8b", "gzip inside of gzip"}, {"\x28\xb5\x2f\xfd", "zstd inside of zstd"},
	} {
		if bytes.HasPrefix(start, []byte(known.magic)) && (known.magic != "ORC" || bytes.IndexByte(start, 0) >= 0) {
			return fault.New(fault.Usage, "cannot read %s as text: it is %s", name, known.what).In(fault.Position{File: name})
		}
	}
	switch {
	case bytes.HasPrefix(start, []byte("\xef\xbb\xbf")):
		_, _ = s.plain.Discard(3)
	case bytes.HasPrefix(start, []byte("\xff\xfe\x00\x00")), bytes.HasPrefix(start, []byte("\x00\x00\xfe\xff")):
		return fault.New(fault.Usage, "cannot read %s: it is UTF-32", name).In(fault.Position{File: name}).
			Hint("iconv -f UTF-32 -t UTF-8 FILE   # makes it readable")
	case bytes.HasPrefix(start, []byte("\xff\xfe")), bytes.HasPrefix(start, []byte("\xfe\xff")):
		_, _ = s.plain.Discard(2)
		s.Reader = &utf16Reader{in: s.plain, big: start[0] == 0xfe}
	case len(start) > 3 && (start[0] == 0) != (start[1] == 0) && (start[2] == 0) != (start[3] == 0) && (start[0] == 0) == (start[2] == 0):
		return fault.New(fault.Usage, "cannot read %s: it is UTF-16 without a byte order mark", name).In(fault.Position{File: name}).
			Hint("iconv -f UTF-16LE -t UTF-8 FILE   # makes it readable")
	case bytes.IndexByte(start, 0) >= 0:
		return fault.New(fault.Usage, "cannot read %s as text: it is binary", name).In(fault.Position{File: name})
	}
	return nil
}

// Close closes the file.
func (s *textStream) Close() { s.plain.Close() }

// fault says what an error of Read means.
func (s *textStream) fault(err error) error {
	var odd *oddUTF16
	if errors.As(err, &odd) {
		return fault.New(fault.Usage, "cannot read %s: line %d: %w", s.plain.name, odd.line, err).
			In(fault.Position{File: s.plain.name, Line: int(odd.line)})
	}
	return s.plain.fault(err)
}

// checkText refuses what is no UTF-8, and NUL, and says where it stands. Line is that of the first byte.
func checkText(name string, buf []byte, line int64, eol byte) error {
	bad := -1
	if !utf8.Valid(buf) {
		for bad = 0; bad < len(buf); {
			r, n := utf8.DecodeRune(buf[bad:])
			if r == utf8.RuneError && n == 1 {
				break
			}
			bad += n
		}
	}
	if nul := bytes.IndexByte(buf, 0); nul >= 0 && (bad < 0 || nul < bad) {
		at := textPosition(buf, nul, line, eol)
		at.File = name
		return fault.New(fault.Usage, "cannot read %s: line %d, column %d is a NUL byte: the file is damaged or no text", name, at.Line, at.Column).In(at)
	}
	if bad < 0 {
		return nil
	}
	at := textPosition(buf, bad, line, eol)
	at.File = name
	return fault.New(fault.Usage, "cannot read %s: line %d, column %d is byte 0x%02x, which is no UTF-8", name, at.Line, at.Column, buf[bad]).In(at).
		Hint("iconv -f LATIN1 -t UTF-8 FILE   # if it is Latin-1")
}

// textPosition is the line and the column, in characters, of the byte at.
func textPosition(buf []byte, at int, line int64, eol byte) fault.Position {
	before := buf[:at]
	start := bytes.LastIndexByte(before, eol) + 1
	return fault.Position{Line: int(line) + bytes.Count(before, []byte{eol}), Column: utf8.RuneCount(before[start:]) + 1}
}

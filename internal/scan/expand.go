package scan

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"
)

// maxDictionary is the memory that a compressed file may ask for before anything is read from it.
const maxDictionary = 64 << 20

// stream judges what a compressed file expands to. open fails where the file only looks compressed.
func (s *inspection) stream(p place, b blob, name string, open func(*bufio.Reader) (io.Reader, error)) (bool, error) {
	in := bufio.NewReaderSize(b.reader(), 64<<10)
	r, err := open(in)
	if err != nil {
		return false, nil
	}
	first := make([]byte, 1)
	if _, err := io.ReadFull(r, first); err != nil {
		if errors.Is(err, io.EOF) {
			s.format(name)
			return true, s.after(p, in)
		}
		return false, nil
	}
	s.format(name)
	inside := p.member(name, p.role)
	err = s.expand(inside, io.MultiReader(bytes.NewReader(first), r), func(out blob) error { return s.judge(inside, out) })
	if err != nil {
		return true, err
	}
	return true, s.after(p, in)
}

// after reports bytes that the decompressor left: another reader may begin there.
func (s *inspection) after(p place, in *bufio.Reader) error {
	if n, _ := in.Discard(1); n > 0 && s.expanded < s.opts.Expanded {
		s.unclear(p, 0, "goes on after the end of what is compressed")
	}
	return nil
}

func (s *inspection) gzip(p place, b blob) (bool, error) {
	return s.stream(p, b, "gzip", func(in *bufio.Reader) (io.Reader, error) { return gzip.NewReader(in) })
}

func (s *inspection) bzip2(p place, b blob) (bool, error) {
	return s.stream(p, b, "bzip2", func(in *bufio.Reader) (io.Reader, error) { return bzip2.NewReader(in), nil })
}

func (s *inspection) zlib(p place, b blob) (bool, error) {
	h := b.head(2)
	if len(h) < 2 || h[0]&0x0f != 8 || h[0]>>4 > 7 || (int(h[0])<<8|int(h[1]))%31 != 0 {
		return false, nil
	}
	return s.stream(p, b, "zlib", func(in *bufio.Reader) (io.Reader, error) { return zlib.NewReader(in) })
}

// oldJoblib is what joblib wrote before 0.10: "ZF", the length in hexadecimal, then zlib.
func (s *inspection) oldJoblib(p place, b blob) (bool, error) {
	for _, n := range []int64{21, 11, 20, 10} {
		if is, err := s.zlib(p, b.part(n, b.size-n)); is || err != nil {
			return is, err
		}
	}
	return false, nil
}

// xz expands a file of one block, as Python writes it. More blocks could each ask for memory of their own.
func (s *inspection) xz(p place, b blob) (bool, error) {
	if what := xzShape(b); what != "" {
		s.format("xz")
		s.unclear(p, 0, what)
		return true, nil
	}
	return s.stream(p, b, "xz", func(in *bufio.Reader) (io.Reader, error) {
		return xz.ReaderConfig{DictCap: maxDictionary}.NewReader(in)
	})
}

func (s *inspection) lzma(p place, b blob) (bool, error) {
	h := b.head(13)
	if len(h) < 13 || binary.LittleEndian.Uint32(h[1:]) > maxDictionary {
		return false, nil
	}
	return s.stream(p, b, "lzma", func(in *bufio.Reader) (io.Reader, error) {
		return lzma.ReaderConfig{DictCap: maxDictionary}.NewReader(in)
	})
}

func (s *inspection) zstd(p place, b blob) (bool, error) {
	var d *zstd.Decoder
	defer func() {
		if d != nil {
			d.Close()
		}
	}()
	return s.stream(p, b, "zstd", func(in *bufio.Reader) (r io.Reader, err error) {
		d, err = zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxDictionary))
		return d, err
	})
}

func (s *inspection) lz4(p place, b blob) (bool, error) {
	return s.stream(p, b, "lz4", func(in *bufio.Reader) (io.Reader, error) { return lz4.NewReader(in), nil })
}

// xzShape reads the index at the end of an xz file and the header of its block, before its decoder takes memory for it.
func xzShape(b blob) string {
	const broken = "is a broken xz file"
	foot := b.at(b.size-12, 12)
	if b.size < 32 || len(foot) < 12 || string(foot[10:]) != "YZ" {
		return broken
	}
	size := (int64(binary.LittleEndian.Uint32(foot[4:])) + 1) * 4
	if size > 64 || size > b.size-24 {
		return "is an xz file of several blocks, which is not expanded here"
	}
	index := b.at(b.size-12-size, int(size))
	if len(index) < 4 || index[0] != 0 || index[1] != 1 {
		return "is an xz file of several blocks, which is not expanded here"
	}
	unpadded, n := binary.Uvarint(index[2:])
	if n <= 0 || unpadded > uint64(b.size) || 12+(int64(unpadded)+3)/4*4+size+12 != b.size {
		return broken
	}
	head := b.at(12, 64)
	if len(head) < 16 || head[1]&0x3f != 0 {
		return "is an xz file with filters, which is not expanded here"
	}
	rest := head[2:]
	for _, flag := range []byte{0x40, 0x80} {
		if head[1]&flag != 0 {
			_, n := binary.Uvarint(rest)
			rest = rest[max(n, 0):]
		}
	}
	if len(rest) < 3 || rest[0] != 0x21 || rest[1] != 1 || rest[2] > 28 {
		return "is an xz file that needs more memory than is given to it"
	}
	return ""
}

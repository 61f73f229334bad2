package dataset

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// The codecs.
const (
	codecNone   = 0
	codecSnappy = 1
	codecGzip   = 2
	codecLZO    = 3
	codecBrotli = 4
	codecLZ4    = 5 // as Hadoop frames it
	codecZstd   = 6
	codecLZ4Raw = 7
)

// maxPage bounds a page in memory. Writers make pages of about 1 MiB.
const maxPage = 256 << 20

// unpacker decompresses pages. It belongs to one goroutine.
type unpacker struct {
	zstd   *zstd.Decoder
	gzip   *gzip.Reader
	brotli *brotli.Reader
}

var errPacked = errors.New("a page does not decompress to the size that its header states")

// unpack decompresses b, which becomes size bytes, into dst. Memory grows with what comes out, not with what a header claims.
func (u *unpacker) unpack(dst []byte, codec int32, b []byte, size int) ([]byte, error) {
	if size > maxPage {
		return nil, fmt.Errorf("a page has %d bytes, at most %d are read", size, maxPage)
	}
	var err error
	switch codec {
	case codecSnappy:
		n, headErr := snappy.DecodedLen(b)
		if headErr != nil || n != size || size/64 > len(b) { // no snappy is denser
			return nil, errPacked
		}
		dst, err = snappy.Decode(room(dst, size)[:size], b)
	case codecLZ4Raw:
		dst, err = unpackLZ4(dst, b, size)
	case codecLZ4:
		if dst, err = unpackHadoop(dst, b, size); err != nil {
			dst, err = unpackLZ4(dst, b, size) // what some writers mean by it
		}
	case codecZstd:
		if u.zstd == nil {
			if u.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxPage), zstd.WithDecoderLowmem(true)); err != nil {
				return nil, err
			}
		}
		if err = u.zstd.Reset(bytes.NewReader(b)); err == nil {
			dst, err = drain(dst, u.zstd, len(b), size)
		}
	case codecGzip:
		dst, err = u.unpackGzip(dst, b, size)
	case codecBrotli:
		if u.brotli == nil {
			u.brotli = brotli.NewReader(bytes.NewReader(b))
		} else {
			err = u.brotli.Reset(bytes.NewReader(b))
		}
		if err == nil {
			dst, err = drain(dst, u.brotli, len(b), size)
		}
	case codecLZO:
		return nil, errors.New("its codec LZO is not read")
	default:
		return nil, fmt.Errorf("there is no codec %d", codec)
	}
	if err != nil {
		return nil, fmt.Errorf("a page does not decompress: %w", err)
	}
	if len(dst) != size {
		return nil, errPacked
	}
	return dst, nil
}

func (u *unpacker) unpackGzip(dst, b []byte, size int) (_ []byte, err error) {
	if u.gzip == nil {
		u.gzip, err = gzip.NewReader(bytes.NewReader(b))
	} else {
		err = u.gzip.Reset(bytes.NewReader(b))
	}
	if err == nil {
		dst, err = drain(dst, u.gzip, len(b), size)
	}
	if err != nil {
		u.gzip = nil
	}
	return dst, err
}

// room returns a slice of no length that can hold n bytes.
func room(dst []byte, n int) []byte {
	if cap(dst) < n {
		return make([]byte, 0, n)
	}
	return dst[:0]
}

// drain reads all that r has, one byte more than size at most.
func drain(dst []byte, r io.Reader, packed, size int) ([]byte, error) {
	dst = room(dst, min(size+1, packed*8+512))
	for {
		if len(dst) == cap(dst) {
			bigger := make([]byte, len(dst), min(cap(dst)*2, size+1))
			copy(bigger, dst)
			dst = bigger
		}
		n, err := r.Read(dst[len(dst):min(cap(dst), size+1)])
		dst = dst[:len(dst)+n]
		if errors.Is(err, io.EOF) {
			return dst, nil
		}
		if err != nil || len(dst) > size {
			return dst, err
		}
	}
}

func unpackLZ4(dst, b []byte, size int) ([]byte, error) {
	if size/256 > len(b) { // no LZ4 is denser
		return nil, errPacked
	}
	if size == 0 {
		return dst[:0], nil
	}
	dst = room(dst, size)[:size]
	n, err := lz4.UncompressBlock(b, dst)
	return dst[:max(n, 0)], err
}

// unpackHadoop reads blocks that begin with their two lengths, highest byte first.
func unpackHadoop(dst, b []byte, size int) ([]byte, error) {
	if size/256 > len(b) {
		return nil, errPacked
	}
	dst = room(dst, size)
	for len(b) > 0 {
		if len(b) < 8 {
			return nil, errPageShort
		}
		raw, packed := int(binary.BigEndian.Uint32(b)), int(binary.BigEndian.Uint32(b[4:]))
		if b = b[8:]; packed > len(b) || raw > size-len(dst) {
			return nil, errPageShort
		}
		if raw > 0 {
			n, err := lz4.UncompressBlock(b[:packed], dst[len(dst):len(dst)+raw])
			if err != nil || n != raw {
				return nil, errPacked
			}
			dst = dst[:len(dst)+raw]
		}
		b = b[packed:]
	}
	return dst, nil
}

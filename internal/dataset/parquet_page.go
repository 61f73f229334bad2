package dataset

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

const (
	headWindow = 4 << 10   // read at least, to find the header of a page
	maxHead    = 16 << 20  // a header may hold statistics of long values
	pageAhead  = 128 << 10 // read at once by a column, in the hope that the page is there
	allAhead   = 4 << 20   // read at once by all columns together
)

// pageReader reads the pages of a column chunk in their order.
type pageReader struct {
	in      io.ReaderAt
	at, end int64 // of what is left of the chunk, in the file
	codec   int32
	ahead   int // how much is read at once

	window []byte // bytes of the file from start on
	start  int64
	own    []byte // of a page that is not compressed
	levels []byte
	raw    []byte // decompressed
	shared *pageScratch
}

// pageScratch is what the columns that one goroutine decodes need one after the other.
type pageScratch struct {
	body   []byte // of a page, compressed
	dict   []byte // of a dictionary, decompressed: it is converted at once
	unpack unpacker
	codes  []uint32
	ahead  int // how much a column reads at once
}

// open begins a chunk. The file has size bytes, of which the first four and the last eight are none of a chunk.
func (p *pageReader) open(in io.ReaderAt, size int64, c *parquetChunk) error {
	start := c.data
	if c.dict > 0 && c.dict < start {
		start = c.dict
	}
	if start < 4 || c.compressed < 0 || start > size-8 || c.compressed > size-8-start {
		return fmt.Errorf("its pages would stand at %d to %d, outside the file", start, start+c.compressed)
	}
	p.in, p.at, p.end, p.codec, p.window = in, start, start+c.compressed, c.codec, p.window[:0]
	if w, ok := in.(interface{ Window() int }); ok {
		p.ahead = w.Window()
	} else {
		p.ahead = p.shared.ahead
	}
	return nil
}

// see makes sure that n bytes from the current place are in the window, or all there are, and returns those.
func (p *pageReader) see(n int) ([]byte, error) {
	n = int(min(int64(n), p.end-p.at))
	if off := p.at - p.start; off >= 0 && off+int64(n) <= int64(len(p.window)) {
		return p.window[off:], nil
	}
	size := int(min(int64(max(n, p.ahead)), p.end-p.at))
	if cap(p.window) < size {
		p.window = make([]byte, size)
	}
	p.window, p.start = p.window[:size], p.at
	if err := readFull(p.in, p.window, p.at); err != nil {
		p.window = p.window[:0]
		return nil, err
	}
	return p.window, nil
}

func readFull(in io.ReaderAt, b []byte, at int64) error {
	n, err := in.ReadAt(b, at)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// head reads the header of the next page. After the last page it is io.EOF.
func (p *pageReader) head() (parquetPageHead, error) {
	for n := headWindow; ; n *= 4 {
		b, err := p.see(n)
		if err != nil {
			return parquetPageHead{}, err
		}
		if len(b) == 0 {
			return parquetPageHead{}, io.EOF
		}
		h, size, err := parsePageHead(b)
		if errors.Is(err, errThriftShort) && int64(len(b)) < p.end-p.at && len(b) < maxHead {
			n = max(n, len(b))
			continue
		}
		if err != nil {
			return h, err
		}
		p.at += int64(size)
		if int64(h.compressed) > p.end-p.at {
			return h, fmt.Errorf("a page of %d bytes does not fit its column", h.compressed)
		}
		return h, nil
	}
}

// pass leaves out the page of a header.
func (p *pageReader) pass(h *parquetPageHead) { p.at += int64(h.compressed) }

// page reads the page of a header: its levels of the second version, and the rest decompressed. They are valid until the next call.
func (p *pageReader) page(ctx context.Context, h *parquetPageHead) (levels, values []byte, err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	b, err := p.bytes(int(h.compressed))
	if err != nil {
		return nil, nil, err
	}
	if h.hasCRC && crc32.ChecksumIEEE(b) != h.crc {
		return nil, nil, errors.New("a page does not have its checksum: it is damaged")
	}
	size := int(h.raw)
	if h.kind == pageDataV2 {
		n := int(h.defLen) + int(h.repLen)
		if n > len(b) || n > size {
			return nil, nil, errPageShort
		}
		p.levels = append(p.levels[:0], b[:n]...)
		levels, b, size = p.levels, b[n:], size-n
	}
	if p.codec == codecNone || h.kind == pageDataV2 && h.plain || len(b) == 0 && size == 0 {
		if len(b) != size {
			return nil, nil, errPacked
		}
		if p.codec != codecNone { // the bytes are everybody's
			p.own = append(p.own[:0], b...)
			b = p.own
		}
		return levels, b, nil
	}
	to := &p.raw
	if h.kind == pageDictionary {
		to = &p.shared.dict
	}
	raw, err := p.shared.unpack.unpack(*to, p.codec, b, size)
	if err == nil {
		*to = raw
	}
	return levels, raw, err
}

// bytes reads n bytes of a page, out of the window where they are there.
func (p *pageReader) bytes(n int) ([]byte, error) {
	if n > maxPage {
		return nil, fmt.Errorf("a page has %d bytes, at most %d are read", n, maxPage)
	}
	off := p.at - p.start
	if off >= 0 && off+int64(n) <= int64(len(p.window)) {
		p.at += int64(n)
		return p.window[off : off+int64(n)], nil
	}
	to := &p.shared.body
	if p.codec == codecNone {
		to = &p.own
	}
	if *to = room(*to, n)[:n]; off < 0 || off > int64(len(p.window)) {
		off = int64(len(p.window))
	}
	k := copy(*to, p.window[off:])
	if err := readFull(p.in, (*to)[k:], p.at+int64(k)); err != nil {
		return nil, err
	}
	p.at += int64(n)
	return *to, nil
}

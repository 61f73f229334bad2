package dataset

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"context"
	"errors"
	"io"
	"io/fs"
	"syscall"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"mlx/internal/fault"
)

// plainWindow bounds the memory that a zstd frame may ask for: what zstd --long=27 writes, and no more.
const plainWindow = 128 << 20

// plainFile is the content of a file, decompressed: the magic decides, because names lie.
type plainFile struct {
	*bufio.Reader
	name   string
	format string // "gzip", "zstd", "bzip2" or empty
	close  []func()
}

// openPlain opens a file and undoes its compression.
func openPlain(ctx context.Context, f File) (*plainFile, error) {
	in, err := f.Open(ctx)
	if err != nil {
		return nil, fault.New(plainKind(err), "cannot read %s: %w", f.Name, plainCause(err))
	}
	p := &plainFile{name: f.Name, close: []func(){func() { in.Close() }}}
	raw := bufio.NewReaderSize(in, 64<<10)
	magic, err := raw.Peek(6)
	if err != nil && !errors.Is(err, io.EOF) {
		in.Close()
		return nil, fault.New(plainKind(err), "cannot read %s: %w", f.Name, plainCause(err))
	}
	if err := p.undo(raw, magic); err != nil {
		in.Close()
		return nil, err
	}
	return p, nil
}

func (p *plainFile) undo(raw *bufio.Reader, magic []byte) error {
	var content io.Reader
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(raw)
		if err != nil {
			return fault.New(fault.Usage, "cannot read %s: its gzip header is damaged", p.name)
		}
		p.format, content = "gzip", z
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(raw, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(plainWindow))
		if err != nil {
			return fault.New(fault.Usage, "cannot read %s: its zstd header is damaged", p.name)
		}
		p.format, content = "zstd", z
		p.close = append(p.close, z.Close)
	case bytes.HasPrefix(magic, []byte("BZh")) && len(magic) > 3 && magic[3] >= '1' && magic[3] <= '9':
		p.format, content = "bzip2", bzip2.NewReader(raw)
	default:
		p.Reader = raw
		return nil
	}
	p.Reader = bufio.NewReaderSize(content, 64<<10)
	return nil
}

// Close closes the file. It was only read: what closing says changes nothing.
func (p *plainFile) Close() {
	for _, c := range p.close {
		c()
	}
}

// fault says what an error of Read means.
func (p *plainFile) fault(err error) error {
	if p.format == "" || plainKind(err) != fault.Usage {
		return fault.New(plainKind(err), "cannot read %s: %w", p.name, plainCause(err))
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fault.New(fault.Usage, "cannot read %s: its %s data ends too early: the file is cut off", p.name, p.format)
	}
	if errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		return fault.New(fault.Usage, "cannot read %s: its zstd data needs more than %d MiB of memory", p.name, plainWindow>>20)
	}
	return fault.New(fault.Usage, "cannot read %s: its %s data is damaged, or something else follows it", p.name, p.format)
}

// plainKind classifies an error of opening or reading.
func plainKind(err error) fault.Kind {
	if k := fault.KindOf(err); k != fault.Internal {
		return k
	}
	return fault.Usage
}

// plainCause is an error without the path, which the message already names.
func plainCause(err error) error {
	if errors.Is(err, syscall.EISDIR) {
		return errors.New("it is a folder")
	}
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

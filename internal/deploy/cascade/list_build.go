package cascade

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/bits"
	"os"
	"path/filepath"
	"slices"

	"mlx/internal/fault"
)

// maxListLine bounds a line of a list; sha256sum writes the name of a file behind the hash.
const maxListLine = 64 << 10

// Text is a text that is read several times. Name is what it is called.
type Text struct {
	Name string
	Open func() (io.ReadCloser, error)
}

// Build makes the file of a list from a text: a hash in hexadecimal digits a line, all of one length; what stands behind a blank is passed over,
// lines that are empty or begin with # too. The text is read twice. What it holds in memory is a part of the hashes, 1 in 256 where they are
// spread evenly. source is what the list says that it was made of.
func Build(ctx context.Context, text Text, name string, source [32]byte) (err error) {
	defer func() {
		if err != nil && ctx.Err() == nil {
			err = fault.New(fault.KindOf(err), "cannot make a list of the hashes in %s: %w", text.Name, err)
		}
	}()
	counts, width, err := countHashes(ctx, text)
	if err != nil {
		return err
	}
	parts, err := os.CreateTemp(filepath.Dir(name), ".hashes-*")
	if err != nil {
		return err
	}
	defer func() { _ = errors.Join(parts.Close(), os.Remove(parts.Name())) }() // it is needed no more
	if err := spread(ctx, text, parts, counts); err != nil {
		return err
	}
	out, err := os.CreateTemp(filepath.Dir(name), ".list-*")
	if err != nil {
		return err
	}
	w := &listWriter{to: out, head: head{width: width, source: source}}
	err = errors.Join(w.write(ctx, parts, counts), out.Close())
	if err == nil {
		err = os.Rename(out.Name(), name)
	}
	if err != nil {
		_ = os.Remove(out.Name()) // why is told already
	}
	return err
}

// Check reads a text once and says what Build would say of it.
func Check(ctx context.Context, text Text) error {
	if _, _, err := countHashes(ctx, text); err != nil {
		return fault.New(fault.KindOf(err), "cannot make a list of the hashes in %s: %w", text.Name, err)
	}
	return nil
}

// firstBytes counts hashes by their first byte.
type firstBytes [256]int64

func (c firstBytes) total() (n int64) {
	for _, one := range c {
		n += one
	}
	return n
}

// eachHash reads the hashes of a text. The bytes belong to it.
func eachHash(ctx context.Context, text Text, visit func(hash []byte) error) error {
	f, err := text.Open()
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(make([]byte, 0, maxListLine), maxListLine)
	var hash [64]byte
	width := 0
	for n := 1; lines.Scan(); n++ {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		if n%(1<<16) == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if end := bytes.IndexAny(line, " \t"); end >= 0 {
			line = line[:end]
		}
		if width == 0 {
			width = len(line) / 2
		}
		if len(line) != 2*width || !known(width) {
			return fault.New(fault.Usage, "line %d: %.80q is no hash of %s", n, line, expected(width))
		}
		if _, err := hex.Decode(hash[:width], line); err != nil {
			return fault.New(fault.Usage, "line %d: %.80q is no hash in hexadecimal digits", n, line)
		}
		if err := visit(hash[:width]); err != nil {
			return err
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return fault.New(fault.Usage, "it has a line of more than %d bytes", maxListLine)
	}
	return lines.Err()
}

func expected(width int) string {
	if known(width) {
		return fmt.Sprintf("%d digits, as the first one", 2*width)
	}
	return "16, 32, 40, 64 or 128 digits"
}

func countHashes(ctx context.Context, text Text) (counts firstBytes, width int, err error) {
	err = eachHash(ctx, text, func(hash []byte) error {
		counts[hash[0]]++
		width = len(hash)
		return nil
	})
	if n := counts.total(); err == nil && (n == 0 || n >= 1<<32) {
		err = fault.New(fault.Usage, "it has %d hashes", n)
	}
	return counts, width, err
}

// spread writes the hashes of a text in groups by their first byte.
func spread(ctx context.Context, text Text, parts io.WriterAt, counts firstBytes) error {
	const room = 32 << 10
	type part struct {
		at   int64
		rest int64 // hashes that are still to come
		some []byte
	}
	var all [256]part
	at := int64(0)
	for i := range all {
		all[i] = part{at: at, rest: counts[i]}
		at += counts[i]
	}
	width := int64(0)
	flush := func(p *part) error {
		_, err := parts.WriteAt(p.some, p.at*width)
		p.at, p.some = p.at+int64(len(p.some))/max(width, 1), p.some[:0]
		return err
	}
	err := eachHash(ctx, text, func(hash []byte) error {
		p := &all[hash[0]]
		if width = int64(len(hash)); p.rest == 0 {
			return errors.New("it changed while it was read")
		}
		p.rest--
		p.some = append(p.some, hash...)
		if len(p.some) < room {
			return nil
		}
		return flush(p)
	})
	for i := range all {
		if err == nil && all[i].rest > 0 {
			err = errors.New("it changed while it was read")
		}
		if err == nil && len(all[i].some) > 0 {
			err = flush(&all[i])
		}
	}
	return err
}

// listWriter writes the file of a list.
type listWriter struct {
	head
	to    *os.File
	table []uint32
}

func (w *listWriter) write(ctx context.Context, parts io.ReaderAt, counts firstBytes) error {
	w.bits = min(bits.Len64(uint64(counts.total())/perEntry), maxBits)
	w.table = make([]uint32, 1<<w.bits+1)
	if _, err := w.to.Seek(w.hashes(), io.SeekStart); err != nil {
		return err
	}
	sum := crc32.New(castagnoli())
	out := bufio.NewWriterSize(io.MultiWriter(w.to, sum), 1<<20)
	at := int64(0)
	for _, n := range counts {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		raw := make([]byte, n*int64(w.width))
		if _, err := parts.ReadAt(raw, at*int64(w.width)); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		at += n
		if err := w.part(out, raw); err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	last := uint32(0) // the table has how many hashes begin so; it is to say where they begin
	for i, n := range w.table {
		w.table[i] = last
		last += n
	}
	table := make([]byte, 0, 4*len(w.table))
	for _, n := range w.table {
		table = binary.LittleEndian.AppendUint32(table, n)
	}
	w.tableSum = crc32.Checksum(table, castagnoli())
	end := binary.LittleEndian.AppendUint32(nil, sum.Sum32())
	_, endErr := w.to.WriteAt(end, w.size()-4)
	_, err := w.to.WriteAt(append(w.encode(), table...), 0)
	return errors.Join(endErr, err, w.to.Sync())
}

// part writes hashes in order, each once.
func (w *listWriter) part(out io.Writer, raw []byte) error {
	all := make([][]byte, 0, len(raw)/w.width)
	for ; len(raw) > 0; raw = raw[w.width:] {
		all = append(all, raw[:w.width])
	}
	slices.SortFunc(all, bytes.Compare)
	for _, hash := range slices.CompactFunc(all, bytes.Equal) {
		if _, err := out.Write(hash); err != nil {
			return err
		}
		w.table[w.prefix(hash)]++
		w.count++
	}
	return nil
}

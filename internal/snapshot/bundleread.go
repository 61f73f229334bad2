package snapshot

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot/internal/pack"
)

// TakeOptions say what a bundle is expected to bring.
type TakeOptions struct {
	Roots    []object.Digest // that it must have; nil for whatever it names
	Progress Progress        // in bytes received; nil for none
}

// ReadBundle takes a bundle into the store, up to its end mark. Every chunk is compared with its digest before it counts.
// What arrived before the stream was cut is kept, so that WriteBundle with Ask sends only the rest. The versions that the
// bundle names are whole then, and protected from gc until Release is called; after a failure only the counts are set.
func (s *Store) ReadBundle(ctx context.Context, r io.Reader, o TakeOptions) (Fetched, error) {
	if err := s.prepare(); err != nil {
		return Fetched{}, err
	}
	end, err := s.announce()
	if err != nil {
		return Fetched{}, err
	}
	defer end()
	if err := s.adopt(); err != nil {
		return Fetched{}, err
	}
	t := &taker{s: s, o: o}
	t.r = bufio.NewReaderSize(&countingReader{contextReader{ctx, r}, t}, 256<<10)
	roots, err := t.head()
	if err != nil {
		return t.done, err
	}
	release, err := s.publishAll(roots)
	if err != nil {
		return t.done, err
	}
	err = t.take(ctx, roots)
	if err != nil {
		return t.done, errors.Join(err, release())
	}
	t.done.Release, t.done.Roots = release, roots
	return t.done, nil
}

// countingReader counts what arrives.
type countingReader struct {
	contextReader
	t *taker
}

// Read implements io.Reader.
func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.contextReader.Read(p)
	c.t.done.Bytes += int64(n)
	if c.t.o.Progress != nil {
		c.t.o.Progress.Add(int64(n))
	}
	return n, err
}

// taker is one ReadBundle.
type taker struct {
	s      *Store
	o      TakeOptions
	r      *bufio.Reader
	rd     *reader
	skip   map[object.Digest]bool // condemned packs
	erased map[object.Digest]bool
	held   []*heldPack
	done   Fetched
	stated int64 // bytes of the packs
	buf    []byte
	raw    []byte
}

// cut names a stream that ended too early.
func cut(what string, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fault.New(fault.Unavailable, "the bundle was cut short %s", what).Hint("repeat the command   # what arrived is kept")
	}
	return fmt.Errorf("receive a bundle %s: %w", what, err)
}

func badBundle(format string, args ...any) *fault.Error {
	return fault.New(fault.Integrity, "damaged bundle: "+format, args...)
}

// head reads the magic and the roots.
func (t *taker) head() ([]object.Digest, error) {
	b := make([]byte, len(bundleMagic)+4)
	if _, err := io.ReadFull(t.r, b); err != nil {
		return nil, cut("in its head", err)
	}
	if !bytes.HasPrefix(b, []byte(bundleMagic)) {
		return nil, badBundle("wrong first line or digest algorithm").Hint("mlx version   # the same mlx on both sides?")
	}
	n := binary.LittleEndian.Uint32(b[len(bundleMagic):])
	if n > maxBundleRoots {
		return nil, badBundle("%d roots", n)
	}
	var roots []object.Digest
	for range n {
		var d object.Digest
		if _, err := io.ReadFull(t.r, d[:]); err != nil {
			return nil, cut("in its head", err)
		}
		roots = append(roots, d)
	}
	for _, want := range t.o.Roots {
		if !slices.Contains(roots, want) {
			return nil, badBundle("it does not bring version %s", want.Short())
		}
	}
	return roots, nil
}

// take reads the packs and the end mark. Whatever goes wrong, what is good of that which arrived stays.
func (t *taker) take(ctx context.Context, roots []object.Digest) (err error) {
	if err := t.s.set.Refresh(); err != nil {
		return err
	}
	if t.skip, err = t.s.condemnedPacks(); err != nil {
		return err
	}
	if t.erased, err = t.s.Erased(); err != nil {
		return err
	}
	if t.rd, err = t.s.reader(); err != nil {
		return err
	}
	objects, err := t.packs(ctx)
	err = errors.Join(err, t.settle(ctx, err == nil), syncDir(t.s.packs()), t.s.set.Refresh())
	if err != nil {
		return err
	}
	t.done.Objects = objects
	now, err := t.s.condemnedPacks()
	if err != nil {
		return err
	}
	for _, root := range roots {
		if err := t.whole(ctx, root, now); err != nil {
			return err
		}
	}
	return nil
}

// whole says what is lacking of a version that the bundle should have completed.
func (t *taker) whole(ctx context.Context, root object.Digest, skip map[object.Digest]bool) error {
	t.rd.loose = true // what is missing is counted, and the walk goes on
	n := 0
	err := t.s.eachObject(ctx, t.rd, root, func(d object.Digest) {
		if !t.erased[d] && !t.s.set.Usable(d, skip) {
			n++
		}
	})
	if err == nil && n > 0 {
		err = fault.New(fault.NotFound, "%d of its objects are missing", n)
	}
	if fault.KindOf(err) == fault.NotFound {
		return fault.New(fault.Conflict, "the bundle does not complete version %s: %w", root.Short(), err).
			Hint("repeat the command   # the store may have lost, by gc, what it was said to have")
	}
	return err
}

// packs reads pack after pack up to the end mark, and returns how many objects that states.
func (t *taker) packs(ctx context.Context) (int64, error) {
	for n := 0; ; n++ {
		mark, err := t.r.ReadByte()
		if err != nil {
			return 0, cut(fmt.Sprintf("after %d packs", n), err)
		}
		switch {
		case mark == endMark:
			return t.end(n)
		case mark != packMark || n >= maxBundlePacks:
			return 0, badBundle("mark %q after %d packs", mark, n)
		}
		if err := t.pack(ctx); err != nil {
			return 0, err
		}
	}
}

func (t *taker) end(packs int) (int64, error) {
	var b [endSize]byte
	if _, err := io.ReadFull(t.r, b[:]); err != nil {
		return 0, cut("in its end mark", err)
	}
	n, objects, size := binary.LittleEndian.Uint32(b[:]), binary.LittleEndian.Uint64(b[4:]), binary.LittleEndian.Uint64(b[12:])
	if int(n) != packs || size != uint64(t.stated) || objects > size { //nolint:gosec // a sum of sizes
		return 0, badBundle("its end mark counts %d packs of %d bytes, %d packs of %d bytes arrived", n, size, packs, t.stated)
	}
	return int64(objects), nil //nolint:gosec // at most size
}

// index reads the head of a pack and its index. Nothing is allocated before it arrives.
func (t *taker) index() (PackInfo, *pack.Index, error) {
	var b [packHead]byte
	if _, err := io.ReadFull(t.r, b[:]); err != nil {
		return PackInfo{}, nil, cut("in the head of a pack", err)
	}
	info := PackInfo{
		Name:   object.Digest(b[:32]),
		Bytes:  int64(binary.LittleEndian.Uint64(b[32:]) & (1<<62 - 1)), //nolint:gosec // masked
		Index:  int64(binary.LittleEndian.Uint64(b[40:]) & (1<<62 - 1)), //nolint:gosec // masked
		Chunks: int64(binary.LittleEndian.Uint32(b[48:])),
	}
	if err := info.check(); err != nil {
		return info, nil, err
	}
	var all bytes.Buffer
	if _, err := io.CopyN(&all, t.r, info.Bytes-info.Index); err != nil {
		return info, nil, cut("in the index of a pack", err)
	}
	x, err := pack.ParseIndex(all.Bytes(), info.Name, info.Index)
	if err == nil && int64(x.Len()) != info.Chunks {
		err = badBundle("a pack of %d chunks that states %d", x.Len(), info.Chunks)
	}
	return info, x, err
}

// pack receives one pack into a temporary file, each frame checked. It gets its name at once, unless that must wait for
// the bases of its deltas, or it must not come as it is.
func (t *taker) pack(ctx context.Context) error {
	info, x, err := t.index()
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(t.s.tmp(), t.s.writerName()+"-*"+pack.TempSuffix)
	if err != nil {
		return fmt.Errorf("start a pack: %w", err)
	}
	k := &heldPack{path: file.Name(), x: x, rows: x.ByFrame()}
	if err = t.frames(ctx, k, file); err != nil {
		return errors.Join(fmt.Errorf("pack %s: %w", info.Name.Short(), err), file.Close(), t.salvage(k))
	}
	if err = errors.Join(file.Sync(), file.Chmod(0o444), file.Close()); err != nil {
		return fmt.Errorf("write a pack: %w", errors.Join(err, removeFile(k.path)))
	}
	t.stated += info.Bytes
	if k.deltas > 0 || t.mustChange(k) {
		t.held = append(t.held, k)
		return nil
	}
	return t.name(k)
}

// name gives a pack its place in the store.
func (t *taker) name(k *heldPack) error {
	if err := os.Rename(k.path, filepath.Join(t.s.packs(), pack.FileName(k.x.Name()))); err != nil {
		return fmt.Errorf("name a pack: %w", errors.Join(err, removeFile(k.path)))
	}
	t.done.Packs++
	return nil
}

// mustChange says whether a pack holds what was erased here, or has the name of one that is about to be deleted.
func (t *taker) mustChange(k *heldPack) bool {
	if t.skip[k.x.Name()] {
		return true
	}
	for row := range k.x.Len() {
		if len(t.erased) == 0 {
			return false
		}
		if t.erased[k.x.Row(row).ID] {
			return true
		}
	}
	return false
}

// frames copies the frames of a pack to its file, and its index behind them. Deltas are only counted: their bases may
// be on their way.
func (t *taker) frames(ctx context.Context, k *heldPack, file *os.File) error {
	out := bufio.NewWriterSize(file, 256<<10)
	head := make([]byte, len(pack.Head()))
	if _, err := io.ReadFull(t.r, head); err != nil {
		return cut("in a pack", err)
	}
	if !bytes.Equal(head, pack.Head()) {
		return badBundle("a pack with wrong first bytes")
	}
	if _, err := out.Write(head); err != nil {
		return err
	}
	a := pack.NewArrival(k.x)
	for nr := range k.x.Frames() {
		if err := ctx.Err(); err != nil {
			return errors.Join(err, out.Flush())
		}
		if err := t.frame(k, nr, a, out); err != nil {
			return errors.Join(err, out.Flush())
		}
	}
	if err := a.End(); err != nil {
		return errors.Join(err, out.Flush())
	}
	if _, err := out.Write(k.x.Bytes()); err != nil {
		return err
	}
	return out.Flush()
}

func (t *taker) frame(k *heldPack, nr int, a *pack.Arrival, out io.Writer) error {
	f := k.x.Frame(nr)
	t.buf = slices.Grow(t.buf[:0], int(f.Size()))[:f.Size()]
	if _, err := io.ReadFull(t.r, t.buf); err != nil {
		return cut("in a pack", err)
	}
	pieces, err := k.x.Pieces(nr, k.rows[nr])
	if err != nil {
		return err
	}
	payload, err := a.Frame(t.buf, pieces)
	if err != nil {
		return err
	}
	switch f.Codec {
	case pack.Raw: // the arrival has compared its chunks
	case pack.Delta:
		k.deltas++
	default:
		if t.raw, err = t.rd.Decode(f, payload, t.raw[:0]); err == nil {
			err = pack.CheckChunks(t.raw, pieces)
		}
	}
	if err != nil {
		return err
	}
	_, err = out.Write(t.buf)
	return err
}

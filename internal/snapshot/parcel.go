package snapshot

import (
	"context"
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

// Parcel is a pack on its way to a remote.
type Parcel struct {
	Info PackInfo
	s    *Store
	file *pack.File
	temp bool
}

func infoOf(f *pack.File) PackInfo {
	return PackInfo{Name: f.Name(), Bytes: f.Size(), Index: f.Index().Start(), Chunks: int64(f.Len())}
}

// Open returns the pack's bytes. They stay readable when gc removes the pack meanwhile.
func (p *Parcel) Open() (io.ReadSeekCloser, error) { return noClose{p.file.Reader()}, nil }

type noClose struct{ *io.SectionReader }

func (noClose) Close() error { return nil }

// Index returns the bytes of the pack's index.
func (p *Parcel) Index() ([]byte, error) { return p.file.Index().Bytes(), nil }

// Verify compares every byte of the pack with what its name commits to, so that no damage travels.
func (p *Parcel) Verify(ctx context.Context) error {
	var bad error
	p.file.Check(func(f pack.Frame, _ []object.Digest, payload []byte) ([]byte, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if f.Codec == pack.Raw {
			return payload, nil
		}
		return nil, nil // compared through the common digest of the payloads
	}, func(ids []object.Digest, err error) {
		if bad == nil && len(ids) > 0 {
			err = fmt.Errorf("object %s: %w", ids[0].Short(), err)
		}
		if bad == nil {
			bad = err
		}
	})
	if err := ctx.Err(); err != nil {
		return err
	}
	if bad != nil {
		return fault.New(fault.Integrity, "pack %s must not be sent: %w", p.Info.Name.Short(), bad).Hint("mlx verify   # what is damaged, and what that hurts")
	}
	return nil
}

func (p *Parcel) close() error {
	if !p.temp {
		return nil
	}
	return errors.Join(p.file.Close(), removeFile(p.file.Path()))
}

// shipSuffix ends the names of packs that are made to be sent. They are never adopted.
const shipSuffix = ".ship"

// copier copies frames into new packs.
type copier struct {
	s        *Store
	progress Progress
	todo     int64
	erased   map[object.Digest]bool
	out      *pack.Writer
	done     []*pack.File
	frames   []byte
	enc      *worker
}

// file copies what is wanted of a pack: frames as they are, unless less than half of one is wanted.
func (c *copier) file(ctx context.Context, f *pack.File, byFrame [][]int32, want rowSet) error {
	x := f.Index()
	for i, rows := range byFrame {
		if err := ctx.Err(); err != nil {
			return err
		}
		raw := 0
		for _, r := range rows {
			if want.has(int(r)) {
				raw += x.Row(int(r)).Size
			}
		}
		frame := x.Frame(i)
		if raw == 0 {
			continue
		}
		pieces, err := x.Pieces(i, rows)
		if err == nil && 2*raw >= frame.Raw && !slices.ContainsFunc(pieces, func(p pack.Piece) bool { return c.erased[p.ID] }) {
			var payload []byte
			if c.frames, payload, err = f.Whole(i, pieces, c.frames); err == nil {
				err = c.add(frame.Codec, pieces, frame.Raw, payload)
			}
		} else if err == nil {
			err = c.parts(f, x, rows, want)
		}
		if err != nil {
			return fmt.Errorf("pack %s: %w", f.Name().Short(), err)
		}
		if c.progress != nil {
			c.progress.Add(frame.Size())
		}
	}
	return nil
}

// parts packs the wanted chunks of a frame anew.
func (c *copier) parts(f *pack.File, x *pack.Index, rows []int32, want rowSet) error {
	for _, r := range rows {
		if !want.has(int(r)) {
			continue
		}
		d := x.Row(int(r)).ID
		l, _ := f.Loc(int(r))
		if err := c.full(context.Background(), d, l); err != nil {
			return err
		}
	}
	return nil
}

// full packs a chunk anew, in full.
func (c *copier) full(ctx context.Context, d object.Digest, l pack.Loc) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.enc == nil {
		w, err := newWorker(&pool{s: c.s})
		if err != nil {
			return err
		}
		w.add = c.add
		c.enc = w
	}
	raw, err := c.enc.r.ReadLoc(d, l)
	if err != nil {
		return fmt.Errorf("object %s: %w", d.Short(), err)
	}
	return c.enc.put(d, raw, object.Digest{})
}

// add appends a frame, and ends the pack when it is large enough.
func (c *copier) add(codec pack.Codec, pieces []pack.Piece, raw int, payload []byte) (err error) {
	if c.out == nil {
		if err := os.MkdirAll(c.s.tmp(), 0o777); err != nil {
			return fmt.Errorf("make the store: %w", err)
		}
		if c.out, err = pack.NewWriterAs(filepath.Join(c.s.tmp(), c.s.writerName()+"-*"+shipSuffix)); err != nil {
			return err
		}
	}
	if err := c.out.Add(codec, pieces, raw, payload); err != nil {
		return err
	}
	if c.out.Size() >= packTarget || c.out.Chunks() >= packChunks {
		return c.closePack()
	}
	return nil
}

func (c *copier) closePack() error {
	if c.out == nil {
		return nil
	}
	var path string
	out := c.out
	c.out = nil
	name, _, err := out.CloseAs(func(d object.Digest) string {
		path = filepath.Join(c.s.tmp(), c.s.writerName()+"-"+d.Hex()+shipSuffix)
		return path
	})
	if err != nil || name.IsZero() {
		return err
	}
	f, err := pack.OpenFile(path, name)
	if err != nil {
		return errors.Join(err, removeFile(path))
	}
	c.done = append(c.done, f)
	return nil
}

// end puts the new packs into the shipment.
func (c *copier) end(sh *Shipment) error {
	var err error
	if c.enc != nil {
		err = c.enc.flush()
	}
	if err = errors.Join(err, c.closePack()); err != nil {
		return errors.Join(err, c.abort())
	}
	for _, f := range c.done {
		sh.add(&Parcel{s: c.s, file: f, Info: infoOf(f), temp: true})
	}
	c.done = nil
	return nil
}

// abort removes what was written.
func (c *copier) abort() error {
	var errs []error
	if c.out != nil {
		errs = append(errs, c.out.Abort())
	}
	for _, f := range c.done {
		errs = append(errs, f.Close(), removeFile(f.Path()))
	}
	c.out, c.done = nil, nil
	return errors.Join(errs...)
}

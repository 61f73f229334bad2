package train

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"io/fs"
	"path"
	"time"

	"mlx/internal/fault"
)

// maxReadAll bounds the files that are read into memory.
const maxReadAll = 64 << 20

// Write puts a file there, whole or not at all, with the folders above it. It is durable when Write returns.
func (l *Link) Write(ctx context.Context, name string, mode fs.FileMode, data []byte) error {
	_, err := l.call(ctx, request{Op: opWrite, Name: []byte(name), Mode: uint32(mode.Perm())}, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	}, nil)
	return err
}

// Read copies a file from a byte on to w, up to where it ends now, and returns how many bytes that were.
func (l *Link) Read(ctx context.Context, name string, from int64, w io.Writer) (n int64, err error) {
	_, err = l.call(ctx, request{Op: opRead, Name: []byte(name), From: from}, nil, func(p []byte) error {
		k, err := w.Write(p)
		n += int64(k)
		return err
	})
	return n, err
}

// ReadAll returns the bytes of a small file.
func (l *Link) ReadAll(ctx context.Context, name string) ([]byte, error) {
	var b bytes.Buffer
	_, err := l.call(ctx, request{Op: opRead, Name: []byte(name)}, nil, func(p []byte) error {
		if b.Len()+len(p) > maxReadAll {
			return fault.New(fault.Usage, "cannot read %s of the node at once: it has more than %d bytes", name, maxReadAll)
		}
		b.Write(p)
		return nil
	})
	return b.Bytes(), err
}

// List returns what is in a folder, sorted by name.
func (l *Link) List(ctx context.Context, dir string) ([]File, error) {
	var text bytes.Buffer
	_, err := l.call(ctx, request{Op: opList, Name: []byte(dir)}, nil, func(p []byte) error {
		if text.Len()+len(p) > maxReadAll {
			return fault.New(fault.Usage, "cannot list %s of the node: it has too many names", dir)
		}
		text.Write(p)
		return nil
	})
	if err != nil {
		return nil, err
	}
	var out []File
	for dec := json.NewDecoder(&text); ; {
		var f listed
		err := dec.Decode(&f)
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, fault.New(fault.Integrity, "cannot read what the node lists: %w", err)
		}
		out = append(out, File{Name: string(f.Name), Size: f.Size, Mode: fs.FileMode(f.Mode), Mod: f.Mod})
	}
}

// Remove removes a file, or a folder with all that is in it. It need not be there.
func (l *Link) Remove(ctx context.Context, name string) error {
	_, err := l.call(ctx, request{Op: opRemove, Name: []byte(name)}, nil, nil)
	return err
}

// maxSaid bounds each output of a command that Exec executes.
const maxSaid = 16 << 20

// Exec executes a command and waits for it. A status other than 0 is no error. Where the link ends, the command is killed.
func (l *Link) Exec(ctx context.Context, c Command) (Answer, error) {
	var out Answer
	r, err := l.call(ctx, c.request(), func(w io.Writer) error {
		_, err := w.Write(c.Stdin)
		return err
	}, func(p []byte) error {
		if len(p) == 0 {
			return nil
		}
		to := &out.Stdout
		if p[0] == 2 {
			to = &out.Stderr
		}
		if len(*to)+len(p) > maxSaid {
			return fault.New(fault.Usage, "%q said more than %d bytes on the node", c.Argv[0], maxSaid)
		}
		*to = append(*to, p[1:]...)
		return nil
	})
	out.Status = r.Status
	return out, err
}

func (c Command) request() request {
	q := request{Op: opExec, Dir: []byte(c.Dir)}
	for _, w := range c.Argv {
		q.Argv = append(q.Argv, []byte(w))
	}
	for _, w := range c.Env {
		q.Env = append(q.Env, []byte(w))
	}
	return q
}

// Follow mirrors files as they grow: got is told of each piece, with its place in the file; a place before the one that
// was reached says that the file began anew. A file need not be there yet. It returns when a tail named result.json is
// there and everything before it was told, or when ctx ends. The node looks each every; 0 means 50 ms.
func (l *Link) Follow(ctx context.Context, tails []Tail, every time.Duration, got func(name string, at int64, data []byte) error) error {
	q := request{Op: opFollow, Every: every}
	for _, t := range tails {
		last := path.Base(t.Name) == ResultName
		q.Tails = append(q.Tails, tailRequest{Name: []byte(t.Name), From: t.From, Whole: t.Whole || last, Last: last})
	}
	whole := make([]wholeFile, len(tails))
	_, err := l.call(ctx, q, nil, func(p []byte) error {
		if len(p) < tailHead || int(binary.LittleEndian.Uint32(p)) >= len(tails) {
			return fault.New(fault.Integrity, "the node tells of a file that was not asked for")
		}
		i, at := binary.LittleEndian.Uint32(p), int64(binary.LittleEndian.Uint64(p[4:])&(1<<63-1)) //nolint:gosec // masked
		if q.Tails[i].Whole {
			return whole[i].add(p[12], p[tailHead:], func(b []byte) error { return got(tails[i].Name, 0, b) })
		}
		return got(tails[i].Name, at, p[tailHead:])
	})
	return err
}

// A piece of a followed file begins with the number of the tail (4), its place in the file (8) and whether more pieces of
// a file that is pushed whole follow (1).
const tailHead = 4 + 8 + 1

// maxWhole bounds the files that Follow pushes whole.
const maxWhole = 16 << 20

// wholeFile puts a file together that comes in pieces.
type wholeFile struct{ b []byte }

func (w *wholeFile) add(more byte, p []byte, got func([]byte) error) error {
	if len(w.b)+len(p) > maxWhole {
		return fault.New(fault.Integrity, "the node pushes a file of more than %d bytes at once", maxWhole)
	}
	w.b = append(w.b, p...)
	if more != 0 {
		return nil
	}
	err := got(w.b)
	w.b = w.b[:0]
	return err
}

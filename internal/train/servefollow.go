package train

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"mlx/internal/fault"
)

const (
	lookEvery  = 50 * time.Millisecond
	lookLeast  = 10 * time.Millisecond
	lookMost   = time.Minute
	renameTurn = 10 // every so many looks: whether the name of an open file stands for another one now
)

// follower is one Follow.
type follower struct {
	v     *server
	c     *serverCall
	tails []*followed
	buf   []byte
	turn  int
}

// followed is one file that is followed.
type followed struct {
	tailRequest
	nr   int
	f    *os.File // open where it was found and is appended to
	at   int64
	seen fs.FileInfo // of a file that is pushed whole
}

// follow pushes what grows, until the last file is there.
func (v *server) follow(ctx context.Context, c *serverCall, q request) error {
	f := &follower{v: v, c: c, buf: make([]byte, maxData)}
	for i, t := range q.Tails {
		f.tails = append(f.tails, &followed{tailRequest: t, nr: i, at: t.From})
	}
	defer f.close()
	every := q.Every
	if every == 0 {
		every = lookEvery
	}
	tick := time.NewTicker(min(max(every, lookLeast), lookMost))
	defer tick.Stop()
	for {
		last, err := f.look()
		if err != nil || last {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func (f *follower) close() {
	for _, t := range f.tails {
		if t.f != nil {
			t.f.Close()
		}
	}
}

// look pushes what has come since the last look. It says whether the last file is there: then everything that was
// written before it has been pushed, and so has it.
func (f *follower) look() (last bool, err error) {
	f.turn++
	for _, t := range f.tails {
		if t.Last && !last {
			_, err := f.v.root.Stat(string(t.Name))
			if last = err == nil; err != nil && !errors.Is(err, fs.ErrNotExist) {
				return false, err
			}
		}
	}
	for _, turn := range []bool{false, true} { // what is last is told last
		for _, t := range f.tails {
			if t.Last != turn {
				continue
			}
			push := f.grown
			if t.Whole {
				push = f.replaced
			}
			if err := push(t, last); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return false, err
			}
		}
	}
	return last, nil
}

// grown pushes what was appended to a file.
func (f *follower) grown(t *followed, last bool) error {
	if t.f == nil {
		file, st, err := f.v.open(string(t.Name))
		if err != nil {
			return err
		}
		if t.f = file; t.at > st.Size() { // it began anew since the caller has seen it
			t.at = 0
		}
	}
	if err := f.rest(t); err != nil {
		return err
	}
	if !last && f.turn%renameTurn != 0 {
		return nil
	}
	now, err := f.v.root.Stat(string(t.Name))
	if err != nil {
		return err
	}
	mine, err := t.f.Stat()
	if err != nil || os.SameFile(now, mine) {
		return err
	}
	t.f.Close()
	t.f, t.at = nil, 0
	return f.grown(t, false)
}

// rest pushes an open file to its end.
func (f *follower) rest(t *followed) error {
	for {
		n, err := t.f.ReadAt(f.buf[tailHead:], t.at)
		if n > 0 {
			if err := f.push(t, n, 0); err != nil {
				return err
			}
			t.at += int64(n)
		}
		if errors.Is(err, io.EOF) {
			return f.shrunk(t)
		}
		if err != nil {
			return err
		}
	}
}

// shrunk notices a file that was cut: it begins anew.
func (f *follower) shrunk(t *followed) error {
	st, err := t.f.Stat()
	if err == nil && st.Size() < t.at {
		t.at = 0
	}
	return err
}

// replaced pushes a file that is another one than before, all of it.
func (f *follower) replaced(t *followed, _ bool) error {
	st, err := f.v.root.Stat(string(t.Name))
	if err != nil {
		return err
	}
	if t.seen != nil && os.SameFile(st, t.seen) && st.Size() == t.seen.Size() && st.ModTime().Equal(t.seen.ModTime()) {
		return nil
	}
	file, st, err := f.v.open(string(t.Name))
	if err != nil {
		return err
	}
	defer file.Close()
	if st.Size() > maxWhole {
		return fault.New(fault.Usage, "cannot push %s whole: it has %d bytes", t.Name, st.Size())
	}
	t.seen, t.at = st, 0
	for {
		n, err := io.ReadFull(file, f.buf[tailHead:])
		if err == nil {
			if t.at+int64(n) > maxWhole {
				return fault.New(fault.Usage, "cannot push %s whole: it grows", t.Name)
			}
			if err := f.push(t, n, 1); err != nil {
				return err
			}
			t.at += int64(n)
			continue
		}
		if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		return f.push(t, n, 0)
	}
}

// push sends a piece that lies in the buffer behind room for its head.
func (f *follower) push(t *followed, n int, more byte) error {
	binary.LittleEndian.PutUint32(f.buf, uint32(t.nr))     //nolint:gosec // at most maxTails
	binary.LittleEndian.PutUint64(f.buf[4:], uint64(t.at)) //nolint:gosec // a place in a file
	f.buf[12] = more
	_, err := f.c.Write(f.buf[:tailHead+n])
	return err
}

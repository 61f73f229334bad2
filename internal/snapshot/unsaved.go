package snapshot

import (
	"bytes"
	"io"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot/internal/chunk"
	"mlx/internal/snapshot/internal/disk"
)

// hasContent says whether a file on disk has the content of an entry.
func (c *checkout) hasContent(have *folder, t *item, e *treeEntry) (bool, error) {
	if (t.kind == disk.Symlink) != (e.Kind == disk.Symlink) || t.size != e.Size && t.kind != disk.Symlink {
		return false, nil
	}
	sum, err := c.contentOf(have, t)
	return sum == e.Sum, err
}

// contentOf returns the digest of a file on disk, from the index where that is certain, else by reading.
func (c *checkout) contentOf(have *folder, t *item) (object.Digest, error) {
	if !t.dirty {
		return t.sum, nil
	}
	d, err := have.open(c.top)
	if err != nil {
		return object.Digest{}, err
	}
	defer d.Close()
	if c.buf == nil {
		c.buf = make([]byte, 256<<10)
	}
	sum, err := hashFile(d, t.name, t.kind, c.buf)
	if err != nil {
		return sum, readError(join(have.rel(), t.name), err)
	}
	return sum, nil
}

// tracked says whether a version that we know had a file of this name.
func (c *checkout) tracked(have *folder, t *item) (bool, error) {
	if !t.sum.IsZero() {
		return true, nil
	}
	for _, p := range c.known {
		if p.find(have, t.name) != nil {
			return true, nil
		}
	}
	return false, nil
}

// mayDrop returns a conflict unless the content of a file on disk is safe in a version, or --force drops it. After a
// checkout that was stopped, it may also be the start of a file of such a version.
func (c *checkout) mayDrop(have *folder, t *item, rel string) error {
	if c.o.Force || !t.dirty {
		return nil
	}
	sum, err := c.contentOf(have, t)
	if err != nil {
		return err
	}
	if sum == t.sum && !t.sum.IsZero() {
		return nil
	}
	knows := !t.sum.IsZero()
	for _, p := range c.known {
		old := p.find(have, t.name)
		if old != nil && old.Sum == sum {
			return nil
		}
		knows = knows || old != nil
		if c.half != nil && old != nil && old.Kind.Regular() && t.kind.Regular() && t.size < old.Size {
			if ok, err := c.isPrefix(have, t, old); ok || err != nil {
				return err
			}
		}
	}
	if !knows {
		if ok, err := c.isStored(have, t, sum); ok || err != nil {
			return err
		}
	}
	return fault.New(fault.Conflict, "%s was changed and is in no snapshot", join(rel, t.name))
}

// isPrefix says whether a file holds the first bytes of an entry, and nothing else: a write that was stopped.
func (c *checkout) isPrefix(have *folder, t *item, e *treeEntry) (bool, error) {
	f, err := have.openFile(c.top, t.name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	left := t.size
	buf := make([]byte, chunk.Max)
	for w, err := range c.r.rows(e.Sum, e.Recipe, e.Size) {
		if err != nil {
			return false, err
		}
		if left == 0 {
			break
		}
		want, err := c.r.Read(w.ID)
		if err != nil {
			return false, err
		}
		n := min(int64(len(want)), left)
		if _, err := io.ReadFull(f, buf[:n]); err != nil || !bytes.Equal(buf[:n], want[:n]) {
			return false, nil
		}
		left -= n
	}
	return left == 0, nil
}

// isStored says whether the store has the content of a file whose past we do not know.
func (c *checkout) isStored(have *folder, t *item, sum object.Digest) (bool, error) {
	if t.size == 0 {
		return true, nil
	}
	if _, ok := c.s.set.Find(sum, nil); ok {
		return true, nil
	}
	if t.size <= chunk.Min || !t.kind.Regular() {
		return false, nil
	}
	f, err := have.openFile(c.top, t.name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	return c.allStored(f)
}

// allStored cuts a stream and looks each chunk up.
func (c *checkout) allStored(f io.Reader) (bool, error) {
	cutter := chunk.NewCutter()
	buf := make([]byte, blockSize+chunk.Max)
	var ends []int
	known := 0
	for {
		n, err := io.ReadFull(f, buf[known:known+blockSize])
		last := err == io.EOF || err == io.ErrUnexpectedEOF
		if err != nil && !last {
			return false, err
		}
		ends = cutter.Cut(buf[:known+n], known, last, ends[:0])
		start := 0
		for _, end := range ends {
			if _, ok := c.s.set.Find(object.Sum(buf[start:end]), nil); !ok {
				return false, nil
			}
			start = end
		}
		if last {
			return true, nil
		}
		known = copy(buf, buf[start:known+n])
	}
}

package snapshot

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot/internal/index"
	"mlx/internal/snapshot/internal/pack"
)

// baseGap is what is read in vain between two deltas rather than asked for apart.
const baseGap = 32 << 10

// base returns the digest of the base of a delta; ok is false where it cannot be told.
func (c *Catalog) base(ctx context.Context, at place) (object.Digest, bool, error) {
	if f := c.s.set.File(at.p.info.Name); f != nil {
		d, err := f.BaseOfFrame(at.frame)
		return d, err == nil, err
	}
	at.p.mu.Lock()
	defer at.p.mu.Unlock()
	if at.p.bases == nil {
		if err := c.loadBases(ctx, at.p); err != nil {
			return object.Digest{}, false, fmt.Errorf("pack %s of the remote: %w", at.p.info.Name.Short(), err)
		}
	}
	d, ok := at.p.bases[at.nr]
	return d, ok, nil
}

// readWith sets how the remote is read, where that is not known yet.
func (c *Catalog) readWith(read RangeReader) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.o.Read == nil {
		c.o.Read = read
	}
}

// loadBases takes the bases of all deltas of a pack from the cache or the remote. They are in no index.
func (c *Catalog) loadBases(ctx context.Context, p *remotePack) error {
	var deltas []int
	for i := range p.x.Frames() {
		if p.x.Frame(i).Codec == pack.Delta {
			deltas = append(deltas, i)
		}
	}
	path := filepath.Join(c.o.Dir, p.info.Name.Hex()+".bases")
	if b, err := os.ReadFile(path); err == nil && p.setBases(deltas, b) {
		return nil
	}
	if c.o.Read == nil {
		return nil
	}
	all := make([]byte, 0, len(deltas)*len(object.Digest{}))
	for len(deltas) > 0 {
		n := 1
		off := p.x.Frame(deltas[0]).Offset
		for n < len(deltas) && p.x.Frame(deltas[n]).Offset-p.x.Frame(deltas[n-1]).Offset < baseGap && p.x.Frame(deltas[n]).Offset-off < 4<<20 {
			n++
		}
		var b bytes.Buffer
		size := p.x.Frame(deltas[n-1]).Offset - off + pack.BaseSpan
		if err := c.o.Read(ctx, p.info, off, size, &b); err != nil {
			return err
		}
		if int64(b.Len()) != size {
			return fault.New(fault.Integrity, "cut short: %d bytes, not %d", b.Len(), size)
		}
		for _, i := range deltas[:n] {
			d, err := pack.BaseIn(b.Bytes()[p.x.Frame(i).Offset-off:])
			if err != nil {
				return err
			}
			all = append(all, d[:]...)
		}
		deltas = deltas[n:]
	}
	return c.keepBases(p, path, all)
}

// keepBases caches the bases of a pack, with their digest behind them.
func (c *Catalog) keepBases(p *remotePack, path string, all []byte) error {
	var deltas []int
	for i := range p.x.Frames() {
		if p.x.Frame(i).Codec == pack.Delta {
			deltas = append(deltas, i)
		}
	}
	sum := object.Sum(all)
	all = append(all, sum[:]...)
	p.setBases(deltas, all)
	if c.o.Dir == "" {
		return nil
	}
	if err := os.MkdirAll(c.o.Dir, 0o777); err != nil {
		return err
	}
	return index.Replace(path, all)
}

// setBases takes the bases of the delta frames from b, unless it is damaged.
func (p *remotePack) setBases(deltas []int, b []byte) bool {
	const n = len(object.Digest{})
	if len(b) != (len(deltas)+1)*n || object.Sum(b[:len(b)-n]) != object.Digest(b[len(b)-n:]) {
		return false
	}
	p.bases = make(map[int]object.Digest, len(deltas))
	for k, i := range deltas {
		p.bases[i] = object.Digest(b[k*n : (k+1)*n])
	}
	return true
}

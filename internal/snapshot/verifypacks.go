package snapshot

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"sync"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot/internal/pack"
	"mlx/internal/snapshot/internal/sha2x"
)

// packs checks every pack: first those with deltas. Reading a delta means reading its base, which is then checked for good.
func (v *verifier) packs(ctx context.Context) error {
	var deltas, others []*pack.File
	var total int64
	for _, f := range v.s.set.Files() {
		if v.mine != nil && !v.mine(f) {
			continue
		}
		total += f.Size()
		if f.HasDelta() {
			deltas = append(deltas, f)
		} else {
			others = append(others, f)
		}
	}
	if v.p != nil {
		v.p.SetTotal(total)
	}
	return errors.Join(v.side(ctx, deltas), v.side(ctx, others), ctx.Err())
}

// side checks packs side by side.
func (v *verifier) side(ctx context.Context, files []*pack.File) error {
	jobs := make(chan *pack.File)
	var group sync.WaitGroup
	var failed error
	for range min(v.s.o.Jobs, len(files)) {
		group.Go(func() {
			r, err := v.s.set.NewReader()
			if err != nil {
				v.mu.Lock()
				failed = err
				v.mu.Unlock()
			}
			for f := range jobs {
				if err == nil && ctx.Err() == nil {
					v.pack(f, &frameCheck{v: v, r: r, file: f})
				}
			}
		})
	}
	for _, f := range files {
		jobs <- f
	}
	close(jobs)
	group.Wait()
	return failed
}

func (v *verifier) pack(f *pack.File, c *frameCheck) {
	f.Check(c.decode, func(ids []object.Digest, err error) {
		file := filepath.Join("packs", pack.FileName(f.Name()))
		v.tell(file, ids, err)
		v.damage(file, ids, err)
	})
	if v.p != nil {
		v.p.Add(f.Size())
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.report.Packs++
	v.report.Objects += int64(f.Len())
	v.report.Bytes += c.raw
	if v.found != nil {
		v.found.Packs = append(v.found.Packs, PackRead{f.Name(), int64(f.Len()), c.raw})
	}
}

// tell notes damage of a pack for whoever knows what it hurts.
func (v *verifier) tell(file string, ids []object.Digest, err error) {
	if v.found == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.found.Damage = append(v.found.Damage, PackDamage{File: file, Objects: slices.Clone(ids), Cause: err.Error(), Lost: fault.KindOf(err) == fault.NotFound})
}

// maxBases bounds the memory for frames that are known to be sound; what is not remembered is checked twice.
const maxBases = 2 << 20

// frameCheck decodes the frames of one pack.
type frameCheck struct {
	v    *verifier
	r    *pack.Reader
	file *pack.File
	buf  []byte
	raw  int64
}

// decode returns the chunks of a frame, or nil where they have been compared with their digests.
func (c *frameCheck) decode(f pack.Frame, ids []object.Digest, payload []byte) ([]byte, error) {
	c.raw += int64(f.Raw)
	if f.Codec == pack.Delta {
		return c.delta(f, ids[0], payload)
	}
	if c.v.isSound(pack.Place{File: c.file, Offset: f.Offset}) {
		return nil, nil
	}
	out, err := c.r.Decode(f, payload, c.buf[:0])
	if f.Codec != pack.Raw && err == nil {
		c.buf = out
	}
	return out, err
}

// delta compares a delta and its base with their digests at once.
func (c *frameCheck) delta(f pack.Frame, id object.Digest, payload []byte) ([]byte, error) {
	out, base, baseID, at, err := c.r.DecodeDelta(f, payload, c.buf[:0])
	if err != nil {
		return nil, err
	}
	c.buf = out
	place := pack.Place{File: at.File, Offset: at.Frame.Offset}
	if at.Frame.Chunks > 1 || c.v.isSound(place) {
		return out, nil
	}
	sum, baseSum := sha2x.Sum2(out, base)
	if baseSum == baseID {
		c.v.sound(place)
	}
	if sum != id {
		return out, nil // to be compared, and reported, as any other
	}
	return nil, nil
}

package train

import (
	"context"
	"errors"
	"io"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot"
)

// PutBundle sends a bundle to the node's store. The versions that it brings stay there while the link lasts: what they are
// for, a job folder that names them, must be there by then.
func (l *Link) PutBundle(ctx context.Context, write func(w io.Writer) error) error {
	_, err := l.call(ctx, request{Op: opPutBundle}, write, nil)
	return err
}

// GetBundle has the node write a bundle of versions for a receiver that has others.
func (l *Link) GetBundle(ctx context.Context, roots, held []object.Digest, read func(r io.Reader) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	in, out := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := read(in)
		if err == nil { // what follows the bundle is of no interest
			_, err = io.Copy(io.Discard, in)
		}
		in.CloseWithError(err)
		done <- err
	}()
	_, err := l.call(ctx, request{Op: opGetBundle, Roots: roots, Held: held}, nil, func(p []byte) error {
		_, err := out.Write(p)
		return err
	})
	out.CloseWithError(err)
	if readErr := <-done; readErr != nil && (err == nil || fault.KindOf(err) == fault.Internal) {
		return readErr
	}
	return err
}

// askBatch is how many objects are asked for in one call.
const askBatch = 1 << 16

// Holds asks which of many objects the node's store has: those of a bundle that was cut short.
func (l *Link) Holds(ctx context.Context, ids []object.Digest) ([]bool, error) {
	out := make([]bool, 0, len(ids))
	for len(ids) > 0 {
		some := ids[:min(len(ids), askBatch)]
		ids = ids[len(some):]
		var bits []byte
		_, err := l.call(ctx, request{Op: opHolds}, func(w io.Writer) error {
			b := make([]byte, 0, len(some)*len(object.Digest{}))
			for _, d := range some {
				b = append(b, d[:]...)
			}
			_, err := w.Write(b)
			return err
		}, func(p []byte) error {
			if bits = append(bits, p...); len(bits) > askBatch/8 {
				return fault.New(fault.Integrity, "the node tells of more objects than were asked for")
			}
			return nil
		})
		if err == nil && len(bits) != (len(some)+7)/8 {
			err = fault.New(fault.Integrity, "asked of %d objects, told of %d", len(some), 8*len(bits))
		}
		if err != nil {
			return nil, err
		}
		for i := range some {
			out = append(out, bits[i/8]>>(i%8)&1 != 0)
		}
	}
	return out, nil
}

// Send brings the node all that it lacks of some versions. Of old, versions that it may have from before, it is asked
// first: what changed against them is sent as deltas. A transfer that was cut is gone on with.
func (l *Link) Send(ctx context.Context, s *snapshot.Store, o snapshot.BundleOptions) (snapshot.BundleInfo, error) {
	ask := append(append([]object.Digest{}, o.Roots...), o.Held...)
	have, err := l.Have(ctx, ask)
	if err != nil {
		return snapshot.BundleInfo{}, err
	}
	o.Held = nil
	lacking := false
	for i, d := range ask {
		if have[i] {
			o.Held = append(o.Held, d)
		} else if i < len(o.Roots) {
			lacking = true
		}
	}
	if !lacking {
		return snapshot.BundleInfo{}, nil
	}
	o.Ask = l.Holds
	var info snapshot.BundleInfo
	err = l.PutBundle(ctx, func(w io.Writer) (err error) {
		info, err = s.WriteBundle(ctx, w, o)
		return err
	})
	return info, err
}

// Fetch brings versions of the node into a store that has others. They are protected from gc until Release.
func (l *Link) Fetch(ctx context.Context, s *snapshot.Store, roots, held []object.Digest, p snapshot.Progress) (done snapshot.Fetched, err error) {
	err = l.GetBundle(ctx, roots, held, func(r io.Reader) (err error) {
		done, err = s.ReadBundle(ctx, r, snapshot.TakeOptions{Roots: roots, Progress: p})
		return err
	})
	if err != nil && done.Release != nil {
		err = errors.Join(err, done.Release())
		done.Release = nil
	}
	return done, err
}

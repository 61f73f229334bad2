package train

import (
	"context"
	"io"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot"
)

func (v *server) have(ctx context.Context, q request) (reply, error) {
	have, release, err := v.o.Store.Keep(ctx, q.Roots)
	if err != nil {
		return reply{}, err
	}
	v.keep(release)
	var there []object.Digest
	for i, d := range q.Roots {
		if have[i] {
			there = append(there, d)
		}
	}
	v.used(there)
	return reply{Have: have}, nil
}

// holds answers with a bit for each digest that arrives.
func (v *server) holds(c *serverCall) error {
	b, err := io.ReadAll(io.LimitReader(c, askBatch*int64(len(object.Digest{}))+1))
	if err != nil {
		return err
	}
	const size = len(object.Digest{})
	if len(b)%size != 0 || len(b)/size > askBatch {
		return fault.New(fault.Usage, "asked of objects by %d bytes", len(b))
	}
	ids := make([]object.Digest, len(b)/size)
	for i := range ids {
		ids[i] = object.Digest(b[i*size : (i+1)*size])
	}
	has, err := v.o.Store.Holds(ids)
	if err != nil {
		return err
	}
	bits := make([]byte, (len(ids)+7)/8)
	for i, yes := range has {
		if yes {
			bits[i/8] |= 1 << (i % 8)
		}
	}
	_, err = c.Write(bits)
	return err
}

func (v *server) putBundle(ctx context.Context, c *serverCall) error {
	done, err := v.o.Store.ReadBundle(ctx, c, snapshot.TakeOptions{})
	if err != nil {
		return err
	}
	v.keep(done.Release)
	v.used(done.Roots)
	_, err = io.Copy(io.Discard, c) // the sender broke off behind the bundle, or is done
	return err
}

func (v *server) getBundle(ctx context.Context, c *serverCall, q request) error {
	_, err := v.o.Store.WriteBundle(ctx, c, snapshot.BundleOptions{Roots: q.Roots, Held: q.Held})
	return err
}

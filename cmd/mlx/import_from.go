package main

import (
	"context"
	"errors"

	"mlx/internal/source"
)

// fetchFrom copies a file or folder of a version in another repository or a remote, as mlx get --from does. The tag of the
// pin is the version's root and the path in it: while that stays, so do the bytes.
func (a *app) fetchFrom(ctx context.Context, w source.From) (pin source.Pin, err error) {
	typed := w.Inner
	if w.Ref != "" {
		typed = w.Ref + ":" + w.Inner
	}
	p, err := a.find(ctx, w.Repo, typed)
	if err != nil {
		return pin, err
	}
	defer func() { err = errors.Join(err, p.from.close()) }()
	pin.ETag = p.Root.String() + ":" + p.Inner
	if pin.ETag == w.Known {
		return pin, nil
	}
	d := delivery{app: a, p: p, dest: w.Dest}
	if err := a.reading(ctx, p, p.all(), func() error { return d.save(ctx) }); err != nil {
		return pin, err
	}
	pin.Bytes, pin.Digest = d.bytes, d.digest
	return pin, nil
}

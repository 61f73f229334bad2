package train

import (
	"context"
	"errors"
	"io"
	"path"

	"mlx/internal/fault"
)

// bring copies the folder and the versions of a job from one host to another, through this machine.
func (f *Fleet) bring(ctx context.Context, from, to *Host, j Job) (err error) {
	a, err := from.linked(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	b, err := to.linked(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	name := func(n string) string { return path.Join("jobs", j.ID.Hex(), n) }
	text, err := a.ReadAll(ctx, name(OrderName))
	if err != nil {
		return err
	}
	order, err := ParseOrder(text)
	if err != nil {
		return err
	}
	if order.Remote == "" {
		if err := f.bringVersions(ctx, a, b, order); err != nil {
			return err
		}
	}
	if secrets, err := a.ReadAll(ctx, name(SecretsName)); err == nil {
		if err := b.Write(ctx, name(SecretsName), 0o600, secrets); err != nil {
			return err
		}
	} else if fault.KindOf(err) != fault.NotFound {
		return err
	}
	if err := b.Write(ctx, name(OrderName), 0o644, text); err != nil {
		return err
	}
	return b.Write(ctx, name(ReadyName), 0o644, nil)
}

// bringVersions lets a bundle of what the second host lacks flow from the first.
func (f *Fleet) bringVersions(ctx context.Context, a, b *Link, order Order) error {
	roots, err := f.Roots(order)
	if err != nil {
		return err
	}
	have, err := b.Have(ctx, roots)
	if err != nil {
		return err
	}
	lacks, held := roots[:0:0], roots[:0:0]
	for i, root := range roots {
		if have[i] {
			held = append(held, root)
		} else {
			lacks = append(lacks, root)
		}
	}
	if len(lacks) == 0 {
		return nil
	}
	return a.GetBundle(ctx, lacks, held, func(r io.Reader) error {
		return b.PutBundle(ctx, func(w io.Writer) error {
			_, err := io.Copy(w, r)
			return err
		})
	})
}

// linked opens a link and says hello on it.
func (h *Host) linked(ctx context.Context) (*Link, error) {
	raw, err := h.Link(ctx)
	if err != nil {
		return nil, err
	}
	l := NewLink(raw)
	if _, err := l.Hello(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

package snapshot

import (
	"context"
	"fmt"
	"iter"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot/internal/disk"
)

// Diff yields how version b differs from a, in the order of paths; a zero digest is the empty version.
func (s *Store) Diff(ctx context.Context, a, b object.Digest) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		if a == b {
			return
		}
		d := differ{ctx: ctx, yield: yield}
		err := d.run(s, a, b)
		if err != nil && err != errStop { //nolint:errorlint // our own sentinel
			yield(Change{}, err)
		}
	}
}

type differ struct {
	ctx   context.Context //nolint:containedctx // lives as long as one call
	r     *reader
	yield func(Change, error) bool
}

func (d *differ) run(s *Store, a, b object.Digest) (err error) {
	if d.r, err = s.reader(); err != nil {
		return err
	}
	d.r.count = &census{}
	var old, now []treeEntry
	if !a.IsZero() {
		if old, err = d.r.root(a); err != nil {
			return err
		}
	}
	if !b.IsZero() {
		if now, err = d.r.root(b); err != nil {
			return err
		}
	}
	return d.folders("", old, now, 0)
}

// folders merges two sorted folders.
func (d *differ) folders(dir string, a, b []treeEntry, depth int) error {
	if err := d.ctx.Err(); err != nil {
		return err
	}
	if depth > maxDepth {
		return fault.New(fault.Integrity, "folders more than %d deep", maxDepth)
	}
	for len(a) > 0 || len(b) > 0 {
		var x, y *treeEntry
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].Name < b[0].Name:
			x, a = &a[0], a[1:]
		case len(a) == 0 || b[0].Name < a[0].Name:
			y, b = &b[0], b[1:]
		default:
			x, y, a, b = &a[0], &b[0], a[1:], b[1:]
		}
		if err := d.pair(dir, x, y, depth); err != nil {
			return err
		}
	}
	return nil
}

// pair compares what stands under one name; nil is nothing.
func (d *differ) pair(dir string, x, y *treeEntry, depth int) error {
	switch {
	case x != nil && y != nil && x.same(y):
		return nil
	case x != nil && y != nil && (x.Kind == kindDirectory) != (y.Kind == kindDirectory):
		if err := d.pair(dir, x, nil, depth); err != nil {
			return err
		}
		return d.pair(dir, nil, y, depth)
	case x != nil && x.Kind == kindDirectory, y != nil && y.Kind == kindDirectory:
		return d.subfolder(dir, x, y, depth)
	case y == nil:
		return d.emit(Change{join(dir, x.Name), Removed, -x.Size})
	case x == nil:
		return d.emit(Change{join(dir, y.Name), Added, y.Size})
	}
	return d.emit(Change{join(dir, y.Name), Changed, y.Size - x.Size})
}

func (d *differ) emit(c Change) error {
	if !d.yield(c, nil) {
		return errStop
	}
	return nil
}

func (d *differ) subfolder(dir string, x, y *treeEntry, depth int) (err error) {
	var a, b []treeEntry
	name := ""
	if x != nil {
		name = x.Name
		if a, err = d.r.tree(x); err != nil {
			return fmt.Errorf("%s: %w", join(dir, name), err)
		}
	}
	if y != nil {
		name = y.Name
		if b, err = d.r.tree(y); err != nil {
			return fmt.Errorf("%s: %w", join(dir, name), err)
		}
	}
	if len(a) == 0 && len(b) == 0 { // an empty folder came or went
		action := Added
		if y == nil {
			action = Removed
		}
		return d.emit(Change{Path: join(dir, name), Action: action})
	}
	return d.folders(join(dir, name), a, b, depth+1)
}

// Stat counts a version.
func (s *Store) Stat(ctx context.Context, root object.Digest) (Summary, error) {
	r, err := s.reader()
	if err != nil {
		return Summary{}, err
	}
	out := Summary{Kind: Directory}
	err = r.walk(root, func(_ string, e *treeEntry) (bool, error) {
		if e.Kind != disk.Directory {
			out.Files++
			out.Bytes += e.Size
		}
		return true, ctx.Err()
	})
	return out, err
}

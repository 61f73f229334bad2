package snapshot

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot/internal/disk"
)

// ops is what a checkout does, in this order.
type ops struct {
	remove  []op // files and symlinks that are in the way or no longer wanted
	rmdir   []op // folders that the version has not, deepest first
	mkdir   []op // parents first
	write   map[*folder][]op
	order   []*folder // of write
	chmod   []op
	symlink []op // last: no symlink is followed on the way
	bytes   int64
}

func (o *ops) empty() bool {
	return len(o.remove)+len(o.rmdir)+len(o.mkdir)+len(o.order)+len(o.chmod)+len(o.symlink) == 0
}

// op is one thing to do to a name in a folder.
type op struct {
	f       *folder // as the index will know it
	item    *item   // likewise; nil for what goes
	name    string
	entry   treeEntry
	replace bool // something stands there
}

// plan compares disk and target, and collects what to do. It changes nothing.
func (c *checkout) plan(ctx context.Context) error {
	c.ops.write = map[*folder][]op{}
	if err := c.planFolder(ctx, c.disk, c.now, "", c.target, 0); err != nil {
		return err
	}
	return c.complete(ctx)
}

// complete makes sure that every chunk which is to be written is here, before anything is touched.
func (c *checkout) complete(ctx context.Context) error {
	for _, f := range c.ops.order {
		if err := ctx.Err(); err != nil {
			return err
		}
		for _, o := range c.ops.write[f] {
			if err := c.stored(&o.entry); err != nil {
				return fmt.Errorf("%s: %w", join(f.rel(), o.name), err)
			}
		}
	}
	return nil
}

func (c *checkout) stored(e *treeEntry) error {
	var err error
	look := func(d object.Digest) {
		if err == nil && !c.s.set.Usable(d, nil) {
			err = fault.New(fault.NotFound, "object %s is not on this machine", d.Short())
		}
	}
	if e.Size == 0 {
		return nil
	}
	if e.Recipe.IsZero() {
		look(e.Sum)
		return err
	}
	if look(e.Recipe); err != nil {
		return err
	}
	return errors.Join(c.s.recipeObjects(c.r, e.Recipe, look), err)
}

// planFolder merges a folder on disk with a folder of the target.
func (c *checkout) planFolder(ctx context.Context, have, now *folder, rel string, want []treeEntry, depth int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if depth > maxDepth {
		return fault.New(fault.Integrity, "folders more than %d deep", maxDepth)
	}
	if err := c.checkNames(rel, want); err != nil {
		return err
	}
	var list []item
	if have != nil {
		list = have.items
	}
	now.items = make([]item, 0, len(want)+len(list)) // never grows: others point into it
	i := 0
	for k := range want {
		e := &want[k]
		for i < len(list) && list[i].name < e.Name {
			if err := c.extra(have, &list[i], now, rel); err != nil {
				return err
			}
			i++
		}
		var t *item
		if i < len(list) && list[i].name == e.Name {
			t = &list[i]
			i++
		}
		if err := c.pair(ctx, have, t, now, rel, e, depth); err != nil {
			return err
		}
	}
	for ; i < len(list); i++ {
		if err := c.extra(have, &list[i], now, rel); err != nil {
			return err
		}
	}
	return nil
}

// pair decides about a name that the target has. t is what stands on disk under it, nil for nothing.
func (c *checkout) pair(ctx context.Context, have *folder, t *item, now *folder, rel string, e *treeEntry, depth int) error {
	if c.leftOut(join(rel, e.Name), e.Kind == kindDirectory) {
		if t != nil {
			c.leave(t, now)
		}
		return nil
	}
	now.items = append(now.items, item{name: e.Name, kind: e.Kind, size: e.Size, sum: e.Sum})
	n := &now.items[len(now.items)-1]
	n.setRecipe(e.Recipe)
	if e.Kind == kindDirectory {
		return c.pairFolder(ctx, have, t, now, n, rel, e, depth)
	}
	c.done.Summary.Files++
	c.done.Summary.Bytes += e.Size
	o := op{f: now, item: n, name: e.Name, entry: *e, replace: t != nil}
	if t == nil {
		return c.want(o, rel)
	}
	if t.dir != nil {
		if err := c.clear(have, t, now, rel); err != nil {
			return err
		}
		o.replace = false
		return c.want(o, rel)
	}
	same, err := c.hasContent(have, t, e)
	if err != nil {
		return err
	}
	if !same {
		if err := c.mayDrop(have, t, rel); err != nil {
			return err
		}
		return c.want(o, rel)
	}
	n.mtime, n.ctime, n.ino, n.linked = t.mtime, t.ctime, t.ino, t.linked
	if !sameKind(t.kind, e.Kind) {
		c.ops.chmod = append(c.ops.chmod, o)
	}
	return nil
}

// want plans the writing of a file or a symlink.
func (c *checkout) want(o op, rel string) error {
	if o.entry.Kind == disk.Symlink {
		c.ops.symlink = append(c.ops.symlink, o)
		return c.checkLink(o, rel)
	}
	if _, ok := c.ops.write[o.f]; !ok {
		c.ops.order = append(c.ops.order, o.f)
	}
	c.ops.write[o.f] = append(c.ops.write[o.f], o)
	c.ops.bytes += o.entry.Size
	return nil
}

// checkLink refuses a symlink that leaves the tree, unless that is asked for.
func (c *checkout) checkLink(o op, rel string) error {
	target, err := c.r.bytes(o.entry.Sum, o.entry.Recipe, o.entry.Size, maxName)
	if err != nil {
		return fmt.Errorf("%s: %w", join(rel, o.name), err)
	}
	to := string(target)
	if to == "" || strings.Contains(to, "\x00") {
		return fault.New(fault.Integrity, "the symlink %s names %q", join(rel, o.name), to)
	}
	if c.o.ExternalLinks || !path.IsAbs(to) && !strings.Contains(to, `:`) && inside(rel, to) {
		return nil
	}
	return fault.New(fault.Denied, "the symlink %s leaves the tree: it names %q", join(rel, o.name), to).
		Hint("mlx checkout --external-links   # allow it")
}

// inside says whether a symlink in the folder rel stays in the tree. It may go up first, and then only down: what it
// goes down through may be a symlink, behind which ".." is anywhere. Backslashes count as Windows counts them.
func inside(rel, to string) bool {
	up := 0
	if rel != "" {
		up = 1 + strings.Count(rel, "/")
	}
	down := false
	for part := range strings.SplitSeq(strings.ReplaceAll(to, `\`, "/"), "/") {
		switch {
		case part == "" || part == ".":
		case part != "..":
			down = true
		case down || up == 0:
			return false
		default:
			up--
		}
	}
	return !strings.HasPrefix(to, `\`)
}

func (c *checkout) pairFolder(ctx context.Context, have *folder, t *item, now *folder, n *item, rel string, e *treeEntry, depth int) error {
	n.dir = &folder{parent: now, name: e.Name}
	var old *folder
	switch {
	case t == nil:
		c.ops.mkdir = append(c.ops.mkdir, op{f: now, name: e.Name})
	case t.dir != nil:
		old = t.dir
	default:
		if err := c.mayDrop(have, t, rel); err != nil {
			return err
		}
		c.drop(now, t)
		c.ops.mkdir = append(c.ops.mkdir, op{f: now, name: e.Name})
	}
	entries, err := c.r.tree(e)
	if err != nil {
		return fmt.Errorf("%s: %w", join(rel, e.Name), err)
	}
	return c.planFolder(ctx, old, n.dir, join(rel, e.Name), entries, depth+1)
}

func (c *checkout) drop(now *folder, t *item) {
	c.ops.remove = append(c.ops.remove, op{f: now, name: t.name})
	c.done.Removed++
}

// extra decides about a name on disk that the target has not: a file of the version before goes, any other stays.
func (c *checkout) extra(have *folder, t *item, now *folder, rel string) error {
	if isTemp(t.name) {
		if c.half != nil || c.o.Force { // left by a checkout that was stopped
			c.ops.remove = append(c.ops.remove, op{f: now, name: t.name})
		}
		return nil
	}
	if c.leftOut(join(rel, t.name), t.dir != nil) {
		c.leave(t, now)
		return nil
	}
	if t.dir != nil {
		return c.extraFolder(have, t, now, rel)
	}
	if !c.o.Force {
		if tracked, err := c.tracked(have, t); err != nil || !tracked {
			return err
		}
		if err := c.mayDrop(have, t, rel); err != nil {
			return err
		}
	}
	c.drop(now, t)
	return nil
}

// extraFolder empties a folder that the target has not, and removes it if nothing stays in it.
func (c *checkout) extraFolder(have *folder, t *item, now *folder, rel string) error {
	sub := &folder{parent: now, name: t.name}
	before := len(c.ops.remove) + len(c.ops.rmdir)
	for i := range t.dir.items {
		if err := c.extra(t.dir, &t.dir.items[i], sub, join(rel, t.name)); err != nil {
			return err
		}
	}
	gone := len(c.ops.remove) + len(c.ops.rmdir) - before
	if gone > 0 || c.o.Force || c.wasFolder(have, t, rel) {
		c.ops.rmdir = append(c.ops.rmdir, op{f: now, name: t.name})
	}
	return nil
}

// wasFolder says whether a version that we know had this folder: an empty one goes with it.
func (c *checkout) wasFolder(have *folder, t *item, rel string) bool {
	return c.idx.HasFolder(join(rel, t.name)) || slices.ContainsFunc(c.known, func(p *previous) bool {
		e := p.find(have, t.name)
		return e != nil && e.Kind == kindDirectory
	})
}

// clear plans the removal of a folder that stands where the target has a file. Everything in it must be droppable.
func (c *checkout) clear(have *folder, t *item, now *folder, rel string) error {
	sub := &folder{parent: now, name: t.name}
	for i := range t.dir.items {
		in := &t.dir.items[i]
		var err error
		if in.dir != nil {
			err = c.clear(t.dir, in, sub, join(rel, t.name))
		} else if err = c.mayDrop(t.dir, in, join(rel, t.name)); err == nil {
			c.drop(sub, in)
		}
		if err != nil {
			return err
		}
	}
	c.ops.rmdir = append(c.ops.rmdir, op{f: now, name: t.name})
	return nil
}

package snapshot

// leftOut says whether a path is none of those that the checkout was told to restore.
func (c *checkout) leftOut(path string, isDir bool) bool {
	if c.o.Only == nil || c.o.Only(path, isDir) {
		return false
	}
	c.partial = true
	return true
}

// leave keeps in the index what is known of a path that is left as it is.
func (c *checkout) leave(t *item, now *folder) {
	if t.dir == nil {
		if !t.dirty {
			now.items = append(now.items, *t)
		}
		return
	}
	sub := &folder{parent: now, name: t.name, items: make([]item, 0, len(t.dir.items))}
	for i := range t.dir.items {
		c.leave(&t.dir.items[i], sub)
	}
	now.items = append(now.items, item{name: t.name, kind: t.kind, dir: sub})
}

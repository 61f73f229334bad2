package registry

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// Cache remembers every model for a process that is asked often. What it tells is what the ledger says at that moment: when there are
// more records than it has read, it reads those. Its models are shared and must not be
// changed; they are without their Events.
type Cache struct {
	Registry

	mu     sync.Mutex
	read   map[object.Digest]struct{} // records
	byName map[string]*Model
	sorted []*Model
}

// Models returns every model, in the order of names.
func (c *Cache) Models(ctx context.Context) ([]*Model, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := lineage.Query{Nouns: nouns, All: true}
	n, err := c.Ledger.Count(ctx, all)
	if err != nil || c.byName != nil && n == len(c.read) {
		return c.sorted, err
	}
	names, ok, err := c.news(ctx, all, n)
	if err != nil {
		return nil, err
	}
	if !ok {
		return c.reload(ctx)
	}
	for name := range names {
		m, err := c.Model(ctx, name)
		switch {
		case fault.KindOf(err) == fault.NotFound:
			delete(c.byName, name)
		case err != nil:
			c.byName = nil
			return nil, err
		default:
			m.Events = nil
			c.byName[name] = m
		}
	}
	c.sort()
	return c.sorted, nil
}

// news names the models of which there are records that were not read yet. false: all must be read.
func (c *Cache) news(ctx context.Context, q lineage.Query, n int) (names map[string]bool, ok bool, err error) {
	left := n - len(c.read)
	if c.byName == nil || left < 0 || left > 256 {
		return nil, false, nil
	}
	names = map[string]bool{}
	for _, q.Limit = range []int{left, 0} { // the newest ones, unless older ones came from another clone
		for rec, err := range c.Ledger.Select(ctx, q) {
			if err != nil {
				return nil, false, err
			}
			if _, known := c.read[rec.ID]; known {
				continue
			}
			renamed, err := c.take(rec, names)
			if renamed || err != nil {
				return nil, false, err
			}
			if left--; left == 0 {
				return names, true, nil
			}
		}
	}
	return nil, false, nil
}

// take reads which model a record is about. A record that renames one changes two.
func (c *Cache) take(rec lineage.Record, names map[string]bool) (renamed bool, err error) {
	t, ok, err := tell(rec)
	if err != nil {
		return false, err
	}
	c.read[rec.ID] = struct{}{}
	model, next := t.about()
	if ok {
		names[model] = true
	}
	return next != "", nil
}

func (c *Cache) reload(ctx context.Context) ([]*Model, error) {
	c.byName, c.read = nil, map[object.Digest]struct{}{}
	all, err := c.models(ctx, func(id object.Digest) { c.read[id] = struct{}{} })
	if err != nil {
		return nil, err
	}
	c.byName = make(map[string]*Model, len(all))
	for _, m := range all {
		m.Events = nil
		c.byName[m.Name] = m
	}
	c.sort()
	return c.sorted, nil
}

func (c *Cache) sort() {
	c.sorted = slices.SortedFunc(maps.Values(c.byName), func(a, b *Model) int { return strings.Compare(a.Name, b.Name) })
}

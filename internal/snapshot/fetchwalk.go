package snapshot

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot/internal/disk"
)

// metaLimit bounds the trees and recipes that are held in memory; then they are put into the store.
const metaLimit = 32 << 20

// recipeBatch is how many files' recipes are asked for together.
const recipeBatch = 4096

// node is a folder of a version.
type node struct {
	path  string
	entry treeEntry
	root  bool
}

// walk fetches trees and recipes from the top down, level by level, and notes which chunks are wanted.
func (f *fetcher) walk(ctx context.Context) error {
	level := make([]node, 0, len(f.o.Roots))
	for _, root := range f.o.Roots {
		if f.isErased(root) {
			continue
		}
		level = append(level, node{entry: treeEntry{Sum: root}, root: true})
	}
	f.r.count = &census{}
	for depth := 0; len(level) > 0; depth++ {
		if depth > maxDepth {
			return fault.New(fault.Integrity, "folders more than %d deep", maxDepth)
		}
		next, err := f.level(ctx, level)
		if err != nil {
			return err
		}
		level = next
	}
	return nil
}

// level fetches the folders of one level and what is needed to read their files' recipes. It returns the folders below.
func (f *fetcher) level(ctx context.Context, level []node) ([]node, error) {
	var next []node
	seen := map[object.Digest]bool{}
	below := func(c node) {
		if f.o.Only != nil || !seen[c.entry.Sum] {
			seen[c.entry.Sum] = true
			next = append(next, c)
		}
	}
	for batch := range slices.Chunk(level, recipeBatch) {
		if err := f.folders(ctx, batch); err != nil {
			return nil, err
		}
		var files []treeEntry
		for _, n := range batch {
			list, err := f.read(n)
			if err == nil {
				err = f.entries(ctx, n.path, list, below, &files)
			}
			if err != nil {
				return nil, err
			}
		}
		if err := f.files(ctx, files); err != nil {
			return nil, err
		}
	}
	return next, nil
}

// folders fetches the trees of some folders, the long ones piece by piece.
func (f *fetcher) folders(ctx context.Context, batch []node) error {
	ids := make([]object.Digest, len(batch))
	var long []object.Digest
	for i, n := range batch {
		ids[i] = n.entry.Sum
		if !n.entry.Recipe.IsZero() {
			ids[i] = n.entry.Recipe
			long = append(long, ids[i])
		}
	}
	if err := f.get(ctx, ids); err != nil {
		return err
	}
	for _, n := range batch {
		if !n.root {
			continue
		}
		b, err := f.r.Read(n.entry.Sum)
		if err != nil {
			return err
		}
		if bytes.HasPrefix(b, []byte(recipeMagic)) {
			long = append(long, n.entry.Sum)
		}
	}
	return f.recipes(ctx, long, true)
}

func (f *fetcher) read(n node) ([]treeEntry, error) {
	if n.root {
		list, err := f.r.root(n.entry.Sum)
		if err != nil {
			err = fmt.Errorf("version %s: %w", n.entry.Sum.Short(), err)
		}
		return list, err
	}
	list, err := f.r.tree(&n.entry)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", n.path, err)
	}
	return list, nil
}

// entries notes the wanted files of a folder, and yields its wanted folders.
func (f *fetcher) entries(ctx context.Context, dir string, list []treeEntry, below func(node), files *[]treeEntry) error {
	for _, e := range list {
		path := join(dir, e.Name)
		if f.o.Only != nil && !f.o.Only(path, e.Kind == disk.Directory) {
			continue
		}
		if f.erased[e.Recipe] || e.Kind == disk.Directory && f.erased[e.Sum] {
			f.left++
			continue
		}
		switch {
		case e.Kind == disk.Directory:
			below(node{path: path, entry: e})
		case !e.Recipe.IsZero():
			*files = append(*files, e)
		case e.Size > 0:
			if _, _, err := f.want(ctx, e.Sum); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
		}
	}
	return nil
}

// files fetches the recipes of files, and notes the chunks behind them.
func (f *fetcher) files(ctx context.Context, list []treeEntry) error {
	for batch := range slices.Chunk(list, recipeBatch) {
		ids := make([]object.Digest, len(batch))
		for i := range batch {
			ids[i] = batch[i].Recipe
		}
		if err := f.get(ctx, ids); err != nil {
			return err
		}
		if err := f.recipes(ctx, ids, false); err != nil {
			return err
		}
		for _, id := range ids {
			var failed error
			err := f.r.expand(id, maxLevel+1, func(w row) bool {
				_, _, failed = f.want(ctx, w.ID)
				return failed == nil
			})
			if failed != nil {
				err = failed
			}
			if err != nil {
				return fmt.Errorf("recipe %s: %w", id.Short(), err)
			}
		}
	}
	return nil
}

// recipes fetches the recipes of lower levels behind those that are here and, with content, what the lowest lists.
func (f *fetcher) recipes(ctx context.Context, ids []object.Digest, content bool) error {
	for range maxLevel + 2 {
		var need []object.Digest
		for _, id := range ids {
			list, err := f.gap(id, content)
			if err != nil {
				return fmt.Errorf("recipe %s: %w", id.Short(), err)
			}
			need = append(need, list...)
		}
		if len(need) == 0 {
			return nil
		}
		if err := f.get(ctx, need); err != nil {
			return err
		}
	}
	return nil
}

// gap returns the chunks at the highest level behind a recipe that are not all here.
func (f *fetcher) gap(id object.Digest, content bool) ([]object.Digest, error) {
	list := []row{{ID: id}}
	for below, exact := maxLevel+1, false; ; exact = true {
		p := rowParser{below: below, exact: exact}
		var lowest []row
		for _, w := range list {
			b, err := f.r.Read(w.ID)
			if err != nil {
				return nil, err
			}
			if err := p.feed(bytes.Clone(b), func(w row) bool {
				if content {
					lowest = append(lowest, w)
				}
				return true
			}); err != nil {
				return nil, err
			}
		}
		if err := p.end(); err != nil {
			return nil, err
		}
		if list = p.upper; p.head.Level == 0 {
			list = lowest
		}
		var need []object.Digest
		for _, w := range list {
			if _, ok := f.metas[w.ID]; !ok && !f.erased[w.ID] && !f.s.set.Usable(w.ID, f.skip) {
				need = append(need, w.ID)
			}
		}
		if len(need) > 0 || p.head.Level == 0 {
			return need, nil
		}
		below = p.head.Level
	}
}

package run

import (
	"context"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot"
)

// bundle is a folder that a run brings. The folders of many runs are saved at once: a save each would make a pack each.
type bundle struct {
	dir  string // absolute
	file string // the one file in it whose digest is asked for; empty: none
	what string
	put  func(b *Body, s part)
}

// part is what a piece became.
type part struct {
	root   object.Digest
	digest object.Digest // of file
	files  int64
	bytes  int64
}

// placed is a piece of a run in a group.
type placed struct {
	bundle
	w *waiting
}

// saveAll saves the pieces of a group: the series, which lie in one folder here, and what lies elsewhere. free lets gc have them again.
func (i *Importer) saveAll(ctx context.Context, all []waiting) (free []func() error, err error) {
	var own, others []placed
	for at := range all {
		for _, p := range all[at].pieces {
			if p.file != "" {
				own = append(own, placed{p, &all[at]})
			} else {
				others = append(others, placed{p, &all[at]})
			}
		}
	}
	for _, group := range [][]placed{own, others} {
		freed, err := i.saveGroup(ctx, group)
		free = append(free, freed...)
		if err != nil {
			return free, err
		}
	}
	return free, i.points.reset()
}

// saveGroup saves folders by saving the folder that all of them are in, without what is beside them. Where that fails each is
// saved by itself, so that one bad folder costs only itself.
func (i *Importer) saveGroup(ctx context.Context, group []placed) (free []func() error, err error) {
	if len(group) == 0 {
		return nil, nil
	}
	base := commonFolder(group)
	if base != "" {
		saved, err := i.runner.Store.Save(ctx, snapshot.SaveOptions{Path: base, Once: true, Ignore: beside(base, group)})
		if err == nil {
			return []func() error{saved.Release}, i.putAll(ctx, base, saved.Root, group)
		}
		if ctx.Err() != nil || !ofContent(err) {
			return nil, err
		}
	}
	for _, p := range group {
		saved, err := i.runner.Store.Save(ctx, snapshot.SaveOptions{Path: p.dir, Once: true})
		if ctx.Err() != nil || err != nil && (p.file != "" || !ofContent(err)) {
			return free, err
		}
		if err != nil {
			i.left(p.w, fault.New(fault.KindOf(err), "%s: %w", p.what, err))
			continue
		}
		free = append(free, saved.Release)
		if err := i.putAll(ctx, p.dir, saved.Root, []placed{p}); err != nil {
			return free, err
		}
	}
	return free, nil
}

// ofContent says whether an error is about what was to be saved: then the run is imported without it. With a disk that is full, say,
// nothing is recorded, so that the next import brings all of it.
func ofContent(err error) bool {
	return slices.Contains([]fault.Kind{fault.Usage, fault.NotFound, fault.Denied, fault.Integrity}, fault.KindOf(err))
}

// commonFolder is the deepest folder that all pieces are in; empty where there is none but the root of a disk.
func commonFolder(group []placed) string {
	base := group[0].dir
	for _, p := range group[1:] {
		for base != p.dir && !strings.HasPrefix(p.dir, base+string(filepath.Separator)) {
			up := filepath.Dir(base)
			if up == base {
				return ""
			}
			base = up
		}
	}
	if filepath.Dir(base) == base {
		return ""
	}
	return base
}

// beside leaves out what is not below a piece, nor on the way to one.
func beside(base string, group []placed) snapshot.Ignore {
	wanted, above := make(map[string]bool), make(map[string]bool)
	for _, p := range group {
		rel := relative(base, p.dir)
		wanted[rel] = true
		for ; rel != "."; rel = path.Dir(rel) {
			above[rel] = true
		}
	}
	if wanted["."] {
		return nil
	}
	return func(rel string, dir bool) bool {
		if dir && above[rel] {
			return false
		}
		for up := rel; up != "."; up = path.Dir(up) {
			if wanted[up] {
				return false
			}
		}
		return true
	}
}

func relative(base, dir string) string {
	rel := strings.TrimPrefix(strings.TrimPrefix(dir, base), string(filepath.Separator))
	if rel == "" {
		return "."
	}
	return filepath.ToSlash(rel)
}

// putAll tells each run what its folders became.
func (i *Importer) putAll(ctx context.Context, base string, root object.Digest, group []placed) error {
	store := i.runner.Store
	tree, err := store.FS(ctx, root)
	if err != nil {
		return err
	}
	for _, p := range group {
		rel := relative(base, p.dir)
		s := part{}
		if s.root, err = store.Folder(ctx, root, rel); err != nil {
			return err
		}
		if p.file != "" {
			if s.digest, err = store.FileDigest(ctx, s.root, p.file); err != nil {
				return err
			}
			p.put(&p.w.body, s)
			continue
		}
		if err := s.count(tree, rel); err != nil {
			return err
		}
		i.Brought.Files, i.Brought.Bytes = i.Brought.Files+s.files, i.Brought.Bytes+s.bytes
		p.put(&p.w.body, s)
	}
	return nil
}

func (s *part) count(tree fs.FS, rel string) error {
	return fs.WalkDir(tree, rel, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		s.files++
		s.bytes += info.Size()
		return nil
	})
}

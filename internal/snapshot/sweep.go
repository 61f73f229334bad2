package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"mlx/internal/object"
	"mlx/internal/snapshot/internal/disk"
	"mlx/internal/snapshot/internal/pack"
)

// ApplyGC carries a plan out. Live chunks move first, then packs are condemned; what was condemned a grace ago, and is
// in no root that the plan has read since, is deleted.
func (s *Store) ApplyGC(ctx context.Context, p *GCPlan) error {
	if err := s.prepare(); err != nil {
		return err
	}
	if err := s.rewrite(ctx, p); err != nil {
		return err
	}
	for _, k := range p.Packs {
		if err := ctx.Err(); err != nil {
			return err
		}
		mark := filepath.Join(s.condemned(), k.ID.Hex())
		switch k.Do {
		case condemnPack, rewritePack:
			if err := s.writeOnce(mark, []byte(s.o.Now().UTC().Format(time.RFC3339Nano)+"\n")); err != nil {
				return err
			}
		case sparePack:
			if err := removeFile(mark); err != nil {
				return err
			}
		case deletePack: // the pack first: a mark without a pack is harmless
			if err := errors.Join(removeFile(filepath.Join(s.packs(), pack.FileName(k.ID))), removeFile(mark)); err != nil {
				return err
			}
		}
	}
	for _, f := range p.Leftover {
		if err := removeFile(f); err != nil {
			return err
		}
	}
	return errors.Join(syncDir(s.condemned()), syncDir(s.packs()), s.set.Refresh())
}

func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove: %w", err)
	}
	return nil
}

// rewrite copies the live chunks of the packs that are to be rewritten into new ones.
func (s *Store) rewrite(ctx context.Context, p *GCPlan) error {
	old := map[object.Digest]bool{}
	goes := map[object.Digest]bool{}
	for _, k := range p.Packs {
		switch k.Do {
		case rewritePack:
			old[k.ID], goes[k.ID] = true, true
		case condemnPack:
			goes[k.ID] = true
		}
	}
	if len(old) == 0 {
		return nil
	}
	if err := s.set.Refresh(); err != nil {
		return err
	}
	skip, err := s.condemnedPacks()
	if err != nil {
		return err
	}
	if skip == nil {
		skip = map[object.Digest]bool{}
	}
	for d := range goes { // a copy in a pack that goes is none
		skip[d] = true
	}
	pool, err := newPool(s, skip, 1)
	if err != nil {
		return err
	}
	for _, f := range s.set.Files() {
		if old[f.Name()] && err == nil {
			err = pool.workers[0].moveLive(ctx, f, p.live)
		}
	}
	_, cerr := pool.close()
	return errors.Join(err, cerr)
}

// moveLive writes the live chunks of a pack anew. A delta becomes full: its base may lie in a pack that goes, too.
func (w *worker) moveLive(ctx context.Context, f *pack.File, live map[object.Digest]int) error {
	var err error
	f.ChunksInPlace(func(d object.Digest, l pack.Loc) bool {
		if err = ctx.Err(); err != nil {
			return false
		}
		if _, ok := live[d]; !ok || w.p.erased[d] || !w.p.claim(d) {
			return true
		}
		var raw []byte
		if raw, err = w.r.ReadLoc(d, l); err == nil {
			err = w.put(d, raw, object.Digest{})
		}
		return err == nil
	})
	return err
}

// unlinked lists the files of the link cache that no checkout shares any more.
func (s *Store) unlinked() ([]string, error) {
	var out []string
	err := filepath.WalkDir(s.links(), func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || e.IsDir() {
			return err
		}
		d, err := disk.OpenDir(filepath.Dir(path))
		if err != nil {
			return err
		}
		defer d.Close()
		m, there, err := d.Lookup(e.Name())
		if there && m.Links == 1 {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the link cache: %w", err)
	}
	return out, nil
}

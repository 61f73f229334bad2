package snapshot

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot/internal/pack"
)

// Store is a content-addressed store of versions.
type Store struct {
	o   Options
	set *pack.Set
	mu  sync.Mutex
	ok  bool // packs were listed
}

const formatText = "mlx store 1\n"

// Open returns the store in o.Dir. It reads nothing yet; a missing folder is an empty store.
func Open(o Options) (*Store, error) {
	if o.Jobs <= 0 {
		o.Jobs = runtime.GOMAXPROCS(0)
	}
	s := &Store{o: o}
	s.set = pack.NewSet(s.packs())
	return s, nil
}

// Close releases the packs.
func (s *Store) Close() error { return s.set.Close() }

func (s *Store) packs() string     { return filepath.Join(s.o.Dir, "packs") }
func (s *Store) tmp() string       { return filepath.Join(s.o.Dir, "tmp") }
func (s *Store) condemned() string { return filepath.Join(s.o.Dir, "condemned") }
func (s *Store) roots() string     { return filepath.Join(s.o.Dir, "roots") }
func (s *Store) links() string     { return filepath.Join(s.o.Dir, "links") }

// refresh lists the packs once; a reader that misses a chunk lists them again.
func (s *Store) refresh() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ok {
		return nil
	}
	if err := s.checkFormat(); err != nil {
		return err
	}
	if err := s.set.Refresh(); err != nil {
		return err
	}
	s.ok = true
	return nil
}

// checkFormat refuses a store that a later version has made.
func (s *Store) checkFormat() error {
	b, err := os.ReadFile(filepath.Join(s.o.Dir, "format"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the store's format: %w", err)
	}
	if string(b) != formatText {
		return fault.New(fault.Conflict, "the store at %s has a format that this version does not know: %.40q", s.o.Dir, b).
			Hint("mlx version   # a newer mlx may know it")
	}
	return nil
}

// prepare makes the folders of the store and enters the clone, before anything is written.
func (s *Store) prepare() error {
	clone := filepath.Join(s.roots(), s.o.Clone.ID)
	for _, d := range []string{s.packs(), s.tmp(), s.condemned(), clone} {
		if err := os.MkdirAll(d, 0o777); err != nil {
			return fmt.Errorf("make the store: %w", err)
		}
	}
	if err := s.checkFormat(); err != nil {
		return err
	}
	if err := s.writeOnce(filepath.Join(s.o.Dir, "format"), []byte(formatText)); err != nil {
		return err
	}
	b, err := json.Marshal(cloneFile{Dir: s.o.Clone.Dir, Git: s.o.Clone.Git})
	if err != nil {
		return fmt.Errorf("enter the clone: %w", err)
	}
	file := filepath.Join(clone, "clone.json")
	known := present(file)
	if err := s.writeOnce(file, b); err != nil || known {
		return err
	}
	return errors.Join(syncDir(s.roots()), syncDir(s.o.Dir), syncDir(filepath.Dir(s.o.Dir)))
}

// writeOnce makes a durable file unless it has these bytes already. What a kill leaves of it lies among the temporary
// files.
func (s *Store) writeOnce(path string, b []byte) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, b) {
		return nil
	}
	f, err := os.CreateTemp(s.tmp(), s.writerName()+"-*.new")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Chmod(0o644), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("write %s: %w", path, err)
	}
	return syncDir(filepath.Dir(path))
}

type cloneFile struct {
	Dir string `json:"dir"`
	Git string `json:"git,omitempty"`
}

// Clones lists the clones that use this store, for gc to ask each for its roots. An empty folder is that of a clone which
// was killed before it saved anything.
func (s *Store) Clones() ([]Clone, error) {
	list, err := os.ReadDir(s.roots())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the clones of the store: %w", err)
	}
	var out []Clone
	for _, e := range list {
		dir := filepath.Join(s.roots(), e.Name())
		b, err := os.ReadFile(filepath.Join(dir, "clone.json"))
		if list, _ := os.ReadDir(dir); len(list) == 0 && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		var c cloneFile
		if err == nil {
			if err = json.Unmarshal(b, &c); err == nil && c.Dir == "" {
				err = errors.New("it names no folder")
			}
		}
		if err != nil {
			return nil, fault.New(fault.Integrity, "cannot read clone %s of the store: %w", e.Name(), err).
				Hint("mlx gc --forget %s   # if that clone is gone", e.Name())
		}
		out = append(out, Clone{ID: e.Name(), Dir: c.Dir, Git: c.Git})
	}
	return out, nil
}

// ForgetClone removes a clone that no longer exists, so that gc need not ask it. A unique prefix is enough.
func (s *Store) ForgetClone(id string) error {
	list, err := os.ReadDir(s.roots())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("list the clones of the store: %w", err)
	}
	var found []string
	for _, e := range list { // also one that cannot be read
		if strings.HasPrefix(e.Name(), id) {
			found = append(found, e.Name())
		}
	}
	if len(found) != 1 || len(id) < 4 {
		return fault.New(fault.NotFound, "cannot forget clone %q: %d clones of this store have that name", id, len(found))
	}
	if err := os.RemoveAll(filepath.Join(s.roots(), found[0])); err != nil {
		return fmt.Errorf("forget clone %s: %w", id, err)
	}
	return nil
}

// publish makes a root that is not yet in git or the ledger visible to gc, and returns how to take it back.
func (s *Store) publish(root object.Digest) (func() error, error) {
	var salt [8]byte
	if _, err := rand.Read(salt[:]); err != nil {
		return nil, fmt.Errorf("publish a root: %w", err)
	}
	path := filepath.Join(s.roots(), s.o.Clone.ID, root.Hex()+"-"+hex.EncodeToString(salt[:])+pendingSuffix)
	if err := s.writeOnce(path, nil); err != nil {
		return nil, err
	}
	return func() error {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("release a root: %w", err)
		}
		return nil
	}, nil
}

const pendingSuffix = ".pending"

// condemnedPacks lists the packs that gc means to delete. Writers take their chunks as absent.
func (s *Store) condemnedPacks() (map[object.Digest]bool, error) {
	list, err := os.ReadDir(s.condemned())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list condemned packs: %w", err)
	}
	out := map[object.Digest]bool{}
	for _, e := range list {
		if d, err := object.ParseDigest(e.Name()); err == nil {
			out[d] = true
		}
	}
	return out, nil
}

// Has says whether every byte of a version is here.
func (s *Store) Has(ctx context.Context, root object.Digest) (bool, error) {
	r, err := s.reader()
	if err != nil {
		return false, err
	}
	missing, err := s.missing(ctx, r, root, nil)
	if err == nil && missing > 0 { // another process may have written it since the packs were listed
		if err = s.set.Refresh(); err == nil {
			missing, err = s.missing(ctx, r, root, nil)
		}
	}
	if fault.KindOf(err) == fault.NotFound {
		return false, nil
	}
	return err == nil && missing == 0, err
}

// missing counts the chunks of a version that are in no pack but those in skip. Trees are read, files are looked up.
func (s *Store) missing(ctx context.Context, r *reader, root object.Digest, skip map[object.Digest]bool) (int, error) {
	n := 0
	look := func(d object.Digest) {
		if !s.set.Usable(d, skip) {
			n++
		}
	}
	err := s.eachObject(ctx, r, root, look)
	return n, err
}

// eachObject calls look with every object of a version: trees, recipes and chunks.
func (s *Store) eachObject(ctx context.Context, r *reader, root object.Digest, look func(object.Digest)) error {
	look(root)
	if err := s.longObjects(r, root, look); err != nil && !r.absent(err) {
		return err
	}
	return r.walk(root, func(_ string, e *treeEntry) (bool, error) {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		if e.Recipe.IsZero() {
			if e.Size > 0 || e.Kind == kindDirectory {
				look(e.Sum)
			}
			return true, nil
		}
		look(e.Recipe)
		if err := s.recipeObjects(r, e.Recipe, look); !r.absent(err) {
			return true, err
		}
		return true, nil
	})
}

// longObjects is recipeObjects for a root, which may be a tree or the recipe of a long one.
func (s *Store) longObjects(r *reader, id object.Digest, look func(object.Digest)) error {
	b, err := r.Read(id)
	if err != nil || !bytes.HasPrefix(b, []byte(recipeMagic)) {
		return err
	}
	return s.recipeObjects(r, id, look)
}

// recipeObjects calls look with every chunk behind a recipe.
func (s *Store) recipeObjects(r *reader, id object.Digest, look func(object.Digest)) error {
	r.inner = look
	defer func() { r.inner = nil }()
	return r.expand(id, maxLevel+1, func(w row) bool {
		look(w.ID)
		return true
	})
}

// syncDir makes a folder's names durable.
func syncDir(path string) error {
	if runtime.GOOS == "windows" { // a folder cannot be synced there; NTFS journals names
		return nil
	}
	d, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("make %s durable: %w", path, err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("make %s durable: %w", path, err)
	}
	return nil
}

// packPath returns where the pack of that name lies.
func (s *Store) packPath(name object.Digest) string {
	return filepath.Join(s.packs(), pack.FileName(name))
}

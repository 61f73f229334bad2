package tracking

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot"
)

// shelf is the folder of artifacts that an owner has: files on disk while it lives, versions in the store after that. What is on
// disk comes first.
type shelf struct {
	live string // folder; empty: none
	kept []kept
}

// kept is a version in the store, and where it shows.
type kept struct {
	at   string // with slashes; "." for all of the folder
	root object.Digest
	file bool // a snapshot of one file
}

// listed is one line of a list, as MLflow writes it. Folders have no size.
type listed struct {
	Path string `json:"path"`
	Dir  bool   `json:"is_dir"`
	Size *int64 `json:"file_size,omitempty"`
}

// list returns what is in a folder, in the order of names; nothing for a file, and where nothing is.
func (sh shelf) list(ctx context.Context, store *snapshot.Store, rel string) ([]listed, error) {
	found := map[string]listed{}
	for _, k := range sh.kept {
		if err := k.list(ctx, store, rel, found); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, missingBytes(err)
		}
	}
	if sh.live != "" {
		if err := sh.listLive(rel, found); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	all := make([]listed, 0, len(found))
	for _, l := range found {
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b listed) int { return cmp.Compare(a.Path, b.Path) })
	return all, nil
}

func (sh shelf) listLive(rel string, found map[string]listed) error {
	root, err := os.OpenRoot(sh.live)
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // only read
	dir, err := root.Open(filepath.FromSlash(rel))
	if err != nil {
		return err
	}
	defer dir.Close() //nolint:errcheck // only read
	if info, err := dir.Stat(); err != nil || !info.IsDir() {
		return err
	}
	entries, err := dir.ReadDir(-1)
	if err != nil {
		return err
	}
	for _, e := range entries {
		addEntry(found, e)
	}
	return nil
}

func addEntry(found map[string]listed, e fs.DirEntry) {
	l := listed{Path: e.Name(), Dir: e.IsDir()}
	if info, err := e.Info(); err == nil && e.Type().IsRegular() {
		size := info.Size()
		l.Size = &size
	} else if !l.Dir {
		return // a link or a device: nobody uploaded it
	}
	found[l.Path] = l
}

func (k kept) list(ctx context.Context, store *snapshot.Store, rel string, found map[string]listed) error {
	inside, below := within(rel, k.at)
	if !inside {
		if next, above := within(k.at, rel); next && above != "." {
			name, more, _ := strings.Cut(above, "/")
			if more == "" && k.file {
				f, e, err := k.entry(ctx, store, ".")
				_ = f
				if err != nil {
					return err
				}
				size := e.Size()
				found[name] = listed{Path: name, Size: &size}
				return nil
			}
			found[name] = listed{Path: name, Dir: true}
		}
		return nil
	}
	if k.file {
		return nil
	}
	tree, err := store.FS(ctx, k.root)
	if err != nil {
		return err
	}
	entries, err := fs.ReadDir(tree, below)
	if err != nil {
		return err
	}
	for _, e := range entries {
		addEntry(found, e)
	}
	return nil
}

// entry finds a file of a version. For a snapshot of one file, that is the file whatever it is called there.
func (k kept) entry(ctx context.Context, store *snapshot.Store, below string) (fs.FS, fs.FileInfo, error) {
	tree, err := store.FS(ctx, k.root)
	if err != nil {
		return nil, nil, err
	}
	if k.file {
		entries, err := fs.ReadDir(tree, ".")
		if err != nil || len(entries) != 1 {
			return nil, nil, cmp.Or(err, fs.ErrNotExist)
		}
		info, err := entries[0].Info()
		return tree, info, err
	}
	info, err := fs.Stat(tree, below)
	return tree, info, err
}

// within says whether a path is at or below another, and what it is called from there.
func within(p, top string) (bool, string) {
	switch {
	case top == ".":
		return true, p
	case p == top:
		return true, "."
	}
	below, ok := strings.CutPrefix(p, top+"/")
	return ok, below
}

// opened is a file that can be sent. Digest is zero when nobody knows it yet.
type opened struct {
	io.ReadSeekCloser
	size   int64
	time   time.Time
	digest object.Digest
	key    string // of the file on disk, for what is remembered of it
}

// open opens a file. fs.ErrNotExist where none is.
func (sh shelf) open(ctx context.Context, store *snapshot.Store, rel string) (*opened, error) {
	if sh.live != "" {
		o, err := sh.openLive(rel)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return o, err
		}
	}
	for _, k := range sh.kept {
		inside, below := within(rel, k.at)
		if !inside || k.file && below != "." || !k.file && below == "." {
			continue
		}
		tree, info, err := k.entry(ctx, store, below)
		if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
			continue
		}
		if err != nil {
			return nil, missingBytes(err)
		}
		if k.file {
			below = info.Name()
		}
		digest, _ := info.Sys().(object.Digest)
		return &opened{ReadSeekCloser: &streamed{tree: tree, name: below, size: info.Size()}, size: info.Size(), digest: digest}, nil
	}
	return nil, fs.ErrNotExist
}

func (sh shelf) openLive(rel string) (*opened, error) {
	root, err := os.OpenRoot(sh.live)
	if err != nil {
		return nil, err
	}
	defer root.Close() //nolint:errcheck // only read
	f, err := root.Open(filepath.FromSlash(rel))
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		_ = f.Close()
		return nil, cmp.Or(err, fs.ErrNotExist)
	}
	return &opened{ReadSeekCloser: f, size: info.Size(), time: info.ModTime(), key: path.Join(filepath.ToSlash(sh.live), rel)}, nil
}

// missingBytes says what to do about bytes that another clone has.
func missingBytes(err error) error {
	if fault.KindOf(err) == fault.NotFound || errors.Is(err, fs.ErrNotExist) {
		return failf(ResourceDoesNotExist, "The bytes are not in this repository's store: %v. Fetch them: mlx pull", err)
	}
	return err
}

// streamed makes a file of a version seekable, which is only read forwards: going on skips, going back begins again.
type streamed struct {
	tree fs.FS
	name string
	size int64
	f    fs.File
	at   int64 // of f
	want int64
}

func (s *streamed) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += s.want
	case io.SeekEnd:
		offset += s.size
	}
	if offset < 0 {
		return 0, fs.ErrInvalid
	}
	s.want = offset
	return offset, nil
}

func (s *streamed) Read(p []byte) (int, error) {
	if s.want >= s.size {
		return 0, io.EOF
	}
	if s.f != nil && s.want < s.at {
		_ = s.Close()
	}
	if s.f == nil {
		f, err := s.tree.Open(s.name)
		if err != nil {
			return 0, err
		}
		s.f, s.at = f, 0
	}
	if s.want > s.at {
		n, err := io.CopyN(io.Discard, s.f, s.want-s.at)
		if s.at += n; err != nil {
			return 0, err
		}
	}
	n, err := s.f.Read(p)
	s.at += int64(n)
	s.want = s.at
	return n, err
}

func (s *streamed) Close() error {
	if s.f == nil {
		return nil
	}
	f := s.f
	s.f = nil
	return f.Close()
}

package openssf

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"mlx/internal/object"
)

// Model is where the bytes of a model are read.
type Model struct {
	FS   fs.FS  // fs.ReadLinkFS where it holds links
	File string // the model is this one file; empty: all of FS
	Name string // for people
	Skip string // a file that is no part of it: the signature itself; empty: none

	// Known says that the files name their own digests (fs.FileInfo.Sys) and that these are believed: they are compared with the bytes
	// by whoever reads them.
	Known bool
}

// part is a file, or a part of one, and its hash.
type part struct {
	path       string
	start, end int64
	digest     string
}

// Read hashes a model as s says. The model itself decides nothing: a link that leads out of it, and anything that is no file, is
// refused.
func Read(ctx context.Context, m Model, s Serialization) (Manifest, error) {
	w := reader{ctx: ctx, m: m, s: s}
	var err error
	if m.File != "" {
		err = w.file(m.File, ".")
	} else {
		err = fs.WalkDir(m.FS, ".", w.visit)
	}
	if err != nil {
		return Manifest{}, err
	}
	order(w.all)
	out := Manifest{Name: m.Name, Serialization: s, Resources: []Resource{}}
	for _, p := range w.all {
		name := p.path
		if s.Method == methodShards {
			name = fmt.Sprintf("%s:%d:%d", p.path, p.start, p.end)
		}
		out.Resources = append(out.Resources, Resource{Name: name, Algorithm: hashSHA256, Digest: p.digest})
	}
	return out, nil
}

type reader struct {
	ctx context.Context //nolint:containedctx // a reader lives for one call of Read
	m   Model
	s   Serialization
	all []part
}

func (w *reader) visit(name string, d fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	if err := w.ctx.Err(); err != nil {
		return err
	}
	switch {
	case name != "." && (name == w.m.Skip || ignored(name, w.s.IgnorePaths)):
		if d.IsDir() {
			return fs.SkipDir
		}
		return nil
	case d.IsDir():
		return nil
	case d.Type()&fs.ModeSymlink != 0:
		return w.link(name)
	case !d.Type().IsRegular():
		return Strange{Difference{name, "neither a file nor a folder"}}
	}
	return w.file(name, name)
}

// link hashes what a link leads to, under the name of the link.
func (w *reader) link(name string) error {
	if !w.s.AllowSymlinks {
		return Strange{Difference{name, "added: a symbolic link, and the signed model has none"}}
	}
	at, info, err := follow(w.m.FS, name)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return Strange{Difference{name, "a symbolic link to a folder, which no signature of this form covers"}}
	case !info.Mode().IsRegular():
		return Strange{Difference{name, "a symbolic link to what is no file"}}
	}
	return w.file(at, name)
}

// maxLinks bounds how many links are followed one after the other.
const maxLinks = 40

// follow finds the file that a link leads to, inside the model.
func follow(f fs.FS, name string) (string, fs.FileInfo, error) {
	at := name
	for range maxLinks {
		info, err := fs.Lstat(f, at)
		if errors.Is(err, fs.ErrNotExist) {
			return "", nil, Strange{Difference{name, "a symbolic link to nothing"}}
		}
		if err != nil || info.Mode()&fs.ModeSymlink == 0 {
			return at, info, err
		}
		to, err := fs.ReadLink(f, at)
		if err != nil {
			return "", nil, err
		}
		next := path.Join(path.Dir(at), to)
		if path.IsAbs(to) || !fs.ValidPath(next) {
			return "", nil, Strange{Difference{name, "a symbolic link out of the model"}}
		}
		at = next
	}
	return "", nil, Strange{Difference{name, "a symbolic link in a circle"}}
}

// file hashes the file at a path, whole or in parts.
func (w *reader) file(at, name string) error {
	if len(w.all) >= maxResources {
		return Unsupported("the model has too many files")
	}
	f, err := w.m.FS.Open(at)
	if err != nil {
		return err
	}
	defer f.Close()
	if digest, size, ok := known(f); ok && w.m.Known && w.s.Method == methodFiles {
		w.all = append(w.all, part{path: name, end: size, digest: digest.Hex()})
		return nil
	}
	if w.s.Method == methodFiles {
		sum := sha256.New()
		n, err := io.Copy(sum, contextReader{w.ctx, f})
		if err != nil {
			return err
		}
		w.all = append(w.all, part{path: name, end: n, digest: hex.EncodeToString(sum.Sum(nil))})
		return nil
	}
	for start := int64(0); ; {
		sum := sha256.New()
		n, err := io.Copy(sum, io.LimitReader(contextReader{w.ctx, f}, int64(w.s.ShardSize)))
		if err != nil {
			return err
		}
		if n == 0 {
			return nil // an empty file has no part
		}
		if len(w.all) >= maxResources {
			return Unsupported("the model has too many parts")
		}
		w.all = append(w.all, part{name, start, start + n, hex.EncodeToString(sum.Sum(nil))})
		start += n
	}
}

// known is the digest that a file of a store names.
func known(f fs.File) (object.Digest, int64, bool) {
	info, err := f.Stat()
	if err != nil {
		return object.Digest{}, 0, false
	}
	digest, ok := info.Sys().(object.Digest)
	return digest, info.Size(), ok
}

// contextReader stops between two reads when its context ends.
type contextReader struct {
	ctx context.Context //nolint:containedctx // io.Reader has no other way to carry it
	r   io.Reader
}

func (c contextReader) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(b)
}

// Difference is a file, or a part of one, that is not as it was signed.
type Difference struct {
	Name string
	What string // added, removed, changed, or in words what it is instead of a file
}

// Strange is the error of a model that holds what no signature of it covers.
type Strange struct{ Difference }

func (s Strange) Error() string { return s.Name + " is " + s.What }

// Compare lists what of a model is not as it was signed. Resources are compared by name: the order says nothing.
func Compare(signed, found Manifest) []Difference {
	was := make(map[string]string, len(signed.Resources))
	for _, r := range signed.Resources {
		was[path.Clean(r.Name)] = r.Digest
	}
	var all []Difference
	for _, r := range found.Resources {
		digest, ok := was[r.Name]
		switch {
		case !ok:
			all = append(all, Difference{r.Name, "added"})
		case !strings.EqualFold(digest, r.Digest):
			all = append(all, Difference{r.Name, "changed"})
		}
		delete(was, r.Name)
	}
	for name := range was {
		all = append(all, Difference{name, "removed"})
	}
	slices.SortFunc(all, func(a, b Difference) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// plain is how models are read that are signed here.
func plain(m Model) (Serialization, error) {
	s := Serialization{Method: methodFiles, HashType: hashSHA256}
	if m.File != "" {
		return s, nil
	}
	err := fs.WalkDir(m.FS, ".", func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type()&fs.ModeSymlink != 0 {
			s.AllowSymlinks = true
			return fs.SkipAll
		}
		return err
	})
	return s, err
}

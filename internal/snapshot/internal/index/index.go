// Package index remembers, for one tracked path of one worktree, what each file looked like when its digest was known,
// so that a file whose metadata did not change need not be read.
//
// It hides the bytes of that memory. It is derived: a missing or damaged index costs time, never data. A file is known
// to be clean only if it is older than the index's own time stamp (racy-clean, as git has it).
package index

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"

	"mlx/internal/object"
	"mlx/internal/snapshot/internal/disk"
)

const (
	magic     = "mlx index 1\n"
	headSize  = len(magic) + 32 + 8 + 4 + 4
	rowSize   = 4 + 4*8 + 32
	hasRecipe = 1
	linked    = 2
)

var le = binary.LittleEndian

// castagnoli is the polynomial with hardware support.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// Entry is what is remembered of a file or symlink.
type Entry struct {
	Kind         disk.Kind
	Linked       bool // shares its inode with the link cache: its ctime says nothing
	Size         int64
	Mtime, Ctime int64
	Ino          uint64
	Sum, Recipe  object.Digest
}

// Index is a loaded index.
type Index struct {
	Root  object.Digest   // version that the entries are, exactly
	Stamp int64           // ns; an entry with a time at or after it must be read again
	Packs []object.Digest // packs that were there when every entry was known to be stored
	data  []byte
	dirs  map[string]span
	unmap func()
}

type span struct{ at, n int }

// Clean says whether an observation proves that the file still is what the entry says.
func (x *Index) Clean(e *Entry, m disk.Meta) bool {
	return e.Kind == m.Kind && e.Size == m.Size && e.Mtime == m.Mtime && e.Ino == m.Ino &&
		(e.Linked || e.Ctime == m.Ctime) && m.Mtime < x.Stamp && (e.Linked || m.Ctime < x.Stamp)
}

// Load opens an index. A missing or damaged one is nil.
func Load(path string) (*Index, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) { // another user's saves no work here
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the workspace index: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read the workspace index: %w", err)
	}
	if !st.Mode().IsRegular() || st.Size() < int64(headSize) || st.Size() > maxSize {
		return nil, nil
	}
	b, unmap, err := disk.Map(f, 0, int(st.Size()))
	if err != nil {
		return nil, fmt.Errorf("read the workspace index: %w", err)
	}
	x, ok := parse(b)
	if !ok {
		unmap()
		return nil, nil
	}
	x.unmap = unmap
	return x, nil
}

// maxSize bounds the size of an index: about 300 million files.
const maxSize = 32 << 30

// Close releases the index. No cursor may be used after it.
func (x *Index) Close() {
	if x != nil && x.unmap != nil {
		x.unmap()
		x.unmap, x.data, x.dirs = nil, nil, nil
	}
}

// parse checks the sum over all bytes, then finds the folders.
func parse(b []byte) (*Index, bool) {
	if len(b) < headSize+4 || string(b[:len(magic)]) != magic {
		return nil, false
	}
	body := b[:len(b)-4]
	if crc32.Checksum(body, castagnoli()) != le.Uint32(b[len(b)-4:]) {
		return nil, false
	}
	at := len(magic)
	x := &Index{Root: object.Digest(b[at : at+32]), Stamp: int64(le.Uint64(b[at+32:])), data: body}
	packs, dirs := int(le.Uint32(b[at+40:])), int(le.Uint32(b[at+44:]))
	at = headSize
	if packs > (len(body)-at)/32 || dirs > (len(body)-at)/8 {
		return nil, false
	}
	for range packs {
		x.Packs = append(x.Packs, object.Digest(body[at:at+32]))
		at += 32
	}
	x.dirs = make(map[string]span, dirs)
	for range dirs {
		if at+12 > len(body) {
			return nil, false
		}
		size, n, bytes := int(le.Uint32(body[at:])), int(le.Uint32(body[at+4:])), int(le.Uint32(body[at+8:]))
		at += 12
		if size > len(body)-at || bytes > len(body)-at-size || n > bytes/rowSize {
			return nil, false
		}
		x.dirs[string(body[at:at+size])] = span{at + size, n}
		at += size + bytes
	}
	return x, at == len(body)
}

// Cursor walks the entries of one folder in the order of their names.
type Cursor struct {
	x    *Index
	at   int
	left int
	name []byte
	e    Entry
	ok   bool

	found Entry // what Seek returned last
}

// Dir returns a cursor at the first entry of a folder; rel is "" for the top.
func (x *Index) Dir(rel string) *Cursor {
	if x == nil {
		return &Cursor{}
	}
	s := x.dirs[rel]
	c := &Cursor{x: x, at: s.at, left: s.n}
	c.next()
	return c
}

// Folders calls yield with every folder.
func (x *Index) Folders(yield func(rel string) bool) {
	if x == nil {
		return
	}
	for rel := range x.dirs {
		if !yield(rel) {
			return
		}
	}
}

func (c *Cursor) next() {
	if c.ok = c.left > 0 && c.at+rowSize <= len(c.x.data); !c.ok {
		return
	}
	c.left--
	b := c.x.data[c.at:]
	c.e = Entry{
		Kind: disk.Kind(b[0]), Linked: b[1]&linked != 0, Size: int64(le.Uint64(b[4:])), Mtime: int64(le.Uint64(b[12:])),
		Ctime: int64(le.Uint64(b[20:])), Ino: le.Uint64(b[28:]), Sum: object.Digest(b[36:68]),
	}
	n, at := int(le.Uint16(b[2:])), rowSize
	if b[1]&hasRecipe != 0 {
		if len(b) < at+32 {
			c.ok = false
			return
		}
		c.e.Recipe = object.Digest(b[at : at+32])
		at += 32
	}
	if len(b) < at+n {
		c.ok = false
		return
	}
	c.name = b[at : at+n]
	c.at += at + n
}

// Seek moves on to name and returns its entry, valid until the next call, or nil. Names must be asked for in ascending order. Each entry that is
// passed over goes to gone (when not nil): it is in the index and was not asked for.
func (c *Cursor) Seek(name string, gone func(name string, e *Entry)) *Entry {
	for c.ok && string(c.name) < name {
		if gone != nil {
			gone(string(c.name), &c.e)
		}
		c.next()
	}
	if c.ok && string(c.name) == name {
		c.found = c.e
		c.next()
		return &c.found
	}
	return nil
}

// Rest passes what is left of the folder to gone.
func (c *Cursor) Rest(gone func(name string, e *Entry)) {
	for c.ok {
		gone(string(c.name), &c.e)
		c.next()
	}
}

// Builder collects a new index.
type Builder struct {
	full  [][]byte // pieces that are complete: one growing buffer would be copied, and held twice, at a million files
	dirs  []byte
	count int
	open  int // where the present folder's head stands
	n     int
}

// Folder starts a folder. Its entries follow in ascending order of names.
func (w *Builder) Folder(rel string) {
	w.close()
	if len(w.dirs) > pieceSize {
		w.full, w.dirs = append(w.full, w.dirs), make([]byte, 0, pieceSize+pieceSize/4)
	}
	w.open = len(w.dirs)
	w.dirs = le.AppendUint32(w.dirs, uint32(len(rel)))
	w.dirs = append(w.dirs, make([]byte, 8)...)
	w.dirs = append(w.dirs, rel...)
	w.count++
	w.n = 0
}

const pieceSize = 1 << 20

func (w *Builder) close() {
	if w.count == 0 {
		return
	}
	size := int(le.Uint32(w.dirs[w.open:]))
	le.PutUint32(w.dirs[w.open+4:], uint32(w.n))
	le.PutUint32(w.dirs[w.open+8:], uint32(len(w.dirs)-w.open-12-size))
}

// Add adds an entry to the present folder.
func (w *Builder) Add(name string, e *Entry) {
	flags := byte(0)
	if !e.Recipe.IsZero() {
		flags |= hasRecipe
	}
	if e.Linked {
		flags |= linked
	}
	w.dirs = append(w.dirs, byte(e.Kind), flags)
	w.dirs = le.AppendUint16(w.dirs, uint16(len(name)))
	w.dirs = le.AppendUint64(w.dirs, uint64(e.Size))
	w.dirs = le.AppendUint64(w.dirs, uint64(e.Mtime))
	w.dirs = le.AppendUint64(w.dirs, uint64(e.Ctime))
	w.dirs = le.AppendUint64(w.dirs, e.Ino)
	w.dirs = append(w.dirs, e.Sum[:]...)
	if flags&hasRecipe != 0 {
		w.dirs = append(w.dirs, e.Recipe[:]...)
	}
	w.dirs = append(w.dirs, name...)
	w.n++
}

const stampPattern, indexPattern = ".stamp-*", ".index-*"

// Temporary returns the patterns of files that a killed process may leave in the folder of indexes.
func Temporary() []string { return []string{stampPattern, indexPattern} }

// Stamp returns the time, in ns, that the file system gives to a file made now in the folder of path.
func Stamp(path string) (int64, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return 0, fmt.Errorf("make the index folder: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), stampPattern)
	if err != nil {
		return 0, fmt.Errorf("take a time stamp: %w", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return 0, fmt.Errorf("take a time stamp: %w", err)
	}
	return st.ModTime().UnixNano(), nil
}

// Save writes the index in the place of the one at path. It needs no fsync: a torn index is noticed and rebuilt.
func (w *Builder) Save(path string, root object.Digest, stamp int64, packs []object.Digest) error {
	w.close()
	head := append([]byte(magic), root[:]...)
	head = le.AppendUint64(head, uint64(stamp))
	head = le.AppendUint32(head, uint32(len(packs)))
	head = le.AppendUint32(head, uint32(w.count))
	for _, p := range packs {
		head = append(head, p[:]...)
	}
	parts, crc := append([][]byte{head}, append(w.full, w.dirs)...), uint32(0)
	for _, b := range parts {
		crc = crc32.Update(crc, castagnoli(), b)
	}
	return Replace(path, append(parts, le.AppendUint32(nil, crc))...)
}

// Replace writes a file of this folder in the place of the one at path, in one step.
func Replace(path string, parts ...[]byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), indexPattern)
	if err != nil {
		return fmt.Errorf("write the workspace index: %w", err)
	}
	for _, b := range parts {
		if _, err = f.Write(b); err != nil {
			break
		}
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("write the workspace index: %w", err)
	}
	return nil
}

// HasFolder says whether the index has a folder.
func (x *Index) HasFolder(rel string) bool {
	if x == nil {
		return false
	}
	_, ok := x.dirs[rel]
	return ok
}

// Empty says whether the index has no entry in a folder.
func (x *Index) Empty(rel string) bool { return x == nil || x.dirs[rel].n == 0 }

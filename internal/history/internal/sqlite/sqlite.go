// Package sqlite hides the file format of SQLite, of which it reads what a store of MLflow needs: the rows of ordinary tables,
// in the order of their row ids, also those that a write-ahead log holds. It never writes, takes no lock, and believes nothing
// that the file says about itself: https://www.sqlite.org/fileformat2.html
package sqlite

import (
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"mlx/internal/fault"
)

const (
	magic        = "SQLite format 3\x00"
	journalMagic = "\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"
	headerBytes  = 100
	maxPayload   = 64 << 20 // of one row
	maxDepth     = 24       // of a tree: the largest database that there can be needs no more
	cacheBytes   = 4 << 20
)

// DB is a database that is being read. It belongs to one goroutine.
type DB struct {
	r        io.ReaderAt
	wal      *wal // nil where there is none
	pageSize int
	usable   int // bytes of a page that content may use
	pages    uint32
	encoding uint32 // 1 UTF-8, 2 and 3 UTF-16
	cache    map[uint32][]byte
	tables   map[string]*Table

	files []*os.File
	seen  [2]stamp
	path  string
}

type stamp struct {
	size int64
	at   time.Time
}

func damaged(format string, args ...any) error {
	return fault.New(fault.Integrity, "the database is damaged: "+format, args...)
}

// Open opens the database in a file, with the write-ahead log beside it where there is one.
func Open(path string) (*DB, error) {
	db := &DB{path: path}
	err := db.open()
	if err != nil {
		db.Close() //nolint:errcheck // it was only read
		return nil, err
	}
	return db, nil
}

func (db *DB) open() error {
	if err := noJournal(db.path); err != nil {
		return err
	}
	db.seen = db.stamps()
	main, size, err := db.file(db.path)
	if err != nil {
		return err
	}
	log, logSize, err := db.file(db.path + "-wal")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if log == nil || logSize == 0 {
		return db.read(main, size, nil, 0)
	}
	return db.read(main, size, log, logSize)
}

func (db *DB) file(path string) (*os.File, int64, error) {
	info, err := os.Stat(path) // asked first: to open a pipe waits for whoever writes it
	if err == nil && !info.Mode().IsRegular() {
		err = fault.New(fault.Usage, "%s is no file", path)
	}
	if err != nil {
		return nil, 0, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	db.files = append(db.files, f)
	return f, info.Size(), nil
}

// noJournal refuses a database whose last transaction was cut off: only SQLite itself may take that back.
func noJournal(path string) error {
	f, err := os.Open(path + "-journal")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	head := make([]byte, len(journalMagic))
	if _, err := io.ReadFull(f, head); err != nil || string(head) != journalMagic {
		return nil // an empty one belongs to a transaction that ended
	}
	return fault.New(fault.Conflict, "a transaction of it is not finished").
		Hint("sqlite3 %s .tables   # takes back what was cut off; wait first if a server still runs", path)
}

// New reads a database from bytes: wal may be nil.
func New(r io.ReaderAt, size int64, log io.ReaderAt, logSize int64) (*DB, error) {
	db := &DB{}
	return db, db.read(r, size, log, logSize)
}

func (db *DB) read(r io.ReaderAt, size int64, log io.ReaderAt, logSize int64) error {
	head := make([]byte, headerBytes)
	if size < headerBytes {
		return fault.New(fault.Usage, "it is no database of SQLite")
	}
	if err := readFull(r, head, 0); err != nil {
		return err
	}
	if string(head[:16]) != magic {
		return fault.New(fault.Usage, "it is no database of SQLite")
	}
	db.r, db.cache = r, make(map[uint32][]byte)
	db.pageSize = int(binary.BigEndian.Uint16(head[16:]))
	if db.pageSize == 1 {
		db.pageSize = 1 << 16
	}
	db.usable = db.pageSize - int(head[20])
	if db.pageSize < 512 || db.pageSize&(db.pageSize-1) != 0 || db.usable < 480 {
		return damaged("pages of %d bytes", db.pageSize)
	}
	db.pages = uint32(min(size/int64(db.pageSize), 1<<32-2))
	db.encoding = binary.BigEndian.Uint32(head[56:])
	if log != nil {
		var err error
		if db.wal, err = readWAL(log, logSize, db.pageSize); err != nil {
			return err
		}
		if db.wal.pages > 0 { // what the log says is bounded by what there is: walks rely on it
			db.pages = min(db.wal.pages, db.pages+uint32(len(db.wal.at)))
		}
	}
	return db.schema()
}

func readFull(r io.ReaderAt, b []byte, at int64) error {
	if n, err := r.ReadAt(b, at); n < len(b) {
		if errors.Is(err, io.EOF) {
			return damaged("it ends too early")
		}
		return err
	}
	return nil
}

// page returns the bytes of a page, counted from 1. They are never changed.
func (db *DB) page(n uint32) ([]byte, error) {
	if b, ok := db.cache[n]; ok {
		return b, nil
	}
	if n == 0 || n > db.pages {
		return nil, damaged("there is no page %d", n)
	}
	b := make([]byte, db.pageSize)
	var err error
	if at, ok := db.wal.find(n); ok {
		err = readFull(db.wal.r, b, at)
	} else {
		err = readFull(db.r, b, int64(n-1)*int64(db.pageSize))
	}
	if err != nil {
		return nil, err
	}
	if len(db.cache) >= max(8, cacheBytes/db.pageSize) {
		clear(db.cache)
	}
	db.cache[n] = b
	return b, nil
}

// Changed reports whether somebody wrote to the database since it was opened: then what was read belongs to no one moment.
func (db *DB) Changed() bool { return db.stamps() != db.seen }

func (db *DB) stamps() (all [2]stamp) {
	for i, name := range []string{db.path, db.path + "-wal"} {
		if info, err := os.Stat(name); err == nil {
			all[i] = stamp{info.Size(), info.ModTime()}
		}
	}
	return all
}

// Close closes the files.
func (db *DB) Close() error {
	var errs []error
	for _, f := range db.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// Package counts hides numbers that several processes count in together and that outlive each of them: a file of 64-bit cells that is
// mapped into memory, so that a killed process takes nothing with it and its successor goes on where it was. The kernel has them: only a
// machine that loses its power may lose what was counted last. Where memory cannot be mapped the cells are of the process alone.
package counts

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
)

// Cells are numbers from 0 up, at least as many as were asked for.
type Cells struct {
	N []atomic.Int64
	// Lasting: they are in a file, and others may count in them too.
	Lasting bool
}

// magic is the first cell of a file, before those of the caller; its last byte is the version.
const magic = 0x6d6c78636e747301

const cellBytes = 8

// InMemory makes cells that end with the process.
func InMemory(n int) *Cells { return &Cells{N: make([]atomic.Int64, n)} }

// Open maps the n cells of a file, which it makes, all 0, if it is not there. A file of another size or version is begun anew. What it maps
// stays mapped for the life of the process.
func Open(path string, n int) (*Cells, error) {
	if !mappable {
		return InMemory(n), nil
	}
	for range 3 {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if errors.Is(err, fs.ErrNotExist) {
			if err := create(path, n); err != nil {
				return nil, fmt.Errorf("cannot make the file of counters: %w", err)
			}
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("cannot open the file of counters: %w", err)
		}
		cells, err := open(f, n)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("cannot map the file of counters: %w", err)
		}
		if cells != nil {
			return cells, nil
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("cannot begin the file of counters anew: %w", err)
		}
	}
	return nil, fmt.Errorf("cannot map the file of counters: somebody else replaces %s again and again", filepath.Base(path))
}

// Read reads the first n cells of a file, whoever counts in them.
func Read(path string, n int) ([]int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text := make([]byte, (n+1)*cellBytes)
	if _, err := io.ReadFull(f, text); err != nil {
		return nil, err
	}
	if binary.NativeEndian.Uint64(text) != magic {
		return nil, errors.New("it is no file of counters")
	}
	cells := make([]int64, n)
	for i := range cells {
		cells[i] = int64(binary.NativeEndian.Uint64(text[(i+1)*cellBytes:]))
	}
	return cells, nil
}

// open maps a file that has the right form; nil if it has not.
func open(f *os.File, n int) (*Cells, error) {
	info, err := f.Stat()
	if err != nil || info.Size() != int64(n+1)*cellBytes {
		return nil, err
	}
	all, err := mapFile(f, n+1)
	if err != nil {
		return nil, err
	}
	if all[0].Load() != magic {
		return nil, nil
	}
	return &Cells{N: all[1:], Lasting: true}, nil
}

// create writes every byte: a hole in the file would be a fault of memory, and the end of the process, once the disk is full.
func create(path string, n int) error {
	zeros := make([]byte, (n+1)*cellBytes)
	binary.NativeEndian.PutUint64(zeros, magic)
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(zeros)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	// A link never replaces the file of somebody who was faster.
	if err := os.Link(f.Name(), path); err == nil || errors.Is(err, fs.ErrExist) {
		return nil
	}
	return os.Rename(f.Name(), path)
}

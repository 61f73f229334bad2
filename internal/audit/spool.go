package audit

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"mlx/internal/fault"
)

// The files of a spool. Each writer has one that says that it lives, by a lock, and how much it has taken in; and its segments, of which all
// but the last wait to be sealed.
const (
	writerEnd = ".writer"
	openEnd   = ".open"
	madeEnd   = ".tmp" // a finished one that is being written
	fullEnd   = ".jsonl.zst"
	keyName   = "key"
)

func segmentName(writer string, number int64, end string) string {
	return fmt.Sprintf("%s-%08d%s", writer, number, end)
}

// spooled is a segment in a spool.
type spooled struct {
	writer string
	number int64
	full   bool
}

func readName(name string) (s spooled, ok bool) {
	base, isOpen := strings.CutSuffix(name, openEnd)
	if !isOpen {
		if base, s.full = strings.CutSuffix(name, fullEnd); !s.full {
			return s, false
		}
	}
	writer, number, ok := strings.Cut(base, "-")
	if !ok || !isName(writer) {
		return s, false
	}
	n, err := strconv.ParseInt(number, 10, 64)
	s.writer, s.number = writer, n
	return s, err == nil && n > 0
}

func (s spooled) name() string {
	if s.full {
		return segmentName(s.writer, s.number, fullEnd)
	}
	return segmentName(s.writer, s.number, openEnd)
}

// listSpool lists the segments of a spool, those of a writer in order, and the names of all its writers. Of a segment that is there finished
// and unfinished, since nobody has removed the latter yet, the finished one counts.
func listSpool(dir string) (segments []spooled, writers []string, err error) {
	list, err := os.ReadDir(dir) // sorted by name: the unfinished one comes after the finished one
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fault.New(fault.KindOf(err), "cannot read the log of predictions: %w", err)
	}
	for _, e := range list {
		if name, ok := strings.CutSuffix(e.Name(), writerEnd); ok && isName(name) {
			writers = append(writers, name)
		}
		s, ok := readName(e.Name())
		if n := len(segments); ok && n > 0 && segments[n-1].writer == s.writer && segments[n-1].number == s.number {
			continue
		}
		if ok {
			segments = append(segments, s)
		}
	}
	return segments, writers, nil
}

// newWriterName claims a name in the spool for this process: a file that is locked while the process lives.
func newWriterName(dir string) (name string, claim *os.File, err error) {
	for range 10 {
		var random [8]byte
		if _, err := rand.Read(random[:]); err != nil {
			return "", nil, err
		}
		name = hex.EncodeToString(random[:])
		path := filepath.Join(dir, name+writerEnd)
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return "", nil, err
		}
		// Another process may have taken the file for that of a dead writer before it was locked, and removed it.
		if lock(f) == nil {
			made, err := f.Stat()
			there, statErr := os.Stat(path)
			if err == nil && statErr == nil && os.SameFile(made, there) {
				return name, f, nil
			}
		}
		f.Close()
	}
	return "", nil, errors.New("others claim every name")
}

// spoolKey is the key of hashes of a spool. The first writer makes it; it never leaves the machine.
func spoolKey(dir string) ([]byte, error) {
	path := filepath.Join(dir, keyName)
	key, err := os.ReadFile(path)
	if err == nil && len(key) == keyBytes {
		return key, nil
	}
	if err == nil {
		return nil, fault.New(fault.Integrity, "cannot keep predictions: %s is no key", path)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	key = make([]byte, keyBytes)
	if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(dir, keyName+"-*")
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(key)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, err
	}
	if err := os.Link(f.Name(), path); errors.Is(err, fs.ErrExist) {
		return os.ReadFile(path) // another writer was first
	} else if err != nil {
		return nil, err
	}
	return key, syncFolder(dir)
}

// taken is what a writer says of itself in its file: how many requests it has taken in, and dropped.
type taken struct {
	accepted uint64
	dropped  int64
}

func (t taken) write(f *os.File) error {
	_, err := f.WriteAt(fmt.Appendf(nil, "%020d %020d\n", t.accepted, t.dropped), 0)
	return err
}

func readTaken(f *os.File) (t taken) {
	b := make([]byte, 42)
	if n, _ := f.ReadAt(b, 0); n < len(b) {
		return taken{}
	}
	accepted, err := strconv.ParseUint(string(b[:20]), 10, 64)
	if err != nil {
		return taken{}
	}
	dropped, err := strconv.ParseInt(strings.TrimSpace(string(b[21:])), 10, 64)
	if err != nil || b[20] != ' ' {
		return taken{}
	}
	return taken{accepted, dropped}
}

// openFile opens a segment of a spool.
func openFile(path string) (*os.File, *segment, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	s, err := openSegment(f, info.Size())
	if err != nil {
		f.Close()
		return nil, nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return f, s, nil
}

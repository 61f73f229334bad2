package segment

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"mlx/internal/lineage/internal/disk"
)

// ErrMoved says that a sealer has taken the segment: what was just written may or may not be in it.
var ErrMoved = errors.New("segment was taken by a sealer")

// Owner is what makes a segment's name its writer's own.
type Owner struct {
	Now  time.Time
	Host string
	PID  int
	Rand io.Reader
	// Again says that the first lines are written for the second time, because a sealer took the segment they were in.
	Again bool
}

// Writer is the open segment of one process. It is not safe for several goroutines.
type Writer struct {
	f       *os.File
	info    fs.FileInfo
	room    int64 // size of the file
	buf     []byte
	Bytes   int64
	Records int
}

const (
	roomAfter = 8         // records after which the process is taken for one that writes many
	roomBytes = 256 << 10 // how much room is made at once
)

// Create makes a new segment in dir and makes its name durable.
func Create(dir string, o Owner) (*Writer, error) {
	var r [4]byte
	if _, err := io.ReadFull(o.Rand, r[:]); err != nil {
		return nil, err
	}
	host := sha256.Sum256([]byte(o.Host))
	name := fmt.Sprintf("%019d-%s-%d-%s", o.Now.UnixNano(), hex.EncodeToString(host[:4]), o.PID, hex.EncodeToString(r[:]))
	if o.Again {
		name += again
	}
	name += open
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		err = disk.SyncDir(dir)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &Writer{f: f, info: info}, nil
}

// Name is the name of the segment's file.
func (w *Writer) Name() string { return filepath.Base(w.f.Name()) }

// Append writes framed lines in one call and makes them durable. After any error the segment must be abandoned;
// after ErrMoved the lines must be written again elsewhere.
func (w *Writer) Append(lines []byte, records int) error {
	end := w.Bytes + int64(len(lines))
	out := lines
	if end > w.room && w.Records >= roomAfter {
		w.buf = append(append(w.buf[:0], lines...), make([]byte, roomBytes)...)
		out = w.buf
	}
	if _, err := w.f.WriteAt(out, w.Bytes); err != nil {
		return err
	}
	w.room = max(w.room, w.Bytes+int64(len(out)))
	if err := disk.SyncData(w.f); err != nil {
		return err
	}
	// A sealer renames the file first and reads it after that. Still being here now therefore means that whoever
	// takes it later will see these lines.
	now, err := os.Lstat(w.f.Name())
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(now, w.info) {
		return ErrMoved
	}
	if err != nil {
		return err
	}
	w.Bytes = end
	w.Records += records
	return nil
}

// Close closes the file and gives unused room back; the segment stays.
func (w *Writer) Close() error {
	if w.room > w.Bytes && w.Bytes > 0 {
		_ = w.f.Truncate(w.Bytes) // readers skip what could not be given back
	}
	return w.f.Close()
}

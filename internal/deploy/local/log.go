//go:build unix

package local

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxLog is how long a log gets before it is put aside; the one that was put aside before it goes.
const maxLog = 64 << 20

// openLog opens a log to be added to. A process that ended and began again goes on in the same one.
func openLog(name string) (*os.File, error) {
	if err := private(filepath.Dir(name)); err != nil {
		return nil, err
	}
	return os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
}

// trim puts a log aside that has become long. Whoever writes to it goes on: its file stays the same and is emptied, because nobody can
// give another process another file. What is written between the copy and that is lost.
func trim(name string) error {
	info, err := os.Stat(name)
	if err != nil || info.Size() < maxLog {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	from, err := os.Open(name)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(name+".1", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	if err = errors.Join(err, to.Close()); err != nil {
		return err
	}
	return os.Truncate(name, 0)
}

// lastLines are the last n lines of a file behind an offset that are not empty, as one text.
func lastLines(name string, from int64, n int) string {
	const most = 4096
	f, err := os.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && from <= info.Size() { // else it was emptied meanwhile, and is read from the start
		_, _ = f.Seek(max(from, info.Size()-most), io.SeekStart)
	}
	text, _ := io.ReadAll(io.LimitReader(f, most)) // what was read is told
	var lines []string
	for line := range bytes.Lines(text) {
		if l := strings.TrimSpace(string(line)); l != "" {
			lines = append(lines, l)
		}
	}
	return strings.Join(lines[max(0, len(lines)-n):], " | ")
}

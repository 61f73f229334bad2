package run

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// The log of a run is two files. output holds what the command wrote, as it arrived. index says of what it is made: a
// line of words, then a line a piece:
//
//	mlx-log/1 2026-11-26T01:00:00.123Z 0    the first piece began then; bytes that came before this file
//	o 812 35                                812 bytes of standard output, 35 ms after the beginning
//	e 17 40                                 17 bytes of standard error
//	b 5 41                                  5 bytes of either: both went to one place
//	x 901233 812000                         901,233 bytes that were not kept
//
// The index is written after what it speaks of, so that a reader can follow both. Beyond headLimit the end is kept in
// further pairs of files, output.1 and index.1 and so on, of which the newest two exist; closeLog joins them.
const (
	logVersion = "mlx-log/1"
	logSpan    = 100 * time.Millisecond // pieces of a stream within it are one; so long may bytes wait to be written
	logBuffer  = 64 << 10
	lineBytes  = 16 // of a line of the index, about
	startForm  = "2006-01-02T15:04:05.000Z07:00"
)

// logLimits says how much of a log is kept, in bytes.
type logLimits struct{ head, tail int64 }

// orUsual returns the limits, or the usual ones where nothing is said.
func (l logLimits) orUsual() logLimits {
	if l.head == 0 {
		return logLimits{head: 256 << 20, tail: 64 << 20}
	}
	return l
}

// The streams of a log, as the index calls them.
const (
	fromStdout = 'o'
	fromStderr = 'e'
	fromBoth   = 'b'
	wasCut     = 'x'
)

// piece is one line of the index.
type piece struct {
	from  byte
	bytes int64
	ms    int64
}

func (p piece) append(to []byte) []byte {
	to = append(to, p.from, ' ')
	to = strconv.AppendInt(to, p.bytes, 10)
	to = append(to, ' ')
	to = strconv.AppendInt(to, p.ms, 10)
	return append(to, '\n')
}

// logWriter records what arrives. Nothing exists before the first byte.
type logWriter struct {
	dir    string
	now    func() time.Time
	limits logLimits

	mu            sync.Mutex
	start         time.Time
	part          int
	output, index *os.File
	size          int64  // of the part, with its index and with what waits
	total         int64  // of everything that came
	wait          []byte // bytes that are not yet in output
	lines         []byte // pieces that are not yet in index
	last          piece
	wrote         time.Time // when the files were written last
	timer         *time.Timer
	err           error // the first; nothing is recorded after it
	closed        bool
}

func newLogWriter(dir string, now func() time.Time, limits logLimits) *logWriter {
	return &logWriter{dir: dir, now: now, limits: limits.orUsual(), wait: make([]byte, 0, logBuffer)}
}

func partName(name string, part int) string {
	if part == 0 {
		return name
	}
	return name + "." + strconv.Itoa(part)
}

// add records bytes of a stream. A failure is kept for close: the command must not suffer from it.
func (l *logWriter) add(from byte, b []byte) {
	if l == nil || len(b) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	for len(b) > 0 && !l.closed && l.err == nil {
		l.err = l.room(now)
		if l.err != nil {
			break
		}
		n := min(int64(len(b)), l.limit()-l.size)
		l.keep(piece{from: from, bytes: n, ms: now.Sub(l.start).Milliseconds()}, b[:n])
		b = b[n:]
	}
	switch {
	case l.closed || l.err != nil:
	case now.Sub(l.wrote) >= logSpan || len(l.wait) >= logBuffer/2:
		l.write(now)
	case l.timer == nil:
		l.timer = time.AfterFunc(logSpan, l.late)
	}
}

func (l *logWriter) limit() int64 {
	if l.part == 0 {
		return l.limits.head
	}
	return l.limits.tail
}

// room makes sure that there is a part with room.
func (l *logWriter) room(now time.Time) error {
	switch {
	case l.output == nil:
		l.start = now
	case l.size < l.limit():
		return nil
	default:
		l.write(now)
		if err := errors.Join(l.err, l.output.Close(), l.index.Close()); err != nil {
			return err
		}
		l.part++
		l.last = piece{}
		if old := l.part - 2; old > 0 {
			if err := removePart(l.dir, old); err != nil {
				return err
			}
		}
	}
	var errs [2]error
	l.output, errs[0] = os.Create(filepath.Join(l.dir, partName(outputName, l.part)))
	l.index, errs[1] = os.Create(filepath.Join(l.dir, partName(indexName, l.part)))
	l.size = 0
	l.lines = fmt.Appendf(nil, "%s %s %d\n", logVersion, l.start.UTC().Format(startForm), l.total)
	return errors.Join(errs[:]...)
}

func removePart(dir string, part int) error {
	return errors.Join(os.Remove(filepath.Join(dir, partName(outputName, part))), os.Remove(filepath.Join(dir, partName(indexName, part))))
}

// keep takes bytes of one piece that fit into the part.
func (l *logWriter) keep(p piece, b []byte) {
	if len(b) >= logBuffer/2 { // large ones are not copied
		l.flushBytes()
		if l.err == nil {
			_, l.err = l.output.Write(b)
		}
	} else {
		if len(l.wait)+len(b) > logBuffer {
			l.flushBytes()
		}
		l.wait = append(l.wait, b...)
	}
	l.size += p.bytes
	l.total += p.bytes
	if l.last.bytes > 0 && l.last.from == p.from && p.ms-l.last.ms < logSpan.Milliseconds() {
		l.last.bytes += p.bytes
		return
	}
	l.nextPiece()
	l.last = p
	l.size += lineBytes // or a command that changes its stream with every byte fills the disk by its index
}

func (l *logWriter) nextPiece() {
	if l.last.bytes > 0 {
		l.lines = l.last.append(l.lines)
	}
	l.last = piece{}
}

func (l *logWriter) flushBytes() {
	if l.err == nil && len(l.wait) > 0 {
		_, l.err = l.output.Write(l.wait)
	}
	l.wait = l.wait[:0]
}

// write brings the files up to date.
func (l *logWriter) write(now time.Time) {
	l.wrote = now
	l.nextPiece()
	l.flushBytes()
	if l.err == nil && len(l.lines) > 0 {
		_, l.err = l.index.Write(l.lines)
	}
	l.lines = l.lines[:0]
}

// late writes what waited for more to come.
func (l *logWriter) late() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timer = nil
	if !l.closed && l.output != nil {
		l.write(l.now())
	}
}

// close ends the recording. What comes later is dropped.
func (l *logWriter) close() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return l.err
	}
	l.closed = true
	if l.timer != nil {
		l.timer.Stop()
	}
	if l.output != nil {
		l.write(l.now())
		l.err = errors.Join(l.err, l.output.Close(), l.index.Close())
	}
	return l.err
}

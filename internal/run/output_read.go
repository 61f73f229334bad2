package run

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"mlx/internal/fault"
)

// The names of the two streams of a command, and of what came through a file that was both.
const (
	Stdout = "stdout"
	Stderr = "stderr"
	Both   = "both"
)

func streamName(from byte) string {
	switch from {
	case fromStderr:
		return Stderr
	case fromBoth:
		return Both
	}
	return Stdout
}

// Chunk is a piece of what a command wrote, or of what was not kept of it.
type Chunk struct {
	Stream string    // Stdout, Stderr or Both; empty where Cut counts
	At     time.Time // when it arrived
	Data   []byte    // valid until the next call; bytes as they came, not always UTF-8
	Cut    int64     // bytes that were not kept
}

// LogReader reads the log of a run, from its folder while it is in progress or from the snapshot after.
type LogReader struct {
	files fs.FS
	from  int64 // what came before this position is passed over

	part          int
	last          bool // the next part exists: what the files of this one hold now is all that they will
	index, output fs.File
	text          []byte // of the index, not yet parsed
	headed        bool
	start         time.Time
	pos           int64 // bytes of everything that came, up to here
	left          piece // of the piece that is being read
	buf           []byte
}

// NewLogReader reads files output and index of a folder, from position from of everything that the command wrote.
func NewLogReader(files fs.FS, from int64) *LogReader {
	return &LogReader{files: files, from: from, buf: make([]byte, 64<<10)}
}

// Pos is the position behind what was read: another reader can go on from there.
func (r *LogReader) Pos() int64 { return max(r.pos, r.from) }

// Close frees the files.
func (r *LogReader) Close() {
	for _, f := range []fs.File{r.index, r.output} {
		if f != nil {
			_ = f.Close() // it was only read
		}
	}
	r.index, r.output = nil, nil
}

// Next returns what follows. io.EOF says that there is no more yet: of a run in progress, ask again later.
func (r *LogReader) Next() (Chunk, error) {
	for {
		if r.left.bytes == 0 {
			if err := r.nextPiece(); err != nil {
				return Chunk{}, err
			}
			continue
		}
		c, err := r.take()
		if err != nil || len(c.Data) > 0 || c.Cut > 0 {
			return c, err
		}
	}
}

// take reads from the current piece.
func (r *LogReader) take() (Chunk, error) {
	at := r.start.Add(time.Duration(r.left.ms) * time.Millisecond)
	if r.left.from == wasCut {
		cut := r.left.bytes - min(r.left.bytes, max(0, r.from-r.pos))
		r.pos += r.left.bytes
		r.left = piece{}
		return Chunk{At: at, Cut: cut}, nil
	}
	n, err := r.output.Read(r.buf[:min(int64(len(r.buf)), r.left.bytes)])
	if n == 0 {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.EOF // the file was cut short, or this is not Linux: nothing more can be said now
		}
		return Chunk{}, err
	}
	skip := int(min(int64(n), max(0, r.from-r.pos)))
	r.pos += int64(n)
	r.left.bytes -= int64(n)
	return Chunk{Stream: streamName(r.left.from), At: at, Data: r.buf[skip:n]}, nil
}

// nextPiece parses a line of the index. io.EOF: there is none yet.
func (r *LogReader) nextPiece() error {
	if r.index == nil {
		if err := r.openPart(); err != nil {
			return err
		}
	}
	for {
		if line, rest, ok := bytes.Cut(r.text, []byte("\n")); ok {
			r.text = rest
			return r.parse(string(line))
		}
		if len(r.text) > 256 {
			return r.damaged("a line without an end")
		}
		r.text = append(make([]byte, 0, len(r.text)+4096), r.text...)
		n, err := r.index.Read(r.text[len(r.text):cap(r.text)])
		r.text = r.text[:len(r.text)+n]
		if n > 0 {
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if err := r.turn(); err != nil {
			return err
		}
	}
}

// turn goes to the next part, if there is one.
func (r *LogReader) turn() error {
	next, ok := r.after(r.part)
	switch {
	case !ok:
		return io.EOF
	case !r.last:
		r.last = true // the writer finished this part before it began the next: what it wrote meanwhile is read first
		return nil
	}
	r.Close()
	r.part, r.last, r.headed, r.text = next, false, false, nil
	return r.openPart()
}

// after finds the first part behind n that still exists.
func (r *LogReader) after(n int) (int, bool) {
	parts := partsOf(r.files)
	i := slices.IndexFunc(parts, func(part int) bool { return part > n })
	if i < 0 {
		return 0, false
	}
	return parts[i], true
}

// partsOf lists the numbers of the parts beside the first, in order.
func partsOf(files fs.FS) []int {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return nil
	}
	var parts []int
	for _, e := range entries {
		if digits, ok := strings.CutPrefix(e.Name(), indexName+"."); ok {
			if n, err := strconv.Atoi(digits); err == nil && n > 0 {
				parts = append(parts, n)
			}
		}
	}
	slices.Sort(parts)
	return parts
}

func (r *LogReader) openPart() error {
	output, err := r.files.Open(partName(outputName, r.part))
	if err == nil {
		r.index, err = r.files.Open(partName(indexName, r.part))
	}
	if errors.Is(err, fs.ErrNotExist) {
		if output != nil {
			_ = output.Close()
		}
		r.index = nil
		return io.EOF
	}
	r.output = output
	return err
}

// parse takes a line of the index.
func (r *LogReader) parse(line string) error {
	if !r.headed {
		return r.head(line)
	}
	p, ok := parsePiece(line)
	if !ok || p.bytes > math.MaxInt64-r.pos {
		return r.damaged("not a piece")
	}
	r.left = p
	return nil
}

func parsePiece(line string) (piece, bool) {
	words := strings.Split(line, " ")
	if len(words) != 3 || len(words[0]) != 1 || !strings.ContainsAny(words[0], "oebx") {
		return piece{}, false
	}
	n, errN := strconv.ParseUint(words[1], 10, 62)
	ms, errMS := strconv.ParseUint(words[2], 10, 43) // two centuries
	return piece{words[0][0], int64(n), int64(ms)}, errN == nil && errMS == nil
}

func (r *LogReader) head(line string) error {
	start, offset, ok := parseHead(line)
	if !ok {
		return r.damaged("no log of a version that this mlx knows")
	}
	r.headed, r.start = true, start
	if offset > r.pos { // parts in between are gone already
		r.left = piece{from: wasCut, bytes: offset - r.pos}
	}
	return nil
}

func parseHead(line string) (start time.Time, offset int64, ok bool) {
	words := strings.Split(line, " ")
	if len(words) != 3 || words[0] != logVersion {
		return start, 0, false
	}
	start, err := time.Parse(startForm, words[1])
	n, errN := strconv.ParseUint(words[2], 10, 62)
	return start, int64(n), err == nil && errN == nil
}

func (r *LogReader) damaged(what string) error {
	return fault.New(fault.Integrity, "cannot read the log: %s is damaged: %s", partName(indexName, r.part), what)
}

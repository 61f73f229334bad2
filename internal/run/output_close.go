package run

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"mlx/internal/fault"
)

// closeLog makes output and index of a run's folder what a snapshot keeps: the parts of the end are joined to the
// beginning, and what a killed mlx left half written is made whole. Called again it changes nothing. It returns the
// bytes in output, and those that were not kept.
func closeLog(dir string, limits logLimits) (size, cut int64, err error) {
	info, err := os.Stat(filepath.Join(dir, outputName))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, err
	}
	m, err := measureIndex(dir, info)
	if err != nil {
		return 0, 0, err
	}
	parts := partsOf(os.DirFS(dir))
	if len(parts) > 0 && !m.joined {
		if err := os.Truncate(filepath.Join(dir, outputName), m.bytes); err != nil { // what an earlier attempt joined
			return 0, 0, err
		}
		if m.cut, err = joinParts(dir, parts, m, limits.tail); err != nil {
			return 0, 0, err
		}
	} else if rest := info.Size() - m.bytes; rest > 0 { // the index comes last: of which stream it was is not known
		if err := appendTo(dir, indexName, piece{fromStdout, rest, m.ms}.append(nil)); err != nil {
			return 0, 0, err
		}
	}
	for _, part := range parts {
		if err := removePart(dir, part); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, 0, err
		}
	}
	info, err = os.Stat(filepath.Join(dir, outputName))
	if err != nil {
		return 0, 0, err
	}
	return info.Size(), m.cut, nil
}

// measured is what the index of the beginning says.
type measured struct {
	start  time.Time
	bytes  int64 // of all pieces
	ms     int64 // of the last
	cut    int64
	joined bool
}

// measureIndex reads the index, and drops a last line that is not whole.
func measureIndex(dir string, output fs.FileInfo) (m measured, err error) {
	file := filepath.Join(dir, indexName)
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return m, err
	}
	whole := bytes.LastIndexByte(text, '\n') + 1
	if whole == 0 {
		m.start = output.ModTime()
		head := logVersion + " " + m.start.UTC().Format(startForm) + " 0\n"
		return m, os.WriteFile(file, []byte(head), 0o666)
	}
	if whole < len(text) {
		if err := os.Truncate(file, int64(whole)); err != nil {
			return m, err
		}
	}
	first := true
	for line := range bytes.Lines(text[:whole]) {
		line := string(bytes.TrimSuffix(line, []byte("\n")))
		if first {
			first = false
			var ok bool
			if m.start, _, ok = parseHead(line); !ok {
				return m, fault.New(fault.Integrity, "cannot read the log: %s has no beginning", file)
			}
			continue
		}
		p, ok := parsePiece(line)
		if !ok {
			return m, fault.New(fault.Integrity, "cannot read the log: %s is damaged", file)
		}
		m.ms = p.ms
		if p.from == wasCut {
			m.joined, m.cut = true, m.cut+p.bytes
		} else {
			m.bytes += p.bytes
		}
	}
	return m, nil
}

// joinParts appends the last keep bytes of the parts.
func joinParts(dir string, parts []int, m measured, keep int64) (cut int64, err error) {
	files := os.DirFS(dir)
	r := NewLogReader(files, 0)
	defer r.Close()
	r.part, r.pos = parts[0], m.bytes
	if r.from, err = endOf(dir, parts[len(parts)-1]); err != nil {
		return 0, err
	}
	r.from = max(r.from-keep, m.bytes)
	output, err := os.OpenFile(filepath.Join(dir, outputName), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return 0, err
	}
	defer output.Close()
	var lines []byte
	for {
		c, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, err
		}
		if len(c.Data) == 0 {
			continue
		}
		ms := max(0, c.At.Sub(m.start).Milliseconds())
		if lines == nil { // also when nothing was cut: it says that the parts are joined
			cut = r.pos - int64(len(c.Data)) - m.bytes
			lines = piece{wasCut, cut, ms}.append(lines)
		}
		from := map[string]byte{Stdout: fromStdout, Stderr: fromStderr, Both: fromBoth}[c.Stream]
		if _, err := output.Write(c.Data); err != nil {
			return 0, err
		}
		lines = piece{from, int64(len(c.Data)), ms}.append(lines)
	}
	return cut, appendTo(dir, indexName, lines)
}

// endOf returns the position behind a part.
func endOf(dir string, part int) (int64, error) {
	f, err := os.Open(filepath.Join(dir, partName(indexName, part)))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	head := make([]byte, 256)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return 0, err
	}
	line, _, _ := bytes.Cut(head[:n], []byte("\n"))
	_, offset, ok := parseHead(string(line))
	if !ok {
		return 0, fault.New(fault.Integrity, "cannot read the log: %s has no beginning", partName(indexName, part))
	}
	info, err := os.Stat(filepath.Join(dir, partName(outputName, part)))
	if err != nil {
		return 0, err
	}
	return offset + info.Size(), nil
}

func appendTo(dir, name string, text []byte) error {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

package main

import (
	"bufio"
	"errors"
	"io"
	"path/filepath"
	"strings"
)

// form says how a table separates its rows.
type form uint8

const (
	noTable  form = iota
	csvForm       // a heading, and rows in which quotes may hold line ends
	tsvForm       // a heading, and one row a line
	jsonForm      // one row a line
)

func tableForm(name string) form {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".csv":
		return csvForm
	case ".tsv":
		return tsvForm
	case ".jsonl", ".ndjson":
		return jsonForm
	}
	return noTable
}

// firstRows copies the heading and the first n rows of a table, byte for byte. It keeps no row in memory.
func firstRows(w io.Writer, r io.Reader, f form, n int) error {
	if f != jsonForm {
		n++
	}
	in, out := bufio.NewReaderSize(r, 64<<10), bufio.NewWriterSize(w, 64<<10)
	quoted, fresh := false, true // inside quotes; at the start of a field
	for n > 0 {
		chunk, err := in.ReadSlice('\n')
		ended := err == nil // a line end is in chunk
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
		if f == csvForm {
			quoted, fresh = quotes(chunk, quoted, fresh)
		}
		if _, err := out.Write(chunk); err != nil {
			return err
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if ended && !quoted {
			n--
			fresh = true
		}
	}
	return out.Flush()
}

// quotes follows the quotes of CSV over a piece of text. A quote opens a field only at its start; in a quoted field two quotes are
// one, which closing and opening again amounts to.
func quotes(chunk []byte, quoted, fresh bool) (inside, atStart bool) {
	for _, c := range chunk {
		switch {
		case quoted:
			if c == '"' {
				quoted, fresh = false, true // a second quote opens it again
			}
		case c == '"' && fresh:
			quoted = true
		case c == ',' || c == ';' || c == '\t' || c == '\n' || c == '\r':
			fresh = true
		case c == 0xEF || c == 0xBB || c == 0xBF: // the mark at the start of a file, before a quote
		default:
			fresh = false
		}
	}
	return quoted, fresh
}

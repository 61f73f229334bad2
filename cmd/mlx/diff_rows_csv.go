package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"mlx/internal/dataset"
	"mlx/internal/fault"
)

// rowSheets are the CSV files that get every difference of rows, as it is found. A file appears when it is whole.
type rowSheets struct {
	keyed   bool
	printed bool // stdout is one of them
	all     []*rowSheet
	record  []string
}

type rowSheet struct {
	name string
	file *os.File // nil for stdout
	buf  *bufio.Writer
	csv  *csv.Writer
}

// openRowSheets begins the files of -o with the extension .csv, and stdout with --format csv.
func (a *app) openRowSheets(o diffOptions, key []string) (*rowSheets, error) {
	s := &rowSheets{keyed: len(key) > 0}
	for _, name := range o.outs {
		if sheetForm(name) != "csv" {
			continue
		}
		f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*")
		if err != nil {
			s.discard()
			return nil, cannotWrite(name, err)
		}
		s.open(name, f, f)
	}
	if o.format == "csv" && !a.streams.JSON {
		s.printed = true
		s.open("stdout", nil, rawWriter{a})
	}
	head := append([]string{"change"}, key...)
	if !s.keyed {
		head = append(head, "row")
	}
	head = append(head, "column", "a", "b")
	for _, sheet := range s.all {
		if err := sheet.csv.Write(head); err != nil {
			s.discard()
			return nil, cannotWrite(sheet.name, err)
		}
	}
	return s, nil
}

func (s *rowSheets) open(name string, f *os.File, w io.Writer) {
	buf := bufio.NewWriterSize(w, 64<<10)
	s.all = append(s.all, &rowSheet{name: name, file: f, buf: buf, csv: csv.NewWriter(buf)})
}

// rawWriter is stdout as an answer.
type rawWriter struct{ app *app }

func (w rawWriter) Write(b []byte) (int, error) { return len(b), w.app.streams.Raw(b) }

func cannotWrite(name string, err error) error {
	return fault.New(fault.KindOf(err), "cannot write %s: %w", name, err)
}

// write adds the lines of a difference: one for each cell, and one for a row that has no cells but its key.
func (s *rowSheets) write(_ context.Context, c *dataset.RowChange) error {
	line := append(s.record[:0], c.Change)
	for _, v := range c.Key {
		line = append(line, v.Text)
	}
	if !s.keyed {
		line = append(line, strconv.FormatInt(max(c.A, c.B), 10))
	}
	head := len(line)
	cells := c.Cells
	if len(cells) == 0 {
		cells = []dataset.RowCell{{}}
	}
	for _, cell := range cells {
		line = append(line[:head], cell.Column, cell.A.Text, cell.B.Text)
		for _, sheet := range s.all {
			if err := sheet.csv.Write(line); err != nil {
				return cannotWrite(sheet.name, err)
			}
		}
	}
	s.record = line
	return nil
}

// finish makes the files appear.
func (s *rowSheets) finish() error {
	for _, sheet := range s.all {
		if err := sheet.finish(); err != nil {
			return cannotWrite(sheet.name, err)
		}
	}
	return nil
}

func (s *rowSheet) finish() error {
	s.csv.Flush()
	if err := errors.Join(s.csv.Error(), s.buf.Flush()); err != nil || s.file == nil {
		return err
	}
	if err := errors.Join(s.file.Chmod(0o644), s.file.Close()); err != nil {
		return err
	}
	return os.Rename(s.file.Name(), s.name)
}

// discard removes what was not finished.
func (s *rowSheets) discard() {
	for _, sheet := range s.all {
		if sheet.file != nil {
			sheet.file.Close()
			os.Remove(sheet.file.Name()) // no longer there when it was finished
		}
	}
}

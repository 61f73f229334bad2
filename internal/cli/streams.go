// Package cli hides how an answer reaches a person or a program: it decides between aligned text on a
// terminal, tab-separated text in a pipe and JSON, so that no command has an output branch of its own.
package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"sync"
	"time"
)

// Streams are the three standard streams and what is known of them. The zero value of every field works;
// it must not be copied after first use.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer // raw: a child process may be given them

	OutTTY, ErrTTY bool
	Width          int  // columns of the terminal; 0 is unlimited
	Color          bool // on Out
	ErrColor       bool

	JSON, Quiet, Verbose bool
	Hints                bool // the setting `hints`
	NoProgress           bool // the setting `progress` is false
	Now                  func() time.Time
	Shorten              func(string) string // how a message names files; nil is as it is

	mu   sync.Mutex
	rows bytes.Buffer // rows not yet written to Out
	live *Progress    // owner of the last line of Err
}

// rowBuffer is how much of a list is kept back, so that a long list does not cost a system call a row.
const rowBuffer = 32 << 10

// Emit writes the answer: v as one JSON document, or what text renders. It is the only output switch.
func (s *Streams) Emit(v any, text func(*Text)) error {
	if err := s.row(v, text); err != nil {
		return err
	}
	return s.Flush()
}

// Row writes one row of a list: NDJSON, or what text renders. Flush ends the list.
func (s *Streams) Row(v any, text func(*Text)) error { return s.row(v, text) }

// EmitVerdict is Emit for what judges or changes: under -q text appears only if failed.
func (s *Streams) EmitVerdict(v any, failed bool, text func(*Text)) error {
	if s.Quiet && !failed && !s.JSON {
		return nil
	}
	return s.Emit(v, text)
}

// Item is a row of a list in its two forms.
type Item struct {
	Value any
	Cells []Cell
}

// List writes rows: NDJSON, an aligned table with a header on a terminal, tab-separated lines in a pipe.
func (s *Streams) List(header []string, items iter.Seq2[Item, error]) error {
	var table [][]Cell
	for item, err := range items {
		if err != nil {
			return err
		}
		if s.OutTTY && !s.JSON {
			table = append(table, item.Cells)
			continue
		}
		if err := s.row(item.Value, func(t *Text) { t.Table(nil, [][]Cell{item.Cells}) }); err != nil {
			return err
		}
	}
	if len(table) > 0 {
		t := s.text()
		t.Table(header, table)
		s.rows.Write(t.bytes())
	}
	return s.Flush()
}

func (s *Streams) row(v any, text func(*Text)) error {
	if s.JSON {
		doc, err := document(v)
		if err != nil {
			return err
		}
		s.rows.Write(doc)
	} else {
		t := s.text()
		text(t)
		s.rows.Write(t.bytes())
	}
	if s.rows.Len() < rowBuffer {
		return nil
	}
	return s.Flush()
}

// Flush writes the rows kept back.
func (s *Streams) Flush() error {
	if s.rows.Len() == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clearLive()
	_, err := s.Out.Write(s.rows.Bytes())
	s.rows.Reset()
	if err != nil {
		return fmt.Errorf("cannot write the output: %w", err)
	}
	return nil
}

// Raw writes bytes that are an answer by themselves: a file, a report in another format.
func (s *Streams) Raw(b []byte) error {
	s.rows.Write(b)
	return s.Flush()
}

func document(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("cannot write JSON: %w", err)
	}
	return b.Bytes(), nil
}

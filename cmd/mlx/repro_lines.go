package main

import (
	"bytes"
	"io"
	"sync"
)

// maxHeldLine is how much of a line without an end is kept back.
const maxHeldLine = 64 << 10

// lines writes whole lines, each with a word before it, so that the lines of several commands do not mix.
type lines struct {
	out  io.Writer
	word string

	mu   sync.Mutex
	rest []byte
}

func newLines(out io.Writer, word string) *lines { return &lines{out: out, word: word} }

// Write implements io.Writer.
func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, b...)
	at := bytes.LastIndexAny(l.rest, "\n\r") + 1
	if at == 0 && len(l.rest) > maxHeldLine {
		at = len(l.rest)
	}
	if at == 0 {
		return len(b), nil
	}
	err := l.put(l.rest[:at])
	l.rest = append(l.rest[:0], l.rest[at:]...)
	return len(b), err
}

// put writes lines in one go: what other commands write comes between lines only.
func (l *lines) put(text []byte) error {
	var all []byte
	for line := range bytes.Lines(text) {
		all = append(append(all, l.word...), line...)
	}
	if n := len(all); n > 0 && all[n-1] != '\n' {
		all = append(all, '\n')
	}
	_, err := l.out.Write(all)
	return err
}

// flush writes a line that had no end.
func (l *lines) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.rest) > 0 {
		_ = l.put(l.rest) // nobody reads it any more
		l.rest = nil
	}
}

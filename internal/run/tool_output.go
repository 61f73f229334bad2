package run

import (
	"errors"
	"sync"
)

// Why a tool was killed.
var (
	errToolTime = errors.New("it took too long")
	errToolLong = errors.New("it printed too much")
)

// headBuffer keeps the beginning of what is written, and says when that is not all.
type headBuffer struct {
	mu   sync.Mutex
	kept []byte
	most int
	full func()
}

// Write never fails: what is too much is dropped.
func (b *headBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	room := b.most - len(b.kept)
	b.kept = append(b.kept, p[:min(len(p), room)]...)
	if len(p) > room {
		b.full()
	}
	return len(p), nil
}

func (b *headBuffer) bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.kept
}

// tailBuffer keeps the end of what is written.
type tailBuffer struct {
	mu   sync.Mutex
	kept []byte
	most int
}

// Write never fails: what is too old is dropped.
func (b *tailBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kept = append(b.kept, p...)
	if over := len(b.kept) - b.most; over > 0 {
		b.kept = append(b.kept[:0], b.kept[over:]...)
	}
	return len(p), nil
}

func (b *tailBuffer) bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]byte(nil), b.kept...)
}

// Errors returns the end of what the tool wrote on stderr so far.
func (w *Tooling) Errors() []byte { return w.stderr.bytes() }

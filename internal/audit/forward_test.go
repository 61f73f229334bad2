package audit

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mlx/internal/fault"
)

// broker is one that is down at times, and takes only a part of what it gets.
type broker struct {
	mu    sync.Mutex
	down  bool
	tries int
	got   []string
}

func (b *broker) Send(ctx context.Context, rows [][]byte) ([][]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tries++
	if b.down || ctx.Err() != nil {
		return rows, fault.New(fault.Unavailable, "%w", errors.New("no broker answers"))
	}
	half := (len(rows) + 1) / 2
	for _, row := range rows[:half] {
		b.got = append(b.got, string(row))
	}
	if half == len(rows) {
		return nil, nil
	}
	return rows[half:], errors.New("too many at once")
}

func (b *broker) set(down bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.down = down
}

func (b *broker) seen() (tries int, got []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.tries, slices.Clone(b.got)
}

// TestSink: what is kept goes to the sink as well, also after it was down; and the log does not wait for it.
func TestSink(t *testing.T) {
	s := newSite(t)
	b := &broker{down: true}
	o := s.options()
	o.Sink = b
	alarms := make(chan error, 10)
	o.Alarm = func(err error) { alarms <- err }
	w := mustOpen(t, o)
	for i := range 10 {
		_ = w.Add(flight("x", i))
	}
	if err := <-alarms; err == nil || !strings.Contains(err.Error(), "no broker answers") {
		t.Errorf("the alarm says %v", err)
	}
	until(t, "the log has them", func() bool { return w.Stats().Rows == 10 })
	until(t, "it is tried again", func() bool { n, _ := b.seen(); return n > 1 })
	b.set(false)
	if err := <-alarms; err != nil {
		t.Errorf("and then %v", err)
	}
	mustClose(t, w)
	_, got := b.seen()
	if stats := w.Stats(); len(got) != 10 || stats.Sent != 10 || stats.Unsent != 0 || stats.Trouble != nil {
		t.Errorf("%d rows came, %+v", len(got), stats)
	}
	for _, row := range got {
		if h, ok := headOf([]byte(row + "\n")); !ok || h.Release != "k1" {
			t.Errorf("%q came", row)
		}
	}
}

// TestSinkIsBounded: what finds no room is counted, and so is what nobody takes before the end.
func TestSinkIsBounded(t *testing.T) {
	s := newSite(t)
	o := s.options()
	o.Sink, o.SinkBytes = &broker{down: true}, 2000
	w := mustOpen(t, o)
	for i := range 30 {
		_ = w.Add(flight("x", i))
		until(t, "it is on the disk", func() bool { return w.Stats().Rows == int64(i+1) })
	}
	if n := w.Stats().Unsent; n < 20 {
		t.Errorf("%d found no room", n)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := w.Close(ctx); err != nil {
		t.Errorf("what the sink does not take is in the log: %v", err)
	}
	if stats := w.Stats(); stats.Unsent != 30 || stats.Sent != 0 {
		t.Errorf("%+v", stats)
	}
	if ids := idsOf(t, s.log(), Window{}); len(ids) != 30 {
		t.Errorf("%d rows", len(ids))
	}
}

package cli

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// When progress is told: soon on a terminal, seldom in a log.
const (
	firstDraw  = 500 * time.Millisecond
	redraw     = 100 * time.Millisecond
	logEvery   = 30 * time.Second
	eventEvery = time.Second
)

// Progress tells how far long work has come. A nil Progress, or one under -q, tells nothing.
// Its methods may be called from many goroutines.
type Progress struct {
	s     *Streams
	what  string
	unit  string
	start time.Time
	done  atomic.Int64
	bytes atomic.Int64
	total atomic.Int64
	stop  chan struct{}
	ended sync.WaitGroup
	once  sync.Once
	drawn bool // guarded by s.mu
}

type progressEvent struct {
	Kind  string   `json:"kind"`
	What  string   `json:"what"`
	Done  int64    `json:"done"`
	Total *int64   `json:"total"`
	Unit  string   `json:"unit"`
	Rate  *float64 `json:"rate"`
	LeftS *float64 `json:"left_s"`
}

// Progress starts telling: what is the work ("reading"), unit a plural noun ("files") or "bytes", total 0 when unknown.
func (s *Streams) Progress(what, unit string, total int64) *Progress {
	p := &Progress{s: s, what: what, unit: unit, stop: make(chan struct{})}
	p.total.Store(total)
	if s.Quiet || s.NoProgress || s.Err == nil || s.Now == nil {
		return p
	}
	p.start = s.Now()
	p.ended.Add(1)
	go p.tell()
	return p
}

// Add counts n more units as done.
func (p *Progress) Add(n int64) {
	if p != nil {
		p.done.Add(n)
	}
}

// AddBytes counts bytes beside the units; with them the rate is told in bytes.
func (p *Progress) AddBytes(n int64) {
	if p != nil {
		p.bytes.Add(n)
	}
}

// SetTotal corrects the expected number of units.
func (p *Progress) SetTotal(n int64) {
	if p != nil {
		p.total.Store(n)
	}
}

// Done ends the telling and removes the line. It may be called twice.
func (p *Progress) Done() {
	if p == nil {
		return
	}
	p.once.Do(func() {
		close(p.stop)
		p.ended.Wait()
		p.s.mu.Lock()
		defer p.s.mu.Unlock()
		if p.s.live == p {
			p.s.clearLive()
			p.s.live = nil
		}
	})
}

func (p *Progress) tell() {
	defer p.ended.Done()
	first, every := logEvery, logEvery
	switch {
	case p.s.JSON:
		first, every = firstDraw, eventEvery
	case p.s.ErrTTY:
		first, every = firstDraw, redraw
	}
	timer := time.NewTimer(first)
	defer timer.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-timer.C:
			p.draw()
			timer.Reset(every)
		}
	}
}

func (p *Progress) draw() {
	elapsed := p.s.Now().Sub(p.start)
	switch {
	case p.s.JSON:
		p.s.event(p.event(elapsed))
	case !p.s.ErrTTY:
		p.s.errLine(p.line(elapsed))
	default:
		p.s.mu.Lock()
		defer p.s.mu.Unlock()
		if p.s.live != nil && p.s.live != p {
			return // the line belongs to work that began earlier
		}
		p.s.clearLive()
		p.s.live, p.drawn = p, true
		_, _ = p.s.Err.Write([]byte(p.line(elapsed)))
	}
}

// clearLive removes the progress line before anything else is written. s.mu is held.
func (s *Streams) clearLive() {
	if s.live != nil && s.live.drawn {
		_, _ = s.Err.Write([]byte("\r\x1b[K"))
		s.live.drawn = false
	}
}

func (p *Progress) event(elapsed time.Duration) progressEvent {
	e := progressEvent{Kind: "progress/v1", What: p.what, Done: p.done.Load(), Unit: p.unit}
	if total := p.total.Load(); total > 0 {
		e.Total = &total
	}
	if s := elapsed.Seconds(); s > 0 && e.Done > 0 {
		rate := float64(e.Done) / s
		e.Rate = &rate
		if left, ok := p.left(elapsed); ok {
			seconds := left.Seconds()
			e.LeftS = &seconds
		}
	}
	return e
}

func (p *Progress) line(elapsed time.Duration) string {
	done, total, moved := p.done.Load(), p.total.Load(), p.bytes.Load()
	format := func(n int64) string { return FormatCount(n) }
	unit := " " + p.unit
	if p.unit == "bytes" {
		format, unit, moved = FormatBytes, "", done
	}
	words := []string{p.what, format(done) + unit}
	if total > 0 {
		words[1] = format(done) + " of " + format(max(done, total)) + unit
	}
	if s := elapsed.Seconds(); s > 0 && moved > 0 {
		words = append(words, FormatBytes(int64(float64(moved)/s))+"/s")
	} else if s > 0 && done > 0 {
		words = append(words, fmt.Sprintf("%s/s", FormatCount(int64(float64(done)/s))))
	}
	if left, ok := p.left(elapsed); ok {
		words = append(words, FormatDuration(left.Truncate(time.Second))+" left")
	}
	return strings.Join(words, "  ")
}

func (p *Progress) left(elapsed time.Duration) (time.Duration, bool) {
	done, total := p.done.Load(), p.total.Load()
	if done <= 0 || total <= done {
		return 0, false
	}
	return time.Duration(float64(elapsed) * float64(total-done) / float64(done)), true
}

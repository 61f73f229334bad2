package router

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/deploy/router/internal/counts"
)

// The cells of one release: single numbers, four histograms, and words.
const (
	cellRequests = iota
	cellAnswers
	cellErrors
	cellRetried
	cellRefused
	cellSchema
	cellEligible
	cellCompared
	cellDropped
	cellUnlike
	cellFailed
	cellDisagreed
	cellLeft     // clients that went before the answer
	cellMicros   // all latencies, in microseconds
	cellWordless // words beyond the 64 that have a place, and long ones
	cellLost     // requests of which the carrier told nothing

	cellLatency = 32
	cellLow     = cellLatency + deploy.NumBuckets
	cellHigh    = cellLow + deploy.NumBuckets
	cellDiffs   = cellHigh + deploy.NumBuckets
	cellWords   = cellDiffs + deploy.NumBuckets
	numCells    = cellWords + deploy.MaxWords*wordCells

	// A word has a cell of its state, one of its count, and its bytes.
	wordCells = 2 + maxWord/8
	maxWord   = 128
)

// counters count for one release. All is atomic, and shared with the router before or after this one.
type counters struct {
	*counts.Cells
	words sync.Map // of the word: its place, an int
	full  atomic.Bool
}

// Counted are the requests, answers, errors and retries that routers in a folder have counted, by key of the release, also of releases that
// the router knows no more, and when none runs. What cannot be read is left out.
func Counted(dir string) map[string]deploy.Counters {
	all := map[string]deploy.Counters{}
	names, err := os.ReadDir(filepath.Join(dir, countsDir))
	if err != nil {
		return all // nothing was counted
	}
	for _, f := range names {
		if n, err := counts.Read(filepath.Join(dir, countsDir, f.Name()), cellRetried+1); err == nil && keyForm.MatchString(f.Name()) {
			all[f.Name()] = deploy.Counters{Requests: n[cellRequests], Answers: n[cellAnswers], Errors: n[cellErrors], Retried: n[cellRetried]}
		}
	}
	return all
}

func newCounters(c *counts.Cells) *counters { return &counters{Cells: c} }

func (c *counters) add(cell int) { c.N[cell].Add(1) }

func (c *counters) observe(histogram int, value float64) {
	b := deploy.NumBuckets - 1
	if value < math.MaxInt64/2 {
		b = deploy.Bucket(int64(value))
	}
	c.N[histogram+b].Add(1)
}

func (c *counters) latency(d time.Duration) {
	c.observe(cellLatency, float64(d.Microseconds()))
	c.N[cellMicros].Add(d.Microseconds())
}

// output counts the first number of an answer.
func (c *counters) output(v float64) {
	switch {
	case math.IsNaN(v):
	case v < 0:
		c.observe(cellLow, -v*1e6)
	default:
		c.observe(cellHigh, v*1e6)
	}
}

// The states of a place for a word.
const (
	wordFree = iota
	wordTaken
	wordReady // plus the length of the word, shifted by 2 bits
)

// word counts the first word of an answer.
func (c *counters) word(w string) {
	if place, ok := c.words.Load(w); ok {
		c.N[place.(int)+1].Add(1)
		return
	}
	if len(w) > maxWord || w == "" || c.full.Load() {
		c.add(cellWordless)
		return
	}
	for i := range deploy.MaxWords {
		at := cellWords + i*wordCells
		state := c.N[at].Load()
		if state == wordFree && c.N[at].CompareAndSwap(wordFree, wordTaken) {
			c.write(at, w)
			state = c.N[at].Load()
		}
		if state&3 == wordReady && c.read(at, state) == w {
			c.words.Store(w, at)
			c.N[at+1].Add(1)
			return
		}
	}
	c.full.Store(true)
	c.add(cellWordless)
}

func (c *counters) write(at int, w string) {
	var b [maxWord]byte
	copy(b[:], w)
	for i := range maxWord / 8 {
		c.N[at+2+i].Store(int64(binary.BigEndian.Uint64(b[i*8:])))
	}
	c.N[at].Store(int64(wordReady | len(w)<<2))
}

func (c *counters) read(at int, state int64) string {
	var b [maxWord]byte
	for i := range maxWord / 8 {
		binary.BigEndian.PutUint64(b[i*8:], uint64(c.N[at+2+i].Load()))
	}
	return string(b[:min(max(state>>2, 0), maxWord)])
}

func (c *counters) histogram(from int) deploy.Histogram {
	list := make([]int64, deploy.NumBuckets)
	for i := range list {
		list[i] = c.N[from+i].Load()
	}
	return deploy.NewHistogram(list)
}

// counts is what was counted for the answers of the release.
func (c *counters) counts() deploy.Counters {
	n := func(cell int) int64 { return c.N[cell].Load() }
	return deploy.Counters{
		Requests: n(cellRequests), Answers: n(cellAnswers), Errors: n(cellErrors), Retried: n(cellRetried), Refused: n(cellRefused), Schema: n(cellSchema),
		Lost: n(cellLost), Latency: c.histogram(cellLatency),
		Outputs: deploy.Outputs{Low: c.histogram(cellLow), High: c.histogram(cellHigh), Words: c.wordCounts()},
	}
}

func (c *counters) wordCounts() map[string]int64 {
	words := map[string]int64{}
	for i := range deploy.MaxWords {
		at := cellWords + i*wordCells
		if state := c.N[at].Load(); state&3 == wordReady {
			words[c.read(at, state)] += c.N[at+1].Load()
		}
	}
	if rest := c.N[cellWordless].Load(); rest > 0 {
		words[""] += rest
	}
	if len(words) == 0 {
		return nil
	}
	return words
}

// pairs is what was counted for it as a shadow.
func (c *counters) pairs() deploy.Pairs {
	n := func(cell int) int64 { return c.N[cell].Load() }
	return deploy.Pairs{
		Eligible: n(cellEligible), Compared: n(cellCompared), Dropped: n(cellDropped), Unlike: n(cellUnlike), Failed: n(cellFailed),
		Disagreed: n(cellDisagreed), Differences: c.histogram(cellDiffs),
	}
}

package audit

import (
	"errors"
	"sync"

	"mlx/internal/fault"
)

var (
	errClosed = fault.New(fault.Unavailable, "cannot keep a prediction: %w", errors.New("the log is closed"))
	errFull   = fault.New(fault.Unavailable, "cannot keep a prediction: %w", errors.New("too many wait to be written"))
)

// queue holds predictions until they are written. It is bounded by their number and by their bytes.
type queue struct {
	mu       sync.Mutex
	waiting  []Prediction
	spare    []Prediction // the memory of what was taken before
	bytes    int64        // of what waits and is not encoded yet
	held     int          // the same as a number
	most     int
	mostSize int64
	accepted uint64
	dropped  int64
	refused  int64
	refusing error // nothing is taken in for this reason
	closed   bool

	wake chan struct{} // something waits, or much does
}

func newQueue(most int, mostSize int64) *queue {
	return &queue{most: most, mostSize: mostSize, wake: make(chan struct{}, 1)}
}

// add takes a prediction in, or drops it. It never waits for the disk.
func (q *queue) add(p Prediction) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.room(p.weight()); err != nil {
		q.dropped++
		return err
	}
	q.held++
	q.put(p)
	return nil
}

// promise takes a place for a prediction that is still to come. Its bytes are not known yet: they come on top of what fits.
func (q *queue) promise() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.room(0); err != nil {
		q.refused++
		return err
	}
	q.held++
	return nil
}

// addPromised takes in a prediction that has a place.
func (q *queue) addPromised(p Prediction) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		q.dropped++
		return
	}
	q.put(p)
}

// room says why nothing of a size can be taken in.
func (q *queue) room(size int64) error {
	switch {
	case q.closed:
		return errClosed
	case q.refusing != nil:
		return q.refusing
	case q.held >= q.most || q.bytes+size > q.mostSize:
		return errFull
	}
	return nil
}

func (q *queue) put(p Prediction) {
	q.waiting = append(q.waiting, p)
	q.accepted++
	q.bytes += p.weight()
	if len(q.waiting) == 1 || q.held == q.most/2 {
		select {
		case q.wake <- struct{}{}:
		default:
		}
	}
}

// crowded says whether half of the room is taken.
func (q *queue) crowded() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.held >= q.most/2 || q.bytes >= q.mostSize/2 || q.closed
}

// take returns all that waits, in order. It counts as held until it is released.
func (q *queue) take() []Prediction {
	q.mu.Lock()
	defer q.mu.Unlock()
	taken := q.waiting
	q.waiting, q.spare = q.spare[:0], nil
	return taken
}

// release makes room: so many of what was taken are encoded.
func (q *queue) release(n int, size int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held -= n
	q.bytes -= size
}

// recycle takes the memory of what was taken back.
func (q *queue) recycle(taken []Prediction) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.spare = taken[:0]
}

// numbers are how many were taken in and dropped so far.
func (q *queue) numbers() (accepted uint64, dropped int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.accepted, q.dropped
}

// refusals are how many places were refused, and why one would be now.
func (q *queue) refusals() (int64, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.refused, q.room(0)
}

func (q *queue) refuse(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.refusing = err
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
}

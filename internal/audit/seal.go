package audit

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// sealer finishes segments and seals them, beside the writer that fills the next one.
type sealer struct {
	opts  *Options
	name  string
	alarm func(error)
	codec *codec

	mu      sync.Mutex
	jobs    []job
	closing bool

	ctx     context.Context //nolint:containedctx // of the goroutine: who closes may end it
	cancel  context.CancelFunc
	wake    chan struct{}
	stopped chan struct{}
	failed  error // of the last try; it belongs to the goroutine until stopped is closed

	sealed atomic.Int64
}

// job is a segment to be sealed.
type job struct {
	spooled
	dropped int64
	lost    int64
	again   bool // it may have been sealed already
}

func newSealer(ctx context.Context, o *Options, name string, alarm func(error)) (*sealer, error) {
	c, err := newCodec()
	if err != nil {
		return nil, err
	}
	s := &sealer{opts: o, name: name, alarm: alarm, codec: c, wake: make(chan struct{}, 1), stopped: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	go s.run()
	return s, nil
}

func (s *sealer) add(number, dropped int64) {
	s.mu.Lock()
	s.jobs = append(s.jobs, job{spooled: spooled{writer: s.name, number: number}, dropped: dropped})
	s.mu.Unlock()
	s.nudge()
}

func (s *sealer) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// close seals what is left, and removes the sign of life if nothing is.
func (s *sealer) close(ctx context.Context) error {
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	s.nudge()
	defer s.cancel()
	select {
	case <-s.stopped:
		return s.failed
	case <-ctx.Done():
		return fault.New(fault.Unavailable, "cannot seal all predictions: %w", ctx.Err())
	}
}

// sealAgain is after how long what has failed is tried again, and after how long the spool is looked through for what others left.
const (
	sealAgain = 5 * time.Second
	lookAgain = 10 * time.Minute
)

func (s *sealer) run() {
	defer close(s.stopped)
	defer s.codec.close()
	timer := time.NewTimer(0) // what others left is looked for at once
	defer timer.Stop()
	for {
		look := false
		select {
		case <-s.wake:
		case <-timer.C:
			look = true
		}
		s.mu.Lock()
		closing := s.closing
		s.mu.Unlock()
		before := s.failed
		if s.failed = s.all(); s.failed == nil && (look || closing) {
			s.failed = s.adopt()
		}
		if (before == nil) != (s.failed == nil) {
			s.alarm(s.failed)
		}
		if closing {
			return
		}
		timer.Reset(lookAgain)
		if s.failed != nil {
			timer.Reset(sealAgain)
		}
	}
}

// all seals the segments of this writer, in order.
func (s *sealer) all() error {
	for {
		s.mu.Lock()
		if len(s.jobs) == 0 {
			s.mu.Unlock()
			return nil
		}
		j := s.jobs[0]
		s.mu.Unlock()
		if err := s.one(j); err != nil {
			s.mu.Lock()
			s.jobs[0].again = true
			s.mu.Unlock()
			return fault.New(fault.KindOf(err), "cannot seal predictions of %s: %w", s.opts.Service, err)
		}
		s.mu.Lock()
		s.jobs = s.jobs[1:]
		s.mu.Unlock()
	}
}

// one finishes a segment, keeps it and records it. Whatever was done before a crash is not done twice.
func (s *sealer) one(j job) error {
	var known []Entry
	if j.again || j.number > 1 {
		var err error
		if known, err = entriesOf(s.ctx, s.opts.Ledger, s.opts.Service, j.writer); err != nil {
			return err
		}
	}
	var previous *Entry
	for i := range known {
		switch known[i].Number {
		case j.number:
			return s.remove(j)
		case j.number - 1:
			previous = &known[i]
		}
	}
	if j.number > 1 && previous == nil {
		return fault.New(fault.Integrity, "segment %d of writer %s is not recorded", j.number-1, j.writer)
	}
	if err := s.finish(&j, previous); err != nil || !j.full {
		return err
	}
	return s.record(j, previous)
}

func (s *sealer) path(j spooled) string { return filepath.Join(s.opts.Dir, j.name()) }

// finish makes a finished file of one that is not, unless there is one. One that tells nothing is removed.
func (s *sealer) finish(j *job, previous *Entry) error {
	full := spooled{j.writer, j.number, true}
	if _, err := os.Stat(s.path(full)); err == nil {
		j.full = true
		return nil
	}
	in, seg, err := openFile(s.path(j.spooled))
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return os.Remove(s.path(j.spooled)) // killed before its header was on the disk
	}
	if err != nil {
		return err
	}
	defer in.Close()
	if len(seg.frames) == 0 && j.dropped == 0 && j.lost == 0 {
		return os.Remove(s.path(j.spooled))
	}
	end := ending{SegmentCounts: SegmentCounts{Dropped: j.dropped, Lost: j.lost}}
	if previous != nil {
		end.Previous = previous.Segment
	}
	made := filepath.Join(s.opts.Dir, segmentName(j.writer, j.number, madeEnd))
	out, err := os.OpenFile(made, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	buffered := bufio.NewWriterSize(out, 1<<18)
	_, err = seg.finish(buffered, s.codec, end)
	if err = errors.Join(err, buffered.Flush(), out.Sync(), out.Close()); err != nil {
		return errors.Join(err, os.Remove(made))
	}
	if err := os.Rename(made, s.path(full)); err != nil {
		return err
	}
	j.full = true
	return syncFolder(s.opts.Dir)
}

// record keeps a finished segment, records it and removes it from the spool.
func (s *sealer) record(j job, previous *Entry) error {
	body, err := sealedOf(s.path(j.spooled))
	if err != nil {
		return err
	}
	root, release, err := s.opts.Keep(s.ctx, s.path(j.spooled))
	if err != nil {
		return err
	}
	body.Kept = root
	in := []lineage.Input{{Role: "segment", ID: root}}
	follows, err := s.follows(previous)
	if err != nil {
		return errors.Join(err, release())
	}
	if !follows.IsZero() {
		in = append(in, lineage.Input{Role: rolePrevious, ID: follows})
	}
	op := fmt.Sprintf("predictions %s %d", j.writer, j.number)
	_, err = SegmentSealed.Append(s.ctx, s.opts.Ledger, lineage.Entry[Sealed]{Body: body, In: in, Op: op})
	if err = errors.Join(err, release()); err != nil {
		return err
	}
	s.sealed.Add(1)
	return s.remove(j)
}

// rolePrevious is how a record names the one that it follows: that of its writer, of a first one the last of the service.
const rolePrevious = "previous"

func (s *sealer) follows(previous *Entry) (object.Digest, error) {
	if previous != nil {
		return previous.ID, nil
	}
	q := lineage.Query{Nouns: []string{"prediction"}, Where: "service == " + strconv.Quote(s.opts.Service), Sort: "-lc", Limit: 1, All: true}
	for rec, err := range s.opts.Ledger.Select(s.ctx, q) {
		return rec.ID, err
	}
	return object.Digest{}, nil
}

// sealedOf is what a record says of a finished file; all but where it is kept.
func sealedOf(path string) (Sealed, error) {
	f, seg, err := openFile(path)
	if err != nil {
		return Sealed{}, err
	}
	defer f.Close()
	if seg.index == nil {
		return Sealed{}, fmt.Errorf("%s: %w", filepath.Base(path), errDamaged)
	}
	sum, size, err := sumOf(f)
	if err != nil {
		return Sealed{}, err
	}
	body := Sealed{Service: seg.header.Service, Writer: seg.header.Writer, Number: seg.header.Number, Segment: sum, Previous: seg.index.Previous,
		Policy: seg.header.Policy, SegmentCounts: seg.index.SegmentCounts}
	body.Bytes = size
	return body, nil
}

func sumOf(f *os.File) (object.Digest, int64, error) {
	h := sha256.New()
	n, err := io.Copy(h, f)
	return object.Digest(h.Sum(nil)), n, err
}

// remove takes a segment out of the spool, the unfinished file first: the finished one is what others look at.
func (s *sealer) remove(j job) error {
	for _, full := range []bool{false, true} {
		if err := os.Remove(s.path(spooled{j.writer, j.number, full})); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

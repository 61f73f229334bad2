package tracking

import (
	"context"
	"errors"
	"sync"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/run"
)

// idDigits is how many digits of the id of a run are its id for clients.
const idDigits = 32

// quiet is how long nothing must have come for a run that has ended before what came after its end is recorded.
const quiet = 2 * time.Second

// clientID is the id of a run as clients know it.
func clientID(id object.Digest) string { return id.Hex()[:idDigits] }

// live are the runs that this server writes.
type live struct {
	mu     sync.Mutex
	runs   map[string]*held
	sealed bool
	most   int // open at a time
}

// held is one of them.
type held struct {
	*run.Tracked
	timer   *time.Timer // records what came after the end
	row     *row
	version uint64 // of the run that row shows
}

func noRun(id string) error { return failf(ResourceDoesNotExist, "Run with id=%s not found", clip(id)) }

// digestOf finds the run that a client names.
func (s *Server) digestOf(ctx context.Context, id string) (object.Digest, error) {
	if len(id) == 2*len(object.Digest{}) {
		id = id[:idDigits]
	}
	prefix, err := object.ParsePrefix(id)
	if err != nil || len(id) != idDigits {
		return object.Digest{}, noRun(id)
	}
	s.live.mu.Lock()
	known := s.live.runs[id]
	s.live.mu.Unlock()
	if known != nil {
		return known.ID, nil
	}
	matches, err := s.o.Ledger.Find(ctx, prefix)
	if err != nil {
		return object.Digest{}, err
	}
	for _, m := range matches {
		if m.Role == "id" && run.Started.Is(m.Record) {
			return m.ID, nil
		}
	}
	return object.Digest{}, noRun(id)
}

// writer returns the run to be written to, and goes on with it where that is needed.
func (s *Server) writer(ctx context.Context, id string) (*held, error) {
	digest, err := s.digestOf(ctx, id)
	if err != nil {
		return nil, err
	}
	s.live.mu.Lock()
	defer s.live.mu.Unlock()
	if s.live.sealed {
		return nil, failf(BadRequest, "The endpoint is closing")
	}
	if h := s.live.runs[clientID(digest)]; h != nil {
		return h, nil
	}
	goOn := s.o.Runner.TrackAgain
	if s.o.Joined != nil && s.o.Joined() == digest {
		goOn = s.o.Runner.TrackJoined
	}
	t, err := goOn(ctx, digest)
	if err != nil {
		return nil, err
	}
	return s.hold(t), nil
}

// maxHeld is how many runs are open at a time. Each of them takes two files.
const maxHeld = 500

// hold keeps a run; the lock is held. The one that was silent longest gives way where there are too many: it is opened again when its
// client comes back.
func (s *Server) hold(t *run.Tracked) *held {
	if len(s.live.runs) >= s.live.most {
		var oldest *held
		var since time.Time
		for _, h := range s.live.runs {
			if _, at := h.Changed(); !h.Joined() && (oldest == nil || at.Before(since)) {
				oldest, since = h, at
			}
		}
		if oldest != nil {
			delete(s.live.runs, clientID(oldest.ID))
			s.trouble(oldest.Close(true))
		}
	}
	h := &held{Tracked: t}
	s.live.runs[clientID(t.ID)] = h
	return h
}

// letGo forgets a run that takes nothing more.
func (s *Server) letGo(h *held) {
	s.live.mu.Lock()
	defer s.live.mu.Unlock()
	if s.live.runs[clientID(h.ID)] == h {
		delete(s.live.runs, clientID(h.ID))
	}
}

// written is the run where this server writes it, else nil.
func (s *Server) written(id string) *held {
	s.live.mu.Lock()
	defer s.live.mu.Unlock()
	return s.live.runs[id]
}

// maxReopened is how often a run may be recorded under one change.
const maxReopened = 10

// change writes something to a run. check is asked first; nil: the run must not be deleted.
func (s *Server) change(ctx context.Context, id string, e run.Entry, check func(*held) error) error {
	if check == nil {
		check = s.active
	}
	for range maxReopened {
		h, err := s.writer(ctx, id)
		if err != nil {
			return err
		}
		if err := check(h); err != nil {
			return err
		}
		err = h.Log(ctx, e)
		if fault.KindOf(err) == fault.Conflict && h.Closed() {
			s.letGo(h) // it was recorded meanwhile
			continue
		}
		s.settleLater(h)
		return err
	}
	return failf(BadRequest, "Run %s changes too fast", clip(id))
}

// active refuses changes of a run in the bin.
func (s *Server) active(h *held) error {
	if h.Deleted() || s.experiments.deleted(h.Experiment(), h.Started()) {
		return invalid("The run %s must be in the 'active' state. Current state is deleted.", clientID(h.ID))
	}
	return nil
}

// settleLater records what came after the end of a run once nothing more comes.
func (s *Server) settleLater(h *held) {
	if !h.Over() {
		return
	}
	s.live.mu.Lock()
	defer s.live.mu.Unlock()
	if h.timer != nil {
		h.timer.Reset(quiet)
		return
	}
	h.timer = time.AfterFunc(quiet, func() { s.trouble(s.settle(context.Background(), h)) })
}

// settle records a run that ended. Where somebody still writes its files it is tried again later.
func (s *Server) settle(ctx context.Context, h *held) error {
	done, err := h.Record(ctx)
	if done {
		s.letGo(h)
	} else if err == nil && h.Over() && !h.Joined() {
		s.settleLater(h)
	}
	return err
}

func (s *Server) trouble(err error) {
	if err != nil && s.o.Trouble != nil {
		s.o.Trouble(err)
	}
}

// wake goes on with the runs that an earlier server did not bring to their end. A server that is part of a run leaves them to those
// that stay.
func (s *Server) wake(ctx context.Context) {
	if s.o.Joined != nil {
		return
	}
	all, err := s.o.Runner.TrackedBefore(ctx)
	s.trouble(err)
	s.live.mu.Lock()
	for _, t := range all {
		s.hold(t)
	}
	s.live.mu.Unlock()
	s.trouble(s.Clean(ctx))
}

// Seal refuses every change from here on, and leaves the joined run to whoever runs its command: all that was told of it is in its
// folder. Call it when the command has ended, before the end is recorded.
func (s *Server) Seal(ctx context.Context) error {
	var err error
	if s.o.Joined != nil {
		err = s.abandonBegun(ctx)
	}
	s.live.mu.Lock()
	s.live.sealed = true
	var joined []*held
	for _, h := range s.live.runs {
		if h.Joined() {
			joined = append(joined, h)
		}
	}
	s.live.mu.Unlock()
	for _, h := range joined {
		err = errors.Join(err, h.Close(false))
		s.letGo(h)
	}
	return err
}

// Close records what is not recorded yet. Runs that their clients have not ended stay, and can be gone on with.
func (s *Server) Close(ctx context.Context) error { return s.CloseAs(ctx, "") }

// CloseAs is Close when the command ended that the clients were part of: runs that they did not end, ended as it did.
func (s *Server) CloseAs(ctx context.Context, state run.State) error {
	err := s.Seal(ctx)
	s.live.mu.Lock()
	left := make([]*held, 0, len(s.live.runs))
	for _, h := range s.live.runs {
		left = append(left, h)
		if h.timer != nil {
			h.timer.Stop()
		}
	}
	s.live.mu.Unlock()
	for _, h := range left {
		if state != "" && !h.Over() {
			err = errors.Join(err, h.Log(ctx, run.Entry{Status: endOf(state), EndedAt: s.now()}))
		}
		done, failed := h.Record(ctx)
		if err = errors.Join(err, failed); !done {
			err = errors.Join(err, h.Close(failed == nil))
		}
		s.letGo(h)
	}
	return err
}

// endOf is how a run ended that was part of a command.
func endOf(state run.State) string {
	if state == run.Running {
		return "FAILED"
	}
	return run.ClientStatus(state)
}

func (s *Server) now() *time.Time {
	t := s.o.Now().UTC().Truncate(time.Microsecond)
	return &t
}

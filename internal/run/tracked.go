package run

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// TrackSpec is a run that a client begins.
type TrackSpec struct {
	Base       Body // code, machine, folder, process
	Name       string
	Experiment string
	Parent     string // id of the run that it happens in, 64 hex digits
	Inside     bool   // within the process of its parent
	User       string
	Tags       map[string]string
	StartedAt  time.Time
}

// Tracked is a run that clients tell of, until it is let go of. What Log took is on the disk before Log returns. All its methods may
// be used at the same time.
type Tracked struct {
	ID  object.Digest
	Dir string // its folder

	r       Runner
	joined  bool // the Runner that executes the command records the end
	claim   io.Closer
	journal *journal
	started lineage.Record
	uploads sync.RWMutex // read: somebody writes files

	mu      sync.Mutex
	state   *story          // everything that is known
	heads   []object.Digest // newest records; the first one of a run without an end
	changed bool            // something is not in the ledger
	touched time.Time       // when something last came
	closed  bool
	version uint64 // counts changes
}

// Track records that a run begins and makes its folder.
func (r Runner) Track(ctx context.Context, s TrackSpec) (*Tracked, error) {
	body := s.Base
	body.State, body.Name, body.Experiment, body.Parent, body.Inside = Running, s.Name, s.Experiment, s.Parent, s.Inside
	body.StartedAt, body.Attempt = s.StartedAt.UTC().Truncate(time.Microsecond), max(1, body.Attempt)
	body.Tracking = &Tracking{User: text(s.User), Status: "RUNNING"}
	if err := body.fit(); err != nil {
		return nil, err
	}
	tmp, err := r.scratch(nil)
	if err != nil {
		return nil, err
	}
	rec, err := Started.Append(ctx, r.Ledger, lineage.Entry[Body]{Body: body, In: inputs(body)})
	if err == nil {
		err = begunJournal(tmp, s.Tags)
	}
	if err != nil {
		_ = os.RemoveAll(tmp) // gc removes what stays
		return nil, fault.New(fault.KindOf(err), "cannot start the run: %w", err)
	}
	dir, claim, err := r.settle(tmp, rec.ID)
	if err != nil {
		return nil, err
	}
	if err := syncFolder(r.Runs); err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot start the run: %w", err)
	}
	return r.tracked(&Tracked{ID: rec.ID, Dir: dir, claim: claim, started: rec}, body, []object.Digest{rec.ID})
}

// begunJournal writes the journal of a run that begins, with the tags it begins with.
func begunJournal(dir string, tags map[string]string) error {
	var e Entry
	for key, value := range tags {
		e.tag(key, &value)
	}
	var first []byte
	if len(e.Tags) > 0 {
		first = e.line()
	}
	return writeDurably(filepath.Join(dir, trackedName), first)
}

// TrackJoined is the run of mlx run whose command is in progress: the end of it is recorded by whoever runs the command.
func (r Runner) TrackJoined(ctx context.Context, id object.Digest) (*Tracked, error) {
	rec, body, err := r.openRun(ctx, id)
	if err != nil {
		return nil, err
	}
	if body == nil {
		return nil, fault.New(fault.Conflict, "cannot join run %s: it is not in progress", id.Short())
	}
	return r.tracked(&Tracked{ID: id, Dir: filepath.Join(r.Runs, id.Hex()), joined: true, started: rec}, *body, []object.Digest{id})
}

// TrackAgain goes on with a run: one whose folder is still there, because nobody recorded its end, or one that ended, to which
// something is added.
func (r Runner) TrackAgain(ctx context.Context, id object.Digest) (*Tracked, error) {
	started, err := r.Ledger.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if !Started.Is(started) {
		return nil, fault.New(fault.NotFound, "there is no run %s", id.Short())
	}
	body, heads, err := r.newest(ctx, started)
	if err == nil {
		err = Unfold(ctx, r.Store, &body)
	}
	if err != nil {
		return nil, err
	}
	t := &Tracked{ID: id, Dir: filepath.Join(r.Runs, id.Hex()), started: started}
	if err := r.reopen(t); err != nil {
		return nil, err
	}
	return r.tracked(t, body, heads)
}

// newest is what the ledger says of a run, and the records that say it.
func (r Runner) newest(ctx context.Context, started lineage.Record) (Body, []object.Digest, error) {
	heads, err := r.heads(ctx, started.ID)
	if fault.KindOf(err) == fault.Conflict { // no end yet
		body, err := Started.Decode(started)
		body.Run = &started.ID
		return body, []object.Digest{started.ID}, err
	}
	if err != nil {
		return Body{}, nil, err
	}
	body, err := merged(heads)
	if err != nil {
		return Body{}, nil, err
	}
	ids := make([]object.Digest, len(heads))
	for i, h := range heads {
		ids[i] = h.ID
	}
	return body, ids, nil
}

// reopen makes or takes the folder of a run.
func (r Runner) reopen(t *Tracked) (err error) {
	if _, err := os.Stat(t.Dir); err == nil {
		if t.claim, err = claimFolder(t.Dir); err != nil {
			return fault.New(fault.Conflict, "cannot add to run %s: another process writes it", t.ID.Short())
		}
		_ = os.Remove(filepath.Join(t.Dir, restingName)) // there may be none
		return nil
	}
	tmp, err := r.scratch(nil)
	if err != nil {
		return err
	}
	if err := writeDurably(filepath.Join(tmp, trackedName), nil); err != nil {
		return fault.New(fault.KindOf(err), "cannot add to run %s: %w", t.ID.Short(), err)
	}
	t.Dir, t.claim, err = r.settle(tmp, t.ID)
	return err
}

// tracked opens the journal and folds it over what the ledger says.
func (r Runner) tracked(t *Tracked, body Body, heads []object.Digest) (*Tracked, error) {
	t.r, t.heads, t.touched = r, heads, r.Now()
	body.Run = &t.ID
	t.state = newStory(body)
	if err := t.state.given(t.Dir); err != nil {
		return nil, t.giveUp(err)
	}
	var err error
	t.journal, err = openJournal(filepath.Join(t.Dir, trackedName), func(e Entry) {
		t.changed = true
		t.state.apply(e)
	})
	if err != nil {
		return nil, t.giveUp(err)
	}
	if _, err := os.Stat(filepath.Join(t.Dir, artifactsName)); err == nil {
		t.changed = true
	}
	return t, nil
}

func (t *Tracked) giveUp(err error) error {
	if t.claim != nil {
		_ = t.claim.Close() // nothing was written
	}
	return err
}

// ErrParamChanged says that parameters have other values already. What was asked for is not done; the refused values are kept.
type ErrParamChanged struct{ Params []ChangedParam }

// ChangedParam is a parameter that somebody tried to change.
type ChangedParam struct {
	Key string `json:"key"`
	Old string `json:"old"`
	New string `json:"new"`
}

func (e *ErrParamChanged) Error() string { return "changing param values is not allowed" }

// Log takes what a client tells, all of it or nothing. It returns once that survives a crash. A parameter that has another value is
// ErrParamChanged.
func (t *Tracked) Log(_ context.Context, e Entry) error {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return fault.New(fault.Conflict, "cannot add to run %s: it is closed", t.ID.Short())
	}
	refused := t.state.refuses(e)
	if refused != nil {
		e = Entry{Refused: refused.Params}
	}
	at, err := t.journal.write(e.line())
	if err == nil {
		t.state.apply(e)
		t.changed, t.touched = true, t.r.Now()
		t.version++
	}
	t.mu.Unlock()
	if err == nil {
		err = t.journal.wait(at)
	}
	switch {
	case err != nil:
		return fault.New(fault.KindOf(err), "cannot keep what was told of run %s: %w", t.ID.Short(), err)
	case refused != nil:
		return refused
	}
	return nil
}

// Joined says whether the run is that of a command that mlx runs.
func (t *Tracked) Joined() bool { return t.joined }

// Body is the run as it is known now: what the ledger says and what was told since. The copy is the caller's; of metrics it has
// the values that count, and in Tracking.Latest where they stand.
func (t *Tracked) Body() Body {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state.copy()
}

// Changed says whether something is not in the ledger yet, and when something last came.
func (t *Tracked) Changed() (bool, time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.changed, t.touched
}

// Closed says that the run takes nothing more through this handle.
func (t *Tracked) Closed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.closed
}

// Over says whether the run has an end: one that a client named, or one in the ledger.
func (t *Tracked) Over() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state.over()
}

// Deleted says whether the run is in the bin.
func (t *Tracked) Deleted() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state.body.Tracking.Deleted != nil
}

// Experiment is the name of the experiment that the run belongs to.
func (t *Tracked) Experiment() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state.body.Experiment
}

// Started is when the run began.
func (t *Tracked) Started() time.Time { return t.state.first.StartedAt }

// Version counts what was told: as long as it is the same, so is Body.
func (t *Tracked) Version() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.version
}

// Tag is the value of a tag, and whether there is one.
func (t *Tracked) Tag(key string) (string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	value, ok := t.state.tags[key]
	return value, ok
}

// By is who recorded that the run began.
func (t *Tracked) By() string { return t.started.By }

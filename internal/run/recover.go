package run

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// silence is how long a run's folder must give no sign of life before a machine that was started anew since then may
// say that the run is over.
const silence = 5 * time.Minute

// Recover records the end of the runs of this host that nobody watches any more, with what their folders still hold.
// A run whose command lives on is left alone. Of several that recover at once one does it. What cannot be recovered does
// not keep others from it; the errors are joined.
func (r Runner) Recover(ctx context.Context) ([]View, error) {
	live, err := LiveRuns(r.Runs)
	if err != nil {
		return nil, err
	}
	var all []View
	var troubles []error
	for _, l := range live {
		v, err := r.recoverOne(ctx, l)
		if err != nil {
			troubles = append(troubles, fault.New(fault.KindOf(err), "cannot record the end of run %s: %w", l.ID.Short(), err))
		} else if v != nil {
			all = append(all, *v)
		}
	}
	return all, errors.Join(troubles...)
}

// recoverOne returns nil when there is nothing to do.
func (r Runner) recoverOne(ctx context.Context, l Live) (*View, error) {
	claim, err := claimFolder(l.Dir)
	if err != nil {
		return nil, nil // somebody watches it, or records its end at this moment
	}
	defer claim.Close()
	if t, err := r.ofClients(ctx, l); err != nil || t != nil {
		if err != nil {
			return nil, err
		}
		return r.recoverTracked(ctx, l, t)
	}
	started, body, err := r.openRun(ctx, l.ID)
	if err != nil || body == nil || !l.over(*body, r.Host, r.Now()) { // whoever was first has done it, or it goes on
		return nil, err
	}
	body.Run = &l.ID
	r.lose(body, l)
	if _, err := os.Stat(filepath.Join(l.Dir, beginsName)); body.State == Lost && l.Child == nil && errors.Is(err, fs.ErrNotExist) {
		body.Cause = CauseNeverBegan
	}
	got := r.collect(ctx, Spec{}, body, l.Dir)
	rec, err := r.end(ctx, started, body)
	if err != nil {
		return nil, err
	}
	r.collectChildren(ctx, *body, l.Dir, &got)
	if !got.badMetrics && !got.keep {
		_ = os.RemoveAll(l.Dir) // gc removes what stays
	}
	v := viewOf(l.ID, rec, *body)
	return &v, errors.Join(got.release()...)
}

// openRun returns the first record of a run. A nil body: its end is recorded, or it is no run that this ledger knows.
func (r Runner) openRun(ctx context.Context, id object.Digest) (lineage.Record, *Body, error) {
	started, err := r.Ledger.Get(ctx, id)
	if fault.KindOf(err) == fault.NotFound || err == nil && !Started.Is(started) {
		return lineage.Record{}, nil, nil
	}
	if err != nil {
		return lineage.Record{}, nil, err
	}
	for later, err := range r.Ledger.Referring(ctx, id) {
		if err != nil {
			return lineage.Record{}, nil, err
		}
		if of, ok := IDOf(later); ok && of == id {
			return lineage.Record{}, nil, nil
		}
	}
	body, err := Started.Decode(started)
	return started, &body, err
}

// over reports whether neither mlx nor the command of a run exists any more, asked from the machine called host.
func (l Live) over(b Body, host string, now time.Time) bool {
	if b.Process.Host != host || b.Job != nil {
		return false
	}
	switch b.Process.seen(host) {
	case alive:
		return false
	case gone:
		return l.childSeen(host) != alive && !l.rests(now)
	case unknown: // this machine before it was started anew, or another container of the same name
	}
	return now.Sub(l.heard()) > silence
}

// rests says whether the run was left to be gone on with, not long ago: its client may come back.
func (l Live) rests(now time.Time) bool {
	_, err := os.Stat(filepath.Join(l.Dir, restingName))
	return err == nil && now.Sub(l.heard()) < patience
}

// lose writes down how a run ended that nobody saw end.
func (r Runner) lose(b *Body, l Live) {
	ended := l.heard().UTC().Truncate(time.Microsecond)
	if ended.Before(b.StartedAt) {
		ended = b.StartedAt
	}
	b.EndedAt, b.DurationS = &ended, ended.Sub(b.StartedAt).Seconds()
	b.State, b.Cause = Lost, lostCause(b.Process, r.Host)
	if l.Cancel != nil {
		b.State, b.Cause = Cancelled, l.Cancel.Words()
	}
	b.PeakMemoryBytes = sampledPeak(filepath.Join(l.Dir, resourcesName))
}

// CauseNeverBegan is the cause of a lost run whose command was certainly not started: it can be run without being run twice.
const CauseNeverBegan = "mlx was gone before the command began"

func lostCause(p Process, host string) string {
	if p.seen(host) == unknown {
		return "the machine stopped before the command ended"
	}
	return "mlx was gone before the command ended"
}

// sampledPeak returns the greatest memory in a file of samples, 0 without one.
func sampledPeak(file string) int64 {
	f, err := os.Open(file)
	if err != nil {
		return 0
	}
	defer f.Close()
	var peak int64
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var sample struct {
			Memory int64 `json:"system/memory_bytes"`
		}
		if json.Unmarshal(lines.Bytes(), &sample) == nil {
			peak = max(peak, sample.Memory)
		}
	}
	return peak
}

// AskToEnd records who wants a run to end and asks whoever can do it: the mlx that watches it, or the command itself if
// that is gone. With kill it is not asked but made to.
func (r Runner) AskToEnd(v View, l Live, c Cancel, kill bool) error {
	if l.Cancel != nil && !kill {
		return nil // somebody asked before; a second signal would kill
	}
	if l.Cancel == nil {
		if err := note(l.Dir, cancelName, c); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fault.New(fault.KindOf(err), "cannot cancel run %s: %w", v.RunID.Short(), err)
		}
	}
	watcher := v.watcher
	switch {
	case watcher.seen(r.Host) == alive && pollsCancel:
		return nil
	case watcher.seen(r.Host) == alive: // a second signal kills
		return asking(v, askWatcher(watcher.PID))
	case l.childSeen(r.Host) == alive:
		return asking(v, askProcess(l.Child.PID, kill))
	}
	return nil // both are gone: Recover
}

func asking(v View, err error) error {
	if err == nil || errors.Is(err, syscall.ESRCH) || errors.Is(err, os.ErrProcessDone) {
		return nil // it ended meanwhile
	}
	return fault.New(fault.KindOf(err), "cannot cancel run %s: %w", v.RunID.Short(), err)
}

// Watched says whether the process that watches over a run can be told to end it from this machine.
func (v View) Watched(host string) bool { return v.watcher.Host == host && v.watcher.Boot == bootID() }

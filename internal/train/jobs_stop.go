package train

import (
	"context"
	"path/filepath"
	"time"

	"mlx/internal/fault"
)

// An agent that was asked to end gets the grace for its command, and this to record the end and save what there is. That may
// take long; as long as it says that it is at work on it, it is waited for.
const (
	stopMargin = 10 * time.Second
	saveLimit  = 10 * time.Minute
	stopPause  = 50 * time.Millisecond
)

// stop asks the agent of a job to end, and kills all of its session in the end. It goes on if the connection ends meanwhile.
func (n NodeJobs) stop(ctx context.Context, q stopQuestion) error {
	a, known := n.agent(q.Run, q.Rank)
	if !known || a.Host == n.Host && a.Boot != bootOf() {
		return nil
	}
	if a.Host != n.Host {
		return fault.New(fault.Conflict, "cannot stop it: it was started on %s, and %s answers", a.Host, n.Host)
	}
	if a.lives() {
		askToEnd(a.PID)
	}
	margin := stopMargin
	if q.Grace == 0 {
		margin = 0
	}
	begun := n.Now()
	for a.lives() {
		waited := n.Now().Sub(begun)
		told, err := readNote[Told](filepath.Join(n.folder(q.Run), StateName), "told/v1")
		saving := err == nil && told.State == "saving" && waited < saveLimit
		if waited > q.Grace+margin && !saving {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(stopPause):
		}
	}
	for range 20 { // those that come into being meanwhile as well
		if killSession(a) == 0 {
			return nil
		}
		<-time.After(stopPause)
	}
	return fault.New(fault.Unavailable, "cannot stop it: process %d does not end on %s", a.PID, n.Host)
}

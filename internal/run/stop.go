package run

import (
	"os"
	"time"
)

// Stop ends the command of a run for a reason that only the caller knows: a cancellation, a machine that is taken away,
// another rank that failed.
type Stop struct {
	State State
	Cause string
	Grace time.Duration // what is still running then is killed; 0 is at once
}

// told ends the command as it was told, and returns how long it may take. Whoever was asked before is killed.
func (w *watch) told(s Stop) time.Duration {
	if w.asked != nil || w.timedOut || w.stop != nil {
		w.force()
		return 0
	}
	w.stop = &s
	w.group.ask(w.cmd.Process)
	return s.Grace
}

// stopCause says why the command was stopped, and whether it took force.
func (o outcome) stopCause() string {
	if o.forced && o.signal == "SIGKILL" {
		return o.stop.Cause + "; killed, because it did not end"
	}
	return o.stop.Cause
}

// warned hands on a warning: the backend will end the job soon. It goes to those processes only that are prepared for it,
// because it ends all others.
func (w *watch) warned(s os.Signal) { warn(w.cmd.Process, s) }

package main

import (
	"cmp"

	"mlx/internal/run"
	"mlx/internal/train"
)

// outcome is how a run ended whose job ended without the agent's doing.
func (j *onJob) outcome(last sight) (run.State, string) {
	if c, ok := readNote[run.Cancel](j.folderOf(), cancelNote); ok {
		return run.Cancelled, c.Words()
	}
	why := cmp.Or(last.status.Reason, string(last.status.Cause))
	switch last.status.Cause {
	case train.CauseCancelled:
		return run.Cancelled, "cancelled on " + j.name + suffix(why, string(train.CauseCancelled))
	case train.CauseTime:
		return run.Killed, "time limit of " + j.name
	case train.CauseMemory:
		return run.Killed, "killed: out of memory"
	case train.CauseMissing:
		return run.Lost, j.name + " does not know it any more"
	case train.CauseNode, train.CausePreempted:
		return run.Lost, string(last.status.Cause) + suffix(why, string(last.status.Cause))
	case train.CauseNone, train.CauseExit:
	}
	return run.Lost, "lost on " + j.name + ": " + cmp.Or(why, "its agent ended without a result")
}

// tellTrouble tells what went wrong at the end of a run. Of a shard that was asked to end nobody wants to know: why is told of the work.
func (j *onJob) tellTrouble(trouble []string) {
	tell := j.app.streams.Note
	if j.apart && hasNote(j.folderOf(), cancelNote) {
		tell = j.app.streams.Why
	}
	for _, words := range trouble {
		tell("run %s: %s", j.id.Short(), words)
	}
}

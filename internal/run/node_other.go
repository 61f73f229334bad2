//go:build !linux

package run

import (
	"time"

	"mlx/internal/object"
)

func sinceBoot() time.Duration { return 0 }

// KernelLog returns what the kernel has said of this machine: nothing that can be read on this system.
func KernelLog() string { return "" }

// NoExec says whether programs in a folder cannot be executed. It is not known on this system.
func NoExec(string) bool { return false }

// NearlyFull says how many bytes are free where a folder lies, if few are. It is not known on this system.
func NearlyFull(string) (free int64, full bool) { return 0, false }

// EndRest ends what this process has started and that is still there: its group is all that is known on this system.
func EndRest() {}

// EndRun ends the processes of a run whose agent is gone. They cannot be told on this system.
func EndRun(object.Digest) {}

// commandOf finds the process that the others of a run come from. It cannot be told on this system.
func commandOf(object.Digest) (pid int, ok bool) { return 0, false }

// Adopt makes this process the parent of those below it whose own parents end, where the system can do that.
func Adopt() {}

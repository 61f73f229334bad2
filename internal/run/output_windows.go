package run

import (
	"errors"
	"os"
)

// pipeSize is never asked for on this system: a read of a pipe cannot be ended.
const pipeSize = 0

func readNow(*os.File, []byte) int { return 0 }

func isResize(os.Signal) bool { return false }

// isTerminal is always false: a command gets a pipe, and its output is shown as it comes.
func isTerminal(*os.File) bool { return false }

func openTerminal(*os.File) (ours, child *os.File, err error) { return nil, nil, errors.ErrUnsupported }

func copySize(from, to *os.File) {}

func widen(*os.File) {}

// pollsCancel: no signal reaches a process here, so it looks whether somebody asked it to end its run.
const pollsCancel = true

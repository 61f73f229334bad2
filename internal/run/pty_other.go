//go:build unix && !linux

package run

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// isTerminal reports whether a file is a terminal.
func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	return err == nil
}

// openTerminal makes none on this system: a command at a terminal gets the terminal itself, and what it writes there is
// not recorded.
func openTerminal(*os.File) (ours, child *os.File, err error) { return nil, nil, errors.ErrUnsupported }

func copySize(_, _ *os.File) {}

func widen(*os.File) {}

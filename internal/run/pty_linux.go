package run

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// isTerminal reports whether a file is a terminal.
func isTerminal(f *os.File) bool {
	is := false
	control(f, func(fd int) {
		_, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		is = err == nil
	})
	return is
}

// openTerminal makes a terminal like one that exists, for output only: the command's keyboard stays the real one. It
// changes nothing of what is written, because the real terminal does.
func openTerminal(like *os.File) (ours, child *os.File, err error) {
	if ours, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0); err != nil {
		return nil, nil, err
	}
	number := 0
	control(ours, func(fd int) {
		if err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err == nil {
			number, err = unix.IoctlGetInt(fd, unix.TIOCGPTN)
		}
	})
	if err == nil {
		child, err = openRaw("/dev/pts/" + strconv.Itoa(number))
	}
	if err != nil {
		_ = ours.Close()
		return nil, nil, fmt.Errorf("make a terminal for the output: %w", err)
	}
	copySize(like, ours)
	return ours, child, nil
}

// openRaw opens a terminal and switches off what it does to output. The file is one that waits, as a command expects.
func openRaw(name string) (*os.File, error) {
	fd, err := unix.Open(name, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), name)
	mode, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err == nil {
		mode.Oflag &^= unix.OPOST
		err = unix.IoctlSetTermios(fd, unix.TCSETS, mode)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// copySize gives one terminal the size of another.
func copySize(from, to *os.File) {
	control(from, func(fd int) {
		size, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ)
		if err != nil {
			return // a terminal without a size
		}
		control(to, func(fd int) {
			_ = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, size) // it keeps the size that it has
		})
	})
}

// control calls do with the number of a file, which stays under the care of the runtime.
func control(f *os.File, do func(fd int)) {
	conn, err := f.SyscallConn()
	if err == nil {
		err = conn.Control(func(fd uintptr) { do(int(fd)) })
	}
	_ = err // a closed file: do was not called, and what it was to find out stays unknown
}

// widen lets a pipe hold more, where the user may.
func widen(pipe *os.File) {
	control(pipe, func(fd int) {
		_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETPIPE_SZ, pipeSize) // it keeps the size that it has
	})
}

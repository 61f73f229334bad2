package run

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"mlx/internal/fault"
)

// order is a command to execute, and what may end it early.
type order struct {
	argv    []string
	dir     string
	env     []string
	stdin   *os.File
	stdout  io.Writer // a file is given to the child as it is, so that it sees the terminal
	stderr  io.Writer
	timeout time.Duration
	grace   time.Duration // between asking and killing, once the time is over
	signals <-chan os.Signal
}

// outcome is how a process ended.
type outcome struct {
	status    int    // exit status; -1 when a signal ended it
	signal    string // "SIGKILL", or "" when it exited
	number    int    // of the signal
	asked     os.Signal
	timedOut  bool
	cpu       time.Duration
	peakBytes int64
}

// lookup finds the program, from the folder that it shall start in, so that a misspelt command leaves no run behind.
func lookup(name, dir string) error {
	at := name
	if strings.ContainsRune(filepath.ToSlash(name), '/') && !filepath.IsAbs(name) {
		at = filepath.Join(dir, name)
	}
	_, err := exec.LookPath(at)
	switch {
	case err == nil, errors.Is(err, exec.ErrDot):
		return nil // Start says the rest
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		missing := fault.New(fault.NotFound, "cannot start the run: there is no program %q", name)
		if strings.ContainsAny(name, " \t") {
			return missing.Hint("mlx run -- sh -c '%s'   # a shell splits words and knows its own syntax", strings.ReplaceAll(name, "'", `'\''`))
		}
		if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
			return missing.Hint("mlx run ./%s   # a program in this folder", name)
		}
		return missing.Hint("command -v %s   # finds what the shell would run", name)
	case errors.Is(err, fs.ErrPermission):
		return fault.New(fault.Denied, "cannot start the run: %s is not executable", name).Hint("chmod +x %s", name)
	}
	return fault.New(fault.KindOf(err), "cannot start the run: %w", err)
}

// execute runs the order to its end. Its context is not asked: a signal arrives through order.signals, where it is
// handed to the child, whose own answer decides.
func (o order) execute() (outcome, error) {
	cmd := exec.Command(o.argv[0], o.argv[1:]...)
	cmd.Dir, cmd.Env = o.dir, o.env
	if o.stdin != nil {
		cmd.Stdin = o.stdin
	}
	cmd.Stdout, cmd.Stderr = o.stdout, o.stderr
	own := highWater(os.Getpid())
	group := prepare(cmd)
	if err := cmd.Start(); err != nil {
		return outcome{}, fault.New(fault.KindOf(err), "cannot start the run: %w", err)
	}
	w := watch{order: o, cmd: cmd, group: group}
	w.follow()
	if w.timedOut {
		group.kill(cmd.Process) // whatever it started and left behind when it was asked to end
	}
	end := outcomeOf(cmd.ProcessState)
	end.asked, end.timedOut = w.asked, w.timedOut
	end.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	// A child begins as a copy of this process, and the system counts that against it: usage below our own is no news.
	if used := maxResident(cmd.ProcessState); used > own {
		end.peakBytes = used
	} else {
		end.peakBytes = w.seenPeak
	}
	return end, nil
}

// watch follows one child.
type watch struct {
	order
	cmd      *exec.Cmd
	group    *group
	asked    os.Signal // first signal that this process was sent
	timedOut bool
	seenPeak int64
}

// follow returns when the child has ended. The first signal is handed on, the second one kills; so does the time limit,
// after it asked.
func (w *watch) follow() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = w.cmd.Wait() // the process state says how it ended; no other error can occur, files are given as they are
	}()
	var limit, kill <-chan time.Time
	if w.timeout > 0 {
		limit = time.After(w.timeout)
	}
	pause := 4 * time.Millisecond // a program that has only been loaded has no peak yet
	look := time.NewTimer(pause)
	for {
		select {
		case <-done:
			return
		case s := <-w.signals:
			if w.asked != nil || w.timedOut {
				w.group.kill(w.cmd.Process)
				continue
			}
			w.asked = s
			w.group.pass(w.cmd.Process, s)
		case <-limit:
			limit, w.timedOut = nil, true
			w.group.ask(w.cmd.Process)
			kill = time.After(w.grace)
		case <-kill:
			kill = nil
			w.group.kill(w.cmd.Process)
		case <-look.C:
			w.seenPeak = max(w.seenPeak, highWater(w.cmd.Process.Pid))
			pause = min(2*pause, time.Second)
			look.Reset(pause)
		}
	}
}

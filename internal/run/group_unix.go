//go:build unix

package run

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// group says how signals reach a child and what it starts.
//
// At a terminal the child stays in the process group of mlx: only so does job control (Ctrl-C, Ctrl-Z, reading the
// keyboard) work as without mlx, and the terminal itself interrupts both. Everywhere else the child leads a group of
// its own, so that a signal reaches whatever it started, and nothing beside it. In the shared group, which also holds
// whatever mlx was started by or beside, the descendants of the child are looked for instead.
type group struct {
	shared bool
	known  map[int]string // descendants seen so far, and when each began: a parent that ends leaves no other trace of them
}

// prepare decides for one of the two. The streams are those of mlx itself: what a command gets in their place is no
// terminal that controls anything.
func prepare(cmd *exec.Cmd, streams ...any) *group {
	for _, stream := range streams {
		f, ok := stream.(*os.File)
		if !ok || f == nil {
			continue
		}
		front, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCGPGRP)
		if err == nil && front == unix.Getpgrp() {
			return &group{shared: true, known: make(map[int]string)}
		}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return &group{}
}

// pass hands on a signal that this process was sent. The terminal sends its own to the whole group: the child has it.
func (g *group) pass(p *os.Process, s os.Signal) {
	if g.shared && (s == syscall.SIGINT || s == syscall.SIGQUIT) {
		return
	}
	if sig, ok := s.(syscall.Signal); ok {
		g.send(p, sig)
	}
}

// ask tells the child to end.
func (g *group) ask(p *os.Process) { g.send(p, syscall.SIGTERM) }

// kill ends the child.
func (g *group) kill(p *os.Process) { g.send(p, syscall.SIGKILL) }

func (g *group) send(p *os.Process, s syscall.Signal) {
	if g.shared {
		g.look(p.Pid)
		_ = p.Signal(s) // it may have ended meanwhile
		for pid := range g.known {
			_ = syscall.Kill(pid, s) // so may they
		}
		return
	}
	if err := syscall.Kill(-p.Pid, s); errors.Is(err, syscall.EPERM) {
		_ = p.Signal(s)
	}
}

// look notes the living descendants of process pid, and forgets those that ended: their numbers may belong to others by now.
func (g *group) look(pid int) {
	parents := parents()
	for old, began := range g.known {
		if startOf(old) != began {
			delete(g.known, old)
		}
	}
	for found := true; found; {
		found = false
		for child, parent := range parents {
			_, old := g.known[child]
			_, below := g.known[parent]
			if old || child == pid || parent != pid && !below {
				continue
			}
			if began := startOf(child); began != "" {
				g.known[child] = began
				found = true
			}
			delete(parents, child)
		}
	}
}

// outcomeOf reads how a process ended.
func outcomeOf(state *os.ProcessState) outcome {
	ws, ok := state.Sys().(syscall.WaitStatus)
	if ok && ws.Signaled() {
		name := unix.SignalName(ws.Signal())
		return outcome{status: -1, signal: name, number: int(ws.Signal())}
	}
	return outcome{status: state.ExitCode()}
}

// maxResident returns the peak memory in bytes of the largest process among the child and those that it waited for.
func maxResident(state *os.ProcessState) int64 {
	usage, ok := state.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	if runtime.GOOS == "darwin" || runtime.GOOS == "ios" {
		return int64(usage.Maxrss)
	}
	return int64(usage.Maxrss) << 10
}

// SignalsHandedOn are the signals that a run hands on to its child.
func SignalsHandedOn() []os.Signal {
	return []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGWINCH}
}

// polite is the signal that asks a process to end.
const polite = syscall.SIGTERM

// askWatcher asks the mlx that watches a run to end it.
func askWatcher(pid int) error { return syscall.Kill(pid, polite) }

// askProcess asks a process that this one did not start to end, and whatever leads its own group with it.
func askProcess(pid int, kill bool) error {
	s := polite
	if kill {
		s = syscall.SIGKILL
	}
	if group, err := unix.Getpgid(pid); err == nil && group == pid {
		return syscall.Kill(-pid, s)
	}
	return syscall.Kill(pid, s)
}

// SignalNumber is the number of a signal by its name, 0 for none.
func SignalNumber(name string) int { return int(unix.SignalNum(name)) }

func signalName(s os.Signal) string {
	if sig, ok := s.(syscall.Signal); ok {
		return unix.SignalName(sig)
	}
	return s.String()
}

//go:build unix

package local

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// shell executes a command line.
var shell = [...]string{"/bin/sh", "-c"}

// identity names a process for longer than its number: numbers are used again.
type identity struct {
	PID   int    `json:"pid"`
	Start string `json:"start"` // as the system tells when it began; empty where it does not tell
}

// alive says whether the process runs.
func (i identity) alive() bool {
	if i.PID <= 0 || errors.Is(syscall.Kill(i.PID, 0), syscall.ESRCH) {
		return false
	}
	return startOf(i.PID) == i.Start
}

// startOf is when a process began, in ticks since the machine did; "" of one that is dead, or where there is no /proc.
func startOf(pid int) string {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return ""
	}
	// The second field is the name of the program in parentheses; it may hold blanks and parentheses itself.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 20 || string(fields[0]) == "Z" || string(fields[0]) == "X" {
		return ""
	}
	return string(fields[19])
}

// process is one that was started here, or by a supervisor before this one.
type process interface {
	identity() identity
	ended() <-chan struct{}
	status() string // how it ended
	// stop asks the process and all that it started to end, and kills them after the grace. It returns when the process has ended.
	stop(grace time.Duration)
}

// started is a process that this one started.
type started struct {
	id   identity
	done chan struct{}
	how  *os.ProcessState // when done is closed
}

// start starts a command that leads a group of its own, so that signals reach all that it starts and nothing beside.
func start(cmd *exec.Cmd) (*started, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &started{id: identity{cmd.Process.Pid, startOf(cmd.Process.Pid)}, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // its state says how it ended
		s.how = cmd.ProcessState
		close(s.done)
	}()
	return s, nil
}

func (s *started) identity() identity       { return s.id }
func (s *started) ended() <-chan struct{}   { return s.done }
func (s *started) stop(grace time.Duration) { stopGroup(s.id, s.done, grace) }
func (s *started) status() string           { return s.how.String() }

// adopted is a process that an earlier supervisor started. It is nobody's child, so it is looked at again and again.
type adopted struct{ id identity }

// lookEvery is how often an adopted process is looked at.
const lookEvery = 200 * time.Millisecond

func (a adopted) identity() identity { return a.id }
func (a adopted) status() string     { return "a status that only the supervisor before this one was told" }

func (a adopted) ended() <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		look := time.NewTicker(lookEvery)
		defer look.Stop()
		for a.id.alive() {
			<-look.C
		}
	}()
	return done
}

func (a adopted) stop(grace time.Duration) { stopGroup(a.id, a.ended(), grace) }

func stopGroup(id identity, done <-chan struct{}, grace time.Duration) {
	if grace > 0 {
		signalGroup(id, syscall.SIGTERM)
		select {
		case <-done:
		case <-time.After(grace):
		}
	}
	signalGroup(id, syscall.SIGKILL) // what it started may not have ended with it
	<-done
}

// signalGroup signals the group that a process leads. The group may outlive its leader; while it does, nobody else gets its number.
func signalGroup(id identity, s syscall.Signal) {
	if id.PID > 1 {
		_ = syscall.Kill(-id.PID, s) // it may have ended
	}
}

// memoryOf is what processes and their groups hold now, in bytes; 0 where that cannot be read.
func memoryOf(leaders ...identity) int64 {
	groups := map[string]bool{}
	for _, id := range leaders {
		groups[strconv.Itoa(id.PID)] = true
	}
	names, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0
	}
	var pages int64
	for _, name := range names {
		stat, err := os.ReadFile(name)
		if err != nil {
			continue // it ended meanwhile
		}
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		if len(fields) < 22 || !groups[string(fields[2])] {
			continue
		}
		n, err := strconv.ParseInt(string(fields[21]), 10, 64)
		if err == nil {
			pages += n
		}
	}
	return pages * int64(os.Getpagesize())
}

// Lock keeps others from doing the same at the same time, until the file is closed or the process ends.
func Lock(name string) (*os.File, error) {
	if err := private(filepath.Dir(name)); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close() // it was only opened to be locked
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, ErrLocked
		}
		return nil, fmt.Errorf("cannot lock %s: %w", name, err)
	}
	return f, nil
}

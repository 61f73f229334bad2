package run

import (
	"os"
	"os/exec"
	"syscall"
)

// group says how signals reach a child. On Windows the console sends Ctrl-C to both processes by itself, and there is
// no other way to ask a process to end.
type group struct{}

func prepare(*exec.Cmd, ...any) *group { return &group{} }

func (group) pass(p *os.Process, s os.Signal) {
	if s != os.Interrupt {
		_ = p.Kill() // it may have ended meanwhile
	}
}

func (group) ask(p *os.Process) { _ = p.Kill() }

func (group) kill(p *os.Process) { _ = p.Kill() }

func outcomeOf(state *os.ProcessState) outcome { return outcome{status: state.ExitCode()} }

// maxResident is not known on this system.
func maxResident(*os.ProcessState) int64 { return 0 }

// SignalsHandedOn are the signals that a run hands on to its child.
func SignalsHandedOn() []os.Signal { return []os.Signal{os.Interrupt, syscall.SIGTERM} }

// SignalNumber is the number of a signal by its name: there are none here.
func SignalNumber(string) int { return 0 }

func signalName(s os.Signal) string { return s.String() }

// polite stands for being asked to end: nothing is sent, the watching process looks for the file.
const polite = syscall.SIGTERM

// askProcess ends a process that this one did not start: there is no way to ask.
func askProcess(pid int, _ bool) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return p.Kill()
}

// askWatcher has nothing to send: the watching process looks for the file.
func askWatcher(int) error { return nil }

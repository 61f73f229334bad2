package run

import (
	"os"
	"os/exec"
	"syscall"
)

// group says how signals reach a child. On Windows the console sends Ctrl-C to both processes by itself, and there is
// no other way to ask a process to end.
type group struct{}

func prepare(*exec.Cmd) *group { return &group{} }

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

func signalName(s os.Signal) string { return s.String() }

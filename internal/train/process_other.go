//go:build !unix

package train

import (
	"os"
	"os/exec"
	"syscall"

	"mlx/internal/fault"
)

func ownGroup(*exec.Cmd) {}

// ownSession refuses: nothing here outlives its session in a way that a later link could find.
func ownSession(*exec.Cmd) error {
	return fault.New(fault.Usage, "cannot run jobs on this system: nodes are Linux or macOS").Hint("mlx backend list   # other backends")
}

func signals() map[string]syscall.Signal { return nil }

func signalGroup(int, syscall.Signal) error {
	return fault.New(fault.Usage, "cannot signal jobs on this system: nodes are Linux or macOS")
}

func statusOf(p *os.ProcessState) int { return p.ExitCode() }

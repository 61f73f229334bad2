package train

import (
	"os"
	"os/exec"

	"mlx/internal/fault"
)

func alone(*exec.Cmd) {}

func ownGroup(*exec.Cmd) {}

func statusOf(p *os.ProcessState) int { return p.ExitCode() }

func askToEnd(int) {}

func lockFolder(string) (unlock func(), err error) {
	return nil, fault.New(fault.Usage, "jobs do not execute on Windows").Hint("wsl   # mlx for Linux runs there")
}

package train

import "mlx/internal/fault"

func askToEnd(int) {}

func lockFolder(string) (unlock func(), err error) {
	return nil, fault.New(fault.Usage, "jobs do not execute on Windows").Hint("wsl   # mlx for Linux runs there")
}

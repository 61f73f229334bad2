package measure

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// Project returns the folder to measure in and what removes it: keep itself, which stays, or a temporary one where keep is
// empty.
func Project(keep, name string) (dir string, remove func(), err error) {
	if keep != "" {
		return keep, func() {}, nil
	}
	dir, err = os.MkdirTemp("", "mlx-bench-"+name+"-")
	return dir, func() { _ = os.RemoveAll(dir) }, err
}

// Init makes dir a Git repository, and a project.
func Init(mlx, dir string) error {
	for _, args := range [][]string{{"git", "init", "-q", "-b", "main", dir}, {mlx, "-C", dir, "init"}} {
		if _, err := Run(Command{Args: args}); err != nil {
			return err
		}
	}
	return nil
}

// Script is the absolute path of a peer's program, which is named from the root of the repository: benchmarks are run from there.
func Script(path string) string {
	if absolute, err := filepath.Abs(path); err == nil {
		return absolute
	}
	return path
}

// Filled makes dir a project whose ledger this very program fills, as its child "child-fill LEDGER N", unless it is one. What is n
// things in words, for the line that says what it cost.
func Filled(mlx, dir string, n int, what string) error {
	ledger := filepath.Join(dir, ".git", "mlx", "ledger")
	if _, err := os.Stat(filepath.Join(ledger, "packs")); err == nil {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := Init(mlx, dir); err != nil {
		return err
	}
	cost, err := Run(Command{Args: []string{self, "child-fill", ledger, strconv.Itoa(n)}})
	if err != nil {
		return err
	}
	fmt.Printf("%s written: %.1f s CPU, %.0f MiB peak\n", what, cost.CPU, cost.PeakMiB())
	return nil
}

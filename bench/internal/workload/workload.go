// Package workload hides where the data of benchmarks comes from: a seeded generator, run once, into a cache.
package workload

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"mlx/bench/internal/measure"
)

// Cache keeps workloads between runs.
type Cache struct {
	Root string // of the source repository
	Dir  string // made when needed
}

// Folder returns the folder of a workload of gen_data.py at a scale, made first if it is missing. At scale 1 the
// folder has the bare name, at others the scale is in it.
func (c Cache) Folder(name string, scale float64, programs ...string) (string, error) {
	folder, text := filepath.Join(c.Dir, name), strconv.FormatFloat(scale, 'g', 6, 64)
	if scale != 1 {
		folder += "-" + text
	}
	return folder, Make(folder, func(to string) error {
		for _, program := range programs {
			_, err := measure.Run(measure.Command{Args: []string{"python3", filepath.Join(c.Root, "bench", "gen_data.py"),
				program, to, "--scale", text}})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Make fills folder unless it is there. It appears under its name only when complete.
func Make(folder string, fill func(to string) error) error {
	if _, err := os.Stat(folder); err == nil {
		return nil
	}
	fmt.Fprintf(os.Stderr, "# making %s\n", folder)
	unfinished := folder + ".unfinished"
	if err := os.RemoveAll(unfinished); err != nil {
		return err
	}
	if err := os.MkdirAll(unfinished, 0o755); err != nil {
		return err
	}
	if err := fill(unfinished); err != nil {
		return err
	}
	return os.Rename(unfinished, folder)
}

// Place puts a file of a workload at path, as a link where it can: nobody who is measured writes to it.
func Place(source, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	if os.Link(source, path) == nil {
		return nil
	}
	_, err := measure.Run(measure.Command{Args: []string{"cp", source, path}})
	return err
}

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"mlx/bench/internal/measure"
)

// workload returns the folder of a workload of gen_data.py at a scale, made first if it is missing. At scale 1 the
// folder has the bare name, at others the scale is in it.
func (b *bench) workload(name string, scale float64, programs ...string) (string, error) {
	folder := filepath.Join(b.data, name)
	if scale != 1 {
		folder += "-" + strconv.FormatFloat(scale, 'g', 6, 64)
	}
	return folder, b.make(folder, func(to string) error {
		for _, program := range programs {
			_, err := measure.Run(measure.Command{Args: []string{"python3", filepath.Join(b.root, "bench", "gen_data.py"),
				program, to, "--scale", strconv.FormatFloat(scale, 'g', 6, 64)}})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// tables returns the folder of the tables that bench/tables.py writes.
func (b *bench) tables() (string, error) {
	folder := filepath.Join(b.data, "tables")
	return folder, b.make(folder, func(to string) error {
		python, err := b.python()
		if err != nil {
			return err
		}
		_, err = measure.Run(measure.Command{Args: []string{python, filepath.Join(b.root, "bench", "tables.py"), to}})
		return err
	})
}

// make fills folder unless it is there. It appears under its name only when complete.
func (b *bench) make(folder string, fill func(to string) error) error {
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

// place puts a file of a workload at path, as a link where it can: nobody who is measured writes to it.
func place(source, path string) error {
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

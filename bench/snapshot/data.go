package main

import (
	"path/filepath"

	"mlx/bench/internal/measure"
	"mlx/bench/internal/workload"
)

// workload returns the folder of a workload of gen_data.py at a scale.
func (b *bench) workload(name string, scale float64, programs ...string) (string, error) {
	return workload.Cache{Root: b.root, Dir: b.data}.Folder(name, scale, programs...)
}

// tables returns the folder of the tables that bench/tables.py writes.
func (b *bench) tables() (string, error) {
	folder := filepath.Join(b.data, "tables")
	return folder, workload.Make(folder, func(to string) error {
		python, err := b.python()
		if err != nil {
			return err
		}
		_, err = measure.Run(measure.Command{Args: []string{python, filepath.Join(b.root, "bench", "tables.py"), to}})
		return err
	})
}

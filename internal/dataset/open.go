package dataset

import (
	"context"

	"mlx/internal/fault"
)

// openFile opens one file in the format that the options, its name or its content say.
func openFile(_ context.Context, f File, _ Options) (file, error) {
	return nil, fault.New(fault.Usage, "cannot read %s: its format is not known", f.Name)
}

// unite makes one schema of those of all files, by name, in the order in which the columns first appear.
func unite(files []file, _ Options) (Schema, error) {
	return files[0].schema(), nil
}

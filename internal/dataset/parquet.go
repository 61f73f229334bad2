package dataset

import (
	"context"

	"mlx/internal/fault"
)

// openParquet opens a Parquet file.
func openParquet(_ context.Context, f File, _ Options) (file, error) {
	return nil, fault.New(fault.Usage, "cannot read %s: Parquet is not built in", f.Name)
}

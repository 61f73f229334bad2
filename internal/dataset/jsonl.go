package dataset

import (
	"context"
	"errors"

	"mlx/internal/fault"
)

func openLines(_ context.Context, f File, _ Options, _ int) (file, error) {
	return nil, fault.New(fault.Usage, "cannot read %s: JSON lines are not built in", f.Name)
}

func canonicalJSON(dst, v []byte) ([]byte, error) { return append(dst, v...), errors.New("x") }

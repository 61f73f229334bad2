package local

import (
	"context"

	"mlx/internal/fault"
)

// Run needs that a socket can be handed from process to process, which this system does not do.
func Run(_ context.Context, o Options, _ func(Running)) error {
	return fault.New(fault.Usage, "cannot run %s on Windows: it needs Linux or macOS", o.Service).Hint("wsl mlx service run %s", o.Service)
}

package local

import (
	"context"
	"net"
	"os"

	"mlx/internal/fault"
)

// Run needs that a socket can be handed from process to process, which this system does not do.
func Run(_ context.Context, o Options, _ func(Running)) error {
	return fault.New(fault.Usage, "cannot run %s on Windows: it needs Linux or macOS", o.Service).Hint("wsl mlx service run %s", o.Service)
}

// Offer does the same.
func Offer(context.Context, string, net.Listener) error {
	return fault.New(fault.Usage, "cannot hand over a socket on Windows: it needs Linux or macOS")
}

// Lock does the same.
func Lock(name string) (*os.File, error) {
	return nil, fault.New(fault.Usage, "cannot lock %s on Windows: services need Linux or macOS", name)
}

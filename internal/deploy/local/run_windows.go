package local

import (
	"context"
	"os"

	"mlx/internal/deploy"
	"mlx/internal/fault"
)

// Run needs that a socket can be handed from process to process, which this system does not do.
func Run(_ context.Context, o Options, _ func(Running)) error {
	return fault.New(fault.Usage, "cannot run %s on Windows: it needs Linux or macOS", o.Service).Hint("wsl mlx service run %s", o.Service)
}

// Offer does the same.
func Offer(context.Context, string, Socket) error {
	return fault.New(fault.Usage, "cannot hand over a socket on Windows: it needs Linux or macOS")
}

// Lock does the same.
func Lock(name string) (*os.File, error) {
	return nil, fault.New(fault.Usage, "cannot lock %s on Windows: services need Linux or macOS", name)
}

// Stages are servers that one process keeps running for itself.
type Stages struct{}

// KeepStages needs the same as Run.
func KeepStages(context.Context, StageOptions, []StageServer) (*Stages, error) {
	return nil, fault.New(fault.Usage, "cannot run stages on Windows: services need Linux or macOS")
}

// Address is empty: there is no server.
func (s *Stages) Address(int) string { return "" }

// Seen is that there is none.
func (s *Stages) Seen(int) deploy.SeenStage { return deploy.SeenStage{} }

// Wait has nothing to wait for.
func (s *Stages) Wait() {}

package main

import (
	"context"
	"errors"
	"math"
	"net"
	"net/http"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"mlx/internal/deploy/cascade"
	"mlx/internal/fault"
)

// podPlanVariable holds the plan of a pod as JSON.
const podPlanVariable = "MLX_CASCADE"

// newAgentCascade is what stands beside the model servers of a pod that are the stages of one release, and answers by them.
func newAgentCascade(a *app) *cobra.Command {
	var listen, stats string
	cmd := &cobra.Command{
		Use:         "cascade",
		Hidden:      true,
		Short:       "Answer by the stages of a release, whose servers stand beside it in a pod",
		Args:        cobra.NoArgs,
		Annotations: map[string]string{needsNothing: ""},
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.cascadePod(cmd.Context(), listen, stats)
		},
	}
	f := cmd.Flags()
	f.StringVar(&listen, "listen", "", "`[ADDRESS:]PORT` that takes requests")
	f.StringVar(&stats, "stats", "", "`[ADDRESS:]PORT` that tells how the stages are")
	for _, name := range []string{"listen", "stats"} {
		_ = cmd.MarkFlagRequired(name) // it is there
	}
	return cmd
}

func (a *app) cascadePod(ctx context.Context, listen, stats string) error {
	text := os.Getenv(podPlanVariable)
	if text == "" {
		return fault.New(fault.Usage, "cannot answer by stages: %s does not say which", podPlanVariable)
	}
	pod, err := cascade.ReadPod([]byte(text))
	if err != nil {
		return err
	}
	if ownMemory() { // as for a router: what it holds is bounded by limits of its own
		debug.SetMemoryLimit(math.MaxInt64)
	}
	beside := cascade.NewNeighbours(pod)
	c, err := cascade.New(cascade.Options{Plan: pod.Plan, Now: a.now, Log: sparing(a.now, a.streams.Note), Address: beside.Address, Trouble: beside.Trouble}, nil)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }() // it has no files
	traffic, err := listenAt(ctx, listen)
	if err != nil {
		return err
	}
	told, err := listenAt(ctx, stats)
	if err != nil {
		return errors.Join(err, traffic.Close())
	}
	keeping, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	go beside.Watch(keeping)
	server := func(h http.Handler) *http.Server {
		return &http.Server{Handler: h, ReadHeaderTimeout: headerTime, BaseContext: func(net.Listener) context.Context { return keeping }}
	}
	answers, looks := server(c), server(beside.Stats(c))
	ended := make(chan error, 2)
	go func() { ended <- answers.Serve(traffic) }()
	go func() { ended <- looks.Serve(told) }()
	select {
	case err := <-ended:
		return fault.New(fault.Unavailable, "cannot answer by stages: %w", errors.Join(err, answers.Close(), looks.Close()))
	case <-ctx.Done():
		draining, over := context.WithTimeout(context.WithoutCancel(ctx), cascadeDrain)
		defer over()
		_ = answers.Shutdown(draining) // what is not answered by then is cut off
		return looks.Close()
	}
}

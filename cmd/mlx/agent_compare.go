package main

import (
	"math"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"mlx/internal/deploy/compare"
	"mlx/internal/deploy/router"
	"mlx/internal/fault"
	"mlx/internal/kube"
)

// compareVariable holds what is compared as JSON.
const compareVariable = "MLX_COMPARE"

// newAgentCompare is what a pod of a service does that gets the copies of its requests, and compares what two releases answer to them.
func newAgentCompare(a *app) *cobra.Command {
	var listen, stats, state string
	cmd := &cobra.Command{
		Use:         "compare",
		Hidden:      true,
		Short:       "Ask two releases the same, and count how often they answer alike",
		Args:        cobra.NoArgs,
		Annotations: map[string]string{needsNothing: ""},
		RunE: func(cmd *cobra.Command, _ []string) error {
			text := os.Getenv(compareVariable)
			if text == "" {
				return fault.New(fault.Usage, "cannot compare: %s does not say what", compareVariable)
			}
			settings, err := compare.ReadSettings([]byte(text))
			if err != nil {
				return err
			}
			// In a pod there is no kubeconfig: its service account says who it is.
			client, err := kube.Open(kube.Config{Files: kubeconfigs(), Namespace: os.Getenv("POD_NAMESPACE"), Agent: "mlx/" + buildVersion().Version})
			if err != nil {
				return err
			}
			if ownMemory() { // what it holds is bounded by limits of its own, and a process at its limit does nothing but collect
				debug.SetMemoryLimit(math.MaxInt64)
			}
			traffic, err := listenAt(cmd.Context(), listen)
			if err != nil {
				return err
			}
			defer func() { _ = traffic.Close() }() // it is closed already, if it began
			asked, err := listenAt(cmd.Context(), stats)
			if err != nil {
				return err
			}
			defer func() { _ = asked.Close() }()
			return compare.Run(cmd.Context(), compare.Options{Settings: settings, Client: client, Traffic: traffic, Stats: asked, State: state, Now: a.now,
				Log: router.NewLog(os.Stderr)})
		},
	}
	f := cmd.Flags()
	f.StringVar(&listen, "listen", "", "`[ADDRESS:]PORT` that takes copies")
	f.StringVar(&stats, "stats", "", "`[ADDRESS:]PORT` that tells what was counted")
	f.StringVar(&state, "state", "", "`DIR` that keeps what was counted")
	for _, name := range []string{"listen", "stats", "state"} {
		_ = cmd.MarkFlagRequired(name) // it is there
	}
	return cmd
}

package main

import (
	"os"

	"github.com/spf13/cobra"

	"mlx/internal/deploy/guard"
	"mlx/internal/deploy/router"
	"mlx/internal/kube"
)

// newAgentGuard is what a pod of a service does that gives all traffic back to stable when its rollout has no controller any more.
func newAgentGuard(a *app) *cobra.Command {
	return &cobra.Command{
		Use:         "guard LEASE",
		Hidden:      true,
		Short:       "Take a rollout back when its Lease runs out",
		Args:        cobra.ExactArgs(1),
		Annotations: map[string]string{needsNothing: ""},
		RunE: func(cmd *cobra.Command, args []string) error {
			// In a pod there is no kubeconfig: its service account says who it is.
			client, err := kube.Open(kube.Config{Files: kubeconfigs(), Namespace: os.Getenv("POD_NAMESPACE"), Agent: "mlx/" + buildVersion().Version})
			if err != nil {
				return err
			}
			return guard.Run(cmd.Context(), guard.Options{Client: client, Lease: args[0], Now: a.now, Log: router.NewLog(os.Stderr)})
		},
	}
}

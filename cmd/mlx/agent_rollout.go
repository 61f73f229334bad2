package main

import (
	"github.com/spf13/cobra"

	"mlx/internal/fault"
	"mlx/internal/object"
)

func newAgentRollout(a *app) *cobra.Command {
	return &cobra.Command{
		Use:    "rollout SERVICE ROLLOUT",
		Short:  "Carry a rollout out that nobody waits for",
		Hidden: true,
		Args:   cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := object.ParseDigest("sha256:" + args[1])
			if err != nil {
				return fault.New(fault.Usage, "cannot carry out rollout %q: %w", args[1], err)
			}
			s, err := a.openService(args[0])
			if err != nil {
				return err
			}
			return s.watchOn(cmd.Context(), id)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
}

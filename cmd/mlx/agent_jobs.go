package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"mlx/internal/fault"
	"mlx/internal/train"
)

// newAgentJobs answers what drivers of hosts without a queue ask: start this job, how is it with those, end that one.
func newAgentJobs(a *app) *cobra.Command {
	return &cobra.Command{
		Use:         "jobs ROOT",
		Short:       "Answer one question about the jobs of this host: JSON on stdin and stdout",
		Example:     "mlx agent jobs root/of/node",
		Args:        cobra.ExactArgs(1),
		Annotations: map[string]string{needsNothing: ""},
		RunE: func(cmd *cobra.Command, args []string) error {
			return agentJobsRun(context.WithoutCancel(cmd.Context()), a, args[0])
		},
	}
}

// agentJobsRun does not end with the connection: who asks for a job to be ended may be gone before it has.
func agentJobsRun(ctx context.Context, a *app, root string) error {
	self, err := os.Executable()
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot find the program that runs here: %w", err)
	}
	train.UseProgram(root, self, a.now())
	n := train.NodeJobs{Root: root, Program: self, Host: a.host(), Environ: a.environ, Now: a.now}
	return n.Answer(ctx, a.streams.In, a.streams.Out)
}

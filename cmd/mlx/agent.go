package main

import "github.com/spf13/cobra"

// newAgent is what mlx does on the nodes of a backend. Machines call it, so help does not list it.
func newAgent(a *app) *cobra.Command {
	cmd := noun("agent", "Work for another mlx on this machine", newAgentRun(a), newAgentEnd(a))
	cmd.Hidden = true
	return cmd
}

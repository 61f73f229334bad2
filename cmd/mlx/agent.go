package main

import "github.com/spf13/cobra"

// newAgent is what mlx is on a node: people do not type it, other processes of mlx do.
func newAgent(a *app) *cobra.Command {
	cmd := noun("agent", "Do on a node what another mlx asks", newAgentServe(a), newAgentRun(a), newAgentEnd(a),
		newAgentJobs(a), newAgentUnpack(a), newAgentMeet(a), newAgentRollout(a), newAgentService(a), newAgentMeter(a), newAgentCascade(a), newAgentGuard(a), newAgentStrength(a),
		newAgentCompare(a))
	cmd.Hidden = true
	return cmd
}

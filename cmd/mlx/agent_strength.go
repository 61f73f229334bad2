package main

import (
	"context"
	"encoding/json"
	"io"
	"math"
	"net"
	"strconv"

	"github.com/spf13/cobra"

	"mlx/internal/deploy"
	"mlx/internal/fault"
)

// newAgentStrength is what mlx executes beside a model server that it cannot reach itself.
func newAgentStrength(a *app) *cobra.Command {
	var target int
	cmd := &cobra.Command{
		Use:         "strength",
		Hidden:      true,
		Short:       "Warm the server beside it up, and put it under load",
		Args:        cobra.NoArgs,
		Annotations: map[string]string{needsNothing: ""},
		RunE: func(cmd *cobra.Command, _ []string) error {
			return agentStrength(cmd.Context(), a.streams.In, a.streams.Out, target)
		},
	}
	cmd.Flags().IntVar(&target, "target", 0, "`PORT` of 127.0.0.1 at which the server answers")
	_ = cmd.MarkFlagRequired("target") // it is there
	return cmd
}

// agentStrength answers a strength by a strengthSaid.
func agentStrength(ctx context.Context, in io.Reader, out io.Writer, target int) error {
	if target < 1 || target > math.MaxUint16 {
		return fault.New(fault.Usage, "cannot ask: %d is no port", target)
	}
	text, err := io.ReadAll(io.LimitReader(in, 2*maxCarried)) // bytes are written as base64
	if err != nil {
		return fault.New(fault.Unavailable, "cannot read what is to be asked: %w", err)
	}
	var t strength
	if err := json.Unmarshal(text, &t); err != nil {
		return fault.New(fault.Usage, "cannot read what is to be asked: %w", err)
	}
	server := deploy.Seen{Key: t.Key, Servers: []string{net.JoinHostPort("127.0.0.1", strconv.Itoa(target))}}
	j, err := t.judge(ctx, deploy.Actual{Arms: []deploy.Seen{server}})
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(strengthSaid{Verdict: j.Verdict, Reason: j.Reason})
}

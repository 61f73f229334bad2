package main

import (
	"context"
	"math"
	"net"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	podmeter "mlx/internal/deploy/meter"
	"mlx/internal/deploy/router"
	"mlx/internal/fault"
)

// meterVariable holds the settings of a meter as JSON, where no file does.
const meterVariable = "MLX_METER"

// meterOptions are where a meter listens: a port, or an address with one.
type meterOptions struct {
	target                               int
	host, listen, stats, state, settings string
}

// newAgentMeter is what stands beside the model server in a pod, and counts what it answers.
func newAgentMeter(a *app) *cobra.Command {
	var o meterOptions
	cmd := &cobra.Command{
		Use:         "meter",
		Hidden:      true,
		Short:       "Pass requests on to the server beside it, and count its answers",
		Args:        cobra.NoArgs,
		Annotations: map[string]string{needsNothing: ""},
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.meterPod(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.IntVar(&o.target, "target", 0, "`PORT` of 127.0.0.1 at which the server answers")
	f.StringVar(&o.host, "host", "", "`NAME` of another machine at whose port it answers")
	f.StringVar(&o.listen, "listen", "", "`[ADDRESS:]PORT` that takes requests")
	f.StringVar(&o.stats, "stats", "", "`[ADDRESS:]PORT` that tells what was counted")
	f.StringVar(&o.state, "state", "", "`DIR` that keeps what was counted")
	f.StringVar(&o.settings, "settings", "", "`FILE` of the settings as JSON; without it the variable "+meterVariable)
	for _, name := range []string{"target", "listen", "stats", "state"} {
		_ = cmd.MarkFlagRequired(name) // it is there
	}
	return cmd
}

func (a *app) meterPod(ctx context.Context, o meterOptions) error {
	if o.target < 1 || o.target > math.MaxUint16 {
		return fault.New(fault.Usage, "cannot count: %d is no port", o.target)
	}
	text := []byte(os.Getenv(meterVariable))
	if o.settings != "" {
		var err error
		if text, err = os.ReadFile(o.settings); err != nil {
			return fault.New(fault.NotFound, "cannot read the settings of the meter: %w", err)
		}
	}
	if len(text) == 0 {
		return fault.New(fault.Usage, "cannot count: neither --settings nor %s says what is served", meterVariable)
	}
	settings, err := podmeter.ReadSettings(text)
	if err != nil {
		return err
	}
	if ownMemory() { // what it holds is bounded by limits of its own, and a process at its limit does nothing but collect
		debug.SetMemoryLimit(math.MaxInt64)
	}
	traffic, err := listenAt(ctx, o.listen)
	if err != nil {
		return err
	}
	defer func() { _ = traffic.Close() }() // the meter has closed it, if it began
	stats, err := listenAt(ctx, o.stats)
	if err != nil {
		return err
	}
	defer func() { _ = stats.Close() }()
	return podmeter.Run(ctx, podmeter.Options{
		Settings: settings, Target: o.target, Host: o.host, Traffic: traffic, Stats: stats, State: o.state, Now: a.now, Log: router.NewLog(os.Stderr),
	})
}

// listenAt opens a port of every address of this machine, or of the one that is named.
func listenAt(ctx context.Context, where string) (net.Listener, error) {
	if !strings.Contains(where, ":") {
		where = ":" + where
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", where)
	if err != nil {
		return nil, fault.New(fault.Unavailable, "cannot listen at %s: %w", where, err)
	}
	return l, nil
}

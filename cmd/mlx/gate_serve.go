package main

import (
	"context"
	"net"
	"strconv"

	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/repo"
	"mlx/internal/run"
)

// serve starts a server of a gate on a free port of this machine. Nothing of it outlives this command.
func (w gateWorld) serve(ctx context.Context, c gate.Call) (*gate.Server, error) {
	tool, err := w.tool(ctx, c)
	if err != nil {
		return nil, err
	}
	return w.app.serveTool(ctx, tool, c)
}

func (a *app) serveTool(ctx context.Context, tool run.Tool, c gate.Call) (*gate.Server, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot find a free port: %w", err)
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	tool.Env = append(tool.Env, "PORT="+port, "HOST=127.0.0.1")
	work, err := tool.Start(ctx)
	if err != nil {
		return nil, err
	}
	if c.GPU {
		work.WatchGPUs()
	}
	a.streams.Why("%q is to answer on port %s", c.Command, port)
	return &gate.Server{
		Address: address, Errors: work.Errors, Stop: func() { work.Stop(serveGrace) },
		Usage: func() gate.Usage { return gateUsage(work.Usage()) },
		Ended: func() (gate.Reply, bool) {
			select {
			case <-work.Ended():
				return gateReply(work.Stop(0)), true
			default:
				return gate.Reply{}, false
			}
		},
	}, nil
}

// freeAddress is a port of the loopback interface that nobody listens on now.
func freeAddress(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	tcp, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return "", l.Close()
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(tcp.Port)), l.Close()
}

func gateUsage(u run.ToolUsage) gate.Usage {
	all := gate.Usage{Known: u.Known, CPU: u.CPU, Memory: u.Memory}
	if len(u.GPUs) == 0 {
		return all
	}
	busy, memory := 0.0, int64(0)
	for _, g := range u.GPUs {
		busy, memory = max(busy, g.Percent/100), memory+g.Memory
	}
	all.GPU, all.GPUMem = &busy, &memory
	return all
}

// allow refuses an address that the user has not allowed to be sent rows.
func (w gateWorld) allow(ctx context.Context, address string) error {
	return w.mayRun(ctx, repo.TrustModel, address, gate.Call{File: w.file})
}

package main

import (
	"cmp"
	"context"
	"errors"
	"math"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mlx/internal/deploy"
	"mlx/internal/deploy/haproxy"
	"mlx/internal/deploy/local"
	"mlx/internal/deploy/router"
	"mlx/internal/fault"
	"mlx/internal/repo"
)

// The files that a router gets from its supervisor.
const (
	routerSocket = 3 // where requests come
	routerSay    = 4 // where it says that it answers
)

func newRouter(a *app) *cobra.Command {
	var await time.Duration
	cmd := &cobra.Command{
		Use:    "router SERVICE",
		Short:  "Pass the requests of a service on; mlx service run starts it",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return routerRun(cmd.Context(), a, args[0], await)
		},
		ValidArgsFunction: a.completeServices,
	}
	cmd.Flags().DurationVar(&await, "await", 0, "hold requests back for this `TIME` at most, until servers are ready")
	return cmd
}

func routerRun(ctx context.Context, a *app, name string, await time.Duration) error {
	if ownMemory() { // what it holds is bounded by limits of its own, and a process at its limit does nothing but collect
		debug.SetMemoryLimit(math.MaxInt64)
	}
	s, err := a.openService(name)
	if err != nil {
		return err
	}
	socket, err := local.SocketOf(os.NewFile(routerSocket, "socket"))
	if err != nil {
		return fault.New(fault.Usage, "cannot route: this is started by mlx service run, which holds the socket: %w", err).Hint("mlx service run %s", shellWord(name))
	}
	settings, err := routerSettings(s.cfg)
	if err != nil {
		return err
	}
	if err := local.Offer(ctx, s.dir, socket); err != nil {
		return fault.New(fault.KindOf(err), "cannot route: %w", err)
	}
	options := router.Options{
		Service: name, State: s.routerDir(), Settings: settings, Now: a.now, Log: router.NewLog(os.Stderr), Ready: sayReady, Await: await,
	}
	switch socket := socket.(type) {
	case local.Datagrams:
		options.Carrier, options.Await = haproxy.New(s.haproxy(), socket.UDPConn, a.now, options.Log), 0
	case net.Listener:
		options.Listeners = []net.Listener{socket}
	}
	if settings.Sample.Share == 0 {
		return router.Run(ctx, options)
	}
	keeper, err := s.keepPredictions(ctx)
	if err != nil {
		return err
	}
	options.Sink, options.Kept = keeper.take, keeper.kept
	if keeper.strict {
		options.Promise = keeper.writer.Promise
	}
	err = router.Run(ctx, options)
	return errors.Join(err, keeper.close(context.WithoutCancel(ctx)))
}

// sayReady tells the supervisor that requests are taken.
func sayReady() {
	f := os.NewFile(routerSay, "say")
	_, _ = f.Write([]byte{1}) // a supervisor that was killed does not hear it
	_ = f.Close()
}

// routerSettings are those of mlx.yaml.
func routerSettings(c repo.Service) (router.Settings, error) {
	l := c.Limits
	s := router.Settings{
		Limits: router.Limits{Body: int64(l.Body), Time: l.Time.Duration, ArmQueue: l.Queue, AllQueue: l.Queue,
			Arm: l.InFlight * max(c.Replicas, 1), Idle: l.Idle.Duration,
			Answer: int(c.Compare.Body)},
		Health:  router.Health{Path: c.Ready},
		Compare: router.Compare{Pointer: c.Compare.Part, Absolute: cmp.Or(c.Compare.Absolute, 1e-6), Relative: cmp.Or(c.Compare.Relative, 1e-4)},
		Sample:  router.Sample{Share: loggedShare(c.Log)},
		Traces:  router.Traces{Endpoint: c.Traces, Share: deploy.All},
		Metrics: c.Metrics,
		Drain:   cmp.Or(l.Drain.Duration, usualDrain),
	}
	if c.TLS.Cert != "" {
		s.TLS = &router.TLS{Cert: c.TLS.Cert, Key: c.TLS.Key}
	}
	for _, p := range c.Proxies {
		if !strings.Contains(p, "/") {
			addr, err := netip.ParseAddr(p)
			if err != nil {
				return s, fault.New(fault.Usage, "cannot route: %q is no address", p)
			}
			s.Trusted = append(s.Trusted, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		prefix, err := netip.ParsePrefix(p)
		if err != nil {
			return s, fault.New(fault.Usage, "cannot route: %q is no network", p)
		}
		s.Trusted = append(s.Trusted, prefix)
	}
	return s, nil
}

// loggedShare is the share of the requests that is logged: without a word in mlx.yaml nothing, else all that it does not leave out.
func loggedShare(l repo.ServiceLog) deploy.Share {
	if l.At.Line == 0 {
		return 0
	}
	return trafficShare(l.Share, 1)
}

// trafficShare is a share of mlx.yaml in ten thousandths.
func trafficShare(s repo.Share, usual float64) deploy.Share {
	if !s.Set {
		s.Value = usual
	}
	return deploy.Share(s.Value*float64(deploy.All) + 0.5)
}

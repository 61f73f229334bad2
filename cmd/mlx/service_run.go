package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/deploy"
	"mlx/internal/deploy/local"
	"mlx/internal/deploy/router"
	"mlx/internal/fault"
)

type serviceRunOptions struct {
	service string
	env     string
	port    int
}

func newServiceRun(a *app) *cobra.Command {
	var o serviceRunOptions
	cmd := &cobra.Command{
		Use:   "run SERVICE",
		Short: "Run a service on this machine: router and model servers",
		Long: `It runs until it is interrupted, starts again what ends, and keeps the socket open meanwhile. What is served is what mlx deploy has
brought into service; before the first release every request is answered with 503. When it is killed, requests are answered all the
same, and the next mlx service run takes over.

On the signal HUP a router of the program and of mlx.yaml as they are then takes over from the one that runs; no request is lost. A socket
that whoever starts it has opened, and hands over as systemd does (LISTEN_FDS), is used in place of listen:.`,
		Example: `mlx service run flights`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.service = args[0]
			if err := inEnvironment(&o.service, o.env); err != nil {
				return err
			}
			return serviceRun(cmd.Context(), a, o)
		},
		ValidArgsFunction: a.completeServices,
	}
	a.takesEnvironment(cmd, &o.env)
	cmd.Flags().IntVar(&o.port, "port", 0, "`PORT` of 127.0.0.1 that the router listens on")
	return cmd
}

func serviceRun(ctx context.Context, a *app, o serviceRunOptions) error {
	if o.port < 0 || o.port > 65535 {
		return fault.New(fault.Usage, "cannot listen on port %d: ports are 1 to 65535", o.port)
	}
	s, err := a.openService(o.service)
	if err != nil {
		return err
	}
	s.hosts = nil // this machine is one of them
	if err := cmp.Or(s.notHere(), s.mayServe(ctx)); err != nil {
		return err
	}
	options, err := s.options(o.port)
	if err != nil {
		return err
	}
	if s.byHAProxy() {
		if options, err = s.mayRunHAProxy(ctx, o, options); err != nil {
			return err
		}
	}
	if options.Listener, err = a.handedOver(s.name); err != nil {
		return err
	}
	if l := options.Listener; l != nil && o.port > 0 {
		return errors.Join(fault.New(fault.Usage, "cannot run %s on port %d: the socket %s is handed over already", s.name, o.port, l.Addr()), l.Close())
	}
	defer s.renewOnHangup(ctx)()
	counting, stop := context.WithCancel(ctx)
	var counted sync.WaitGroup
	defer counted.Wait()
	defer stop()
	return local.Run(ctx, options, func(r local.Running) {
		s.begun(ctx, r)
		counted.Go(func() { s.countTotals(counting) })
	})
}

// options are what the supervisor keeps running.
func (s *served) options(port int) (local.Options, error) {
	self, err := os.Executable()
	if err != nil {
		return local.Options{}, fault.New(fault.Internal, "cannot find this program: %w", err)
	}
	r, err := s.app.repo()
	if err != nil {
		return local.Options{}, err
	}
	listen := cmp.Or(s.cfg.Listen, "127.0.0.1:0")
	if port > 0 {
		listen = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	}
	return local.Options{
		Service: s.name, Dir: s.dir, Listen: listen, Program: []string{self, "-C", r.Root, "router", s.name}, Environ: s.app.unhanded(),
		Router: &servedRouter{Client: router.NewClient(s.routerDir()), served: s, known: map[string]router.Servers{}}, Now: s.app.now,
		Lay: func(ctx context.Context, rel deploy.Release) (local.Place, error) {
			return s.app.layRelease(ctx, s.name, rel)
		},
		Log:   func(format string, args ...any) { s.app.streams.Note(format, args...) },
		Drain: s.drain(), Await: min(cmp.Or(s.cfg.StartTimeout.Duration, serverStarts), longestAwait),
	}, nil
}

// drain is what requests have to end when a server or router stops.
func (s *served) drain() time.Duration { return cmp.Or(s.cfg.Limits.Drain.Duration, usualDrain) }

const usualDrain = 30 * time.Second

// longestAwait is how long who connects waits for servers that start. After that nobody has to wait for an error.
const longestAwait = time.Minute

// renewOnHangup has a router of the program and of mlx.yaml as they are now take over, without a request lost, whenever this process is told
// to by the signal HUP.
func (s *served) renewOnHangup(ctx context.Context) (stop func()) {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGHUP)
	over, end := context.WithCancel(ctx)
	go func() {
		for {
			select {
			case <-told:
			case <-over.Done():
				return
			}
			if r, err := s.supervisor().Upgrade(over); err != nil {
				s.app.streams.Note("the router stays the old one: %v", err)
			} else {
				s.app.streams.Note("another router has taken over: process %d", r.Router.PID)
			}
		}
	}()
	return func() {
		signal.Stop(told)
		end()
	}
}

// restore has the target do what the records say, where it knows nothing of it: this machine is new, or the release came into service
// elsewhere. A rollout that is under way is left to whoever carries it out.
func (s *served) restore(ctx context.Context) error {
	known, err := s.book.Service(ctx, s.name)
	if err != nil || known.Current == nil {
		return err
	}
	d := s.driver()
	seen, err := d.Observe(ctx, s.name)
	if err != nil {
		return err
	}
	want := known.Desired()
	if _, busy := known.Progress(); busy {
		if seen.Generation > 0 {
			return nil
		}
		want = deploy.Desired{Service: s.name, Generation: known.Generation,
			Arms: []deploy.Arm{{Role: deploy.Stable, Release: *known.Current, Share: deploy.All, Replicas: max(s.cfg.Replicas, 1)}}}
	}
	if seen.Generation >= want.Generation {
		return nil
	}
	return d.Apply(ctx, want)
}

// begun says where the service answers.
func (s *served) begun(ctx context.Context, r local.Running) {
	where := s.urlOf(r.Address)
	if at, err := netip.ParseAddrPort(r.Address); err == nil && !at.Addr().IsLoopback() {
		s.app.streams.Note("%s answers whoever reaches this machine: it listens on %s", s.name, r.Address)
	}
	if err := s.restore(ctx); err != nil {
		s.app.streams.Note("what is in service cannot be brought back: %v", err)
	}
	serving := "nothing is in service"
	if known, err := s.book.Service(ctx, s.name); err == nil && known.Current != nil {
		serving = known.Current.Name()
	}
	err := s.app.streams.Row(struct {
		Kind    string `json:"kind"`
		Service string `json:"service"`
		URL     string `json:"url"`
		PID     int    `json:"pid"`
	}{"service-run/v1", s.name, where, r.PID}, func(t *cli.Text) {
		t.Line(cli.Str(s.name), cli.Str(where), cli.Str(serving))
	})
	if err != nil {
		s.app.streams.Why("cannot say where it answers: %v", err)
	}
	_ = s.app.streams.Flush()  // a pipe that nobody reads is no reason to stop serving
	if len(s.cfg.Hosts) == 0 { // who carries out a rollout of several hosts is on none of them
		go s.keepWatched(ctx)
	}
}

func routerDir(dir string) string { return filepath.Join(dir, "router") }

// servedRouter tells a router of the servers, and with them what it needs to know of what they serve.
type servedRouter struct {
	*router.Client
	served *served
	known  map[string]router.Servers // that the router was told, by release
}

// Serve says where the servers of each release are. A release that is not named any more has none.
func (r *servedRouter) Serve(ctx context.Context, servers map[string][]string) error {
	releases, err := r.served.supervisor().Arms()
	if err != nil {
		return err
	}
	for _, w := range releases.Arms {
		addresses, ok := servers[w.Release.Key]
		if !ok {
			continue
		}
		all, known := r.known[w.Release.Key]
		if !known {
			all = router.Servers{Idempotent: w.Release.Serve.Idempotent, Signature: r.signature(ctx, w.Release)}
		}
		all.Addresses = addresses
		if err := r.Client.Serve(ctx, w.Release.Key, all); err != nil {
			return err
		}
		r.known[w.Release.Key] = all
	}
	for key := range r.known {
		if _, ok := servers[key]; !ok {
			if err := r.Client.Serve(ctx, key, router.Servers{Addresses: []string{}}); err != nil {
				return err
			}
			delete(r.known, key)
		}
	}
	return nil
}

// signature is what requests of a release are held against; nil: nothing is known of it.
func (r *servedRouter) signature(ctx context.Context, rel deploy.Release) json.RawMessage {
	return r.served.signature(ctx, rel)
}

func (s *served) signature(ctx context.Context, rel deploy.Release) json.RawMessage {
	if len(rel.Stages) > 0 {
		return nil // each has a signature of its own, and the answer may be that of any
	}
	v, err := s.app.recordedVersion(ctx, rel)
	if err != nil {
		s.app.streams.Note("requests of %s are not checked: %v", rel.Name(), err)
		return nil
	}
	if s.cfg.Schema == "none" {
		return nil
	}
	return v.Signature
}

//go:build unix

package local

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/deploy/folder"
	"mlx/internal/fault"
)

// supervisor keeps the router and the servers of a service running.
type supervisor struct {
	o     Options
	plane *plane
	push  chan struct{} // the router is to be told of the servers again

	mu      sync.Mutex
	wanted  Arms
	arms    map[string]*arm // by key
	closing sync.WaitGroup
}

// arm are the servers of a release. Each has a way to be stopped.
type arm struct {
	wanted  Wanted
	place   Place
	trouble string // why no server can be started
	servers []*server
	stop    []context.CancelFunc
}

// Run keeps a service running until the context ends. ready is called once, when the router answers. One supervisor of a service runs at a
// time: a second one is a conflict.
func Run(ctx context.Context, o Options, ready func(Running)) error {
	held, err := Lock(o.file(lockName))
	if errors.Is(err, ErrLocked) {
		return fault.New(fault.Conflict, "cannot run %s: it runs already on this machine", o.Service).Hint("mlx service status %s", o.Service)
	}
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot run %s: %w", o.Service, err)
	}
	defer held.Close()
	if err := private(o.file(serversName)); err != nil {
		return fault.New(fault.KindOf(err), "cannot run %s: %w", o.Service, err)
	}
	s := &supervisor{o: o, push: make(chan struct{}, 1), arms: map[string]*arm{}}
	if s.wanted, err = readArmsFile(o.file(armsName)); err != nil {
		return fault.New(fault.KindOf(err), "cannot run %s: %w", o.Service, err)
	}
	routing, stopRouter := context.WithCancel(context.WithoutCancel(ctx))
	defer stopRouter()
	plane, left, err := newPlane(ctx, o, s.tell)
	if err != nil {
		return fault.New(fault.Unavailable, "cannot run %s: %w", o.Service, err).Hint("mlx service run %s --port N", o.Service)
	}
	s.plane = plane
	serving, stopServers := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServers()
	control, err := s.control(serving)
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot run %s: %w", o.Service, err)
	}
	defer func() { _ = control.Close() }() // who asks meanwhile asks again
	routerEnded := make(chan struct{})
	go func() {
		plane.keep(routing, left)
		close(routerEnded)
	}()
	pushing, stopPush := context.WithCancel(context.WithoutCancel(ctx))
	defer stopPush()
	go s.pushAll(pushing)
	s.apply(serving, s.wanted)
	go s.tidy(serving)
	select {
	case <-plane.first:
		ready(s.running())
	case <-ctx.Done():
	}
	<-ctx.Done()
	stopRouter() // first: it answers what it is answering, and for that it needs the servers
	<-routerEnded
	stopServers()
	s.closing.Wait()
	return nil
}

// want changes what is to run, durably.
func (s *supervisor) want(ctx context.Context, a Arms) error {
	s.mu.Lock()
	err := folder.WriteJSON(s.o.file(armsName), a)
	if err == nil {
		s.wanted = a
	}
	s.mu.Unlock()
	if err != nil {
		return err
	}
	s.apply(ctx, a)
	return nil
}

// apply starts what is to run and does not, and stops what is not to.
func (s *supervisor) apply(ctx context.Context, a Arms) {
	s.mu.Lock()
	keys := map[string]int{}
	for _, w := range a.Arms {
		keys[w.Release.Key] = w.Replicas
		have := s.arms[w.Release.Key]
		if have == nil {
			have = &arm{}
			s.arms[w.Release.Key] = have
		}
		have.wanted = w
		s.grow(ctx, have)
	}
	for key, have := range s.arms {
		for len(have.servers) > keys[key] {
			last := len(have.servers) - 1
			have.stop[last]()
			have.servers, have.stop = have.servers[:last], have.stop[:last]
		}
		if _, ok := keys[key]; !ok {
			delete(s.arms, key)
		}
	}
	s.mu.Unlock()
	s.tell()
}

// grow starts the servers of a release that are missing.
func (s *supervisor) grow(ctx context.Context, a *arm) {
	if len(a.servers) >= a.wanted.Replicas {
		return
	}
	if a.place.Dir == "" {
		place, err := s.o.Lay(ctx, a.wanted.Release)
		if err != nil {
			a.trouble = err.Error()
			s.o.log("%s: %v", a.wanted.Release.Name(), err)
			return
		}
		a.place, a.trouble = place, ""
	}
	for n := len(a.servers) + 1; n <= a.wanted.Replicas; n++ {
		running, stop := context.WithCancel(ctx)
		one := &server{o: s.o, release: a.wanted.Release, n: n, place: a.place, changed: s.tell, quiet: s.quiet}
		one.recall()
		a.servers, a.stop = append(a.servers, one), append(a.stop, stop)
		s.closing.Go(func() { one.keep(running) })
	}
}

// tell has the router be told of the servers.
func (s *supervisor) tell() {
	select {
	case s.push <- struct{}{}:
	default: // it will be told of this as well
	}
}

// pushEvery is how long the supervisor waits before it tells a router again that could not be told.
const pushEvery = 100 * time.Millisecond

// pushAll tells the router where servers are, whenever that has changed or the router is another.
func (s *supervisor) pushAll(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.push:
		}
		for ctx.Err() == nil {
			err := s.o.Router.Serve(ctx, s.addresses())
			if err == nil {
				break
			}
			s.plane.set(func(r *RouterState) { r.Trouble = err.Error() })
			select {
			case <-ctx.Done():
			case <-time.After(pushEvery):
			}
		}
	}
}

// addresses are where the servers of each release can be asked, of those that are ready.
func (s *supervisor) addresses() map[string][]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string][]string{}
	for key, a := range s.arms {
		all[key] = []string{}
		for _, one := range a.servers {
			if address := one.ready(); address != "" {
				all[key] = append(all[key], address)
			}
		}
	}
	return all
}

// quiet waits until the router has no request at a release any more, or for the time that these have.
func (s *supervisor) quiet(key string) {
	ctx, cancel := context.WithTimeout(context.Background(), s.o.Drain)
	defer cancel()
	for ctx.Err() == nil && s.plane.told().PID != 0 {
		seen, err := s.o.Router.Actual(ctx)
		if err == nil && !slices.ContainsFunc(seen.Arms, func(a deploy.Seen) bool { return a.Key == key && a.InFlight > 0 }) {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(pushEvery):
		}
	}
}

// running tells how everything is.
func (s *supervisor) running() Running {
	r := Running{PID: os.Getpid(), Address: s.plane.listener.Addr().String(), Router: s.plane.told()}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.wanted.Arms {
		a := s.arms[w.Release.Key]
		if a == nil {
			continue
		}
		one := RunningArm{Key: w.Release.Key, Replicas: w.Replicas, Servers: []string{}, Trouble: a.trouble}
		for _, v := range a.servers {
			v.tell(&one)
		}
		r.Arms = append(r.Arms, one)
	}
	return r
}

// tidyEvery is how often logs are looked at, and what has had its time is stopped.
const tidyEvery = 2 * time.Second

func (s *supervisor) tidy(ctx context.Context) {
	every := time.NewTicker(tidyEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		s.mu.Lock()
		now := s.o.Now()
		kept := Arms{}
		for _, w := range s.wanted.Arms {
			if w.Until.IsZero() || now.Before(w.Until) {
				kept.Arms = append(kept.Arms, w)
			}
		}
		over := len(kept.Arms) < len(s.wanted.Arms)
		s.mu.Unlock()
		if over {
			if err := s.want(ctx, kept); err != nil {
				s.o.log("cannot stop what has had its time: %v", err)
			}
		}
		s.trimLogs()
	}
}

func (s *supervisor) trimLogs() {
	names, err := fs.Glob(os.DirFS(s.o.file(logsName)), "*.log")
	if err != nil {
		return // the pattern is right
	}
	for _, name := range names {
		if err := trim(s.o.file(logsName, name)); err != nil {
			s.o.log("cannot put the log %s aside: %v", name, err)
		}
	}
}

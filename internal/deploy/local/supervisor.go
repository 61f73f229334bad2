//go:build unix

package local

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"slices"
	"sync"
	"sync/atomic"
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

	news, told atomic.Uint64 // changes of the servers, and how many of them the router knows

	changing sync.Mutex // held by who changes what is to run, from its file to its servers; taken before mu

	mu      sync.Mutex // nothing slow is done under it: the router is told of servers meanwhile
	wanted  Arms
	arms    map[string]*arm            // by key
	leaving map[string]<-chan struct{} // servers that are being stopped, by their note; closed when they have ended
	closing sync.WaitGroup
}

// arm are the servers of a release. Each has a way to be stopped.
type arm struct {
	wanted  Wanted
	place   Place
	trouble string // why no server can be started
	failed  int    // how often that was so in a row
	rest    int    // looks until it is tried again
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
	s := &supervisor{o: o, push: make(chan struct{}, 1), arms: map[string]*arm{}, leaving: map[string]<-chan struct{}{}}
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
	s.changing.Lock()
	s.stopLeft(serving)
	s.apply(serving, s.wanted)
	s.changing.Unlock()
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
	s.changing.Lock()
	defer s.changing.Unlock()
	return s.change(ctx, a)
}

// change is want of who holds changing.
func (s *supervisor) change(ctx context.Context, a Arms) error {
	if err := folder.WriteJSON(s.o.file(armsName), a); err != nil {
		return err
	}
	s.mu.Lock()
	s.wanted = a
	s.mu.Unlock()
	s.apply(ctx, a)
	return nil
}

// apply starts what is to run and does not, and stops what is not to. The caller holds changing.
func (s *supervisor) apply(ctx context.Context, a Arms) {
	laid := s.lay(ctx, a)
	s.mu.Lock()
	keys := map[string]int{}
	for _, w := range a.Arms {
		keys[w.Release.Key] = w.Replicas
		have := s.arms[w.Release.Key]
		if have == nil { // only now: the router is told of each that is there, and here are its servers
			have = &arm{}
			s.arms[w.Release.Key] = have
		}
		have.wanted = w
		if l, ok := laid[w.Release.Key]; ok {
			s.note(have, l)
		}
		s.grow(ctx, have)
	}
	for name, ended := range s.leaving {
		select {
		case <-ended:
			delete(s.leaving, name)
		default:
		}
	}
	for key, have := range s.arms {
		for len(have.servers) > keys[key] {
			last := len(have.servers) - 1
			have.stop[last]()
			s.leaving[have.servers[last].noteName()] = have.servers[last].over
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
	if a.place.Dir == "" {
		return
	}
	for n := len(a.servers) + 1; n <= a.wanted.Replicas; n++ {
		running, stop := context.WithCancel(ctx)
		over := make(chan struct{})
		one := &server{o: s.o, release: a.wanted.Release, n: n, place: a.place, changed: s.tell, quiet: s.quiet, over: over}
		if one.after = s.leaving[one.noteName()]; one.after == nil {
			one.recall()
		}
		a.servers, a.stop = append(a.servers, one), append(a.stop, stop)
		s.closing.Go(func() {
			defer close(over)
			one.keep(running)
		})
	}
}

// stopLeft stops servers of releases that are not to run any more: a supervisor that was killed had not come to it.
func (s *supervisor) stopLeft(ctx context.Context) {
	wanted := map[string]bool{}
	for _, w := range s.wanted.Arms {
		for n := range w.Replicas {
			wanted[(&server{o: s.o, release: w.Release, n: n + 1}).noteName()] = true
		}
	}
	s.stopStagesLeft(wanted)
	names, err := fs.Glob(os.DirFS(s.o.file(serversName)), "*.json")
	if err != nil {
		return // the pattern is right
	}
	for _, name := range names {
		name = s.o.file(serversName, name)
		var left noted
		if text, err := os.ReadFile(name); wanted[name] || err != nil || json.Unmarshal(text, &left) != nil {
			continue
		}
		if !left.Process.alive() {
			_ = os.Remove(name) // it names nobody
			continue
		}
		over := make(chan struct{})
		s.leaving[name] = over
		s.o.log("server %d of %s is not to run any more", left.N, shortKey(left.Key))
		s.closing.Go(func() {
			defer close(over)
			select {
			case <-s.plane.first: // requests may be at it
			case <-ctx.Done():
			}
			s.quiet(left.Key)
			adopted{left.Process}.stop(s.o.Drain)
			stopStages(StageDir(s.o.Dir, left.Key, left.N), s.o.Drain)
			_ = os.Remove(name) // it ended, so a note that stayed would name nobody
		})
	}
}

// tell has the router be told of the servers.
func (s *supervisor) tell() {
	s.news.Add(1)
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
			news := s.news.Load()
			err := s.o.Router.Serve(ctx, s.addresses())
			if err == nil {
				s.told.Store(news)
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

// quiet waits until the router knows of the servers as they are now and has no request at a release any more, or for the time that these have.
// While a router takes over, nobody tells what the one before it still has.
func (s *supervisor) quiet(key string) {
	ctx, cancel := context.WithTimeout(context.Background(), s.o.Drain)
	defer cancel()
	news := s.news.Load()
	for ctx.Err() == nil && s.plane.told().PID != 0 {
		seen, err := s.o.Router.Actual(ctx)
		if err == nil && s.told.Load() >= news && !s.plane.replacing.Load() && !slices.ContainsFunc(seen.Arms, func(a deploy.Seen) bool { return a.Key == key && a.InFlight > 0 }) {
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
	r := Running{PID: os.Getpid(), Address: s.plane.socket.Addr().String(), Router: s.plane.told()}
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
		if len(w.Release.Stages) > 0 {
			one.Stages = deploy.AddStages(one.Stages, countsBehind(s.o.Dir, w.Release.Key, len(a.servers)))
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
		s.look(ctx)
		s.trimLogs()
	}
}

// look stops what has had its time, and tries again to start what could not be laid out.
func (s *supervisor) look(ctx context.Context) {
	s.changing.Lock()
	defer s.changing.Unlock()
	now, kept, again := s.o.Now(), Arms{}, false
	s.mu.Lock()
	for _, w := range s.wanted.Arms {
		if w.Until.IsZero() || now.Before(w.Until) {
			kept.Arms = append(kept.Arms, w)
		}
		if a := s.arms[w.Release.Key]; a != nil && a.failed > 0 {
			a.rest--
			again = again || a.rest <= 0
		}
	}
	over := len(kept.Arms) < len(s.wanted.Arms)
	s.mu.Unlock()
	switch {
	case over:
		if err := s.change(ctx, kept); err != nil {
			s.o.log("cannot stop what has had its time: %v", err)
		}
	case again:
		s.apply(ctx, kept)
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

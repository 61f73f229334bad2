// Package router hides how the traffic of a service on a plain host is carried to the servers of its releases: a reverse proxy that splits,
// copies, compares, counts and falls back, by a table that is stored before it is obeyed. It runs as a process of its own, which can be
// killed or replaced without losing more than what was under way.
package router

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/http/httputil"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/deploy/router/internal/answer"
	"mlx/internal/deploy/router/internal/counts"
	"mlx/internal/deploy/router/internal/trace"
	"mlx/internal/fault"
)

// The cells that the routers of one folder share.
const (
	cellOwner     = iota // who writes the state: who took over last
	cellEpoch            // grows with each state that is written
	cellRenewed          // when the lease was renewed, on the clock of the machine
	cellFull             // requests that found no place in the queue of all
	cellTooLong          // whose body was too long
	cellUncounted        // without a word, of an experiment
	cellNobody           // that no arm serves
	cellUnlogged         // that the log could not have kept
	numShared     = 64
)

const (
	countsDir  = "counts"
	sharedFile = "shared"
	maxCounts  = 512 // files of counters that are kept
)

type router struct {
	o       Options
	rule    answer.Rule
	started time.Time
	me      int64
	shared  *counts.Cells

	monotonic func() int64

	table atomic.Pointer[table]
	epoch atomic.Int64 // of the state that table is made of

	all      *gate
	kept     atomic.Int64 // bytes of bodies in memory
	draining atomic.Bool
	late     atomic.Int64 // requests since it drains
	conns    atomic.Int64 // connections of clients
	drain    chan struct{}
	endDrain sync.Once
	proxy    *httputil.ReverseProxy
	plain    *http.Transport // to servers that speak HTTP/1
	h2c      *http.Transport
	copies   *copies
	stop     context.CancelFunc // what works in the background
	spans    *trace.Exporter

	disk   sync.Mutex     // who writes the state; taken before mu
	stores sync.WaitGroup // of reverts

	mu      sync.Mutex // what follows; nothing is read or written from the disk meanwhile, so that a slow one holds up no revert
	state   state
	pools   map[string]*pool
	carried sync.Mutex // who tells the carrier
	carries bool       // until the service ends
	lease   *time.Timer
	brokeIn uint64
	brokeAt []int64
	told    map[string]bool // releases that were said to have servers, since this router began

	news chan struct{} // told is another one

	countMu sync.Mutex
	counted map[string]*counters

	noteMu   sync.Mutex
	troubled string
}

// start reads the state and takes over the folder.
func start(ctx context.Context, o Options) (*router, error) {
	if err := os.MkdirAll(filepath.Join(o.State, countsDir), 0o700); err != nil {
		return nil, fault.New(fault.Unavailable, "cannot make the folder of the router: %w", err)
	}
	shared, err := counts.Open(filepath.Join(o.State, sharedFile), numShared)
	if err != nil {
		return nil, fault.New(fault.Unavailable, "cannot start the router: %w", err)
	}
	r := &router{
		o: o, rule: o.Settings.rule(), started: o.Now(), me: rand.Int64N(1<<62) + 1, shared: shared, monotonic: counts.Monotonic,
		all: newGate(o.Settings.Limits.All, o.Settings.Limits.AllQueue), pools: map[string]*pool{}, counted: map[string]*counters{}, drain: make(chan struct{}),
		carries: true, told: map[string]bool{}, news: make(chan struct{}, 1),
	}
	prune(filepath.Join(o.State, countsDir), maxCounts)
	r.plain, r.h2c = newTransport(o.Settings.Limits, false), newTransport(o.Settings.Limits, true)
	r.proxy = r.newProxy()
	work, stop := context.WithCancel(context.WithoutCancel(ctx)) // copies and spans go on while it drains
	r.stop = stop
	r.copies = newCopies(work, r)
	if t := o.Settings.Traces; t.Endpoint != "" {
		r.spans = trace.NewExporter(work, t.Endpoint, o.Service)
	}
	err = locked(o.State, func() error {
		s, err := load(o.State)
		if err != nil {
			return err
		}
		if s.Desired.Service != "" && s.Desired.Service != o.Service {
			return fault.New(fault.Conflict, "cannot start the router of %s: its folder is that of %s", o.Service, s.Desired.Service)
		}
		if r.shared.N[cellRenewed].Load() == 0 { // no clock went on
			r.shared.N[cellRenewed].Store(r.clock())
		}
		r.shared.N[cellOwner].Store(r.me)
		r.state = s
		r.epoch.Store(r.shared.N[cellEpoch].Load())
		return nil
	})
	if err != nil {
		stop()
		return nil, err
	}
	r.count(r.state)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.table.Store(r.build(r.state))
	r.armLease()
	return r, nil
}

// owner: nobody has taken over.
func (r *router) owner() bool { return r.shared.N[cellOwner].Load() == r.me }

// newEpoch tells the others that the state is another one.
func (r *router) newEpoch() { r.epoch.Store(r.shared.N[cellEpoch].Add(1)) }

var errTakenOver = errors.New("another router has taken over")

// change makes another state: it is stored first, then obeyed, then answered.
func (r *router) change(to func(state) (state, error)) error {
	r.disk.Lock()
	defer r.disk.Unlock()
	return locked(r.o.State, func() error {
		if !r.owner() {
			return fault.New(fault.Unavailable, "cannot change the routing: %w", errTakenOver)
		}
		before := r.current()
		next, err := to(before)
		if err != nil {
			return err
		}
		if err := next.store(r.o.State); err != nil {
			return fault.New(fault.Unavailable, "cannot store the routing: nothing has changed: %w", err)
		}
		r.note("", nil)
		r.count(next)
		r.mu.Lock()
		defer r.mu.Unlock()
		if next.Desired.Generation == before.Desired.Generation {
			next.Reverted = r.state.Reverted // which may have come meanwhile, and stores itself
		}
		r.state = next
		r.table.Store(r.build(next))
		r.newEpoch()
		r.armLease()
		return nil
	})
}

func (r *router) current() state {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state
}

// apply obeys a generation that is greater than the last one.
func (r *router) apply(d deploy.Desired) error {
	if d.Service != r.o.Service {
		return fault.New(fault.Usage, "cannot route %.100q: this is the router of %s", d.Service, r.o.Service)
	}
	if err := check(d); err != nil {
		return fault.New(fault.Usage, "cannot route that: %w", err)
	}
	err := r.change(func(s state) (state, error) {
		if d.Generation <= s.Desired.Generation {
			return s, deploy.ErrStale
		}
		r.shared.N[cellRenewed].Store(r.clock())
		return state{Desired: d, Servers: s.Servers}, nil
	})
	if err != nil {
		return err
	}
	return r.carry()
}

// serve takes the servers of a release.
func (r *router) serve(key string, servers Servers) error {
	if err := checkServers(key, servers); err != nil {
		return fault.New(fault.Usage, "cannot take the servers: %w", err)
	}
	err := r.change(func(s state) (state, error) {
		next, err := s.with(key, servers)
		if err != nil {
			return s, fault.New(fault.Usage, "cannot take the servers: %w", err)
		}
		return next, nil
	})
	if err != nil {
		return err
	}
	r.heard(key, servers)
	return r.carry()
}

// refresh obeys a state that another router wrote: this one is being replaced, and still has requests.
func (r *router) refresh() {
	if r.epoch.Load() == r.shared.N[cellEpoch].Load() {
		return
	}
	r.disk.Lock()
	defer r.disk.Unlock()
	now := r.shared.N[cellEpoch].Load()
	if r.epoch.Load() == now {
		return
	}
	s, err := load(r.o.State)
	if err != nil {
		r.note("what another router wrote is not read", err)
		return
	}
	r.count(s)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state = s
	r.table.Store(r.build(s))
	r.epoch.Store(now)
	r.armLease()
}

// note tells of trouble, and remembers it until something works again, which nil says.
func (r *router) note(what string, err error) {
	r.noteMu.Lock()
	defer r.noteMu.Unlock()
	if r.troubled = ""; err == nil {
		return
	}
	r.troubled = what + ": " + err.Error()
	r.o.Log.Error(what, "error", err)
}

// prune removes the oldest files, so that at most so many stay.
func prune(dir string, most int) {
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) <= most {
		return
	}
	type file struct {
		name string
		at   time.Time
	}
	files := make([]file, 0, len(entries))
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			files = append(files, file{e.Name(), info.ModTime()})
		}
	}
	for len(files) > most {
		oldest := 0
		for i := range files {
			if files[i].at.Before(files[oldest].at) {
				oldest = i
			}
		}
		_ = os.Remove(filepath.Join(dir, files[oldest].name)) // the next start tries again
		files = append(files[:oldest], files[oldest+1:]...)
	}
}

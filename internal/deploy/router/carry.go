package router

import (
	"context"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/deploy/router/internal/counts"
	"mlx/internal/fault"
)

// Carrier is what carries the traffic in place of the proxy of a router: another program, which this process drives. All that is said to a
// router, what it stores, its lease and its counters are the same then.
type Carrier interface {
	// Carry has it do what a route says, and tells how it is. An error: it does not, or nobody knows.
	Carry(ctx context.Context, to Route) (Carried, error)
	// Keep works until the context ends: it counts, and sees that what is carried stays as it was told.
	Keep(ctx context.Context, p *Plane)
	// End takes the requests from all servers, since the service ends, and returns when none is under way any more, or the context ends.
	End(ctx context.Context)
}

// Route is where requests are to go.
type Route struct {
	Arms    []RouteArm
	Servers map[string]RouteServers // by key of their release; also of releases to which nothing is to go any more
}

// RouteArm is what one release gets.
type RouteArm struct {
	Key   string
	Role  deploy.Role
	Share deploy.Share
}

// RouteServers are those of one release.
type RouteServers struct {
	Addresses []string
	// Told: somebody has named them since this process began. What is only stored may be from before the machine was started.
	Told bool
}

// Carried is how a carrier is.
type Carried struct {
	InFlight map[string]int64 // requests that a release is answering, by key
	Trouble  string
}

// Plane is what a carrier needs of the router whose traffic it carries.
type Plane struct{ r *router }

// Carry has the carrier do what is in force now. false: another process has taken over, and drives it.
func (p *Plane) Carry() (mine bool, err error) {
	if !p.r.owner() {
		p.r.refresh()
		return false, nil
	}
	return true, p.r.carry()
}

// Outcome is one request that was answered, or was not.
type Outcome struct {
	Failed  bool          // no answer, or one with a status of 500 and above
	Left    bool          // the client went before it was answered: neither an answer nor an error
	Broke   bool          // the connection to the server broke
	Latency time.Duration // from the first byte to the server to the last byte back
}

// Count counts a request at the release that it was given to; without a key, at stable, which has to answer what nobody else does.
func (p *Plane) Count(key string, o Outcome) {
	t := p.r.table.Load()
	if key == "" {
		if t.stable == nil {
			p.r.shared.N[cellNobody].Add(1)
			return
		}
		key = t.stable.Release.Key
	}
	c := p.r.counters(key)
	c.add(cellRequests)
	switch {
	case o.Left:
		c.add(cellLeft)
		return
	case o.Failed:
		c.add(cellErrors)
	default:
		c.add(cellAnswers)
	}
	c.latency(o.Latency)
	if o.Broke {
		p.broke(t, key)
	}
}

// Retried counts requests whose connection to a release broke, and which another server was asked again.
func (p *Plane) Retried(key string, n int64) {
	c := p.r.counters(key)
	for _, cell := range []int{cellRequests, cellErrors, cellRetried} {
		c.N[cell].Add(n)
	}
	p.Broke(key, n)
}

// Broke notes requests that a release would have been given, and whose connection to it would have broken.
func (p *Plane) Broke(key string, n int64) {
	t := p.r.table.Load()
	for range min(n, maxBreaks) {
		p.broke(t, key)
	}
}

func (p *Plane) broke(t *table, key string) {
	if t.candidate != nil && t.candidate.Release.Key == key {
		p.r.broke(t)
	}
}

// Lost counts requests of a release of which nothing else is known.
func (p *Plane) Lost(key string, n int64) { p.r.counters(key).N[cellLost].Add(n) }

// Cells are numbers of the carrier's own that outlive this process as counters do.
func (p *Plane) Cells(name string, n int) ([]atomic.Int64, error) {
	c, err := counts.Open(filepath.Join(p.r.o.State, name), n)
	if err != nil {
		return nil, err
	}
	return c.N, nil
}

// route is what the carrier is to do now.
func (r *router) route() Route {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.table.Load()
	to := Route{Servers: map[string]RouteServers{}}
	for _, a := range t.arms() {
		to.Arms = append(to.Arms, RouteArm{a.Release.Key, a.Role, a.given})
	}
	for key, s := range r.state.Servers {
		to.Servers[key] = RouteServers{slices.Clone(s.Addresses), r.told[key]}
	}
	return to
}

// carry tells the carrier, if there is one. What was stored stays in force when it cannot be told: it is told again until it can.
func (r *router) carry() error {
	_, err := r.carryNow(context.Background())
	return err
}

// carryTime is how long a carrier has to do what it is told.
const carryTime = 5 * time.Second

func (r *router) carryNow(ctx context.Context) (Carried, error) {
	if r.o.Carrier == nil {
		return Carried{}, nil
	}
	r.carried.Lock()
	defer r.carried.Unlock()
	switch {
	case !r.owner():
		return Carried{}, fault.New(fault.Unavailable, "cannot ask for it: %w", errTakenOver)
	case !r.carries:
		return Carried{}, fault.New(fault.Unavailable, "cannot ask for it: the service ends")
	}
	ctx, cancel := context.WithTimeout(ctx, carryTime)
	defer cancel()
	return r.o.Carrier.Carry(ctx, r.route())
}

// observe tells what is so. Of a carrier that does not do what it was told nothing is known.
func (r *router) observe(ctx context.Context) (deploy.Actual, error) {
	now, err := r.carryNow(ctx)
	if err != nil {
		return deploy.Actual{}, err
	}
	a := r.actual()
	if now.Trouble != "" && a.Trouble == "" {
		a.Trouble = now.Trouble
	}
	for key, n := range now.InFlight {
		i := slices.IndexFunc(a.Arms, func(s deploy.Seen) bool { return s.Key == key })
		switch {
		case i >= 0:
			a.Arms[i].InFlight = n
		case n > 0:
			a.Arms = append(a.Arms, deploy.Seen{Key: key, Counts: r.counters(key).counts(), InFlight: n})
		}
	}
	return a, nil
}

// carryOn has the carrier work until what it returns is called. That ends the service, unless another router has taken over.
func (r *router) carryOn(ctx context.Context) (end func()) {
	ended := make(chan struct{})
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		defer close(ended)
		r.o.Carrier.Keep(working, &Plane{r})
	}()
	return func() {
		if r.owner() {
			over, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.o.Settings.Drain)
			r.carried.Lock()
			r.carries = false
			r.o.Carrier.End(over) // what is answered meanwhile is counted
			r.carried.Unlock()
			cancel()
		}
		stop()
		<-ended
	}
}

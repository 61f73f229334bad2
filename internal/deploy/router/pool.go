package router

import (
	"slices"
	"sync/atomic"
	"time"

	"mlx/internal/deploy/router/internal/schema"
)

// pool is what stands behind one release: its servers, its counters and its queue. It stays the same while tables come and go.
type pool struct {
	key     string
	count   *counters
	gate    *gate
	claimed atomic.Int64 // requests that were given to the release and have not ended
	turn    atomic.Uint64
	serving atomic.Pointer[serving]
}

// serving is what of a pool is replaced at once.
type serving struct {
	Servers
	list   []*server
	schema schema.Schema
}

// server is one process that serves.
type server struct {
	address  string
	inFlight atomic.Int64
	failed   atomic.Int64 // checks in a row
	down     atomic.Bool  // by checks
	refused  atomic.Int64 // until when it is left aside, on the clock of the router: it refused a connection
}

// set replaces the servers. Those that stay keep what is known of them. An error tells that the signature is of no form that is known: then
// requests are not held against it, but served.
func (p *pool) set(s Servers) error {
	parsed, err := schema.Parse(s.Signature)
	next := &serving{Servers: s, schema: parsed}
	old := p.serving.Load()
	for _, address := range s.Addresses {
		i := -1
		if old != nil {
			i = slices.IndexFunc(old.list, func(b *server) bool { return b.address == address })
		}
		if i >= 0 {
			next.list = append(next.list, old.list[i])
		} else {
			next.list = append(next.list, &server{address: address})
		}
	}
	p.serving.Store(next)
	return err
}

func (s *server) ready(now int64) bool { return !s.down.Load() && s.refused.Load() <= now }

// ready is how many servers there are that seem well.
func (s *serving) ready(now int64) int {
	n := 0
	for _, b := range s.list {
		if b.ready(now) {
			n++
		}
	}
	return n
}

// pick chooses a server that was not tried yet. One that seems unwell is asked only if there is no other: what is known of it may be old.
// Nil: all were tried.
func (p *pool) pick(list []*server, tried []*server, balance Balance, now int64) *server {
	var best *server
	well := false
	var load int64
	turn := p.turn.Add(1)
	for i := range list {
		b := list[(turn+uint64(i))%uint64(len(list))]
		if slices.Contains(tried, b) {
			continue
		}
		ready, inFlight := b.ready(now), b.inFlight.Load()
		if balance == Round {
			inFlight = 0
		}
		if best == nil || ready && !well || ready == well && inFlight < load {
			best, well, load = b, ready, inFlight
		}
	}
	return best
}

// aside is how long a server is left aside that refused a connection.
const aside = time.Second

func (s *server) refuse(now int64) { s.refused.Store(now + int64(aside)) }

package router

import (
	"path/filepath"
	"slices"

	"mlx/internal/deploy"
	"mlx/internal/deploy/router/internal/counts"
)

// table is what each request is routed by. It never changes: another takes its place.
type table struct {
	desired                   deploy.Desired
	reverted                  *deploy.Reverted
	stable, candidate, shadow *arm
	previous                  *arm    // kept ready; nothing goes there
	others                    []*pool // releases to which nothing goes any more
	sticky                    sticky
}

// arm is one of them.
type arm struct {
	deploy.Arm
	given deploy.Share // what it really gets
	pool  *pool
}

// build makes the table of a state, and with it what its releases need. The caller holds mu.
func (r *router) build(s state) *table {
	t := &table{desired: s.Desired, reverted: s.Reverted, sticky: newSticky(s.Desired.Sticky)}
	needed := map[string]bool{}
	for key := range s.Servers {
		needed[key] = true
	}
	for _, a := range s.Desired.Arms {
		needed[a.Release.Key] = true
	}
	for key := range needed {
		if r.pools[key] == nil {
			r.pools[key] = &pool{key: key, count: r.counters(key), gate: newGate(r.o.Settings.Limits.Arm, r.o.Settings.Limits.ArmQueue)}
		}
		if err := r.pools[key].set(s.Servers[key]); err != nil {
			r.o.Log.Warn("requests are not held against the signature of the model", "release", key, "error", err)
		}
	}
	for key, p := range r.pools {
		if !needed[key] && p.claimed.Load() == 0 {
			delete(r.pools, key)
		} else if !slices.ContainsFunc(s.Desired.Arms, func(a deploy.Arm) bool { return a.Release.Key == key }) {
			t.others = append(t.others, p)
		}
	}
	for _, d := range s.Desired.Arms {
		a := &arm{Arm: d, given: d.Share, pool: r.pools[d.Release.Key]}
		switch d.Role {
		case deploy.Stable:
			t.stable = a
		case deploy.Candidate:
			t.candidate = a
		case deploy.Shadow:
			t.shadow = a
		case deploy.Previous:
			t.previous = a
		}
	}
	if s.Reverted != nil {
		t.revert()
	}
	return t
}

// arms are those that there are.
func (t *table) arms() []*arm {
	return slices.DeleteFunc([]*arm{t.stable, t.candidate, t.shadow, t.previous}, func(a *arm) bool { return a == nil })
}

// revert gives all to stable, if there is one.
func (t *table) revert() {
	if t.stable == nil {
		return
	}
	if t.candidate != nil {
		t.candidate.given = 0
	}
	t.stable.given = deploy.All
}

// choose is the arm of a request; nil: nobody serves it. What belongs to stable never goes to the candidate.
func (t *table) choose(d draw) *arm {
	if t.candidate != nil && d.bucket >= 0 && d.bucket < int(t.candidate.given) {
		return t.candidate
	}
	return t.stable
}

// claim finds the arm of a request and counts the request there, in one: whoever takes a release out of the table and then sees nothing at
// it knows that nothing comes any more. Nil: nobody serves it.
func (r *router) claim(x *exchange, body []byte) *arm {
	for {
		x.t = r.table.Load() // it may have come to another one while the body came
		x.draw = x.t.sticky.draw(x.req, body)
		a := x.t.choose(x.draw)
		if a == nil {
			return nil
		}
		a.pool.claimed.Add(1)
		if r.table.Load() == x.t {
			return a
		}
		a.pool.claimed.Add(-1)
	}
}

// counters are those of a release. They were perhaps begun by another process, and stay mapped when the release goes: it may come back.
func (r *router) counters(key string) *counters {
	r.countMu.Lock()
	defer r.countMu.Unlock()
	if c := r.counted[key]; c != nil {
		return c
	}
	cells, err := counts.Open(filepath.Join(r.o.State, countsDir, key), numCells)
	if err != nil {
		r.note("the counters of "+key+" end with the router", err)
		cells = counts.InMemory(numCells)
	}
	c := newCounters(cells)
	r.counted[key] = c
	return c
}

// count makes the counters ready that build will want.
func (r *router) count(s state) {
	for key := range s.Servers {
		r.counters(key)
	}
	for _, a := range s.Desired.Arms {
		r.counters(a.Release.Key)
	}
}

// actual tells what is so.
func (r *router) actual() deploy.Actual {
	t := r.table.Load()
	now := r.clock()
	out := deploy.Actual{Generation: t.desired.Generation, At: r.o.Now().UTC(), Reverted: t.reverted, Arms: []deploy.Seen{}}
	for _, a := range t.arms() {
		s := a.pool.serving.Load()
		out.Arms = append(out.Arms, deploy.Seen{
			Key: a.Release.Key, Role: a.Role, Share: a.given, Replicas: a.Replicas, Ready: s.ready(now), Counts: a.pool.count.counts(),
			InFlight: a.pool.claimed.Load(),
		})
	}
	for _, p := range t.others {
		if n := p.claimed.Load(); n > 0 {
			out.Arms = append(out.Arms, deploy.Seen{Key: p.key, Counts: p.count.counts(), InFlight: n})
		}
	}
	// A candidate was the shadow before, and its pairs are still asked for.
	if t.shadow != nil {
		out.Pairs = t.shadow.pool.count.pairs()
	} else if t.candidate != nil {
		out.Pairs = t.candidate.pool.count.pairs()
	}
	if r.o.Kept != nil {
		kept := r.o.Kept()
		kept.Refused = r.shared.N[cellUnlogged].Load()
		out.Log = &kept
	}
	r.noteMu.Lock()
	out.Trouble = r.troubled
	r.noteMu.Unlock()
	return out
}

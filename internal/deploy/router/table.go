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
	previous                  *arm // kept ready; nothing goes there
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
	for key := range r.pools {
		if !needed[key] {
			delete(r.pools, key)
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
		})
	}
	// A candidate was the shadow before, and its pairs are still asked for.
	if t.shadow != nil {
		out.Pairs = t.shadow.pool.count.pairs()
	} else if t.candidate != nil {
		out.Pairs = t.candidate.pool.count.pairs()
	}
	r.noteMu.Lock()
	out.Trouble = r.troubled
	r.noteMu.Unlock()
	return out
}

package router

import (
	"context"
	"time"
)

// heard notes that a release was said to have servers, or none: what the state says of them may be from before the machine was started.
func (r *router) heard(key string, servers Servers) {
	r.mu.Lock()
	if len(servers.Addresses) > 0 {
		r.told[key] = true
	} else {
		delete(r.told, key)
	}
	r.mu.Unlock()
	select {
	case r.news <- struct{}{}:
	default: // it will look at this as well
	}
}

// await waits until each release that gets requests was said to have a server, and no longer than Options.Await. Who connects meanwhile
// waits in the listener. false: it is to end.
func (r *router) await(ctx context.Context) bool {
	over := time.NewTimer(r.o.Await)
	defer over.Stop()
	for !r.complete() {
		select {
		case <-r.news:
		case <-over.C:
			return true
		case <-ctx.Done():
			return false
		case <-r.drain:
			return false
		}
	}
	return true
}

// complete says whether each release that gets requests was said to have a server.
func (r *router) complete() bool {
	t := r.table.Load()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range t.arms() {
		if a.given > 0 && !r.told[a.Release.Key] {
			return false
		}
	}
	return true
}

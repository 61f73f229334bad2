package router

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"
)

// watch asks each server whether it is well until ctx ends.
func (r *router) watch(ctx context.Context) {
	tick := time.NewTicker(r.o.Settings.Health.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			r.checkAll(ctx)
		}
	}
}

func (r *router) checkAll(ctx context.Context) {
	r.mu.Lock()
	pools := make([]*pool, 0, len(r.pools))
	for _, p := range r.pools {
		pools = append(pools, p)
	}
	r.mu.Unlock()
	var all sync.WaitGroup
	for _, p := range pools {
		s := p.serving.Load()
		for _, b := range s.list {
			all.Go(func() { r.checkOne(ctx, s, b) })
		}
	}
	all.Wait()
}

func (r *router) checkOne(ctx context.Context, s *serving, b *server) {
	h := r.o.Settings.Health
	ctx, cancel := context.WithTimeout(ctx, h.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+b.address+h.Path, nil)
	if err != nil {
		return
	}
	resp, err := r.transport(s).RoundTrip(req)
	if err == nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16))
		resp.Body.Close()
	}
	if err != nil || resp.StatusCode < 200 || resp.StatusCode > 299 {
		if b.failed.Add(1) == int64(h.Fall) {
			b.down.Store(true)
			r.o.Log.Warn("a server is not well", "address", b.address, "path", h.Path)
		}
		return
	}
	b.failed.Store(0)
	b.refused.Store(0)
	if b.down.Swap(false) {
		r.o.Log.Info("a server is well again", "address", b.address)
	}
}

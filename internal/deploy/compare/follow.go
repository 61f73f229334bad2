package compare

import (
	"context"
	"encoding/json"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"mlx/internal/deploy/router"
	"mlx/internal/kube"
)

// serviceLabel names the Service that an EndpointSlice is of.
const serviceLabel = "kubernetes.io/service-name"

// maxServers bounds how many pods of a release are asked: as many as a router takes.
const maxServers = 1000

// follow tells the router which pods of a release are ready. What it knew stays, as long as the API server does not answer: the router passes over
// those that do not either.
func (c *comparer) follow(ctx context.Context, side Side) {
	changed, end := c.cache.Hear(kube.EndpointSlices, serviceLabel, side.Service)
	defer end()
	var told []string
	first := true
	for ctx.Err() == nil {
		again := time.Hour // the cache tells of what changes
		items, err := c.cache.Get(ctx, kube.EndpointSlices, serviceLabel, side.Service)
		if err == nil {
			now := addresses(items, c.o.Settings.Port)
			if first || !slices.Equal(now, told) {
				if err = c.client.Serve(ctx, side.Release, router.Servers{Addresses: now, Idempotent: true}); err == nil {
					told, first = now, false
				}
			}
		}
		if c.note(side, len(told), err); err != nil {
			again = retry
		}
		wait := time.NewTimer(again)
		select {
		case <-ctx.Done():
		case <-changed:
		case <-wait.C:
		}
		wait.Stop()
	}
}

// note remembers what is known of a side, and says once what went wrong.
func (c *comparer) note(side Side, servers int, err error) {
	why := ""
	if err != nil {
		why = err.Error()
	}
	c.mu.Lock()
	before := c.deaf[side.Service]
	c.servers[side.Release], c.deaf[side.Service] = servers, why
	c.mu.Unlock()
	if why != "" && why != before {
		c.o.Log.Warn("the pods of a release cannot be told", "service", side.Service, "error", why)
	}
}

// addresses are those of pods that take requests, in order.
func addresses(items []kube.Item, port int) []string {
	var all []string
	for _, item := range items {
		var slice struct {
			Endpoints []struct {
				Addresses  []string `json:"addresses"`
				Conditions struct {
					Ready *bool `json:"ready"` // nil: nobody knows, and it is to be taken for ready
				} `json:"conditions"`
			} `json:"endpoints"`
		}
		if json.Unmarshal(item.Text, &slice) != nil {
			continue
		}
		for _, e := range slice.Endpoints {
			if len(e.Addresses) == 0 || e.Conditions.Ready != nil && !*e.Conditions.Ready {
				continue
			}
			if _, err := netip.ParseAddr(e.Addresses[0]); err == nil { // all of one endpoint are of the same pod
				all = append(all, net.JoinHostPort(e.Addresses[0], strconv.Itoa(port)))
			}
		}
	}
	slices.Sort(all)
	all = slices.Compact(all)
	return all[:min(len(all), maxServers)]
}

// missing says why nothing can be compared now; empty: it can.
func (c *comparer) missing() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.routed {
		return "it has not begun"
	}
	for _, side := range []Side{c.o.Settings.Stable, c.o.Settings.Shadow} {
		switch why := c.deaf[side.Service]; {
		case c.servers[side.Release] > 0:
		case why != "":
			return why
		default:
			return "no pod of Service " + side.Service + " is ready"
		}
	}
	return ""
}

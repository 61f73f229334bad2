package ray

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/train"
)

// demand is what a job wants of each node, in Ray's own names.
type demand map[string]float64

// demandOf puts resources into Ray's words. A job that asks for nothing gets one processor: without that Ray executes it
// on the head, beside what keeps the cluster alive.
func demandOf(r train.Resources) demand {
	d := make(demand)
	set := func(name string, n float64) {
		if n > 0 {
			d[name] = n
		}
	}
	set("CPU", float64(r.CPUs))
	set("GPU", float64(r.GPUs))
	set("memory", float64(r.Memory))
	if r.GPUType != "" {
		d["accelerator_type:"+r.GPUType] = 0.001
	}
	if len(d) == 0 {
		d["CPU"] = 1
	}
	return d
}

// node is one of the cluster.
type node struct {
	ID        string             `json:"node_id"`
	IP        string             `json:"node_ip"`
	State     string             `json:"state"`
	Head      bool               `json:"is_head_node"`
	Resources map[string]float64 `json:"resources_total"`
}

// nodes lists the living nodes.
func (a api) nodes(ctx context.Context) ([]node, error) {
	all, err := a.everyNode(ctx)
	return slices.DeleteFunc(all, func(n node) bool { return n.State != "ALIVE" }), err
}

// everyNode lists also the nodes that are gone.
func (a api) everyNode(ctx context.Context) ([]node, error) {
	var reply struct {
		Data struct {
			Result struct {
				Result []node `json:"result"`
			} `json:"result"`
		} `json:"data"`
	}
	if err := a.get(ctx, "/api/v0/nodes?detail=true&limit=10000", &reply); err != nil {
		return nil, err
	}
	return reply.Data.Result.Result, nil
}

// growing says whether an autoscaler adds nodes: then those of the moment say nothing about what is possible.
func (a api) growing(ctx context.Context) bool {
	var reply struct {
		Data struct {
			Status struct {
				Report struct {
					Active map[string]int `json:"activeNodes"`
				} `json:"autoscalerReport"`
			} `json:"clusterStatus"`
		} `json:"data"`
	}
	if a.get(ctx, "/api/cluster_status", &reply) != nil {
		return false
	}
	for name := range reply.Data.Status.Report.Active {
		if !strings.HasPrefix(name, "node") || len(name) < 56 { // a node that was started by hand is its own type
			return true
		}
	}
	return false
}

// fits refuses what the cluster can never give: Ray would let it wait without a word.
func (d *Driver) fits(ctx context.Context, want demand, places int) error {
	nodes, err := d.api.nodes(ctx)
	if missing(err) {
		return nil // an old Ray, which cannot say
	}
	if err != nil {
		return err
	}
	total := 0
	for _, n := range nodes {
		total += n.holds(want)
	}
	if total >= places || d.api.growing(ctx) {
		return nil
	}
	what := fmt.Sprintf("no node has %s", want)
	if total > 0 {
		what = fmt.Sprintf("%d of %d nodes have a place with %s", total, places, want)
	}
	e := fault.New(fault.Conflict, "cannot execute this on %s: %s", d.backend.Name, what)
	for _, n := range nodes[:min(len(nodes), 8)] {
		e = e.Hint("node %s has %s", n.IP, demand(n.Resources))
	}
	return e
}

// holds counts how many such places a node has when nothing else uses it.
func (n node) holds(want demand) int {
	places := 1 << 20
	for name, k := range want {
		places = min(places, int(n.Resources[name]/k))
	}
	return places
}

// String lists resources in Ray's words, without those that name the node itself.
func (d demand) String() string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(d)) {
		switch {
		case strings.HasPrefix(name, "node:") || name == "object_store_memory":
		case name == "memory":
			all = append(all, fmt.Sprintf("%.1f GiB memory", d[name]/(1<<30)))
		case strings.HasPrefix(name, "accelerator_type:"):
			all = append(all, name)
		default:
			all = append(all, fmt.Sprintf("%g %s", d[name], name))
		}
	}
	return strings.Join(all, ", ")
}

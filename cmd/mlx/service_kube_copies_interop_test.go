//go:build interop

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"mlx/internal/kube"
)

// TestInteropServiceKubeCopies tells the story of copies whose answers are compared on a real Kubernetes. The gateway is a stand-in, which reads
// the same HTTPRoutes: Traefik, which the other stories have, makes no copies for them.
func TestInteropServiceKubeCopies(t *testing.T) {
	t.Parallel() // it waits, most of the time
	config, registry := needs(t, "MLX_TEST_KUBE"), needs(t, "MLX_TEST_KUBE_REGISTRY")
	agent, served := staticProgram(t), kubeServed(t)
	commands := interopCommands()
	commands["there"] = kubeThere
	testscript.Run(t, testscript.Params{
		Dir: "testdata/interop/service-kube-copies", RequireExplicitExec: true, Cmds: commands,
		Setup: func(env *testscript.Env) error {
			if err := isolate(env); err != nil {
				return err
			}
			name := fmt.Sprintf("copies-%d", time.Now().UnixNano())
			if err := kubeNamespace(env, config, name); err != nil {
				return err
			}
			address, err := copyingGateway(env, config, name)
			if err != nil {
				return err
			}
			for key, value := range map[string]string{"KUBECONFIG": config, "NAMESPACE": name, "REGISTRY": registry, "ADDRESS": address, "AGENT": agent,
				"SERVED": served, "MLX_PROGRESS": "false"} {
				env.Setenv(key, value)
			}
			return nil
		},
	})
}

// kubeThere says whether something of a kind has a name in the namespace of the script: there deployments NAME.
func kubeThere(ts *testscript.TestScript, neg bool, args []string) {
	kinds := map[string]kube.Resource{"deployments": kube.Deployments, "services": kube.Services, "roles": kube.Roles, "networkpolicies": kube.NetworkPolicies}
	if len(args) != 2 || kinds[args[0]] == (kube.Resource{}) {
		ts.Fatalf("usage: there KIND NAME")
	}
	c, err := kube.Open(kube.Config{Files: []string{ts.Getenv("KUBECONFIG")}, Namespace: ts.Getenv("NAMESPACE"), Agent: "mlx-test"})
	ts.Check(err)
	err = c.Get(context.Background(), kinds[args[0]], args[1], nil)
	if err != nil && !kube.Missing(err) {
		ts.Check(err)
	}
	if there := err == nil; there == neg {
		ts.Fatalf("%s/%s is there: %t", args[0], args[1], there)
	}
}

// copying is a gateway that makes copies: what of an HTTPRoute mlx uses, by its definition.
type copying struct {
	client *kube.Client
	cache  *kube.Cache

	mu   sync.Mutex
	rule rule
	pods map[string][]string // of each Service, as was last known
	said int                 // how often it was told why a request was lost
	tell func(...any)
}

// rule is the one of a route of mlx.
type rule struct {
	Refs []struct {
		Name   string `json:"name"`
		Weight int    `json:"weight"`
	} `json:"backendRefs"`
	Filters []struct {
		Mirror struct {
			Ref struct {
				Name string `json:"name"`
			} `json:"backendRef"`
			Percent int `json:"percent"`
		} `json:"requestMirror"`
	} `json:"filters"`
}

type route struct {
	Metadata struct {
		Name       string `json:"name"`
		Generation int64  `json:"generation"`
	} `json:"metadata"`
	Spec struct {
		Parents []map[string]any `json:"parentRefs"`
		Rules   []rule           `json:"rules"`
	} `json:"spec"`
}

// copyingGateway is the Gateway copies of a namespace, and its address.
func copyingGateway(env *testscript.Env, config, namespace string) (string, error) {
	c, err := kube.Open(kube.Config{Files: []string{config}, Namespace: namespace, Agent: "mlx-test"})
	if err != nil {
		return "", err
	}
	g := &copying{client: c, cache: c.Cache(kube.Select{}), pods: map[string][]string{}, tell: env.T().Log}
	err = c.Create(context.Background(), kube.Gateways, map[string]any{"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
		"metadata": map[string]any{"name": "copies"},
		"spec":     map[string]any{"gatewayClassName": "mlx.test.copies", "listeners": []any{map[string]any{"name": "http", "port": 80, "protocol": "HTTP"}}}}, nil)
	if err != nil {
		return "", err
	}
	server := httptest.NewServer(g)
	ctx, end := context.WithCancel(context.Background())
	var ended sync.WaitGroup
	ended.Go(func() { g.follow(ctx) })
	env.Defer(func() { end(); ended.Wait(); server.Close(); g.cache.Close() })
	return server.Listener.Addr().String(), nil
}

// follow takes each state of the route, and says so.
func (g *copying) follow(ctx context.Context) {
	changed, end := g.cache.Hear(kube.HTTPRoutes, "app.kubernetes.io/name", "flights")
	defer end()
	taken := int64(0)
	for ctx.Err() == nil {
		items, err := g.cache.Get(ctx, kube.HTTPRoutes, "app.kubernetes.io/name", "flights")
		var r route
		if err == nil && len(items) == 1 && json.Unmarshal(items[0].Text, &r) == nil && r.Metadata.Generation != taken && len(r.Spec.Rules) == 1 {
			g.mu.Lock()
			g.rule = r.Spec.Rules[0]
			g.mu.Unlock()
			if g.accept(ctx, r) == nil {
				taken = r.Metadata.Generation
			}
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-time.After(time.Second):
		}
	}
}

func (g *copying) accept(ctx context.Context, r route) error {
	is := func(kind string) any {
		return map[string]any{"type": kind, "status": "True", "reason": kind, "message": "", "observedGeneration": r.Metadata.Generation,
			"lastTransitionTime": time.Now().UTC().Format(time.RFC3339)}
	}
	return g.client.Merge(ctx, kube.HTTPRoutes, r.Metadata.Name+"/status", map[string]any{"status": map[string]any{"parents": []any{map[string]any{
		"controllerName": "mlx.test/copies", "parentRef": r.Spec.Parents[0], "conditions": []any{is("Accepted"), is("ResolvedRefs")}}}}}, nil)
}

// ServeHTTP passes a request on by the weights, and a copy to whom the filter names. What that answers goes to nobody.
func (g *copying) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	g.mu.Lock()
	rule := g.rule
	g.mu.Unlock()
	for _, f := range rule.Filters {
		if rand.IntN(100) < f.Mirror.Percent {
			go func() {
				if resp, err := g.send(f.Mirror.Ref.Name, req, body); err == nil {
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
			}()
		}
	}
	total := 0
	for _, ref := range rule.Refs {
		total += ref.Weight
	}
	at := rand.IntN(max(total, 1))
	for _, ref := range rule.Refs {
		if at -= ref.Weight; at >= 0 {
			continue
		}
		resp, err := g.send(ref.Name, req, body)
		if err != nil {
			g.lost(ref.Name, err)
			break
		}
		defer resp.Body.Close()
		w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
}

// lost tells why a request of somebody is lost, some times.
func (g *copying) lost(service string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.said++; g.said <= 5 {
		g.tell(time.Now().Format(time.TimeOnly), service, g.pods[service], err)
	}
}

// send sends a request to a pod of a Service.
func (g *copying) send(service string, req *http.Request, body []byte) (*http.Response, error) {
	all := g.podsOf(service)
	if len(all) == 0 {
		return nil, os.ErrNotExist
	}
	out, err := http.NewRequestWithContext(context.Background(), req.Method, "http://"+all[rand.IntN(len(all))]+req.URL.Path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	out.Header = req.Header.Clone()
	return copied().Do(out)
}

// podsOf are the pods of a Service that are ready. A gateway that does not hear from the API server for a moment goes on by what it knows.
func (g *copying) podsOf(service string) []string {
	items, err := g.cache.Get(context.Background(), kube.EndpointSlices, "kubernetes.io/service-name", service)
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil {
		return g.pods[service]
	}
	var all []string
	for _, item := range items {
		var s struct {
			Ports     []struct{ Port int }
			Endpoints []struct {
				Addresses  []string
				Conditions struct{ Ready bool }
			}
		}
		if json.Unmarshal(item.Text, &s) != nil || len(s.Ports) == 0 {
			continue
		}
		for _, e := range s.Endpoints {
			if e.Conditions.Ready {
				all = append(all, net.JoinHostPort(e.Addresses[0], fmt.Sprint(s.Ports[0].Port)))
			}
		}
	}
	g.pods[service] = all
	return all
}

// copied asks pods, and knows no proxy.
func copied() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
}

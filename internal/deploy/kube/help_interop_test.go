//go:build interop

package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/kube"
)

var namespaces = kube.Resource{Version: "v1", Plural: "namespaces", Everywhere: true}

// testNamespace is a namespace of its own of the cluster that runs.
func testNamespace(t *testing.T) *kube.Client {
	t.Helper()
	file := os.Getenv("MLX_TEST_KUBE_API")
	if file == "" {
		t.Fatal(`MLX_TEST_KUBE_API is not set: it is the kubeconfig of an API server without a node, which KUBELET=0 .ci/kube up starts`)
	}
	name := "deploy-" + strconv.FormatInt(time.Now().UnixNano(), 36)
	c, err := kube.Open(kube.Config{Files: []string{file}, Namespace: name, Agent: "mlx/test"})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Create(t.Context(), namespaces, object{"apiVersion": "v1", "kind": "Namespace", "metadata": object{"name": name}}, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Delete(context.Background(), namespaces, name, kube.Removal{}) })
	return c
}

// kubeconfig is the file that says where the cluster is.
func kubeconfig() string { return os.Getenv("MLX_TEST_KUBE_API") }

// driverOf drives a service of a namespace.
func driverOf(t *testing.T, c *kube.Client, s Settings) *Driver {
	t.Helper()
	cluster := NewCluster(c)
	t.Cleanup(cluster.Close)
	return New(Options{Cluster: cluster, Settings: s, Now: time.Now, Holder: "test", Spare: -1})
}

// light are settings without what the API server alone cannot show: meters, and GPUs that no node has.
func light(form Form) Settings {
	s := testSettings(form)
	s.Agent, s.GPUs, s.GPUType, s.Secrets = "", 0, "", nil
	s.Pod = map[string]any{"schedulerName": "nobody.mlx.test"} // no kubelet ever gets them
	return s
}

// plays does what a kubelet and the controllers of routes do, as far as status goes, where none of them runs: what comes of it is only simulated.
type plays struct {
	t      *testing.T
	c      *kube.Client
	mu     sync.Mutex
	broken bool // no pod becomes ready
	blind  bool // no route is accepted
}

func play(t *testing.T, c *kube.Client) *plays {
	t.Helper()
	p := &plays{t: t, c: c}
	ctx, end := context.WithCancel(context.Background())
	var ended sync.WaitGroup
	ended.Go(func() {
		for ctx.Err() == nil {
			p.pods(ctx)
			p.routes(ctx)
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	t.Cleanup(func() { end(); ended.Wait() })
	return p
}

func (p *plays) set(broken, blind bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.broken, p.blind = broken, blind
}

func (p *plays) pods(ctx context.Context) {
	p.mu.Lock()
	broken := p.broken
	p.mu.Unlock()
	var l struct{ Items []pod }
	if broken || p.c.List(ctx, kube.Pods, kube.Select{Labels: labelComponent + "=server"}, &l) != nil {
		return
	}
	for _, one := range l.Items {
		if one.Metadata.Deleted != "" {
			_ = p.c.Delete(ctx, kube.Pods, one.Metadata.Name, kube.Removal{Grace: new(time.Duration)})
			continue
		}
		if one.ready() || one.Metadata.Deleted != "" {
			continue
		}
		status := object{"phase": "Running", "podIP": "10.0.0.1", "podIPs": list{object{"ip": "10.0.0.1"}}, "conditions": list{
			object{"type": "Ready", "status": "True"}, object{"type": "ContainersReady", "status": "True"}}}
		_ = p.c.Merge(ctx, kube.Pods, one.Metadata.Name+"/status", object{"status": status}, nil)
	}
}

func (p *plays) routes(ctx context.Context) {
	p.mu.Lock()
	blind := p.blind
	p.mu.Unlock()
	var l struct{ Items []held }
	if blind || p.c.List(ctx, kube.HTTPRoutes, kube.Select{}, &l) != nil {
		return
	}
	for _, h := range l.Items {
		var s struct {
			Parents []struct{ Conditions []condition }
		}
		if json.Unmarshal(h.Status, &s) == nil && len(s.Parents) > 0 && s.Parents[0].Conditions[0].Observed == h.Metadata.Generation {
			continue
		}
		accept(ctx, p.c, NameOf(h.Metadata.Annotations[noteService]), h.Metadata.Generation)
	}
}

func accept(ctx context.Context, c *kube.Client, name string, generation int64) {
	is := func(kind string) object {
		return object{"type": kind, "status": "True", "reason": kind, "message": "", "observedGeneration": generation,
			"lastTransitionTime": time.Now().UTC().Format(time.RFC3339)}
	}
	_ = c.Merge(ctx, kube.HTTPRoutes, name+"/status", object{"status": object{"parents": list{object{"controllerName": "mlx.test/played",
		"parentRef": object{"name": "public", "namespace": "infra"}, "conditions": list{is("Accepted"), is("ResolvedRefs")}}}}}, nil)
}

// until looks until something is so.
func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not so within a minute: %s", what)
		}
	}
}

// look is one look that must succeed.
func look(t *testing.T, v *Driver) deploy.Actual {
	t.Helper()
	seen, err := v.Observe(t.Context(), v.Settings.Service)
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

// shown is a look in words.
func shown(a deploy.Actual) string {
	var words []string
	for _, arm := range a.Arms {
		words = append(words, fmt.Sprintf("%s %s %d/%d %s", arm.Role, arm.Share, arm.Ready, arm.Replicas, arm.Trouble))
	}
	return fmt.Sprintf("generation %d, %s, trouble %q, reverted %v", a.Generation, strings.Join(words, "; "), a.Trouble, a.Reverted)
}

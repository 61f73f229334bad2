//go:build interop

package kube

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/fault"
	"mlx/internal/kube"
)

// limited is a client that may do nothing in the namespace but write routes.
func limited(t *testing.T, c *kube.Client) *kube.Client {
	t.Helper()
	meta := object{"name": "routes"}
	role := object{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": meta, "rules": list{
		object{"apiGroups": list{"gateway.networking.k8s.io"}, "resources": list{"httproutes"}, "verbs": list{"get", "list", "watch", "patch"}}}}
	binding := object{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": meta,
		"roleRef": object{"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "routes"}, "subjects": list{object{"kind": "User", "name": "limited"}}}
	for r, o := range map[kube.Resource]object{kube.Roles: role, kube.RoleBindings: binding} {
		if err := c.Create(t.Context(), r, o, nil); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(os.Getenv("MLX_TEST_KUBE_API"))
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err != nil || os.WriteFile(file, bytes.ReplaceAll(text, []byte("admin-token"), []byte("limited-token")), 0o600) != nil {
		t.Fatal(err)
	}
	less, err := kube.Open(kube.Config{Files: []string{file}, Namespace: c.Namespace(), Agent: "mlx/test"})
	if err != nil {
		t.Fatal(err)
	}
	until(t, "it may write routes", func() bool {
		may, err := less.MayI(t.Context(), "patch", kube.HTTPRoutes, "")
		return err == nil && may
	})
	return less
}

// TestInteropAbortNeedsNothingElse: what was in service gets all by a patch of the route although none of its pods is ready, nobody may list
// pods, and nothing beside the route can be made: a candidate may be doing harm.
func TestInteropAbortNeedsNothingElse(t *testing.T) {
	c := testNamespace(t)
	v := driverOf(t, c, light(Gateway)) // nobody plays: no pod is ever ready
	d := stepOf(2000, 3)
	if err := v.Apply(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	share := func(t *testing.T, v *Driver) (uint64, deploy.Share) {
		h, err := v.anchor(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		arm, _ := armOf(h.desired, deploy.Stable)
		return h.generation, arm.Share
	}
	back := servedOf(1)
	back.Generation = 4
	less := driverOf(t, limited(t, c), light(Gateway))
	if err := less.Apply(t.Context(), back); fault.KindOf(err) != fault.Denied {
		t.Errorf("who may write nothing but routes: %v", err)
	}
	if generation, all := share(t, v); generation != 4 || all != deploy.All {
		t.Errorf("in generation %d what was in service has %s", generation, all)
	}

	if err := v.Apply(t.Context(), stepOf(2000, 5)); err != nil {
		t.Fatal(err)
	}
	away := errors.New("the registry is away")
	waits := driverOf(t, c, light(Gateway))
	waits.Prepare = func(context.Context) error { return away }
	back.Generation = 6
	if err := waits.Apply(t.Context(), back); !errors.Is(err, away) {
		t.Errorf("an image that cannot be sent: %v", err)
	}
	if generation, all := share(t, v); generation != 6 || all != deploy.All {
		t.Errorf("in generation %d what was in service has %s", generation, all)
	}
	if err := waits.Apply(t.Context(), stepOf(100, 7)); !errors.Is(err, away) {
		t.Errorf("a candidate before its image is there: %v", err)
	}
	if generation, _ := share(t, v); generation != 6 {
		t.Error("the route leads to pods that cannot start")
	}
}

// TestInteropOneHolder: of two controllers one has the Lease. The other gets it when it has run out, or when the rollout was taken on.
func TestInteropOneHolder(t *testing.T) {
	c := testNamespace(t)
	play(t, c)
	of := func(holder string) *Driver {
		cluster := NewCluster(c)
		t.Cleanup(cluster.Close)
		return New(Options{Cluster: cluster, Settings: light(Gateway), Now: time.Now, Holder: holder})
	}
	d := stepOf(500, 3)
	d.Lease = 5 * time.Minute
	var won []string
	var mu sync.Mutex
	var each sync.WaitGroup
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		each.Go(func() {
			err := of(name).Apply(context.Background(), d)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				won = append(won, name)
			case fault.KindOf(err) != fault.Conflict || !strings.Contains(err.Error(), " controls its rollout"):
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	each.Wait()
	holder := func() string {
		l, err := of("nobody").lease(t.Context())
		if err != nil || l == nil {
			t.Fatal(l, err)
		}
		return l.Spec.Holder
	}
	if len(won) != 1 || holder() != won[0] {
		t.Fatalf("%v control it, and the Lease names %s", won, holder())
	}
	first, other := of(won[0]), of("other")
	if err := first.Apply(t.Context(), d); err != nil {
		t.Errorf("who has it renews it, also in another process: %v", err)
	}
	if err := other.Apply(t.Context(), d); fault.KindOf(err) != fault.Conflict || holder() != won[0] {
		t.Errorf("%s has it: %v", holder(), err)
	}
	d.Generation = 4
	if err := other.Apply(t.Context(), d); err != nil || holder() != "other" {
		t.Errorf("who takes the rollout on: %v, %s", err, holder())
	}
	if err := first.renew(t.Context(), d); fault.KindOf(err) != fault.Conflict || holder() != "other" {
		t.Errorf("who had it before: %v, %s", err, holder())
	}
	d.Lease = time.Second
	if err := other.renew(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	until(t, "it has run out, and another takes it", func() bool { return first.renew(t.Context(), d) == nil })
	if holder() != won[0] {
		t.Errorf("%s has it", holder())
	}
	back := servedOf(1)
	back.Generation = 5
	if err := of("anybody").Apply(t.Context(), back); err != nil {
		t.Errorf("an abort asks nobody: %v", err)
	}
}

// TestInteropGraph: the API server takes the objects of an InferenceGraph by their published definitions. A rollout from one graph to another
// is shares of a route over the pods that count what graphs answer, and what has no role any more ends, also the graph. Pods, the router of KServe and
// the gateway are played: what they do is only simulated.
func TestInteropGraph(t *testing.T) {
	c := testNamespace(t)
	play(t, c)
	s := light(Standard)
	s.Graph, s.Agent = true, testSettings(Standard).Agent
	v := driverOf(t, c, s)
	graph := kube.InferenceGraphs
	one, two := graphOf(1), graphOf(2)
	d := one
	d.Generation = 1
	all, err := Objects(s, d)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range all {
		if err := c.Apply(t.Context(), resourceOf(o), kube.Application{Object: o, Dry: true}, nil); err != nil {
			t.Errorf("%s: %v", named(o), err)
		}
	}
	if err := v.Apply(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	first := s.graphOf(one.Arms[0].Release)
	var live struct {
		Spec struct {
			Nodes map[string]struct {
				RouterType string
				Steps      []struct{ ServiceURL, Condition, Dependency string }
			}
		}
	}
	if err := c.Get(t.Context(), graph, first, &live); err != nil {
		t.Fatal(err)
	}
	root := live.Spec.Nodes["root"]
	if root.RouterType != "Sequence" || len(root.Steps) != 2 || root.Steps[1].Condition != "[@this].#(confidence<0.9)" ||
		root.Steps[0].ServiceURL != "http://"+s.stageService(one.Arms[0].Release, 0)+"-predictor/v2/models/small/infer" {
		t.Errorf("the graph: %+v", live)
	}
	until(t, "the first one has all", func() bool {
		seen := look(t, v)
		return seen.Generation == 1 && len(seen.Arms) == 1 && seen.Arms[0].Share == deploy.All && seen.Arms[0].Ready == 2 && len(seen.Arms[0].Stages) == 2
	})
	step := deploy.Desired{Service: "flights", Generation: 2, Lease: time.Minute, Arms: []deploy.Arm{
		{Role: deploy.Stable, Release: one.Arms[0].Release, Share: 9500, Replicas: 2}, {Role: deploy.Candidate, Release: two.Arms[0].Release, Share: 500, Replicas: 2}}}
	if err := v.Apply(t.Context(), step); err != nil {
		t.Fatal(err)
	}
	until(t, "the other one has its share", func() bool {
		seen := look(t, v)
		return seen.Generation == 2 && len(seen.Arms) == 2 && seen.Arms[1].Share == 500 && seen.Arms[1].Ready == 2
	})
	d = two
	d.Generation = 3
	until(t, "the first one is gone, with its graph and its stages", func() bool {
		if err := v.Apply(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		return kube.Missing(c.Get(t.Context(), graph, first, nil)) &&
			kube.Missing(c.Get(t.Context(), kube.InferenceSets, s.stageService(one.Arms[0].Release, 1), nil)) &&
			kube.Missing(c.Get(t.Context(), kube.Deployments, nameOf("flights", one.Arms[0].Release.Key), nil))
	})
	if err := c.Get(t.Context(), graph, s.graphOf(two.Arms[0].Release), nil); err != nil {
		t.Errorf("what is in service: %v", err)
	}
}

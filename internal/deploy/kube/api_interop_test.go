//go:build interop

package kube

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/fault"
	"mlx/internal/kube"
)

// TestInteropForms: the API server takes the objects of every form by their published definitions, none of their keys is unknown to it, and the
// strictest profile of Pod Security warns of nothing.
func TestInteropForms(t *testing.T) {
	c := testNamespace(t)
	err := c.Merge(t.Context(), namespaces, c.Namespace(), object{"metadata": object{"labels": object{"pod-security.kubernetes.io/enforce": "restricted"}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	shadow := deploy.Desired{Service: "flights", Generation: 3, Mirror: 2550, Arms: []deploy.Arm{
		{Role: deploy.Stable, Release: testRelease(1), Share: deploy.All, Replicas: 2}, {Role: deploy.Shadow, Release: testRelease(2), Replicas: 2}}}
	for _, form := range Forms() {
		for _, scale := range []*Scale{nil, {Min: 1, Max: 5, CPU: 0.7, GPU: 0.8, Queue: 4},
			{Min: 1, Max: 5, CPU: 0.7, GPU: 0.8, Queue: 4, Keda: true, Prometheus: "http://prometheus.monitoring:9090"}} {
			for _, d := range []deploy.Desired{{Service: "flights", Generation: 1}, servedOf(1), stepOf(0, 2), stepOf(500, 3), stepOf(deploy.All, 4), shadow, twice(5)} {
				s := testSettings(form)
				if s.Scale = scale; scale != nil && form == Knative {
					s.Scale = &Scale{Min: 1, Max: 5, Queue: 4}
				}
				if !s.routed() && d.Mirror > 0 {
					continue
				}
				all, err := Objects(s, d)
				if err != nil {
					t.Fatal(form, err)
				}
				for _, o := range all {
					if len(d.Arms) == 0 && !s.routed() {
						continue // nothing is in service: there is no such object then
					}
					if err := c.Apply(t.Context(), resourceOf(o), kube.Application{Object: o, Dry: true}, nil); err != nil {
						t.Errorf("%s %s: %v\n%s", form, named(o), err, YAML([]Object{o}))
					}
				}
			}
		}
	}
	pod, err := testSettings(Gateway).template(testRelease(1))
	if err != nil {
		t.Fatal(err)
	}
	pod["apiVersion"], pod["kind"] = "v1", "Pod"
	pod["metadata"].(object)["name"] = "strict"
	if err := c.Try(t.Context(), kube.Pods, pod); err != nil {
		t.Errorf("a pod: %v", err)
	}
}

// TestInteropGeneration: a later generation is obeyed and no other, whoever asks first.
func TestInteropGeneration(t *testing.T) {
	c := testNamespace(t)
	play(t, c)
	v := driverOf(t, c, light(Gateway))
	if seen := look(t, v); seen.Generation != 0 || len(seen.Arms) != 0 {
		t.Errorf("before anything was asked: %s", shown(seen))
	}
	first := servedOf(1)
	first.Generation = 1
	if err := v.Apply(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	until(t, "v1 has all", func() bool {
		seen := look(t, v)
		return seen.Generation == 1 && seen.Trouble == "" && seen.Arms[0].Share == deploy.All && seen.Arms[0].Ready == 2
	})
	if err := v.Apply(t.Context(), first); err != nil {
		t.Errorf("the same again: %v", err)
	}
	if err := v.Apply(t.Context(), stepOf(500, 3)); err != nil {
		t.Fatal(err)
	}
	until(t, "v2 has 5%", func() bool {
		seen := look(t, v)
		return seen.Generation == 3 && len(seen.Arms) == 2 && seen.Arms[0].Share == 9500 && seen.Arms[1].Share == 500 && seen.Arms[1].Ready == 2
	})
	other := driverOf(t, c, light(Gateway))
	for name, d := range map[string]deploy.Desired{"an earlier one": stepOf(100, 2), "the same one with other shares": stepOf(2000, 3)} {
		if err := other.Apply(t.Context(), d); !errors.Is(err, deploy.ErrStale) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var lease struct {
		Spec struct {
			Seconds int    `json:"leaseDurationSeconds"`
			Holder  string `json:"holderIdentity"`
		} `json:"spec"`
	}
	if err := c.Get(t.Context(), kube.Leases, "flights", &lease); err != nil || lease.Spec.Seconds != 30 || lease.Spec.Holder != "test" {
		t.Errorf("the lease: %+v %v", lease, err)
	}

	var wins, stale int
	var mu sync.Mutex
	var each sync.WaitGroup
	for i := range 8 {
		each.Go(func() {
			mine := driverOf(t, c, light(Gateway))
			err := mine.Apply(context.Background(), stepOf(deploy.Share(1000+100*i), 4))
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				wins++
			case errors.Is(err, deploy.ErrStale):
				stale++
			default:
				t.Error(err)
			}
		})
	}
	each.Wait()
	if wins != 1 || stale != 7 {
		t.Errorf("of 8 who ask in the same generation, %d were obeyed and %d refused", wins, stale)
	}

	back := servedOf(1)
	back.Generation = 5
	began := time.Now()
	if err := v.Apply(t.Context(), back); err != nil {
		t.Fatal(err)
	}
	until(t, "v1 has all again, and v2 is gone", func() bool {
		seen := look(t, v)
		return seen.Generation == 5 && len(seen.Arms) == 1 && seen.Arms[0].Share == deploy.All &&
			kube.Missing(c.Get(t.Context(), kube.Deployments, nameOf("flights", testRelease(2).Key), nil)) && kube.Missing(c.Get(t.Context(), kube.Leases, "flights", nil))
	})
	t.Logf("rolled back, seen and cleared up in %s", time.Since(began))
}

// TestInteropRollbackIsOnePatch: what was in service gets all by one patch of the route, in less than a second.
func TestInteropRollbackIsOnePatch(t *testing.T) {
	c := testNamespace(t)
	played := play(t, c)
	v := driverOf(t, c, light(Gateway))
	if err := v.Apply(t.Context(), stepOf(2000, 1)); err != nil {
		t.Fatal(err)
	}
	until(t, "both are ready", func() bool {
		seen := look(t, v)
		return len(seen.Arms) == 2 && seen.Arms[0].Ready == 2 && seen.Arms[1].Ready == 2 && seen.Trouble == ""
	})
	played.set(false, true) // from here on nobody accepts the route: only the patch is measured
	patched := make(chan time.Time, 1)
	watching, end := context.WithCancel(t.Context())
	defer end()
	go func() {
		_ = c.Watch(watching, kube.HTTPRoutes, kube.Select{}, func(change kube.Change) error {
			var h held
			if json.Unmarshal(change.Object, &h) == nil && h.read() == nil && h.generation == 2 {
				patched <- time.Now()
				end()
			}
			return nil
		})
	}()
	back := servedOf(1)
	back.Generation = 2
	began := time.Now()
	if err := v.Apply(t.Context(), back); err != nil {
		t.Fatal(err)
	}
	took := (<-patched).Sub(began)
	if took > time.Second {
		t.Errorf("from the command to the patched route: %s", took)
	}
	t.Logf("from the command to the patched route: %s", took)
	if seen := look(t, v); !strings.Contains(seen.Trouble, "has not seen httproute/flights as it is now") || seen.Arms[0].Share != 0 {
		t.Errorf("a route that nobody has taken counts: %s", shown(seen))
	}
	if err := c.Get(t.Context(), kube.Deployments, nameOf("flights", testRelease(2).Key), nil); err != nil {
		t.Errorf("what the route may still lead to was ended: %v", err)
	}
}

// TestInteropGuardsPatch: what the Lease holds gives all to stable, whoever applies it, and the candidate does not get it back.
func TestInteropGuardsPatch(t *testing.T) {
	c := testNamespace(t)
	play(t, c)
	v := driverOf(t, c, light(Gateway))
	d := stepOf(2000, 4)
	if err := v.Apply(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	var lease struct {
		Metadata struct{ Annotations map[string]string }
	}
	if err := c.Get(t.Context(), kube.Leases, "flights", &lease); err != nil {
		t.Fatal(err)
	}
	var steps []step
	if err := json.Unmarshal([]byte(lease.Metadata.Annotations[noteRevert]), &steps); err != nil || len(steps) != 1 || !strings.HasSuffix(steps[0].Path, "/httproutes/flights") {
		t.Fatalf("%v %v", steps, err)
	}
	if err := c.Merge(t.Context(), kube.HTTPRoutes, "flights", steps[0].Patch, nil); err != nil {
		t.Fatal(err)
	}
	until(t, "it is seen to be taken back", func() bool {
		seen := look(t, v)
		return seen.Reverted != nil && seen.Reverted.Generation == 4 && seen.Arms[0].Share == deploy.All && seen.Arms[1].Share == 0 && seen.Trouble == ""
	})
	if err := v.Apply(t.Context(), d); !errors.Is(err, deploy.ErrStale) {
		t.Errorf("the same is asked for again: %v", err)
	}
	if err := v.Apply(t.Context(), stepOf(500, 5)); err != nil {
		t.Fatal(err)
	}
	until(t, "a later one counts", func() bool { seen := look(t, v); return seen.Reverted == nil && seen.Arms[1].Share == 500 })
}

// TestInteropTroubles: each trouble names the object, what is wrong with it, and what to do.
func TestInteropTroubles(t *testing.T) {
	c := testNamespace(t)
	play(t, c)
	d := servedOf(1)
	d.Generation = 1
	quota := object{"apiVersion": "v1", "kind": "ResourceQuota", "metadata": object{"name": "few"}, "spec": object{"hard": object{"pods": "1"}}}
	if err := c.Create(t.Context(), kube.Resource{Version: "v1", Plural: "resourcequotas"}, quota, nil); err != nil {
		t.Fatal(err)
	}
	v := driverOf(t, c, light(Gateway))
	until(t, "the quota is told", func() bool {
		if err := v.Apply(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		seen := look(t, v)
		return len(seen.Arms) == 1 && strings.Contains(seen.Arms[0].Trouble, "the quota of the namespace is used up") && strings.Contains(seen.Arms[0].Trouble, "few")
	})

	name := nameOf("flights", testRelease(1).Key)
	other, err := kube.Open(kube.Config{Files: []string{os.Getenv("MLX_TEST_KUBE_API")}, Namespace: c.Namespace(), Agent: "somebody/1"})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Merge(t.Context(), kube.Deployments, name, object{"spec": object{"replicas": 3, "minReadySeconds": 1}}, nil); err != nil {
		t.Fatal(err)
	}
	d.Generation = 2
	err = driverOf(t, c, light(Gateway)).Apply(t.Context(), d)
	if fault.KindOf(err) != fault.Conflict || !strings.Contains(err.Error(), "deployments/"+name+": .spec.replicas is set by ") || !strings.Contains(strings.Join(fault.Hints(err), " "), "scale:") {
		t.Errorf("a field that somebody else owns: %v\n%v", err, fault.Hints(err))
	}
}

// TestInteropArgoTroubles: what befalls the ReplicaSets of a Rollout is told, in the words that Argo passes on from them.
func TestInteropArgoTroubles(t *testing.T) {
	c := testNamespace(t)
	v := driverOf(t, c, light(Argo))
	if err := v.Apply(t.Context(), stepOf(0, 1)); err != nil {
		t.Fatal(err)
	}
	for message, want := range map[string]string{
		`pods "flights-6d-" is forbidden: exceeded quota: few, requested: pods=1, used: pods=1, limited: pods=1`: "the quota of the namespace is used up: ",
		`pods "flights-6d-" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot`:                "a rule of the cluster forbids its pods: ",
		`admission webhook "images.example" denied the request: no digest`:                                       "a rule of the cluster forbids its pods: ",
	} {
		status := object{"conditions": list{object{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message,
			"lastTransitionTime": time.Now().UTC().Format(time.RFC3339), "lastUpdateTime": time.Now().UTC().Format(time.RFC3339)}}}
		if err := c.Merge(t.Context(), kube.Rollouts, "flights/status", object{"status": status}, nil); err != nil {
			t.Fatal(err)
		}
		until(t, want, func() bool {
			seen := look(t, v)
			return len(seen.Arms) == 2 && seen.Arms[1].Role == deploy.Candidate && seen.Arms[1].Trouble == want+message
		})
	}
}

// TestInteropHundred: 100 services are brought up, and observed by one connection for each kind of object.
func TestInteropHundred(t *testing.T) {
	c := testNamespace(t)
	play(t, c)
	cluster := NewCluster(c)
	defer cluster.Close()
	drivers := make([]*Driver, 100)
	slots := make(chan struct{}, 8)
	var each sync.WaitGroup
	began := time.Now()
	for i := range drivers {
		s := light(Gateway)
		s.Service = "service-" + string(rune('a'+i/26)) + string(rune('a'+i%26))
		drivers[i] = New(Options{Cluster: cluster, Settings: s, Now: time.Now, Holder: "test"})
		each.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			d := stepOf(500, 1)
			d.Service = s.Service
			if err := drivers[i].Apply(context.Background(), d); err != nil {
				t.Error(err)
			}
		})
	}
	each.Wait()
	t.Logf("100 services asked for in %s", time.Since(began))
	counted, asked := front(t, c)
	fresh := NewCluster(counted)
	defer fresh.Close()
	began = time.Now()
	for _, v := range drivers {
		again := New(Options{Cluster: fresh, Settings: v.Settings, Now: time.Now})
		if seen := look(t, again); seen.Generation != 1 || len(seen.Arms) != 2 {
			t.Errorf("%s: %s", v.Settings.Service, shown(seen))
		}
	}
	t.Logf("100 services observed in %s", time.Since(began))
	asked.mu.Lock()
	defer asked.mu.Unlock()
	if asked.reads > 50 { // a list and a watch for each kind, and not one for each service
		t.Errorf("to observe 100 services took %d requests", asked.reads)
	}
}

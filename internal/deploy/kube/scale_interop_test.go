//go:build interop

package kube

import (
	"testing"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/fault"
	"mlx/internal/kube"
)

// TestInteropScaleChangesHands: scale: that is switched on or off for a service that runs, and another kind of scaler, change the number of servers
// at no time, whoever set it: here the autoscaler of Kubernetes itself.
func TestInteropScaleChangesHands(t *testing.T) {
	for _, form := range []Form{Gateway, Argo} {
		t.Run(string(form), func(t *testing.T) {
			t.Parallel()
			c := testNamespace(t)
			play(t, c)
			s := light(form)
			s.Namespace = c.Namespace()
			workload, r := nameOf("flights", testRelease(1).Key), kube.Deployments
			if form == Argo {
				workload, r = "flights", kube.Rollouts
			}
			var generation uint64
			asked := func(replicas int, scale *Scale) {
				t.Helper()
				generation++
				d := servedOf(1)
				d.Generation, d.Arms[0].Replicas = generation, replicas
				s.Scale = scale
				v := driverOf(t, c, s)
				changes, err := v.Changes(t.Context(), d)
				if err != nil || len(changes) == 0 {
					t.Errorf("a trial: %v %v\n%v", changes, err, fault.Hints(err))
				}
				if err := v.Apply(t.Context(), d); err != nil {
					t.Fatalf("%v\n%v", err, fault.Hints(err))
				}
			}
			number := func() (n int) {
				t.Helper()
				var live struct{ Spec struct{ Replicas int } }
				if err := c.Get(t.Context(), r, workload, &live); err != nil {
					t.Fatal(err)
				}
				return live.Spec.Replicas
			}
			is := func(after string, n int) {
				t.Helper()
				if got := number(); got != n {
					t.Errorf("%s: %d servers, not %d", after, got, n)
				}
			}
			scalers := func(after string, hpa, keda bool) {
				t.Helper()
				for kind, want := range map[kube.Resource]bool{kube.Autoscalers: hpa, kube.ScaledObjects: keda} {
					err := c.Get(t.Context(), kind, workload, nil)
					if err != nil && !kube.Missing(err) || (err == nil) != want {
						t.Errorf("%s: %s: %v", after, kind.Plural, err)
					}
				}
			}
			asked(3, nil)
			is("without a scaler", 3)
			asked(3, &Scale{Min: 1, Max: 5, Queue: 4})
			is("scale: switched on", 3)
			scalers("scale: switched on", true, false)
			asked(3, &Scale{Min: 4, Max: 5, Queue: 4})
			until(t, "the autoscaler has set 4", func() bool { return number() == 4 })
			asked(3, &Scale{Min: 1, Max: 5, Queue: 4, Keda: true, Prometheus: "http://prometheus.monitoring:9090"})
			is("another scaler", 4)
			scalers("another scaler", false, true)
			asked(2, nil)
			is("scale: switched off", 2)
			scalers("scale: switched off", false, false)
			asked(3, nil)
			is("another number", 3)
		})
	}
}

// TestInteropScaleOfOthers: a scaler that mlx did not make keeps the number that it has set, and mlx says so.
func TestInteropScaleOfOthers(t *testing.T) {
	c := testNamespace(t)
	play(t, c)
	v := driverOf(t, c, light(Gateway))
	d := servedOf(1)
	d.Generation = 1
	if err := v.Apply(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	name := nameOf("flights", testRelease(1).Key)
	hpa := (&Settings{Service: "other", Form: Gateway, Scale: &Scale{Min: 4, Max: 5, Queue: 4}}).scaler("theirs", nil,
		object{"apiVersion": "apps/v1", "kind": "Deployment", "name": name})
	delete(hpa["metadata"].(object), "labels")
	if err := c.Create(t.Context(), kube.Autoscalers, hpa, nil); err != nil {
		t.Fatal(err)
	}
	until(t, "it has set 4", func() bool {
		var live struct{ Spec struct{ Replicas int } }
		return c.Get(t.Context(), kube.Deployments, name, &live) == nil && live.Spec.Replicas == 4
	})
	d.Generation, d.Arms[0].Replicas = 2, 3
	if err := driverOf(t, c, light(Gateway)).Apply(t.Context(), d); fault.KindOf(err) != fault.Conflict {
		t.Errorf("it was taken: %v", err)
	}
}

// TestInteropScaleDuringRollouts: who may get everything at once keeps the servers that the release in service had.
func TestInteropScaleDuringRollouts(t *testing.T) {
	for _, keda := range []bool{false, true} {
		c := testNamespace(t)
		play(t, c)
		s := light(Gateway)
		s.Namespace = c.Namespace()
		s.Scale = &Scale{Min: 1, Max: 6, Queue: 4, Keda: keda, Prometheus: "http://prometheus.monitoring:9090"}
		v := driverOf(t, c, s)
		first := servedOf(1)
		first.Generation = 1
		if err := v.Apply(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		old, next := nameOf("flights", testRelease(1).Key), nameOf("flights", testRelease(2).Key)
		scaled := []map[string]any{{"op": "replace", "path": "/spec/replicas", "value": 4}}
		if err := c.Patch(t.Context(), kube.Deployments, old, scaled, nil); err != nil { // as under load
			t.Fatal(err)
		}
		until(t, "it is known", func() bool { seen := look(t, v); return len(seen.Arms) == 1 && seen.Arms[0].Replicas == 4 })
		fewest := func(name string) (n int) {
			t.Helper()
			var live struct {
				Spec struct{ MinReplicas, MinReplicaCount int }
			}
			r := kube.Autoscalers
			if keda {
				r = kube.ScaledObjects
			}
			if err := c.Get(t.Context(), r, name, &live); err != nil {
				t.Fatal(err)
			}
			return live.Spec.MinReplicas + live.Spec.MinReplicaCount
		}
		ended := servedOf(2)
		ended.Arms = append(ended.Arms, deploy.Arm{Role: deploy.Previous, Release: testRelease(1), Replicas: 2, Until: time.Now().Add(time.Hour)})
		for i, one := range []struct {
			d         deploy.Desired
			old, next int
		}{{stepOf(0, 2), 4, 4}, {stepOf(500, 3), 4, 4}, {stepOf(deploy.All, 4), 4, 4}, {ended, 4, 1}} {
			one.d.Generation = uint64(i + 2)
			if err := v.Apply(t.Context(), one.d); err != nil {
				t.Fatal(err)
			}
			if a, b := fewest(old), fewest(next); a != one.old || b != one.next {
				t.Errorf("keda %t, state %d: %d and %d servers at least, not %d and %d", keda, i, a, b, one.old, one.next)
			}
		}
		if first.Generation = 9; v.Apply(t.Context(), first) != nil || fewest(old) != 1 {
			t.Errorf("keda %t: when all is over: %d servers at least", keda, fewest(old))
		}
	}
}

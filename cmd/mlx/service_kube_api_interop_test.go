//go:build interop

package main

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"mlx/internal/kube"
)

// TestInteropServiceKubeAPI tells the stories of testdata/interop/service-kube-api at a real API server. Nobody runs pods or carries traffic there:
// what kubelet, gateway and Knative say is only played.
func TestInteropServiceKubeAPI(t *testing.T) {
	t.Parallel() // it waits, most of the time
	config, registry := needs(t, "MLX_TEST_KUBE_API"), needs(t, "MLX_TEST_KUBE_REGISTRY")
	agent := staticProgram(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/interop/service-kube-api", RequireExplicitExec: true, Cmds: interopCommands(),
		Setup: func(env *testscript.Env) error {
			if err := isolate(env); err != nil {
				return err
			}
			name := fmt.Sprintf("service-%d", time.Now().UnixNano())
			for _, one := range []string{name, name + "-other"} {
				if err := kubeNamespace(env, config, one); err != nil {
					return err
				}
			}
			c, err := kube.Open(kube.Config{Files: []string{config}, Namespace: name, Agent: "played/1"})
			if err != nil {
				return err
			}
			ctx, end := context.WithCancel(context.Background())
			var ended sync.WaitGroup
			ended.Go(func() { playCluster(ctx, c) })
			env.Defer(func() { end(); ended.Wait() })
			for key, value := range map[string]string{"KUBECONFIG": config, "NAMESPACE": name, "OTHER": name + "-other", "REGISTRY": registry, "AGENT": agent, "MLX_PROGRESS": "false"} {
				env.Setenv(key, value)
			}
			return nil
		},
	})
}

type played struct {
	Metadata struct {
		Name       string
		Generation int64
	}
	Spec struct {
		Predictor struct {
			Labels, Annotations map[string]string
		}
	}
}

// playCluster says until ctx ends that all pods are ready, and all routes are obeyed.
func playCluster(ctx context.Context, c *kube.Client) {
	type m = map[string]any
	for ctx.Err() == nil {
		each := func(r kube.Resource, say func(one played)) {
			var l struct{ Items []played }
			if c.List(ctx, r, kube.Select{}, &l) == nil {
				for _, one := range l.Items {
					say(one)
				}
			}
		}
		status := func(r kube.Resource, name string, s m) { _ = c.Merge(ctx, r, name+"/status", m{"status": s}, nil) } // at the next turn
		is := func(kind string, one played) m {
			return m{"type": kind, "status": "True", "reason": kind, "message": "", "observedGeneration": one.Metadata.Generation, "lastTransitionTime": "2026-01-01T00:00:00Z"}
		}
		each(kube.Pods, func(one played) {
			status(kube.Pods, one.Metadata.Name, m{"phase": "Running", "conditions": []any{m{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}}})
		})
		each(kube.HTTPRoutes, func(one played) {
			status(kube.HTTPRoutes, one.Metadata.Name, m{"parents": []any{m{"controllerName": "mlx.test/played", "parentRef": m{"name": "public", "namespace": "infra"},
				"conditions": []any{is("Accepted", one), is("ResolvedRefs", one)}}}})
		})
		each(kube.InferenceSets, func(one played) {
			_ = c.Create(ctx, kube.Pods, m{"apiVersion": "v1", "kind": "Pod", "metadata": m{"name": one.Metadata.Name + "-" + one.Spec.Predictor.Labels["app.kubernetes.io/version"],
				"labels": one.Spec.Predictor.Labels, "annotations": one.Spec.Predictor.Annotations}, "spec": m{"schedulerName": "nobody.mlx.test",
				"securityContext": m{"runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": m{"type": "RuntimeDefault"}},
				"containers": []any{m{"name": "kserve-container", "image": "mlx.test/played:1",
					"securityContext": m{"allowPrivilegeEscalation": false, "capabilities": m{"drop": []any{"ALL"}}}}}}}, nil) // or it is there
			status(kube.InferenceSets, one.Metadata.Name, m{"deploymentMode": "Knative", "observedGeneration": one.Metadata.Generation,
				"conditions": []any{m{"type": "Ready", "status": "True"}},
				"components": m{"predictor": m{"latestReadyRevision": "r1", "latestCreatedRevision": "r1", "traffic": []any{m{"revisionName": "r1", "percent": 100, "latestRevision": true}}}}})
		})
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}

//go:build interop

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"mlx/internal/kube"
)

// TestInteropServiceKube tells the stories of testdata/interop/service-kube on a real Kubernetes: pods of packages that its node pulls, behind a
// real gateway, counted and guarded by mlx itself.
func TestInteropServiceKube(t *testing.T) {
	t.Parallel() // it waits, most of the time
	config, registry := needs(t, "MLX_TEST_KUBE"), needs(t, "MLX_TEST_KUBE_REGISTRY")
	gateway, address := needs(t, "MLX_TEST_KUBE_GATEWAY"), needs(t, "MLX_TEST_KUBE_GATEWAY_ADDRESS")
	needs(t, "MLX_TEST_KUBE_KSERVE")
	agent, served := staticProgram(t), kubeServed(t)
	commands := interopCommands()
	commands["late-route"] = lateRoute
	testscript.Run(t, testscript.Params{
		Dir: "testdata/interop/service-kube", RequireExplicitExec: true, Cmds: commands,
		Setup: func(env *testscript.Env) error {
			if err := isolate(env); err != nil {
				return err
			}
			name := fmt.Sprintf("service-%d", time.Now().UnixNano())
			if err := kubeNamespace(env, config, name); err != nil {
				return err
			}
			for key, value := range map[string]string{"KUBECONFIG": config, "NAMESPACE": name, "REGISTRY": registry, "GATEWAY": gateway,
				"ADDRESS": address, "AGENT": agent, "SERVED": served, "MLX_PROGRESS": "false"} {
				env.Setenv(key, value)
			}
			return nil
		},
	})
}

// lateRoute has the gateway send all below a path to the servers of a version, whatever mlx says, as one does that has not seen the new shares yet.
func lateRoute(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, "late-route VERSION PATH")
	c, err := kube.Open(kube.Config{Files: []string{ts.Getenv("KUBECONFIG")}, Namespace: ts.Getenv("NAMESPACE"), Agent: "mlx-test"})
	ts.Check(err)
	var services struct {
		Items []struct {
			Metadata struct {
				Name        string            `json:"name"`
				Annotations map[string]string `json:"annotations"`
			} `json:"metadata"`
		} `json:"items"`
	}
	ts.Check(c.List(context.Background(), kube.Services, kube.Select{}, &services))
	for _, s := range services.Items {
		if s.Metadata.Annotations["dev.mlx/model"] != args[0] {
			continue
		}
		namespace, name, _ := strings.Cut(ts.Getenv("GATEWAY"), "/")
		ts.Check(c.Create(context.Background(), kube.HTTPRoutes, map[string]any{
			"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": map[string]any{"name": "late"},
			"spec": map[string]any{
				"parentRefs": []any{map[string]any{"name": name, "namespace": namespace}},
				"rules": []any{map[string]any{"matches": []any{map[string]any{"path": map[string]any{"type": "PathPrefix", "value": args[1]}}},
					"backendRefs": []any{map[string]any{"name": s.Metadata.Name, "port": 80}}}},
			},
		}, nil))
		return
	}
	ts.Fatalf("no Service is of %s", args[0])
}

// kubeServed is the model server of pods.
func kubeServed(t *testing.T) string {
	t.Helper()
	served := filepath.Join(t.TempDir(), "served")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", served, "./testdata/kubeserved")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return served
}

// kubeNamespace makes a namespace that allows least, and ends it with the script.
func kubeNamespace(env *testscript.Env, config, name string) error {
	c, err := kube.Open(kube.Config{Files: []string{config}, Namespace: name, Agent: "mlx-test"})
	if err != nil {
		return err
	}
	namespaces := kube.Resource{Version: "v1", Plural: "namespaces", Everywhere: true}
	env.Defer(func() { _ = c.Delete(context.Background(), namespaces, name, kube.Removal{}) })
	return c.Create(context.Background(), namespaces, map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name,
		"labels": map[string]any{"pod-security.kubernetes.io/enforce": "restricted"}}}, nil)
}

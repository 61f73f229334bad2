//go:build interop

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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
	testscript.Run(t, testscript.Params{
		Dir: "testdata/interop/service-kube", RequireExplicitExec: true, Cmds: interopCommands(),
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

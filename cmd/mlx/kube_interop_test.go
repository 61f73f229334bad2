//go:build interop

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestInteropKube tells the stories of testdata/interop/kube on a real Kubernetes: mlx as a user has it, and pods that run it.
func TestInteropKube(t *testing.T) {
	config := os.Getenv("MLX_TEST_KUBE")
	if config == "" {
		t.Fatal(`MLX_TEST_KUBE is not set: .ci/kube up && eval "$(.ci/kube env)"`)
	}
	agent := staticProgram(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/interop/kube", RequireExplicitExec: true, Cmds: interopCommands(),
		Setup: func(env *testscript.Env) error {
			if err := isolate(env); err != nil {
				return err
			}
			env.Setenv("KUBECONFIG", config)
			env.Setenv("AGENT", agent)
			env.Setenv("MLX_PROGRESS", "false")
			return nil
		},
	})
}

// staticProgram builds mlx as it is released: images have no libraries for it.
func staticProgram(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("MLX_TEST_AGENT"); path != "" { // one that was built before
		return path
	}
	path := filepath.Join(t.TempDir(), "mlx")
	build := exec.Command("go", "build", "-trimpath", "-tags", "disable_grpc_modules", "-ldflags", "-s -w", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

//go:build interop

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestRayRuns runs commands on the Ray that .ci/ray starts, whose nodes have a folder of their own for mlx.
func TestRayRuns(t *testing.T) {
	address := os.Getenv("MLX_TEST_RAY")
	if address == "" {
		t.Fatal("MLX_TEST_RAY is not set: .ci/ray up; .ci/ray env")
	}
	nodes := t.TempDir() // not in the work tree, which is sent
	testscript.Run(t, testscript.Params{
		Dir: "testdata/interop/ray", RequireExplicitExec: true, Cmds: interopCommands(),
		Setup: func(env *testscript.Env) error {
			env.Setenv("MLX_TEST_RAY", address)
			env.Setenv(rayTokenPath, os.Getenv(rayTokenPath))
			if err := isolate(env); err != nil {
				return err
			}
			own := filepath.Join(env.Getenv("XDG_CONFIG_HOME"), "mlx", "backends.yaml")
			if err := os.MkdirAll(filepath.Dir(own), 0o755); err != nil {
				return err
			}
			text := fmt.Sprintf("r: {type: ray, url: %q, dir: %q}\n", address, nodes)
			return os.WriteFile(own, []byte(text), 0o644)
		},
	})
}

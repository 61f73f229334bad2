//go:build interop

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestInteropGateAttack lets the Adversarial Robustness Toolbox attack a model by the script of the examples.
func TestInteropGateAttack(t *testing.T) {
	gateStories(t, "attack", interopPython(t, "MLX_TEST_ART", "cmd/mlx/testdata/python/art.txt"))
}

// TestInteropGateServe asks and loads a model that `mlflow models serve` serves.
func TestInteropGateServe(t *testing.T) {
	gateStories(t, "serve", interopPython(t, "MLX_TEST_MLFLOW3", "cmd/mlx/testdata/python/mlflow3.txt"))
}

// gateStories tells the stories of testdata/interop/gate-NAME with a Python first in $PATH.
func gateStories(t *testing.T, name, python string) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/interop/gate-" + name, RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			script, err := os.ReadFile("../../examples/attack/attack.py")
			if err != nil {
				return err
			}
			if err := isolate(env); err != nil {
				return err
			}
			env.Setenv("PATH", filepath.Dir(python)+string(os.PathListSeparator)+env.Getenv("PATH"))
			return os.WriteFile(filepath.Join(env.WorkDir, "attack.py"), script, 0o600)
		},
	})
}

//go:build interop

package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestRunInterop runs studies and notebooks of the real tools under mlx. MLX_TEST_OPTUNA is a Python that has Optuna:
// $(.ci/python cmd/mlx/testdata/interop/optuna.txt).
func TestRunInterop(t *testing.T) {
	python := os.Getenv("MLX_TEST_OPTUNA")
	if python == "" {
		t.Fatal("MLX_TEST_OPTUNA is not set: export MLX_TEST_OPTUNA=$(.ci/python cmd/mlx/testdata/interop/optuna.txt)")
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/interop/runs", RequireExplicitExec: true, Cmds: interopCommands(),
		Setup: func(env *testscript.Env) error {
			env.Setenv("PYTHON", python)
			return isolate(env)
		},
	})
}

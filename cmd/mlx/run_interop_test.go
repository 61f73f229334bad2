//go:build interop

package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestRunInterop runs studies of the real Optuna under mlx.
func TestRunInterop(t *testing.T) {
	python := interopPython(t, "MLX_TEST_OPTUNA", "cmd/mlx/testdata/python/optuna.txt")
	testscript.Run(t, testscript.Params{
		Dir: "testdata/interop/runs", RequireExplicitExec: true, Cmds: interopCommands(),
		Setup: func(env *testscript.Env) error {
			env.Setenv("PYTHON", python)
			return isolate(env)
		},
	})
}

//go:build interop

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestModelInterop holds signatures of models against the real model-signing, in both directions, and bills of materials against the
// published schema of CycloneDX.
func TestModelInterop(t *testing.T) {
	python := interopPython(t, "MLX_TEST_MODEL_SIGNING", "cmd/mlx/testdata/python/model-signing.txt")
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/interop/model",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", filepath.Dir(python)+string(os.PathListSeparator)+env.Getenv("PATH"))
			return isolate(env)
		},
	})
}

//go:build interop

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestPackageInterop pushes packages to Debian's docker-registry, which knows no Referrers API and asks for a password, and has a client
// in Python take them from there: by the protocol alone, with model-signing and an ECDSA of its own.
func TestPackageInterop(t *testing.T) {
	python := interopPython(t, "MLX_TEST_MODEL_SIGNING", "cmd/mlx/testdata/python/model-signing.txt")
	for _, name := range []string{"MLX_TEST_REGISTRY", "MLX_TEST_REGISTRY_CONFIG", "MLX_TEST_REGISTRY_DATA"} {
		if os.Getenv(name) == "" {
			t.Fatalf(`%s is not set: .ci/registry up && eval "$(.ci/registry env)"`, name)
		}
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/interop/package",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", filepath.Dir(python)+string(os.PathListSeparator)+env.Getenv("PATH"))
			env.Setenv("REGISTRY", os.Getenv("MLX_TEST_REGISTRY"))
			env.Setenv("LOGGED_IN", os.Getenv("MLX_TEST_REGISTRY_CONFIG"))
			env.Setenv("DATA", os.Getenv("MLX_TEST_REGISTRY_DATA"))
			env.Setenv("REPOSITORY", "mlx/"+filepath.Base(filepath.Dir(env.WorkDir))+"-flights") // each run has its own
			return isolate(env)
		},
	})
}

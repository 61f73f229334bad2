//go:build interop

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestNotebookInterop runs notebooks with the real papermill and nbconvert, and a real kernel. MLX_TEST_PAPERMILL is a Python
// that has them: $(.ci/python cmd/mlx/testdata/python/papermill.txt).
func TestNotebookInterop(t *testing.T) {
	python := os.Getenv("MLX_TEST_PAPERMILL")
	if python == "" {
		t.Fatal("MLX_TEST_PAPERMILL is not set: export MLX_TEST_PAPERMILL=$(.ci/python cmd/mlx/testdata/python/papermill.txt)")
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/interop/notebook",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", filepath.Dir(python)+string(os.PathListSeparator)+env.Getenv("PATH"))
			return isolate(env)
		},
	})
}

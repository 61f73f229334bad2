//go:build interop

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestNotebookInterop runs notebooks with the real papermill and nbconvert, and a real kernel.
func TestNotebookInterop(t *testing.T) {
	python := interopPython(t, "MLX_TEST_PAPERMILL", "cmd/mlx/testdata/python/papermill.txt")
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/interop/notebook",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", filepath.Dir(python)+string(os.PathListSeparator)+env.Getenv("PATH"))
			return isolate(env)
		},
	})
}

//go:build interop

package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestImportInterop runs import against the real dvc and a real database. Without them it fails: whoever asks for it
// wants it run. MLX_TEST_DVC is a Python that has dvc: $(.ci/python bench/requirements.txt).
func TestImportInterop(t *testing.T) {
	dvc, database := os.Getenv("MLX_TEST_DVC"), os.Getenv("MLX_TEST_POSTGRES")
	if dvc == "" || database == "" {
		t.Fatal(`MLX_TEST_DVC and MLX_TEST_POSTGRES are not set: .ci/postgres up && eval "$(.ci/postgres env)" && export MLX_TEST_DVC=$(.ci/python bench/requirements.txt)`)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/interop",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PYTHON", dvc)
			env.Setenv("DB", database)
			env.Setenv("DVC_NO_ANALYTICS", "1")
			return isolate(env)
		},
	})
}

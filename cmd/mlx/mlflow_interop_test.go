//go:build interop

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMLflowInterop tells the stories of testdata/interop/mlflow with the real clients: unchanged scripts of testdata/mlflow, in which
// no word is about mlx. $PYTHON is the Python of the client, $SCRIPTS the folder of the scripts; [v3] is true for a 3.x client.
func TestMLflowInterop(t *testing.T) {
	for version, variable := range map[string]string{"mlflow3": "MLX_TEST_MLFLOW3", "mlflow2": "MLX_TEST_MLFLOW2"} {
		t.Run(version, func(t *testing.T) {
			python := interopPython(t, variable, "cmd/mlx/testdata/python/"+version+".txt")
			scripts, err := filepath.Abs("testdata/mlflow")
			if err != nil {
				t.Fatal(err)
			}
			testscript.Run(t, testscript.Params{
				Dir: "testdata/interop/mlflow", RequireExplicitExec: true,
				Cmds: map[string]func(*testscript.TestScript, bool, []string){"await": await},
				Condition: func(word string) (bool, error) {
					if word != "v3" {
						return false, fmt.Errorf("unknown condition %q", word)
					}
					return version == "mlflow3", nil
				},
				Setup: func(env *testscript.Env) error {
					for name, value := range map[string]string{
						"PYTHON": python, "SCRIPTS": scripts, "PYTHONDONTWRITEBYTECODE": "1", "MPLCONFIGDIR": filepath.Join(env.WorkDir, ".mpl"),
						"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "OMP_NUM_THREADS": "1", "GIT_PYTHON_REFRESH": "quiet",
						"MLX_PROGRESS": "false",
					} {
						env.Setenv(name, value)
					}
					return isolate(env)
				},
			})
		})
	}
}

// await waits until a file is there.
func await(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, "await FILE")
	for range 1200 {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	ts.Fatalf("%s never came", args[0])
}

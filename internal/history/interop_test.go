//go:build interop

package history

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// python is the Python that a variable names: one that has exactly the packages of a file of requirements.
func python(t *testing.T, variable, requirements string) string {
	t.Helper()
	path := os.Getenv(variable)
	if path == "" {
		t.Fatalf("%s is not set: export %s=$(.ci/python %s)", variable, variable, requirements)
	}
	return path
}

func runTool(t *testing.T, dir string, words ...string) {
	t.Helper()
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "LOGNAME=ana", "DVC_NO_ANALYTICS=1", "MLFLOW_ENABLE_ASYNC_LOGGING=false")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", words, err, out)
	}
}

func script(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestInteropMLflow makes stores with MLflow itself and holds that each is read as its client reads it: a database of
// version 3, and a file store of version 2.
func TestInteropMLflow(t *testing.T) {
	for name, c := range map[string]struct{ variable, kind, place string }{
		"3 database": {"MLX_TEST_MLFLOW3", "sqlite", "mlflow.db"}, "2 folder": {"MLX_TEST_MLFLOW2", "file", "mlruns"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			interpreter := python(t, c.variable, "cmd/mlx/testdata/python/mlflow"+strings.TrimPrefix(c.variable, "MLX_TEST_MLFLOW")+".txt")
			runTool(t, dir, interpreter, script(t, "mlflow_make.py"), dir, c.kind)
			compareStore(t, filepath.Join(dir, c.place), dir)
		})
	}
}

// TestInteropWandb reads what the client of W&B leaves behind offline.
func TestInteropWandb(t *testing.T) {
	dir := t.TempDir()
	runTool(t, dir, python(t, "MLX_TEST_WANDB", "cmd/mlx/testdata/python/wandb.txt"), script(t, "wandb_make.py"))
	h, err := OpenWandb(t.Context(), filepath.Join(dir, "wandb-test"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	runs := readOnly(t, h)
	r, crash := runs["depth six"], runs["crash"]
	if r == nil || crash == nil {
		t.Fatalf("%v", runs)
	}
	points := pointsOfRun(t, r)
	if r.State != Succeeded || len(points["loss"]) != 5 || points["val.auc"][4].Value != 0.9 || points["best"][0].Value != 0.25 || r.Tags["wandb.group"] != "sweep" ||
		shortJSON(r.Document["layers"]) != "[64,32]" || crash.State != Failed || pointsOfRun(t, crash)["loss"][0].Step != 7 {
		t.Errorf("%+v %+v %v", r, crash, points)
	}
}

// TestInteropDVC reads the commits and the experiment of a repository that dvc made.
func TestInteropDVC(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "repo")
	runTool(t, t.TempDir(), "sh", script(t, "dvc_make.sh"), dir, python(t, "MLX_TEST_DVC", "bench/requirements.txt"))
	h, err := OpenDVC(t.Context(), dir, Options{Tmp: t.TempDir(), Environ: os.Environ()})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	runs := readOnly(t, h)
	if len(runs) != 3 || len(h.Left.List) != 0 {
		t.Fatalf("%v %+v", runs, h.Left.List)
	}
	for name, depth := range map[string]string{"first model": "6", "deeper": "9", "faster": "6"} {
		r := runs[name]
		points := pointsOfRun(t, r)
		if r.Params["train.depth"] != depth || len(points["train/loss"]) != 3 || len(points["auc"]) != 1 || len(r.Files) != 4 || r.Tags["dvc.stage.train"] != "python train.py" {
			t.Errorf("%s: %+v %v", name, r, points)
		}
	}
}

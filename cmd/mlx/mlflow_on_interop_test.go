//go:build interop

package main

import (
	"os"
	"strings"
	"testing"
)

// farScript is an ordinary MLflow script, in which no word is about mlx: it tracks, waits for a file, and tracks more.
const farScript = `import os, sys, time
os.environ.update(MLFLOW_DISABLE_TELEMETRY="true", GIT_PYTHON_REFRESH="quiet")
import mlflow

mlflow.set_experiment("far")
with mlflow.start_run(run_name="forest"):
    mlflow.log_params({"depth": 8, "kind": "gini"})
    for step in range(4):
        mlflow.log_metric("loss", 1 / 2**step, step=step)
    mlflow.log_text("words of the run", "notes.txt")
    while not os.path.exists(sys.argv[1]):
        time.sleep(0.05)
    mlflow.log_metric("accuracy", 0.75)
`

// TestInteropMLflowOnHost tracks with the real client on a host that ssh leads to. What it logs is seen here while it runs, and is in the
// record.
func TestInteropMLflowOnHost(t *testing.T) {
	t.Parallel() // it waits, most of the time
	python := interopPython(t, "MLX_TEST_MLFLOW3", "cmd/mlx/testdata/python/mlflow3.txt")
	p := sshProject(t, sshConfigOf(t))
	p.write([]byte(farScript), "project", "train.py")
	p.commit()
	b := p.begin("project", "mlx", "run", "--on", "box", "--", python, "train.py", p.path("go"))
	type listed struct {
		Run, State string
		Metrics    map[string]float64
	}
	var now listed
	p.until("the loss is seen", func() bool {
		if len(b.ended) > 0 {
			t.Fatalf("it ends: %s%s", b.out.String(), b.problem.String())
		}
		if out := p.do("project", "mlx", "job", "list", "--json"); out != "" {
			now = decoded[listed](t, out)
		}
		return now.Metrics["loss"] == 0.125
	})
	if now.State != "running" || len(now.Metrics) != 1 {
		t.Errorf("while it runs: %+v", now)
	}
	p.write(nil, "go")
	if status := b.end(); status != 0 {
		t.Fatalf("status %d: %s%s", status, b.out.String(), b.problem.String())
	}
	text := p.do("project", "mlx", "show", "run:"+now.Run)
	for _, line := range []string{"metrics\tloss\t0.125\n", "metrics\taccuracy\t0.75\n", "params\tdepth\t8\n", "params\tkind\tgini\n"} {
		if !strings.Contains(text, line) {
			t.Errorf("the record has no %q:\n%s", line, text)
		}
	}
	v := decoded[struct{ Name, Experiment, State string }](t, p.do("project", "mlx", "show", "run:"+now.Run, "--json"))
	if v.Name != "forest" || v.Experiment != "far" || v.State != "succeeded" {
		t.Errorf("it is recorded as %+v", v)
	}
	p.do("project", "mlx", "get", "run:"+now.Run+":artifacts/notes.txt", "-o", "notes.txt")
	if got, err := os.ReadFile(p.path("project", "notes.txt")); err != nil || string(got) != "words of the run" {
		t.Errorf("its artifact is %q, %v", got, err)
	}
	p.do("project", "mlx", "verify")
	p.nothingLeft()
}

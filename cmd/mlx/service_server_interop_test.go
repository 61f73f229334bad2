//go:build interop

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// realServer is a server that mlx has a preset for, with the Python that has it.
type realServer struct {
	name, variable string
	model          string            // file or folder, %d is its number
	files          map[string]string // of the repository, from testdata/serve
	ask            question
	open           bool // it listens beyond loopback, whatever it is told
}

// v2Question asks by the Open Inference Protocol for y of x = 5.
func v2Question(kind string) question {
	return question{
		path: "/v2/models/line/infer", body: `{"inputs": [{"name": "x", "shape": [1, 1], "datatype": "` + kind + `", "data": [5]}]}`,
		read: func(text []byte) (string, error) {
			var a struct {
				ModelName string `json:"model_name"`
				Outputs   []struct{ Data []float64 }
			}
			if err := json.Unmarshal(text, &a); err != nil || len(a.Outputs) != 1 || len(a.Outputs[0].Data) != 1 || a.ModelName != "line" {
				return "", fmt.Errorf("not one number of model line: %v", err)
			}
			return lineWord(a.Outputs[0].Data[0]), nil
		},
	}
}

// lineWord is a prediction without what floating point adds.
func lineWord(y float64) string { return strconv.FormatFloat(y, 'f', 3, 64) }

func realServers() []realServer {
	return []realServer{
		{name: "onnxruntime", variable: "MLX_TEST_ONNX", model: "line%d.onnx", ask: v2Question("FP32")},
		{name: "mlflow", variable: "MLX_TEST_MLFLOW3", model: "line%d", ask: question{
			path: "/invocations", body: `{"inputs": [[5]]}`, read: func(text []byte) (string, error) {
				var a struct{ Predictions []float64 }
				if err := json.Unmarshal(text, &a); err != nil || len(a.Predictions) != 1 {
					return "", fmt.Errorf("not one prediction: %v", err)
				}
				return lineWord(a.Predictions[0]), nil
			}}},
		{name: "mlserver", variable: "MLX_TEST_MLSERVER", model: "line%d", ask: v2Question("FP64")},
		{name: "bentoml", variable: "MLX_TEST_BENTOML", model: "line%d", ask: question{
			path: "/predict", body: `{"x": 5}`, read: func(text []byte) (string, error) {
				var y float64
				err := json.Unmarshal(text, &y)
				return lineWord(y), err
			}}},
		{name: "kserve", variable: "MLX_TEST_KSERVE", model: "line%d", ask: v2Question("FP64"), open: true,
			files: map[string]string{"sklearnserver.py": "sklearnserver.py"}},
	}
}

// ownNetVar tells the test binary that it has a network of its own.
const ownNetVar = "MLX_TEST_OWN_NETWORK"

// TestInteropServers brings each real server into service by its preset, then a second version by a canary, and rolls back, while users ask:
// each answer is right, by the version that may give it, and none is lost. What listens on all addresses does so where nobody else is.
func TestInteropServers(t *testing.T) {
	for _, s := range realServers() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel() // they wait for servers to start and to end, most of the time
			if s.open && os.Getenv(ownNetVar) == "" {
				inOwnNetwork(t)
				return
			}
			if s.open {
				if out, err := exec.CommandContext(t.Context(), "ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
			}
			serveReal(t, s)
		})
	}
}

// inOwnNetwork runs this test again, with all that it starts, where there is no network but a loopback of its own.
func inOwnNetwork(t *testing.T) {
	var words []string
	for word := range strings.SplitSeq(t.Name(), "/") {
		words = append(words, "^"+word+"$")
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run="+strings.Join(words, "/"), "-test.v")
	cmd.Env = append(os.Environ(), ownNetVar+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("%v (it needs root and iproute2)\n%s", err, out)
	}
	t.Logf("%s", out)
}

func serveReal(t *testing.T, s realServer) {
	python := interopPython(t, s.variable, "cmd/mlx/testdata/python/"+s.name+".txt")
	files := map[string]string{".gitignore": "/line*\n", "mlx.yaml": `
services:
  line:
    model: line
    server: ` + s.name + `
    rollout:
      steps: [30%, 60%, 100%]
      bake: 1s
      max_bake: 2m
      min_samples: 10
      checks: [{expr: errors < 0.01}]
`}
	for name, from := range s.files {
		text, err := os.ReadFile(filepath.Join("testdata", "serve", from))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(text)
	}
	h := newHosted(t, "line", files)
	h.most = 3 * time.Minute // it is a slow start on a busy machine
	h.env = append(h.env, "PATH="+filepath.Dir(python)+string(os.PathListSeparator)+os.Getenv("PATH"), "PYTHONDONTWRITEBYTECODE=1",
		"MLFLOW_DISABLE_TELEMETRY=true", "DO_NOT_TRACK=true", "BENTOML_DO_NOT_TRACK=true", "OMP_NUM_THREADS=1")
	maker, err := filepath.Abs(filepath.Join("testdata", "serve", "make_"+s.name+".py"))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []int{2, 3} {
		model := fmt.Sprintf(s.model, w)
		h.do("project", python, maker, model, strconv.Itoa(w))
		h.register("line", model)
	}
	h.start()
	began := time.Now()
	h.mlx("deploy", "line", "line@v1")
	t.Logf("v1 was in service after %.1f s", time.Since(began).Seconds())
	const one, two = "10.000", "15.000"

	u := h.ask(10, s.ask)
	if before := u.since(10); before[one] < 10 || len(before) != 1 {
		t.Errorf("before: %v", before)
	}
	canary := h.begin("project", "mlx", "deploy", "line", "line@v2")
	h.awaits("both versions answer", func() bool { return u.soFar()[two] > 0 || len(canary.ended) > 0 })
	if during := u.since(20); during[one] == 0 {
		t.Errorf("of 20 answers while v2 gets a share: %v", during)
	}
	h.awaits("v2 is in service", func() bool { return len(canary.ended) > 0 })
	if status := canary.end(); status != 0 {
		t.Fatalf("the canary ended with status %d\n%s", status, canary.problem.String())
	}
	if after := u.since(30); after[two] < 20 { // those under way may be of v1
		t.Errorf("after: %v", after)
	}
	began = time.Now()
	h.mlx("rollback", "line")
	took := time.Since(began)
	t.Logf("the rollback took %.2f s", took.Seconds())
	if back := u.since(30); back[one] < 20 {
		t.Errorf("after the rollback: %v", back)
	}
	t.Logf("answers: %v", u.stop(one, two))
	if v := h.status(); v.State != "stable" || v.arm("stable") == nil || v.arm("stable").Model.Name != "line@v1" || v.arm("stable").Restarts != 0 {
		t.Errorf("it is %+v", v)
	}
	if said := h.run.problem.String(); strings.Contains(said, "listens on") != s.open {
		t.Errorf("it said of what listens beyond loopback:\n%s", said)
	}
}

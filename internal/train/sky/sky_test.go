package sky

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/train"
)

// The files of testdata are what SkyPilot 0.14.1 wrote of a cluster on a Slurm whose job exited with 7.
func recorded(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// simulated is a program `sky` that answers what was recorded, and keeps the words that it was called with.
func simulated(t *testing.T, version string) (d *Driver, calls string) {
	t.Helper()
	dir := t.TempDir()
	calls = filepath.Join(dir, "calls")
	here, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	script := `#!/bin/sh
echo "$*" >>'` + calls + `'
case $1 in
--version) echo "skypilot, version ` + version + `" ;;
status) cat '` + here + `/status.txt' ;;
queue) cat '` + here + `/queue.txt' ;;
launch)
  for last; do :; done
  cp "$last" '` + dir + `/task.yaml'
  cat '` + here + `/offers.txt' ;;
logs) printf 'one\ntwo\n'; exit 100 ;;
esac
`
	program := filepath.Join(dir, "sky")
	if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return New(Options{
		Backend: train.Backend{Name: "cloud", Options: []string{"--infra", "aws"}}, Program: program, Env: os.Environ(),
		Agent: func() (string, error) { return program, nil },
	}), calls
}

func TestStatus(t *testing.T) {
	d, _ := simulated(t, "0.14.1")
	known := train.Ref{ID: object.Digest{0xaa, 0xaa, 0xbb, 0xbb, 0xcc, 0xcc}}
	all, err := d.Status(t.Context(), []train.Ref{known, {}})
	if err != nil {
		t.Fatal(err)
	}
	if s := all[0]; s.State != train.Done || s.Handle != "mlx-aaaabbbbcccc" {
		t.Errorf("a job that failed is %+v", s)
	}
	if s := all[1]; s.State != train.Gone || s.Cause != train.CauseMissing {
		t.Errorf("a job that nobody knows is %+v", s)
	}
	// It is known: nothing is launched again.
	if handle, err := d.Submit(t.Context(), train.Job{Ref: known, Dir: "~/x/jobs/a"}); err != nil || handle != "mlx-aaaabbbbcccc" {
		t.Errorf("%q, %v", handle, err)
	}
	log, err := d.Logs(t.Context(), known, 4)
	if err != nil {
		t.Fatal(err)
	}
	var rest [8]byte
	if n, _ := log.Read(rest[:]); string(rest[:n]) != "two\n" {
		t.Errorf("%q", rest[:n])
	}
}

func TestStates(t *testing.T) {
	for word, want := range map[string]train.State{
		"INIT": train.Pending, "PENDING": train.Pending, "SETTING_UP": train.Pending, "RUNNING": train.Running, "SUCCEEDED": train.Done,
		"FAILED": train.Done, "FAILED_SETUP": train.Gone, "FAILED_DRIVER": train.Gone, "CANCELLED": train.Gone, "DREAMING": train.Unknown,
	} {
		if s := status(train.Ref{}, cluster{Status: "UP"}, []queued{{Status: word}}); s.State != want {
			t.Errorf("%s is %+v", word, s)
		}
	}
	why := "no capacity in us-east-1"
	if s := status(train.Ref{}, cluster{Status: "INIT", Why: &why}, nil); s.State != train.Pending || s.Reason != why {
		t.Errorf("%+v", s)
	}
}

// TestTask reads the file of the task back, as JSON, which is YAML: every byte of what is asked for is in it, and no secret.
func TestTask(t *testing.T) {
	d, calls := simulated(t, "0.15.0")
	j := train.Job{
		Ref: train.Ref{ID: object.Digest{1}}, Dir: "~/.cache/mlx/node/jobs/x y", Spot: true, Order: []byte("{}"),
		Resources: train.Resources{Nodes: 2, GPUs: 8, GPUType: "H100", CPUs: 4, Memory: 3<<30 + 1},
		Env:       map[string]string{"A": "1e3: \"$x\"\n"}, Secrets: map[string]string{"TOKEN": "hush"},
	}
	if _, err := d.Submit(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(filepath.Dir(calls), "task.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var task struct {
		Nodes     int               `json:"num_nodes"`
		Resources map[string]any    `json:"resources"`
		Mounts    map[string]string `json:"file_mounts"`
		Env       map[string]string `json:"envs"`
		Run       string            `json:"run"`
	}
	if err := json.Unmarshal(text, &task); err != nil {
		t.Fatal(err)
	}
	r := task.Resources
	if task.Nodes != 2 || r["accelerators"] != "H100:8" || r["cpus"] != "4+" || r["memory"] != "4+" || r["use_spot"] != true || task.Env["A"] != j.Env["A"] {
		t.Errorf("%s", text)
	}
	if task.Mounts[j.Dir+"/secrets"] == "" || strings.Contains(string(text), "hush") || !strings.Contains(task.Run, `"$HOME"/'.cache/mlx/node/jobs/x y'`) {
		t.Errorf("%s", text)
	}
	if _, err := os.Stat(task.Mounts[j.Dir+"/secrets"]); err == nil {
		t.Error("the secrets are still on this machine")
	}
	said, err := os.ReadFile(calls)
	if err != nil || !strings.Contains(string(said), "launch -y -d -c mlx-010000000000 --down -i 5 --infra aws ") {
		t.Errorf("%s, %v", said, err)
	}
}

func TestPrice(t *testing.T) {
	const offers = `Considered resources (1 node):
---------------------------------------------------------------------------------------
 INFRA               INSTANCE      vCPUs   Mem(GB)   GPUS     COST ($)   CHOSEN
---------------------------------------------------------------------------------------
 GCP (us-central1)   a2-highgpu-1g 12      85        A100:1   3.67          ✔
 AWS (us-east-1)     p4d.24xlarge  96      1152      A100:8   32.77
`
	for text, want := range map[string]float64{offers: 3.67, recorded(t, "offers.txt"): 0, "": 0, "COST ($)\n✔": 0} {
		if got := parsePrice(text); got != want {
			t.Errorf("%g, not %g:\n%s", got, want, text)
		}
	}
}

// TestAskPrice: SkyPilot is asked for the price of the very machines, of all nodes, and nothing is got.
func TestAskPrice(t *testing.T) {
	d, calls := simulated(t, "0.14.1")
	var asker train.Pricer = d
	if err := os.WriteFile(filepath.Join(filepath.Dir(calls), "sky"), []byte(`#!/bin/sh
echo "$*" >>'`+calls+`'
case $1 in
--version) echo "skypilot, version 0.14.1" ;;
launch)
  for last; do :; done
  cp "$last" '`+filepath.Dir(calls)+`/task.yaml'
  echo 'Considered resources (2 nodes):'
  echo ' INFRA               INSTANCE      vCPUs   Mem(GB)   GPUS     COST ($)   CHOSEN'
  echo ' GCP (us-central1)   a2-highgpu-1g 12      85        A100:1   7.34          ✔' ;;
esac
`), 0o755); err != nil {
		t.Fatal(err)
	}
	got, err := asker.Price(t.Context(), train.Job{Spot: true, Resources: train.Resources{Nodes: 2, GPUs: 1, GPUType: "A100"}})
	if err != nil || got != 7.34 {
		t.Errorf("%g, %v", got, err)
	}
	said, err := os.ReadFile(calls)
	if err != nil || strings.Count(string(said), "launch ") != 1 || !strings.Contains(string(said), " --dryrun ") {
		t.Errorf("%s, %v", said, err)
	}
	task, err := os.ReadFile(filepath.Join(filepath.Dir(calls), "task.yaml"))
	if err != nil || !strings.Contains(string(task), `"num_nodes": 2`) || !strings.Contains(string(task), `"use_spot": true`) {
		t.Errorf("%s, %v", task, err)
	}
}

func TestProgram(t *testing.T) {
	d, _ := simulated(t, "0.12.3")
	if _, err := d.Submit(t.Context(), train.Job{}); fault.KindOf(err) != fault.Conflict || !strings.Contains(err.Error(), "0.12") {
		t.Errorf("an old one: %v", err)
	}
	d.o.Program = filepath.Join(t.TempDir(), "sky")
	if _, err := d.Submit(t.Context(), train.Job{}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("none: %v", err)
	}
	if err := d.Cancel(t.Context(), train.Ref{}, time.Second); fault.KindOf(err) != fault.NotFound {
		t.Errorf("none: %v", err)
	}
}

func FuzzStatus(f *testing.F) {
	f.Add("Fetching…\n[{\"name\": \"a\"}]\n")
	f.Add("[[[\n[")
	f.Fuzz(func(_ *testing.T, text string) {
		if all, err := parseClusters(text); err == nil {
			for _, c := range all {
				status(train.Ref{}, c, nil)
			}
		}
		_, _ = fragment[map[string][]queued](text, "{")
		parsePrice(text)
	})
}

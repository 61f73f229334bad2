package kube

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mlx/internal/fault"
	digest "mlx/internal/object"
	"mlx/internal/train"
)

func testDriver(b train.Backend) *Driver {
	b.Name = "k8s"
	if b.Image == "" {
		b.Image = "train:1"
	}
	return New(Options{Backend: b})
}

func testJob() train.Job {
	return train.Job{Ref: train.Ref{ID: digest.Sum([]byte("a"))}, Title: "train of flights"}
}

// plain is an object as it travels.
func plain(t *testing.T, v any) map[string]any {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// at follows keys and, in lists, names.
func at(v any, keys ...string) any {
	for _, key := range keys {
		switch of := v.(type) {
		case map[string]any:
			v = of[key]
		case []any:
			v = nil
			for _, m := range of {
				if o, ok := m.(map[string]any); ok && (o["name"] == key || o["mountPath"] == key) {
					v = o
				}
			}
		default:
			return nil
		}
	}
	return v
}

// The whole object, as a person would review it.
func TestJobObject(t *testing.T) {
	j := testJob()
	j.Resources = train.Resources{Nodes: 2, GPUs: 4, GPUType: "NVIDIA-H100-80GB-HBM3", CPUs: 8, Memory: 64 << 30, Time: 2 * time.Hour}
	j.Queue, j.Spot, j.Requeue = "team-a", true, true
	j.Env, j.Secrets = map[string]string{"A": "$(B) $C"}, map[string]string{"TOKEN": "hunter2"}
	d := testDriver(train.Backend{Agent: "mlx:1", Pod: map[string]any{
		"tolerations":      []any{map[string]any{"key": "gpu", "operator": "Exists"}},
		"imagePullSecrets": []any{map[string]any{"name": "pull"}}, "serviceAccountName": "trainer",
	}})
	text, err := d.Describe(j)
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "job.json")
	if os.Getenv("MLX_RECORD") != "" {
		if err := os.WriteFile(golden, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Error(diff)
	}
	if strings.Contains(text, "hunter2") || strings.Contains(text, "aHVudGVyMg") {
		t.Error("the description holds a secret")
	}
}

func TestJobNeedsAnImage(t *testing.T) {
	d := New(Options{Backend: train.Backend{Name: "k8s"}})
	if _, err := d.Describe(testJob()); fault.KindOf(err) != fault.Usage || len(fault.Hints(err)) == 0 {
		t.Errorf("%v", err)
	}
}

func TestPodIsMerged(t *testing.T) {
	d := testDriver(train.Backend{Pod: map[string]any{
		"nodeSelector": map[string]any{"disk": "fast"},
		"volumes":      []any{map[string]any{"name": "cache", "persistentVolumeClaim": map[string]any{"claimName": "c"}}},
		"containers": []any{
			map[string]any{
				"env":             []any{map[string]any{"name": "MLX_NODES", "value": "9"}, map[string]any{"name": "MINE", "value": "1"}},
				"volumeMounts":    []any{map[string]any{"name": "cache", "mountPath": "/mlx"}},
				"securityContext": map[string]any{"capabilities": nil},
			},
			map[string]any{"name": "proxy", "image": "proxy:1"},
		},
		"terminationGracePeriodSeconds": 5, "enableServiceLinks": nil,
	}})
	job, _, err := d.build(testJob())
	if err != nil {
		t.Fatal(err)
	}
	spec := at(plain(t, job), "spec", "template", "spec")
	for _, test := range []struct {
		path []string
		want any
	}{
		{[]string{"nodeSelector", "disk"}, "fast"},
		{[]string{"containers", "run", "env", "MLX_NODES", "value"}, "9"},
		{[]string{"containers", "run", "env", "MINE", "value"}, "1"},
		{[]string{"containers", "run", "image"}, "train:1"},
		{[]string{"containers", "run", "volumeMounts", "/mlx", "name"}, "cache"},
		{[]string{"containers", "run", "securityContext", "capabilities"}, nil},
		{[]string{"containers", "run", "securityContext", "allowPrivilegeEscalation"}, false},
		{[]string{"containers", "proxy", "image"}, "proxy:1"},
		{[]string{"volumes", "cache", "persistentVolumeClaim", "claimName"}, "c"},
		{[]string{"volumes", "mlx"}, nil},
		{[]string{"terminationGracePeriodSeconds"}, float64(5)},
		{[]string{"enableServiceLinks"}, nil},
		{[]string{"restartPolicy"}, "Never"},
	} {
		if got := at(spec, test.path...); got != test.want {
			t.Errorf("%v is %v, not %v", test.path, got, test.want)
		}
	}
}

func TestPodIsRefused(t *testing.T) {
	for _, pod := range []any{
		"text", []any{1}, map[string]any{"spec": map[string]any{}, "nodeSelector": nil}, map[string]any{"volumes": []any{map[string]any{"emptyDir": nil}}},
		map[string]any{"containers": []any{"x"}},
	} {
		if _, _, err := testDriver(train.Backend{Pod: pod}).build(testJob()); fault.KindOf(err) != fault.Usage {
			t.Errorf("%v: %v", pod, err)
		}
	}
}

func FuzzPod(f *testing.F) {
	f.Add([]byte(`{"spec":{"containers":[{"name":"run","env":[{"name":{}}],"volumeMounts":[{"mountPath":[],"name":1}]}],"volumes":[{"name":null}]}}`))
	f.Add([]byte(`{"containers":[{"volumeMounts":[{"name":"x","mountPath":"/mlx"}]}],"securityContext":[],"metadata":3}`))
	f.Add([]byte(`{"spec":[],"metadata":{"labels":7}}`))
	f.Add([]byte(`{"containers":7,"initContainers":{"a":null},"volumes":{"name":"mlx"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var pod any
		if json.Unmarshal(text, &pod) != nil {
			return
		}
		j := testJob()
		j.Resources.Nodes, j.Resources.GPUs = 2, 1
		job, _, err := testDriver(train.Backend{Pod: pod}).build(j)
		if err != nil {
			return
		}
		if _, err := json.Marshal(job); err != nil {
			t.Error(err)
		}
		if at(plain(t, job), "metadata", "annotations", runLabel) != j.ID.Hex() {
			t.Error("the id is lost")
		}
	})
}

func TestGPUTypes(t *testing.T) {
	for kind, want := range map[string]string{
		"": "nvidia.com/gpu", "nvidia": "nvidia.com/gpu", "amd": "amd.com/gpu", "AMD": "amd.com/gpu", "MI300X": "amd.com/gpu",
		"nvidia.com/mig-1g.5gb": "nvidia.com/mig-1g.5gb", "mig-3g.20gb": "nvidia.com/mig-3g.20gb", "A100": "nvidia.com/gpu", "accelerator=l4": "nvidia.com/gpu",
	} {
		j := testJob()
		j.Resources.GPUs, j.Resources.GPUType = 2, kind
		job, _, err := testDriver(train.Backend{}).build(j)
		if err != nil {
			t.Fatal(err)
		}
		spec := at(plain(t, job), "spec", "template", "spec")
		if got := at(spec, "containers", "run", "resources", "limits", want); got != "2" {
			t.Errorf("%q: %v", kind, at(spec, "containers", "run", "resources"))
		}
		if product := at(spec, "affinity") != nil; product != (kind == "MI300X" || kind == "A100") {
			t.Errorf("%q: affinity %v", kind, at(spec, "affinity"))
		}
	}
	j := testJob()
	j.Resources.GPUs, j.Resources.GPUType = 1, "=x"
	if _, err := testDriver(train.Backend{}).Describe(j); fault.KindOf(err) != fault.Usage {
		t.Errorf("%v", err)
	}
}

func TestSecretsAreBounded(t *testing.T) {
	j := testJob()
	j.Order = make([]byte, maxSecrets+1)
	if _, err := testDriver(train.Backend{}).Describe(j); fault.KindOf(err) != fault.Usage {
		t.Errorf("%v", err)
	}
}

// What the container begins with, in a real shell: mlx comes later, and becomes the process that waited.
func TestWaitScript(t *testing.T) {
	root := filepath.Join(t.TempDir(), "it's $HOME")
	dir := root + "/jobs/1"
	cmd := exec.Command("/bin/sh", "-c", waitScript(dir, time.Hour))
	var out strings.Builder
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	agent := "#!/bin/sh\necho \"$$ $MLX_MASTER_ADDR $*\"; exit 7\n"
	where := root + "/bin/x"
	for _, script := range []string{bringScript(where, "cat", "3"), bringScript(where, "cat", "0")} { // cut on the way
		bring := exec.Command("/bin/sh", "-c", script)
		bring.Stdin = strings.NewReader(agent)
		if err := bring.Run(); err == nil {
			t.Error("half of mlx is taken for all of it")
		}
	}
	if _, err := os.Stat(where + "/mlx"); err == nil {
		t.Fatal("half of mlx has its name")
	}
	bring := exec.Command("/bin/sh", "-c", bringScript(where, "cat", strconv.Itoa(len(agent))))
	bring.Stdin = strings.NewReader(agent)
	if said, err := bring.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	if said, err := exec.Command("/bin/sh", "-c", nameScript(where, dir, "10.1.2.3")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	said, err := exec.Command("/bin/sh", "-c", probeScript(root, dir)).Output()
	if words := strings.SplitN(string(said), "\n", 5); err != nil || words[0] != "have" || words[4] != where+"/mlx\n" {
		t.Errorf("%v %q", err, said)
	}
	err = cmd.Wait()
	if cmd.ProcessState.ExitCode() != 7 || !strings.HasSuffix(out.String(), " 10.1.2.3 agent run "+dir+"\n") {
		t.Errorf("%v: %q", err, out.String())
	}
}

// Who submitted it never came back: the pod ends, and says why.
func TestWaitScriptGivesUp(t *testing.T) {
	cmd := exec.Command("/bin/sh", "-c", waitScript(t.TempDir()+"/jobs/1", time.Second))
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Run(); cmd.ProcessState.ExitCode() != waitedStatus || !strings.Contains(said.String(), "nobody brought mlx in 1s") {
		t.Errorf("%v: %q", err, said.String())
	}
}

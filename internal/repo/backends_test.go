package repo

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mlx/internal/fault"
)

func TestOwnBackends(t *testing.T) {
	c, err := ParseConfig([]byte("backends:\n  gpu: {type: slurm, host: login, options: [--account=a], resources: {gpus: 1, memory: 1GiB}, price: {gpu_hour: 2 EUR}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	user, shared := t.TempDir(), t.TempDir()
	write := func(dir, text string) {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, BackendsName), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	r := &Repo{Shared: shared}
	write(filepath.Join(user, "mlx"), "gpu: {options: [--account=mine, --qos=high], resources: {gpus: 4}}\nbox: {type: ssh, host: gpu-box}\n")
	write(shared, "gpu: {host: login2}\n")
	all, err := r.OwnBackends(c, user)
	if err != nil {
		t.Fatal(err)
	}
	gpu, _ := all.Get("gpu")
	if gpu.Host != "login2" || strings.Join(gpu.Options, " ") != "--account=mine --qos=high" || gpu.Resources.GPUs != 4 || gpu.Resources.Memory != 1<<30 || gpu.Type != "slurm" {
		t.Errorf("gpu is %+v", gpu)
	}
	if box, ok := all.Get("box"); !ok || box.Host != "gpu-box" {
		t.Errorf("box is %+v", box)
	}
	if was, _ := c.Backends.Get("gpu"); was.Host != "login" || was.Resources.GPUs != 1 || len(was.Options) != 1 {
		t.Errorf("mlx.yaml became %+v", was)
	}
	for _, bad := range []struct{ text, want string }{
		{"gpu: {hots: x}\n", `unknown key "hots"`},
		{"new: {host: x}\n", "has no type"},
		{"gpu: {url: x}\n", "url is nothing that slurm has"},
		{"gpu: {price: {cpu_hour: 1 USD}}\n", "cannot be added up"},
	} {
		write(shared, bad.text)
		if _, err := r.OwnBackends(c, user); err == nil || !strings.Contains(err.Error(), bad.want) || fault.KindOf(err) != fault.Usage {
			t.Errorf("%q: %v, want %q", bad.text, err, bad.want)
		}
	}
}

func TestBackendMistakes(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"backends:\n  a: {type: ssh}\n", "line 2, column 6: backend a: no host"},
		{"backends:\n  a: {type: ray}\n", "no url"},
		{"backends:\n  a: {type: ssh, host: b, queue: x}\n", "queue is nothing that ssh has: it belongs to slurm, kubernetes"},
		{"backends:\n  a: {type: pbs}\n", `type cannot be "pbs"`},
		{"backends:\n  a: {type: local, price: {node_hour: 2 123}}\n", "no amount of money"},
		{"backends:\n  a: {type: local, price: {node_hour: -2 EUR}}\n", "no amount of money"},
		{"backends:\n  a: {type: local, power: {gpu_watts: -300}}\n", "power is nothing below zero"},
		{"backends:\n  a: {type: local, power: {pue: 0.9}}\n", "1 or more"},
		{"backends:\n  a: {type: slurm, secrets: [A=b]}\n", "secrets are names of variables"},
	} {
		_, err := ParseConfig([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.text, err, c.want)
		}
	}
}

// TestBackendsText: what was written is read as it was.
func TestBackendsText(t *testing.T) {
	c, err := ParseConfig([]byte(`backends:
  k: {type: kubernetes, context: c, namespace: n, image: "a/b:1", queue: q, env: {A: "$x 'y'", B: "2"}, pod: {tolerations: [{key: a, value: 1}], hostNetwork: true},
      agent: img, region: eu, spot: true, secrets: [S], pending: 90s, hold: 1h, cache: 50GiB, resources: {nodes: 2, gpus: 1, memory: 1GiB, time: 2h},
      price: {gpu_hour: 2.5 EUR, spot: 30%}, power: {gpu_watts: 300, pue: 1.2}}
`))
	if err != nil {
		t.Fatal(err)
	}
	want, _ := c.Backends.Get("k")
	text, err := BackendsText(map[string]Backend{"k": want})
	if err != nil {
		t.Fatal(err)
	}
	var again Map[Backend]
	if err := again.layBackends(text); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	got, _ := again.Get("k")
	other, err := BackendsText(map[string]Backend{"k": got})
	if err != nil || string(other) != string(text) {
		t.Errorf("read again: %s\nwas: %s (%v)", other, text, err)
	}
	if got.Resources != want.Resources || got.Price != want.Price || got.Hold != want.Hold || got.Cache != want.Cache {
		t.Errorf("read again: %+v, was %+v", got, want)
	}
}

package repo

import (
	"strings"
	"testing"
)

func TestBackendTrustValue(t *testing.T) {
	c, err := ParseConfig([]byte(`
backends:
  here: {type: local}
  cluster: {type: slurm, resources: {gpus: 1}, price: {gpu_hour: 1 EUR}}
  login: {type: slurm, host: login, options: ["--account=a"], setup: [module load cuda]}
  box: {type: ssh, host: gpu-box}
  two: {type: ssh, hosts: [a, b], dir: /scratch, agent: bin/mlx, env: {A: b}, secrets: [TOKEN]}
  pods: {type: kubernetes}
  named: {type: kubernetes, context: prod, namespace: ml, image: "r/i:1", pod: {spec: {hostNetwork: true}}}
  ray: {type: ray, url: "http://h:8265", remote: team}
environments:
  test: {backends.box.host: other}
`))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"here":    "",
		"cluster": "",
		"login":   "slurm login option=--account=a setup=module load cuda",
		"box":     "ssh gpu-box",
		"two":     "ssh hosts=a,b dir=/scratch agent=bin/mlx env=A=b secret=TOKEN",
		"pods":    "kubernetes",
		"named":   `kubernetes context=prod namespace=ml image=r/i:1 pod={"spec":{"hostNetwork":true}}`,
		"ray":     "ray url=http://h:8265 remote=team",
	}
	for name, b := range c.Backends.All() {
		if got := b.TrustValue(); got != want[name] {
			t.Errorf("%s: %q, want %q", name, got, want[name])
		}
	}
	items, err := c.TrustItems(nil)
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, i := range items {
		if i.Kind == TrustBackend {
			listed = append(listed, i.Name+": "+i.Value)
		}
	}
	all := strings.Join(listed, "\n")
	if len(listed) != 7 || !strings.Contains(all, "box: ssh gpu-box\n") || !strings.Contains(all, "box: ssh other") {
		t.Errorf("listed are\n%s", all)
	}
}

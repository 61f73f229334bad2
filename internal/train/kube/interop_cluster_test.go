//go:build interop

package kube

import (
	"context"
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mlx/internal/fault"
	"mlx/internal/kube"
	"mlx/internal/train"
)

func policy(mode string) map[string]any {
	return map[string]any{"pod-security.kubernetes.io/" + mode: "restricted"}
}

// A namespace that takes only restricted pods takes ours; one that must be root is refused before anything is made.
func TestInteropRestricted(t *testing.T) {
	c := real(t, policy("enforce"))
	d := c.driver(func(b *train.Backend) { b.Pod = map[string]any{"securityContext": map[string]any{"runAsUser": 1000}} })
	j := c.job("restricted")
	c.submit(d, j)
	c.until(d, j.Ref, "restricted runs", running)
	c.script(d, j, 0, "id -u; exit 4")
	if s := c.until(d, j.Ref, "restricted ended", over); s.State != train.Done || *s.Exit != 4 {
		t.Errorf("%+v", s)
	}
	root := c.driver(func(b *train.Backend) {
		b.Pod = map[string]any{"containers": []any{map[string]any{"securityContext": map[string]any{"privileged": true, "allowPrivilegeEscalation": true}}}}
	})
	_, err := root.Submit(t.Context(), c.job("root"))
	if kube.SideOf(err) != kube.SideAdmission || !strings.Contains(err.Error(), "violates PodSecurity") {
		t.Errorf("%v", err)
	}
	c.nothing(c.job("root").Ref)

	// An image that is root's, and no word about the user: the node says so.
	plain := c.driver(nil)
	j = c.job("root image")
	c.submit(plain, j)
	s := c.until(plain, j.Ref, "root image", func(s train.Status) bool { return strings.Contains(s.Reason, "runAsNonRoot") })
	if s.State != train.Pending {
		t.Errorf("%+v", s)
	}
}

// A user who may only make what is needed in one namespace.
func TestInteropRights(t *testing.T) {
	c := real(t, nil)
	rbac := func(plural string) kube.Resource {
		return kube.Resource{Group: "rbac.authorization.k8s.io", Version: "v1", Plural: plural}
	}
	rule := func(group, resources, verbs string) map[string]any {
		return map[string]any{"apiGroups": []any{group}, "resources": words(resources), "verbs": words(verbs)}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(c.client.Create(t.Context(), rbac("roles"), map[string]any{
		"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": map[string]any{"name": "trainer"}, "rules": []any{
			rule("batch", "jobs", "create get list delete"), rule("", "pods", "get list"), rule("", "pods/log", "get"),
			rule("", "pods/exec", "create get"), rule("", "secrets services", "create"),
		},
	}, nil))
	must(c.client.Create(t.Context(), rbac("rolebindings"), map[string]any{
		"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": map[string]any{"name": "trainer"},
		"roleRef":  map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "trainer"},
		"subjects": []any{map[string]any{"kind": "User", "name": "limited", "apiGroup": "rbac.authorization.k8s.io"}},
	}, nil))
	file := c.kubeconfig(func(s string) string { return strings.ReplaceAll(s, "admin-token", "limited-token") })
	limited := *c
	limited.client = open(t, file, c.ns)
	d := limited.driver(nil)
	j := c.job("limited")
	j.Secrets, j.Resources.Nodes = map[string]string{"A": "b"}, 2
	limited.submit(d, j)
	limited.until(d, j.Ref, "limited runs", running)
	limited.loop(d, j, 0, "exit 0") // without the right to delete pods, their own grace holds
	must(d.Cancel(t.Context(), j.Ref, time.Second))
	c.nothing(j.Ref)

	elsewhere := New(Options{Client: open(t, file, "default"), Backend: d.backend})
	_, err := elsewhere.Submit(t.Context(), j)
	if kube.SideOf(err) != kube.SideRights || fault.KindOf(err) != fault.Denied || !strings.Contains(err.Error(), `in namespace default`) {
		t.Errorf("%v", err)
	}
	may, err := limited.client.MayI(t.Context(), "create", kube.Jobs, "")
	if err != nil || !may {
		t.Errorf("%v %v", may, err)
	}
	if may, err = limited.client.MayI(t.Context(), "delete", kube.Pods, ""); err != nil || may {
		t.Errorf("%v %v", may, err)
	}
}

func words(s string) []any {
	var all []any
	for _, w := range strings.Fields(s) {
		all = append(all, w)
	}
	return all
}

// kubeconfig is a changed copy of the administrator's.
func (c *cluster) kubeconfig(change func(string) string) string {
	c.t.Helper()
	text, err := os.ReadFile(c.files[0])
	if err != nil {
		c.t.Fatal(err)
	}
	file := filepath.Join(c.t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, []byte(change(string(text))), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return file
}

func TestInteropRefused(t *testing.T) {
	c := real(t, nil)
	other := filepath.Join(t.TempDir(), "other.crt")
	if out, err := exec.Command("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=other", "-keyout", os.DevNull, "-out", other).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	for name, test := range map[string]struct {
		change func(string) string
		side   kube.Side
		kind   fault.Kind
	}{
		"token":       {func(s string) string { return strings.ReplaceAll(s, "admin-token", "wrong") }, kube.SideLogin, fault.Denied},
		"certificate": {func(s string) string { return strings.ReplaceAll(s, certificate(s), other) }, kube.SideLogin, fault.Denied},
		"port":        {func(s string) string { return strings.ReplaceAll(s, "https://127.0.0.1:", "https://127.0.0.1:1") }, kube.SideNetwork, fault.Unavailable},
		"program": {func(s string) string {
			return strings.ReplaceAll(s, "{token: admin-token}", "{exec: {apiVersion: client.authentication.k8s.io/v1, command: /bin/false, interactiveMode: Never}}")
		}, kube.SideLogin, fault.Denied},
	} {
		t.Run(name, func(t *testing.T) {
			c := c.in(t)
			c.client = open(t, c.kubeconfig(test.change), c.ns)
			d := c.driver(nil)
			_, err := d.Submit(t.Context(), c.job(name))
			if kube.SideOf(err) != test.side || fault.KindOf(err) != test.kind || len(fault.Hints(err)) == 0 {
				t.Errorf("%s %s: %v", kube.SideOf(err), fault.KindOf(err), err)
			}
			if _, err := d.Status(t.Context(), []train.Ref{c.job(name).Ref}); err == nil {
				t.Error("a state came from nowhere")
			}
		})
	}
}

func certificate(kubeconfig string) string {
	_, rest, _ := strings.Cut(kubeconfig, `certificate-authority: "`)
	name, _, _ := strings.Cut(rest, `"`)
	return name
}

// A credential program is asked, as OIDC needs it.
func TestInteropProgram(t *testing.T) {
	c := real(t, nil)
	program := filepath.Join(t.TempDir(), "login")
	script := "#!/bin/sh\necho '{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"admin-token\"}}'\n"
	if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	client := open(t, c.kubeconfig(func(s string) string {
		return strings.ReplaceAll(s, "{token: admin-token}", "{exec: {apiVersion: client.authentication.k8s.io/v1, command: "+program+", interactiveMode: Never}}")
	}), c.ns)
	if v, err := client.Version(t.Context()); err != nil || !strings.HasPrefix(v, "v1.") {
		t.Fatalf("%q %v", v, err)
	}
	if err := client.List(t.Context(), kube.Pods, kube.Select{}, nil); err != nil {
		t.Fatal(err)
	}
}

// What is wrong with an object, by whose fault, and what of it can only be seen while it waits.
func TestInteropReasons(t *testing.T) {
	c := real(t, nil)
	typo := c.driver(func(b *train.Backend) { b.Pod = map[string]any{"nodeSelektor": map[string]any{"a": "b"}} })
	_, err := typo.Submit(t.Context(), c.job("typo"))
	if kube.SideOf(err) != kube.SideObject || fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "nodeSelektor") {
		t.Errorf("%v", err)
	}
	for _, test := range []struct {
		name, reason string
		job          func(*train.Job)
		backend      func(*train.Backend)
	}{
		{name: "no image", reason: "ErrImagePull", job: func(j *train.Job) { j.Image = "127.0.0.1:1/nope:1" }},
		{name: "node selector", reason: "didn't match Pod's node affinity/selector", backend: func(b *train.Backend) {
			b.Pod = map[string]any{"nodeSelector": map[string]any{"disk": "fast"}}
		}},
		{name: "gpu type", reason: "didn't match", job: func(j *train.Job) { j.Resources.GPUs, j.Resources.GPUType = 1, "A100" }},
		{name: "claim", reason: `persistentvolumeclaim "cache" not found`, backend: func(b *train.Backend) {
			b.Pod = map[string]any{
				"volumes":    []any{map[string]any{"name": "cache", "persistentVolumeClaim": map[string]any{"claimName": "cache"}}},
				"containers": []any{map[string]any{"volumeMounts": []any{map[string]any{"name": "cache", "mountPath": "/mlx"}}}},
			}
		}},
	} {
		d, j := c.driver(test.backend), c.job(test.name)
		if test.job != nil {
			test.job(&j)
		}
		c.submit(d, j)
		s := c.until(d, j.Ref, test.name, func(s train.Status) bool { return strings.Contains(s.Reason, test.reason) })
		if s.State != train.Pending {
			t.Errorf("%s: %+v", test.name, s)
		}
		if log, err := d.Logs(t.Context(), j.Ref, 0); err != nil || log.Close() != nil {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	if err := c.client.Create(t.Context(), kube.Resource{Version: "v1", Plural: "resourcequotas"}, map[string]any{
		"apiVersion": "v1", "kind": "ResourceQuota", "metadata": map[string]any{"name": "few"}, "spec": map[string]any{"hard": map[string]any{"pods": "0"}},
	}, nil); err != nil {
		t.Fatal(err)
	}
	d, j := c.driver(nil), c.job("quota")
	for { // the quota counts from when its controller has seen it
		c.submit(d, j)
		s := c.until(d, j.Ref, "quota", func(s train.Status) bool {
			return s.State == train.Running || strings.Contains(s.Reason, "exceeded quota")
		})
		if s.State == train.Pending {
			break
		}
		if err := d.Cancel(t.Context(), j.Ref, 0); err != nil {
			t.Fatal(err)
		}
		c.nothing(j.Ref)
	}
}

// What takes a pod away tells which of its causes it is.
func TestInteropTaken(t *testing.T) {
	c := real(t, nil)
	d := c.driver(nil)
	evicted, deleted, late := c.job("evicted"), c.job("deleted"), c.job("late")
	c.submit(d, evicted)
	c.submit(d, deleted)
	short := c.driver(func(b *train.Backend) { b.Pod = map[string]any{"activeDeadlineSeconds": 2} })
	c.submit(short, late)
	c.until(d, evicted.Ref, "evicted runs", running)
	c.until(d, deleted.Ref, "deleted runs", running)
	name := func(j train.Job) string {
		pods, err := d.pods(t.Context(), j.Ref)
		if err != nil || len(pods) != 1 {
			t.Fatal(len(pods), err)
		}
		return pods[0].Metadata.Name
	}
	pod := name(evicted)
	if err := c.client.Create(t.Context(), kube.Resource{Version: "v1", Plural: "pods/" + pod + "/eviction"}, map[string]any{
		"apiVersion": "policy/v1", "kind": "Eviction", "metadata": map[string]any{"name": pod},
	}, nil); err != nil {
		t.Fatal(err)
	}
	// At once: a pod that is gone says no more why.
	if s := c.until(d, evicted.Ref, "evicted", over); s.Cause != train.CausePreempted {
		t.Errorf("%+v", s)
	}
	zero := time.Duration(0)
	if err := c.client.Delete(t.Context(), kube.Pods, name(deleted), kube.Removal{Grace: &zero}); err != nil {
		t.Fatal(err)
	}
	if s := c.until(d, late.Ref, "late", over); s.Cause != train.CauseTime {
		t.Errorf("%+v", s)
	}
	if s := c.until(d, deleted.Ref, "deleted", over); s.State != train.Gone || s.Cause != train.CauseNode {
		t.Errorf("%+v", s)
	}
}

// A sidecar keeps the pod, and with it the Job, alive: the job is over all the same, and Clean ends the rest.
func TestInteropSidecar(t *testing.T) {
	c := real(t, nil)
	d := c.driver(func(b *train.Backend) {
		b.Pod = map[string]any{"containers": []any{map[string]any{"name": "proxy", "image": "mlx.test/train:1", "command": []any{"sleep", "600"}}}}
	})
	j := c.job("sidecar")
	c.submit(d, j)
	c.until(d, j.Ref, "sidecar runs", running)
	c.script(d, j, 0, "exit 7")
	if s := c.until(d, j.Ref, "sidecar ended", over); s.State != train.Done || *s.Exit != 7 {
		t.Errorf("%+v", s)
	}
	if err := d.Clean(t.Context(), j.Ref); err != nil {
		t.Error(err)
	}
	c.nothing(j.Ref)
}

// The order of a job that needs no client travels as a Secret, and is there before the agent.
func TestInteropOrder(t *testing.T) {
	c := real(t, nil)
	d := c.driver(nil)
	j := c.job("order")
	j.Order = []byte(`{"kind":"order/v1"}`)
	c.submit(d, j)
	c.until(d, j.Ref, "order runs", running)
	c.script(d, j, 0, `[ -f ready ] && grep -q order/v1 job.json && exit 6`)
	if s := c.until(d, j.Ref, "order ended", over); s.State != train.Done || *s.Exit != 6 {
		t.Errorf("%+v", s)
	}
	var pods any
	if err := c.client.List(t.Context(), kube.Pods, kube.Select{}, &pods); err != nil {
		t.Fatal(err)
	}
	var secret struct{ Data map[string]string }
	if err := c.client.Get(t.Context(), kube.Secrets, j.Name(), &secret); err != nil || secret.Data["job.json"] != base64.StdEncoding.EncodeToString(j.Order) {
		t.Errorf("%v %v", secret, err)
	}
	// The folder that the node shares is that of the image's agent too.
	image := c.driver(func(b *train.Backend) { b.Agent = "mlx.test/train:1" })
	j = c.job("image without mlx")
	c.submit(image, j)
	s := c.until(image, j.Ref, "no mlx in image", over)
	if s.Cause != train.CauseExit || !strings.Contains(s.Reason, "which brings mlx") {
		t.Errorf("%+v", s)
	}
}

// A server that is away is an error and no state; when it is back, so is the state.
func TestInteropServerAway(t *testing.T) {
	c := real(t, nil)
	d := c.driver(nil)
	j := c.job("away")
	c.submit(d, j)
	c.until(d, j.Ref, "away runs", running)
	folder := filepath.Dir(c.files[0])
	pid, err := os.ReadFile(filepath.Join(folder, "pid", "apiserver"))
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("kill", "-KILL", strings.TrimSpace(string(pid))).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	for gone := false; !gone; { // what was killed may take a moment
		text, err := os.ReadFile(filepath.Join("/proc", strings.TrimSpace(string(pid)), "status"))
		gone = err != nil || strings.Contains(string(text), "(zombie)")
	}
	_, err = d.Status(t.Context(), []train.Ref{j.Ref})
	if kube.SideOf(err) != kube.SideNetwork || fault.KindOf(err) != fault.Unavailable {
		t.Errorf("%v", err)
	}
	if err := d.Cancel(t.Context(), j.Ref, 0); err == nil {
		t.Error("a cancel reached nobody")
	}
	up := exec.CommandContext(context.WithoutCancel(t.Context()), "../../../.ci/kube", "up")
	up.Env = append(os.Environ(), "WORKDIR="+filepath.Dir(folder))
	if out, err := up.CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	c.until(d, j.Ref, "back", running)
	c.script(d, j, 0, "exit 9")
	if s := c.until(d, j.Ref, "back ended", over); s.State != train.Done || *s.Exit != 9 || s.Starts != 1 {
		t.Errorf("%+v", s)
	}
}

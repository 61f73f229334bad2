//go:build interop

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"testing"
	"time"

	"mlx/internal/cli"
	"mlx/internal/deploy"
	"mlx/internal/deploy/guard"
	podmeter "mlx/internal/deploy/meter"
	"mlx/internal/deploy/router"
	"mlx/internal/kube"
)

// agentPods is a namespace of the real cluster with the image of mlx itself, which its node pulls by digest.
type agentPods struct {
	t      *testing.T
	client *kube.Client
	image  string
	server string // image with a shell and a web server
}

func newAgentPods(t *testing.T) *agentPods {
	t.Helper()
	name := fmt.Sprintf("agent-%d", time.Now().UnixNano())
	client, err := kube.Open(kube.Config{Files: []string{needs(t, "MLX_TEST_KUBE")}, Namespace: name, Agent: "mlx-test"})
	if err != nil {
		t.Fatal(err)
	}
	p := &agentPods{t: t, client: client, server: needs(t, "MLX_TEST_KUBE_IMAGE")}
	namespaces := kube.Resource{Version: "v1", Plural: "namespaces", Everywhere: true}
	p.create(namespaces, map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name,
		"labels": map[string]any{"pod-security.kubernetes.io/enforce": "restricted"}}})
	t.Cleanup(func() {
		if err := client.Delete(context.WithoutCancel(t.Context()), namespaces, name, kube.Removal{}); err != nil {
			t.Error(err)
		}
	})
	if p.image, err = newApp(nil, cli.Discard()).agentImage(context.Background(), needs(t, "MLX_TEST_KUBE_REGISTRY")+"/team/flights", "linux/amd64", staticProgram(t)); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *agentPods) create(r kube.Resource, o map[string]any) {
	p.t.Helper()
	if err := p.client.Create(p.t.Context(), r, o, nil); err != nil {
		p.t.Fatal(err)
	}
}

func (p *agentPods) until(what string, so func() (bool, string)) {
	p.t.Helper()
	said := ""
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		ok, why := so()
		if ok {
			return
		}
		said = why
	}
	p.t.Fatalf("not so after 2 minutes: %s: %s", what, said)
}

func locked() map[string]any {
	return map[string]any{"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": map[string]any{"drop": []any{"ALL"}}}
}

// pod runs containers under the rules of a namespace that allows least.
func (p *agentPods) pod(name string, more map[string]any, containers ...any) {
	spec := map[string]any{"containers": containers, "restartPolicy": "Always", "securityContext": map[string]any{
		"runAsNonRoot": true, "runAsUser": 65532, "fsGroup": 65532, "seccompProfile": map[string]any{"type": "RuntimeDefault"}},
		"volumes": []any{map[string]any{"name": "state", "emptyDir": map[string]any{}}}}
	for key, value := range more {
		spec[key] = value
	}
	p.create(kube.Pods, map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": name}, "spec": spec})
}

// TestAgentInPods runs the meter and the guard as a cluster does: their image comes from a registry by its digest, the pods may do nothing that
// the strictest rules of a namespace forbid, and the guard finds the API server, and who it is, as every pod does.
func TestAgentInPods(t *testing.T) {
	p := newAgentPods(t)
	t.Run("meter", p.meter)
	t.Run("guard", p.guard)
}

func (p *agentPods) meter(t *testing.T) {
	p.t = t
	settings, err := json.Marshal(podmeter.Settings{Service: "flights", Release: "0123abcd", Ready: []string{"/answer.json"}, Linger: 2 * time.Second,
		Router: router.Settings{Drain: 10 * time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	probe := func(path string) map[string]any {
		return map[string]any{"httpGet": map[string]any{"path": path, "port": 9091}, "periodSeconds": 1}
	}
	state := []any{map[string]any{"name": "state", "mountPath": "/state"}}
	p.pod("flights", map[string]any{"automountServiceAccountToken": false},
		map[string]any{"name": "server", "image": p.server, "imagePullPolicy": "Never", "securityContext": locked(), "volumeMounts": state,
			"command":        []any{"sh", "-c", `echo '{"predictions":[0.5]}' >/state/answer.json; trap 'exit 0' TERM; busybox httpd -f -p 127.0.0.1:8080 -h /state & wait`},
			"readinessProbe": probe("/ready"), "lifecycle": map[string]any{"preStop": map[string]any{"httpGet": map[string]any{"path": "/drained", "port": 9091}}}},
		map[string]any{"name": "meter", "image": p.image, "securityContext": locked(), "volumeMounts": state, "readinessProbe": probe("/healthz"),
			"command": []any{"/mlx", "agent", "meter", "--target", "8080", "--listen", "9090", "--stats", "9091", "--state", "/state/meter"},
			"env":     []any{map[string]any{"name": "MLX_METER", "value": string(settings)}}})
	p.until("the pod is ready", p.ready("flights"))
	var answer struct{ Predictions []float64 }
	for range 5 {
		if err := p.client.Proxied(t.Context(), "flights", 9090, "/answer.json", &answer); err != nil || len(answer.Predictions) != 1 {
			t.Fatal(answer, err)
		}
	}
	var actual deploy.Actual
	if err := p.client.Proxied(t.Context(), "flights", 9091, "/v1/actual", &actual); err != nil || len(actual.Arms) != 1 {
		t.Fatal(actual, err)
	}
	if c := actual.Arms[0].Counts; actual.Arms[0].Key != "0123abcd" || c.Answers != 5 || c.Outputs.High.Count() != 5 {
		t.Errorf("%+v", actual.Arms)
	}
	before := time.Now()
	if err := p.client.Delete(t.Context(), kube.Pods, "flights", kube.Removal{}); err != nil {
		t.Fatal(err)
	}
	p.until("the pod is gone", func() (bool, string) {
		err := p.client.Get(t.Context(), kube.Pods, "flights", nil)
		return kube.Missing(err), fmt.Sprint(err)
	})
	// It lingers for 2 s; without the word that the last request is answered the server would be waited for until it is killed after 30.
	if took := time.Since(before); took < 2*time.Second || took > 25*time.Second {
		t.Errorf("the pod needed %s to end", took)
	}
}

// ready says whether a pod is, and else what its containers say.
func (p *agentPods) ready(name string) func() (bool, string) {
	return func() (bool, string) {
		var o struct {
			Status struct {
				Conditions        []struct{ Type, Status string }
				ContainerStatuses json.RawMessage
			}
		}
		if err := p.client.Get(p.t.Context(), kube.Pods, name, &o); err != nil {
			return false, err.Error()
		}
		for _, c := range o.Status.Conditions {
			if c.Type == "Ready" && c.Status == "True" {
				return true, ""
			}
		}
		return false, string(o.Status.ContainerStatuses)
	}
}

func (p *agentPods) guard(t *testing.T) {
	p.t = t
	configMaps := kube.Resource{Version: "v1", Plural: "configmaps"}
	p.create(configMaps, map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "route"}, "data": map[string]any{"candidate": "20"}})
	p.create(kube.ServiceAccounts, map[string]any{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": map[string]any{"name": "guard"}})
	rule := func(group, plural, name string) map[string]any {
		return map[string]any{"apiGroups": []any{group}, "resources": []any{plural}, "resourceNames": []any{name}, "verbs": []any{"get", "list", "watch", "patch"}}
	}
	meta := map[string]any{"name": "guard"}
	p.create(kube.Roles, map[string]any{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": meta,
		"rules": []any{rule("coordination.k8s.io", "leases", "flights"), rule("", "configmaps", "route")}})
	p.create(kube.RoleBindings, map[string]any{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": meta,
		"roleRef":  map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "guard"},
		"subjects": []any{map[string]any{"kind": "ServiceAccount", "name": "guard"}}})
	p.pod("guard", map[string]any{"serviceAccountName": "guard"},
		map[string]any{"name": "guard", "image": p.image, "securityContext": locked(), "command": []any{"/mlx", "agent", "guard", "flights"},
			"env": []any{map[string]any{"name": "POD_NAMESPACE", "valueFrom": map[string]any{"fieldRef": map[string]any{"fieldPath": "metadata.namespace"}}}}})
	p.until("the guard runs", p.ready("guard"))
	renew := func(at time.Time) {
		steps := fmt.Sprintf(`[{"path":%q,"patch":{"data":{"candidate":"0"}}}]`, p.client.Path(configMaps, "route"))
		o := map[string]any{"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
			"metadata": map[string]any{"name": "flights", "annotations": map[string]any{guard.NoteRevert: steps}},
			"spec":     map[string]any{"leaseDurationSeconds": 3, "renewTime": at.UTC().Format("2006-01-02T15:04:05.000000Z07:00")}}
		if err := p.client.Apply(t.Context(), kube.Leases, kube.Application{Object: o, Force: true}, nil); err != nil {
			t.Fatal(err)
		}
	}
	candidate := func() string {
		var o struct{ Data map[string]string }
		if err := p.client.Get(t.Context(), configMaps, "route", &o); err != nil {
			t.Fatal(err)
		}
		return o.Data["candidate"]
	}
	for end := time.Now().Add(6 * time.Second); time.Now().Before(end); time.Sleep(300 * time.Millisecond) {
		renew(time.Now())
		if candidate() != "20" {
			t.Fatal("the lease was renewed")
		}
	}
	p.until("all goes to stable", func() (bool, string) {
		out := ""
		if log, err := p.client.Logs(t.Context(), "guard", kube.LogOptions{Container: "guard"}); err == nil {
			text, _ := io.ReadAll(log) // what there is
			out = string(text)
			log.Close()
		}
		return candidate() == "0", out
	})
}

//go:build interop && unix

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mlx/internal/deploy"
	deploykube "mlx/internal/deploy/kube"
	"mlx/internal/kube"
)

// kubeBench is a namespace of the real cluster. mlx reaches its API server by a line of its own, which can be cut.
type kubeBench struct {
	*targetBench

	client *kube.Client // on another line, as somebody else
	form   deploykube.Form
	token  string
	line   *line
}

// gatewayBench is a namespace whose pods answer behind a real gateway.
func gatewayBench(t *testing.T) (deploy.Bench, deploy.Driver) {
	t.Helper()
	return newKubeBench(t, deploykube.Gateway)
}

// argoBench is one with the real controller of Argo Rollouts, and a stand-in for its plugin.
func argoBench(t *testing.T) (deploy.Bench, deploy.Driver) {
	t.Helper()
	needs(t, "MLX_TEST_KUBE_ROLLOUTS")
	return newKubeBench(t, deploykube.Argo)
}

func newKubeBench(t *testing.T, form deploykube.Form) (deploy.Bench, deploy.Driver) {
	t.Helper()
	config, registry := needs(t, "MLX_TEST_KUBE"), needs(t, "MLX_TEST_KUBE_REGISTRY")
	gateway, address := needs(t, "MLX_TEST_KUBE_GATEWAY"), needs(t, "MLX_TEST_KUBE_GATEWAY_ADDRESS")
	namespace := fmt.Sprintf("tried-%s-%d", form, time.Now().UnixNano())
	settings := deploykube.Settings{Service: deploy.Tried, Namespace: namespace, Form: form, Repository: registry + "/" + namespace + "/tried",
		Gateway: gateway, Path: "/" + namespace}
	b := triedOf(t, "/app/served", fmt.Sprintf("\n    target: kubernetes\n    kubernetes: {namespace: %s, form: %s, repository: %s, agent: %s, gateway: %s, path: %s}",
		namespace, form, settings.Repository, staticProgram(t), gateway, settings.Path))
	k := &kubeBench{targetBench: b, form: form}
	b.url = "http://" + address + settings.Path
	b.env = append(b.env, "MLX_PROGRESS=false", "KUBECONFIG="+k.cable(config))
	k.namespace(config, namespace)
	k.packages(kubeServed(t), settings.Repository)

	own, err := kube.Open(kube.Config{Files: []string{b.path("kubeconfig")}, Namespace: namespace, Agent: "mlx-test"})
	if err != nil {
		t.Fatal(err)
	}
	cluster := deploykube.NewCluster(own)
	t.Cleanup(cluster.Close)
	b.disturb = map[string]func() (func() error, error){
		deploy.DisturbCandidate: func() (func() error, error) { return noUndo, k.ends("candidate", "down") },
		deploy.DisturbStable:    func() (func() error, error) { return noUndo, k.ends("stable", "end") },
		deploy.DisturbAway:      k.line.cut,
		deploy.DisturbHand:      func() (func() error, error) { return noUndo, k.weightsByHand() },
		deploy.DisturbLeft:      func() (func() error, error) { return noUndo, k.left() },
	}
	return b, deploykube.New(deploykube.Options{Cluster: cluster, Settings: settings, Now: time.Now, Holder: "tried"})
}

// cable writes a kubeconfig by which the API server is reached over a line.
func (k *kubeBench) cable(config string) string {
	k.t.Helper()
	text, err := os.ReadFile(config)
	if err != nil {
		k.t.Fatal(err)
	}
	server := regexp.MustCompile(`server: "?(https://[^",]+)`).FindSubmatch(text)
	token := regexp.MustCompile(`token: "?([^",}]+)`).FindSubmatch(text)
	if server == nil || token == nil {
		k.t.Fatalf("%s names no server and no token", config)
	}
	k.token = string(token[1])
	u, err := url.Parse(string(server[1]))
	if err != nil {
		k.t.Fatal(err)
	}
	k.line = newLine(k.t, u.Host)
	k.write(bytes.ReplaceAll(text, []byte(u.Host), []byte(k.line.address)), "kubeconfig")
	return k.path("kubeconfig")
}

// namespace makes one that allows least, and ends it with the test.
func (k *kubeBench) namespace(config, name string) {
	k.t.Helper()
	var err error
	if k.client, err = kube.Open(kube.Config{Files: []string{config}, Namespace: name, Agent: "somebody/1"}); err != nil {
		k.t.Fatal(err)
	}
	namespaces := kube.Resource{Version: "v1", Plural: "namespaces", Everywhere: true}
	k.t.Cleanup(func() { _ = k.client.Delete(context.Background(), namespaces, name, kube.Removal{}) })
	err = k.client.Create(k.t.Context(), namespaces, map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name,
		"labels": map[string]any{"pod-security.kubernetes.io/enforce": "restricted"}}}, nil)
	if err != nil {
		k.t.Fatal(err)
	}
}

// packages makes one of each version, with the server of pods, and pushes it to where they get it from.
func (k *kubeBench) packages(served, repository string) {
	k.t.Helper()
	program, err := os.ReadFile(served)
	if err != nil {
		k.t.Fatal(err)
	}
	k.write(program, "project", "serve", "served")
	if err := os.Chmod(k.path("project", "serve", "served"), 0o755); err != nil {
		k.t.Fatal(err)
	}
	key := k.path("key")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil {
		k.t.Fatalf("%v %s", err, out)
	}
	for _, words := range [][]string{{"config", "gpg.format", "ssh"}, {"config", "user.signingkey", key + ".pub"}, {"add", "-A"}, {"commit", "-qm", "server"}} {
		k.do("project", append([]string{"git"}, words...)...)
	}
	k.mlx("key", "add", key+".pub")
	for i := range triedVersions {
		k.mlx("model", "package", fmt.Sprintf("%s@v%d", deploy.Tried, i+1), "--code", "HEAD:serve", "--push", repository)
	}
}

// ends tells the servers of a role to end, by way of their pods.
func (k *kubeBench) ends(role, how string) error {
	release := k.status().arm(role).Release
	var pods struct {
		Items []struct{ Metadata struct{ Name string } }
	}
	err := k.client.List(k.t.Context(), kube.Pods, kube.Select{Labels: "dev.mlx/release-key=" + release[:40]}, &pods)
	if err == nil && len(pods.Items) == 0 {
		err = fmt.Errorf("the %s has no pod", role)
	}
	for _, p := range pods.Items {
		var answer struct{}
		err = errors.Join(err, k.client.Proxied(k.t.Context(), p.Metadata.Name, 8080, how, &answer))
	}
	return err
}

// weightsByHand gives all to the candidate, as somebody does with kubectl.
func (k *kubeBench) weightsByHand() error {
	if k.form == deploykube.Argo {
		return k.patch("kubectl-argo-rollouts", k.client.Path(kube.Rollouts, deploy.Tried)+"/status", map[string]any{"status": map[string]any{"promoteFull": true}})
	}
	var route struct {
		Spec struct{ Rules []map[string]any }
	}
	if err := k.client.Get(k.t.Context(), kube.HTTPRoutes, deploy.Tried, &route); err != nil {
		return err
	}
	candidate := k.status().arm("candidate").Release
	for _, ref := range route.Spec.Rules[0]["backendRefs"].([]any) {
		ref := ref.(map[string]any)
		ref["weight"] = 0
		if ref["name"] == deploy.Tried+"-"+candidate[:8] {
			ref["weight"] = 10000
		}
	}
	err := k.patch("kubectl-edit", k.client.Path(kube.HTTPRoutes, deploy.Tried), map[string]any{"spec": map[string]any{"rules": route.Spec.Rules}})
	if err == nil {
		k.awaits("it is told", func() bool {
			v := k.status()
			return v.Trouble != nil && strings.Contains(*v.Trouble, "kubectl-edit has written to httproutes/tried as well")
		})
	}
	return err
}

// patch changes an object as another program does.
func (k *kubeBench) patch(manager, path string, change any) error {
	text, err := json.Marshal(change)
	if err != nil {
		return err
	}
	q, err := http.NewRequestWithContext(k.t.Context(), http.MethodPatch, k.client.Server()+path+"?fieldManager="+manager, bytes.NewReader(text))
	if err != nil {
		return err
	}
	q.Header.Set("Authorization", "Bearer "+k.token)
	q.Header.Set("Content-Type", "application/merge-patch+json")
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // of this machine
	defer client.CloseIdleConnections()
	resp, err := client.Do(q)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(resp.Body) // it is an error anyway
		return fmt.Errorf("%s: %s", resp.Status, said)
	}
	return nil
}

// left is an error if anything is there of releases that the status does not name, or of a rollout that is over.
func (k *kubeBench) left() error {
	var known []string
	for _, a := range k.status().Arms {
		known = append(known, a.Release[:8])
	}
	for _, r := range []kube.Resource{kube.Deployments, kube.ReplicaSets, kube.Services, kube.Budgets, kube.Leases, kube.Pods, kube.Roles, kube.ServiceAccounts} {
		var all struct {
			Items []struct {
				Metadata struct {
					Name   string
					Labels map[string]string
				}
				Spec struct{ Replicas *int }
			}
		}
		if err := k.client.List(k.t.Context(), r, kube.Select{Labels: "app.kubernetes.io/name=tried"}, &all); err != nil {
			return err
		}
		for _, one := range all.Items {
			key := one.Metadata.Labels["dev.mlx/release-key"]
			ended := one.Spec.Replicas != nil && *one.Spec.Replicas == 0 // Argo keeps what a release was made of
			if one.Metadata.Labels["app.kubernetes.io/component"] == "guard" || key != "" && !ended && !slices.Contains(known, key[:8]) {
				return fmt.Errorf("%s/%s is there still", r.Plural, one.Metadata.Name)
			}
		}
	}
	return nil
}

// line carries connections to an address, until it is cut.
type line struct {
	t       *testing.T
	to      string
	address string

	mu       sync.Mutex
	listener net.Listener
	open     map[net.Conn]bool
}

func newLine(t *testing.T, to string) *line {
	t.Helper()
	l := &line{t: t, to: to, address: "127.0.0.1:0", open: map[net.Conn]bool{}}
	if err := l.listen(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	return l
}

func (l *line) listen() error {
	listener, err := net.Listen("tcp", l.address)
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.listener, l.address = listener, listener.Addr().String()
	l.mu.Unlock()
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go l.carry(listener, c)
		}
	}()
	return nil
}

func (l *line) carry(of net.Listener, from net.Conn) {
	to, err := net.Dial("tcp", l.to)
	if err != nil {
		_ = from.Close()
		return
	}
	l.mu.Lock()
	whole := l.listener == of
	l.open[from], l.open[to] = true, true
	l.mu.Unlock()
	if whole {
		go func() { _, _ = io.Copy(to, from); _ = to.Close() }()
		_, _ = io.Copy(from, to)
	}
	_ = errors.Join(from.Close(), to.Close())
	l.mu.Lock()
	delete(l.open, from)
	delete(l.open, to)
	l.mu.Unlock()
}

func (l *line) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.listener != nil {
		_ = l.listener.Close()
		l.listener = nil
	}
	for c := range l.open {
		_ = c.Close()
	}
}

// cut ends all connections and takes no new ones, until undo.
func (l *line) cut() (func() error, error) {
	l.close()
	return l.listen, nil
}

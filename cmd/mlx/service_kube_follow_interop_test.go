//go:build interop

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"mlx/internal/kube"
)

// TestInteropServiceKubeGitOps tells the story of testdata/interop/service-kube-gitops on a real Kubernetes. Who follows the file is a stand-in for
// Argo CD and Flux: a loop that applies what is committed and deletes what is not named any more, again and again.
func TestInteropServiceKubeGitOps(t *testing.T) {
	t.Parallel() // it waits, most of the time
	config, registry := needs(t, "MLX_TEST_KUBE"), needs(t, "MLX_TEST_KUBE_REGISTRY")
	gateway, address := needs(t, "MLX_TEST_KUBE_GATEWAY"), needs(t, "MLX_TEST_KUBE_GATEWAY_ADDRESS")
	agent, served := staticProgram(t), kubeServed(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/interop/service-kube-gitops", RequireExplicitExec: true, Cmds: interopCommands(),
		Setup: func(env *testscript.Env) error {
			if err := isolate(env); err != nil {
				return err
			}
			name := fmt.Sprintf("followed-%d", time.Now().UnixNano())
			if err := kubeNamespace(env, config, name); err != nil {
				return err
			}
			for key, value := range map[string]string{"KUBECONFIG": config, "NAMESPACE": name, "REGISTRY": registry, "GATEWAY": gateway,
				"ADDRESS": address, "AGENT": agent, "SERVED": served, "MLX_PROGRESS": "false"} {
				env.Setenv(key, value)
			}
			f, err := newFiled(config, name, filepath.Join(env.WorkDir, ".home"))
			if err != nil {
				return err
			}
			ctx, end := context.WithCancel(context.Background())
			var ended sync.WaitGroup
			ended.Go(func() { f.run(ctx) })
			env.Defer(func() { end(); ended.Wait() })
			return nil
		},
	})
}

// filed applies what a file of git says, under a name of its own.
type filed struct {
	client *kube.Client
	home   string // folder with live.git
	token  string
	made   map[string]bool
	http   http.Client
}

func newFiled(config, namespace, home string) (*filed, error) {
	c, err := kube.Open(kube.Config{Files: []string{config}, Namespace: namespace, Agent: "kustomize-controller"})
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(config)
	token := regexp.MustCompile(`token: "?([^",}\n]+)`).FindSubmatch(text)
	if err != nil || token == nil {
		return nil, fmt.Errorf("%s names no token: %w", config, err)
	}
	return &filed{client: c, home: home, token: string(token[1]), made: map[string]bool{},
		http: http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}}, nil // of this machine
}

func (f *filed) run(ctx context.Context) {
	defer f.http.CloseIdleConnections()
	for ctx.Err() == nil {
		f.once(ctx)
		select {
		case <-ctx.Done():
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// once does what the last commit says.
func (f *filed) once(ctx context.Context) {
	text, err := exec.CommandContext(ctx, "git", "-C", filepath.Join(f.home, "live.git"), "show", "main:deploy/flights.yaml").Output()
	if err != nil {
		return // nothing is committed yet
	}
	named := map[string]bool{}
	for _, doc := range strings.Split(string(text), "\n---\n") {
		path := f.path(doc)
		if path == "" {
			continue
		}
		named[path], f.made[path] = true, true
		if err := f.ask(ctx, http.MethodPatch, path+"?fieldManager=kustomize-controller&force=true", doc); err != nil && ctx.Err() == nil {
			fmt.Fprintln(os.Stderr, "follower:", err)
		}
	}
	for path := range f.made {
		if !named[path] && f.ask(ctx, http.MethodDelete, path+"?propagationPolicy=Background", "") == nil {
			delete(f.made, path)
		}
	}
}

// path is where a document of YAML belongs; empty: nowhere that is known.
func (f *filed) path(doc string) string {
	kinds := map[string]kube.Resource{"Deployment": kube.Deployments, "Service": kube.Services, "PodDisruptionBudget": kube.Budgets,
		"NetworkPolicy": kube.NetworkPolicies, "HTTPRoute": kube.HTTPRoutes}
	kind, name := regexp.MustCompile(`(?m)^kind: (\w+)$`).FindStringSubmatch(doc), regexp.MustCompile(`(?ms)^metadata:\n.*?^  name: ([\w-]+)$`).FindStringSubmatch(doc)
	if kind == nil || name == nil || kinds[kind[1]].Plural == "" {
		return ""
	}
	return f.client.Path(kinds[kind[1]], name[1])
}

func (f *filed) ask(ctx context.Context, method, path, body string) error {
	q, err := http.NewRequestWithContext(ctx, method, f.client.Server()+path, bytes.NewBufferString(body))
	if err != nil {
		return err
	}
	q.Header.Set("Authorization", "Bearer "+f.token)
	q.Header.Set("Content-Type", "application/apply-patch+yaml")
	resp, err := f.http.Do(q)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if said, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode > 299 && resp.StatusCode != http.StatusNotFound {
		return fmt.Errorf("%s %s: %s %s %w", method, path, resp.Status, said, err)
	}
	return nil
}

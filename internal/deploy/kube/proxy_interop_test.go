//go:build interop

package kube

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/kube"
)

// between stands before an API server. It counts who asks, writes down who changes what, and can be gone after so many changes.
type between struct {
	mu     sync.Mutex
	reads  int
	writes []string
	most   int // of writes, after which nobody answers any more; negative: no limit
	over   context.CancelFunc
}

// front is a client that asks by way of one who counts.
func front(t *testing.T, c *kube.Client) (*kube.Client, *between) {
	t.Helper()
	text, err := os.ReadFile(kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	ca := regexp.MustCompile(`certificate-authority: "(.*)"`).FindSubmatch(text)
	if ca == nil {
		t.Fatalf("%s names no certificate", kubeconfig())
	}
	trusted, err := os.ReadFile(string(ca[1]))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(trusted)
	to, err := url.Parse(c.Server())
	if err != nil {
		t.Fatal(err)
	}
	b := &between{most: -1, over: func() {}}
	proxy := &httputil.ReverseProxy{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}, FlushInterval: -1,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Header.Set("Authorization", "Bearer admin-token")
		}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			b.mu.Lock()
			b.reads++
			b.mu.Unlock()
		} else if !b.write(r) {
			panic(http.ErrAbortHandler)
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.CloseClientConnections)
	file := filepath.Join(t.TempDir(), "kubeconfig")
	text = regexp.MustCompile(`\{server: [^}]*\}`).ReplaceAll(text, []byte(`{server: "`+server.URL+`"}`))
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	other, err := kube.Open(kube.Config{Files: []string{file}, Namespace: c.Namespace(), Agent: "mlx/test"})
	if err != nil {
		t.Fatal(err)
	}
	return other, b
}

func (b *between) write(r *http.Request) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.most >= 0 && len(b.writes) >= b.most {
		b.over() // whoever asks is killed
		return false
	}
	_, what, _ := strings.Cut(r.URL.Path, "/namespaces/")
	_, what, _ = strings.Cut(what, "/")
	b.writes = append(b.writes, r.Method+" "+what)
	return true
}

func (b *between) said() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.writes)
}

// TestInteropRollbackWrites: a rollback changes one object, once, and nothing else as long as that is not obeyed.
func TestInteropRollbackWrites(t *testing.T) {
	for _, form := range Forms() {
		t.Run(string(form), func(t *testing.T) {
			t.Parallel()
			c := testNamespace(t)
			played := play(t, c)
			s := light(form)
			s.Namespace = c.Namespace()
			v := driverOf(t, c, s)
			first, d := servedOf(1), stepOf(2000, 2)
			first.Generation, d.Lease = 1, 0
			for _, d := range []deploy.Desired{first, d} {
				if err := v.Apply(t.Context(), d); err != nil {
					t.Fatal(err)
				}
			}
			if s.routed() {
				until(t, "it is obeyed", func() bool {
					seen := look(t, v)
					return len(seen.Arms) == 2 && seen.Arms[0].Ready > 0 && seen.Trouble == "" || form == Standard
				})
			}
			played.set(false, true) // nobody obeys from here on
			counted, b := front(t, c)
			back := servedOf(1)
			back.Generation = 3
			if err := driverOf(t, counted, s).Apply(t.Context(), back); err != nil {
				t.Fatal(err)
			}
			want := "PATCH " + s.anchorResource().Plural + "/flights"
			if all := b.said(); len(all) != 1 || all[0] != want {
				t.Errorf("%d writes, not %s alone: %v", len(all), want, all)
			}
		})
	}
}

// TestInteropKilledAnywhere: whoever changes the cluster is killed before each of his writes. Who comes later asks for the same, and nothing is
// left half done: as if nobody had been killed.
func TestInteropKilledAnywhere(t *testing.T) {
	c := testNamespace(t)
	play(t, c)
	s := light(Gateway)
	s.Agent = testSettings(Gateway).Agent // with a guard
	s.Scale = &Scale{Min: 1, Max: 3, Queue: 4}
	s.Namespace = c.Namespace()
	first := servedOf(1)
	first.Generation = 1
	if err := driverOf(t, c, s).Apply(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	states := []deploy.Desired{stepOf(0, 0), stepOf(500, 0), servedOf(2)}
	generation, points, killed := uint64(1), 0, 0
	for at := 0; ; at++ {
		whole := 0
		for i, d := range states {
			generation++
			d.Generation = generation
			counted, b := front(t, c)
			ctx, end := context.WithCancel(t.Context())
			b.most, b.over = at, end
			err := driverOf(t, counted, s).Apply(ctx, d)
			end()
			if err == nil {
				whole++
			} else {
				killed++
			}
			points++
			v := driverOf(t, c, s)
			until(t, "the next one finishes it", func() bool {
				if err := v.Apply(t.Context(), d); err != nil {
					t.Fatalf("state %d, killed before write %d: %v", i, at, err)
				}
				return v.finished(d.Generation)
			})
			want, err := Objects(s, d)
			if err != nil {
				t.Fatal(err)
			}
			if err := exactly(t, v, want, d.Lease > 0); err != "" {
				t.Errorf("state %d, killed before write %d: %s", i, at, err)
			}
		}
		generation++ // and back to the first, for the next point
		first.Generation = generation
		v := driverOf(t, c, s)
		until(t, "it is as it was", func() bool { return v.Apply(t.Context(), first) == nil && v.finished(generation) })
		if whole == len(states) {
			break
		}
	}
	if killed < 10 {
		t.Errorf("only %d of %d were killed", killed, points)
	}
	t.Logf("%d changes, %d of them killed", points, killed)
}

// exactly says what is there too much or too little.
func exactly(t *testing.T, v *Driver, want []Object, leased bool) string {
	t.Helper()
	kinds, err := v.kinds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, r := range append(kinds, kube.HTTPRoutes, kube.Leases) {
		var l struct {
			Items []struct {
				Metadata struct {
					Name    string
					Deleted string `json:"deletionTimestamp"`
				}
			}
		}
		if err := v.client.List(t.Context(), r, kube.Select{Labels: labelName + "=" + v.name()}, &l); err != nil {
			t.Fatal(err)
		}
		for _, item := range l.Items {
			if item.Metadata.Deleted == "" {
				there[r.Plural+"/"+item.Metadata.Name] = true
			}
		}
	}
	for _, o := range want {
		name := resourceOf(o).Plural + "/" + named(o)
		if !there[name] {
			return name + " is missing"
		}
		delete(there, name)
	}
	if there["leases/flights"] != leased {
		return "the Lease is there, or is not"
	}
	delete(there, "leases/flights")
	for name := range there {
		return name + " is left"
	}
	return ""
}

// TestInteropRewrittenImages: what a webhook of the cluster makes of the images of pods is told, and what runs other bytes is no server of the
// release.
func TestInteropRewrittenImages(t *testing.T) {
	c := testNamespace(t)
	play(t, c)
	var mu sync.Mutex
	rewrite := func(image string) string { return "mirror.example/" + image[strings.Index(image, "@"):] }
	webhook := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asked struct {
			Request struct {
				UID    string
				Object pod
			}
		}
		if json.NewDecoder(r.Body).Decode(&asked) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		mu.Lock()
		patch, err := json.Marshal(list{object{"op": "replace", "path": "/spec/containers/0/image", "value": rewrite(asked.Request.Object.Spec.Containers[0].Image)}})
		mu.Unlock()
		if err != nil {
			t.Error(err)
		}
		_ = json.NewEncoder(w).Encode(object{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": object{"uid": asked.Request.UID, "allowed": true,
			"patchType": "JSONPatch", "patch": base64.StdEncoding.EncodeToString(patch)}}) // who asked may be gone
	}))
	t.Cleanup(webhook.Close)
	hooks := kube.Resource{Group: "admissionregistration.k8s.io", Version: "v1", Plural: "mutatingwebhookconfigurations", Everywhere: true}
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: webhook.Certificate().Raw})
	hook := object{"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration", "metadata": object{"name": c.Namespace()}, "webhooks": list{object{
		"name": "images.mlx.test", "admissionReviewVersions": list{"v1"}, "sideEffects": "None", "timeoutSeconds": 30,
		"clientConfig":      object{"url": webhook.URL, "caBundle": base64.StdEncoding.EncodeToString(ca)},
		"namespaceSelector": object{"matchLabels": object{"kubernetes.io/metadata.name": c.Namespace()}},
		"rules":             list{object{"apiGroups": list{""}, "apiVersions": list{"v1"}, "operations": list{"CREATE"}, "resources": list{"pods"}}}}}}
	if err := c.Create(t.Context(), hooks, hook, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Delete(context.Background(), hooks, c.Namespace(), kube.Removal{}) })
	probe := object{"apiVersion": "v1", "kind": "Pod", "metadata": object{"name": "probe"}, "spec": object{"containers": list{object{"name": "a", "image": "a@sha256:b"}}}}
	until(t, "the webhook is asked", func() bool {
		var made pod
		_ = c.Delete(t.Context(), kube.Pods, "probe", kube.Removal{})
		return c.Create(t.Context(), kube.Pods, probe, &made) == nil && strings.HasPrefix(made.Spec.Containers[0].Image, "mirror.example/")
	})

	var told []string
	cluster := NewCluster(c)
	t.Cleanup(cluster.Close)
	v := New(Options{Cluster: cluster, Settings: light(Gateway), Tell: func(text string) { mu.Lock(); told = append(told, text); mu.Unlock() }, Now: time.Now, Holder: "test"})
	d := servedOf(1)
	d.Generation = 1
	if err := v.Apply(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	until(t, "a mirror of the same bytes serves", func() bool {
		seen := look(t, v)
		return len(seen.Arms) == 1 && seen.Arms[0].Ready == 2 && seen.Arms[0].Other == 0
	})
	mu.Lock()
	if len(told) != 1 || !strings.Contains(told[0], "the bytes are the same") {
		t.Error(told)
	}
	rewrite = func(string) string { return "mirror.example/flights:latest" }
	mu.Unlock()
	if err := v.Apply(t.Context(), stepOf(500, 2)); err != nil {
		t.Fatal(err)
	}
	until(t, "other bytes are no server of it", func() bool {
		seen := look(t, v)
		return len(seen.Arms) == 2 && seen.Arms[1].Other == 2 && seen.Arms[1].Ready == 0 && strings.Contains(seen.Arms[1].Trouble, "put image mirror.example/flights:latest in place of")
	})
}

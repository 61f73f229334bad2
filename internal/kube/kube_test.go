package kube

import (
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mlx/internal/fault"
)

const config = `apiVersion: v1
kind: Config
clusters:
- {name: a, cluster: {server: "https://a.example:6443"}}
- {name: b, cluster: {server: "b.example/k8s"}}
users:
- {name: u, user: {token: t}}
contexts:
- {name: a, context: {cluster: a, user: u, namespace: team}}
- {name: b, context: {cluster: b, user: u}}
- {name: broken, context: {cluster: nowhere, user: u}}
current-context: a
`

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestOpen(t *testing.T) {
	file := write(t, config)
	other := write(t, "apiVersion: v1\nkind: Config\ncurrent-context: b\n")
	for _, test := range []struct {
		name                    string
		config                  Config
		server, context, inside string
		kind                    fault.Kind
	}{
		{name: "the current one", config: Config{Files: []string{file}}, server: "https://a.example:6443", context: "a", inside: "team"},
		{name: "by name", config: Config{Files: []string{file}, Context: "b"}, server: "https://b.example/k8s", context: "b", inside: "default"},
		{name: "a namespace", config: Config{Files: []string{file}, Namespace: "mine"}, server: "https://a.example:6443", context: "a", inside: "mine"},
		{name: "the first file wins", config: Config{Files: []string{"/does/not/exist", other, file}}, server: "https://b.example/k8s", context: "b", inside: "default"},
		{name: "no namespace", config: Config{Files: []string{file}, Namespace: "../x"}, kind: fault.Usage},
		{name: "no such context", config: Config{Files: []string{file}, Context: "c"}, kind: fault.NotFound},
		{name: "no such cluster", config: Config{Files: []string{file}, Context: "broken"}, kind: fault.Usage},
		{name: "no file", config: Config{Files: []string{"/does/not/exist"}}, kind: fault.NotFound},
		{name: "no kubeconfig", config: Config{Files: []string{write(t, "{")}}, kind: fault.Usage},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := Open(test.config)
			if err != nil || test.kind != fault.Internal {
				if fault.KindOf(err) != test.kind || len(fault.Hints(err)) == 0 {
					t.Errorf("%v: %v", fault.KindOf(err), err)
				}
				return
			}
			if c.Server() != test.server || c.Context() != test.context || c.Namespace() != test.inside {
				t.Errorf("%s %s %s", c.Server(), c.Context(), c.Namespace())
			}
		})
	}
}

// The words are those of a real server, of 1.37 or of those that ask for a quota, a webhook or a policy.
func TestSides(t *testing.T) {
	for _, test := range []struct {
		code int
		body string
		side Side
		kind fault.Kind
	}{
		{401, `{"kind":"Status","message":"Unauthorized","reason":"Unauthorized","code":401}`, SideLogin, fault.Denied},
		{403, `{"message":"jobs.batch is forbidden: User \"x\" cannot create resource \"jobs\" in API group \"batch\" in the namespace \"y\"","reason":"Forbidden","code":403}`, SideRights, fault.Denied},
		{403, `{"message":"pods \"a\" is forbidden: exceeded quota: few, requested: pods=1, used: pods=2, limited: pods=2","reason":"Forbidden","code":403}`, SideQuota, fault.Unavailable},
		{403, `{"message":"pods \"a\" is forbidden: violates PodSecurity \"restricted:latest\": privileged (container \"run\" must not set securityContext.privileged=true)","reason":"Forbidden","code":403}`, SideAdmission, fault.Denied},
		{400, `{"message":"admission webhook \"validate.kyverno.svc\" denied the request: labels","code":400}`, SideAdmission, fault.Denied},
		{403, `{"message":"pods \"a\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no","code":403}`, SideAdmission, fault.Denied},
		{404, `{"message":"jobs.batch \"a\" not found","reason":"NotFound","code":404}`, SideState, fault.NotFound},
		{409, `{"message":"jobs.batch \"a\" already exists","reason":"AlreadyExists","code":409}`, SideState, fault.Conflict},
		{422, `{"message":"Job.batch \"a\" is invalid: spec.template.spec.containers[0].image: Required value","reason":"Invalid","code":422}`, SideObject, fault.Usage},
		{400, `{"message":"Job in version \"v1\" cannot be handled as a Job: strict decoding error: unknown field \"spec.x\"","code":400}`, SideObject, fault.Usage},
		{429, `{"message":"too many requests","code":429}`, SideServer, fault.Unavailable},
		{503, "<html>bad gateway</html>", SideServer, fault.Unavailable},
		{500, "", SideServer, fault.Unavailable},
	} {
		c := &Client{base: &url.URL{Host: "a.example"}, namespace: "y", context: "prod"}
		err := c.refused("create jobs", test.code, []byte(test.body))
		if SideOf(err) != test.side || fault.KindOf(err) != test.kind {
			t.Errorf("%s: %s %s", test.body, SideOf(err), fault.KindOf(err))
		}
		if !strings.HasPrefix(err.Error(), "cannot create jobs in namespace y: ") {
			t.Error(err)
		}
		if Exists(err) != (test.code == 409) || Missing(err) != (test.code == 404) {
			t.Error(err)
		}
		for _, hint := range fault.Hints(err) {
			if strings.HasPrefix(hint, "kubectl") && !strings.Contains(hint, "--context prod") {
				t.Error(hint)
			}
		}
	}
	if SideOf(errors.New("x")) != "" {
		t.Error("an error of nobody has a side")
	}
}

func TestPaths(t *testing.T) {
	c := &Client{base: &url.URL{Scheme: "https", Host: "a", Path: "/k8s/"}, namespace: "n s"}
	for want, got := range map[string]string{
		"https://a/k8s/apis/batch/v1/namespaces/n%20s/jobs/x": c.address(c.path(Jobs, "x"), nil).String(),
		"https://a/k8s/api/v1/namespaces/n%20s/pods":          c.address(c.path(Pods, ""), nil).String(),
		"https://a/k8s/api/v1/nodes":                          c.address(c.path(Nodes, ""), nil).String(),
	} {
		if got != want {
			t.Errorf("%s, not %s", got, want)
		}
	}
}

func FuzzRefused(f *testing.F) {
	f.Add(403, []byte(`{"message":"x","code":-1}`))
	f.Add(0, []byte("\xff"))
	f.Fuzz(func(t *testing.T, code int, body []byte) {
		c := &Client{base: &url.URL{Host: "a"}, namespace: "n"}
		err := c.refused("list pods", code, body)
		if SideOf(err) == "" || fault.KindOf(err) == fault.Internal || err.Error() == "" {
			t.Errorf("%v", err)
		}
		_ = http.StatusText(code)
	})
}

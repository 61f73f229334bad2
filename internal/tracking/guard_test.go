package tracking

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// everyPath is one path of each call that is served, also of those that go past the mux.
func everyPath() map[string]string {
	all := map[string]string{}
	for _, to := range table() {
		path := to.path
		if !strings.HasPrefix(path, "/") {
			path = prefixes()[0] + path
		}
		all[to.method+" "+path] = path
	}
	for _, root := range artifactRoots() {
		for _, method := range []string{"GET", "PUT", "DELETE"} {
			all[method+" "+root+"/0/x"] = root + "/0/x"
		}
		all["GET "+root] = root
	}
	for _, path := range []string{"/get-artifact", "/model-versions/get-artifact", "/", "/nowhere", "//api", "/api/2.0/mlflow-artifacts/artifacts%2f0", "/health/../api/2.0/mlflow/runs/get"} {
		all["GET "+path] = path
	}
	return all
}

// Every call wants the token, and is refused to pages of other sites and under other names, whatever else it says.
func TestGuardOfEveryRoute(t *testing.T) {
	const token = "0123456789abcdef"
	b := &bench{T: t, dir: t.TempDir()}
	b.open(func(o *Options) { o.Token, o.Hosts = token, []string{"models.example", ""} })
	ask := func(method, path string, with func(*http.Request)) int {
		req := httptest.NewRequest(method, "http://localhost/", strings.NewReader("{}"))
		u, err := url.Parse("http://localhost" + path)
		if err != nil {
			t.Fatal(err)
		}
		req.URL, req.RequestURI = u, path
		req.Header.Set("Authorization", "Bearer "+token)
		with(req)
		w := httptest.NewRecorder()
		b.server.ServeHTTP(w, req)
		return w.Code
	}
	for name, path := range everyPath() {
		method, _, _ := strings.Cut(name, " ")
		for _, given := range []string{"", "Bearer", "Bearer ", "Bearer " + token[:15], "Bearer " + token + " ", "Basic " + token, "bearer x", "Basic Og==", "Token " + token} {
			if status := ask(method, path, func(r *http.Request) { r.Header.Set("Authorization", given) }); status != http.StatusUnauthorized && path != "/health" {
				t.Errorf("%s with %q is answered with %d", name, given, status)
			}
		}
		for _, host := range []string{"", "evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "0.0.0.0", "10.0.0.1:80", "[fe80::1]", "localhost@evil.example", "evil.example:127.0.0.1"} {
			if status := ask(method, path, func(r *http.Request) { r.Host = host; r.Header.Set("X-Forwarded-Host", "localhost") }); status != http.StatusForbidden {
				t.Errorf("%s for host %q is answered with %d", name, host, status)
			}
		}
		for _, origin := range []string{"null", "https://evil.example", "http://127.0.0.1.nip.io", "file://", "localhost", "http://localhost.evil.example:5000", "://", "http://evil.example#localhost", "chrome-extension://abc"} {
			if status := ask(method, path, func(r *http.Request) { r.Header.Set("Origin", origin) }); status != http.StatusForbidden {
				t.Errorf("%s of a page of %q is answered with %d", name, origin, status)
			}
		}
	}
	for _, host := range []string{"localhost", "LOCALHOST:5000", "127.0.0.1:1", "127.1.2.3", "[::1]:5000", "::1", "[::ffff:127.0.0.1]:1", "models.example:443", "Models.Example"} {
		if status := ask("GET", "/version", func(r *http.Request) { r.Host = host }); status != http.StatusOK {
			t.Errorf("host %q is answered with %d", host, status)
		}
	}
	for user, password := range map[string]string{"ana": token, token: ""} {
		if status := ask("GET", "/version", func(r *http.Request) { r.SetBasicAuth(user, password) }); status != http.StatusOK {
			t.Errorf("basic authentication as %q is answered with %d", user, status)
		}
	}
}

package bucket_test

import (
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"mlx/internal/bucket"
)

// A server that only a proxy reaches, with a certificate of a private authority, is reached by HTTPS_PROXY and SSL_CERT_FILE
// (or what the cloud's own tools call it), as everywhere. The child is this test in a process of its own: the system's authorities are read once a process.
func TestProxyAndPrivateAuthority(t *testing.T) {
	const role = "MLX_TEST_BEHIND_PROXY"
	if os.Getenv(role) != "" {
		b := open(t, "s3://acme-ml/flights?endpoint=https://example.com&region=us-east-1&anonymous=true", bucket.Options{Tries: 1, Env: os.Getenv})
		got, err := b.Read(t.Context(), "k", 10)
		fmt.Printf("read %q, %v\n", got, err)
		return
	}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "example.com" || !strings.HasSuffix(r.URL.Path, "/flights/k") {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = io.WriteString(w, "bytes")
	}))
	defer server.Close()
	authority := filepath.Join(t.TempDir(), "ca.pem")
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(authority, cert, 0o600); err != nil {
		t.Fatal(err)
	}
	var tunnels atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tunnels.Add(1)
		tunnel(w, r, server.Listener.Addr().String())
	}))
	defer proxy.Close()
	for _, tt := range []struct{ env, want string }{
		{"SSL_CERT_FILE=" + authority, `read "bytes", <nil>`},
		{"AWS_CA_BUNDLE=" + authority, `read "bytes", <nil>`},
		{"SSL_CERT_FILE=/none", "certificate signed by unknown authority"}, // nobody vouches for it
	} {
		tunnels.Store(0)
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestProxyAndPrivateAuthority$")
		cmd.Env = append(os.Environ(), role+"=1", "HTTPS_PROXY="+proxy.URL, "AWS_EC2_METADATA_DISABLED=true",
			"SSL_CERT_DIR=/none", "SSL_CERT_FILE=/none", "AWS_CA_BUNDLE=", tt.env)
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), tt.want) || tunnels.Load() == 0 {
			t.Errorf("%s: %d tunnels, %v\n%s", tt.env, tunnels.Load(), err, out)
		}
	}
}

// tunnel answers CONNECT: whatever host was asked for, it is the one at to.
func tunnel(w http.ResponseWriter, r *http.Request, to string) {
	if r.Method != http.MethodConnect || r.Host != "example.com:443" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	there, err := net.Dial("tcp", to)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer there.Close()
	here, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer here.Close()
	_, _ = io.WriteString(here, "HTTP/1.1 200 Connection established\r\n\r\n")
	go func() { _, _ = io.Copy(there, here) }()
	_, _ = io.Copy(here, there)
}

package router

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mlx/internal/deploy"
)

// to starts a router that gives all to one server.
func to(t *testing.T, m *model, s Settings) *running {
	t.Helper()
	r := run(t, Options{Settings: s})
	r.serve("one", m.servers())
	r.apply(desired(1, 0))
	return r
}

func TestHeaders(t *testing.T) {
	m := handles(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(idHeader, "of the server")
		w.Header().Set("X-Own", "1")
	})
	ask := func(r *running, headers ...string) (*http.Response, *http.Request) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+"/a%2Fb?x=1&y=%20", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "flights.example.com"
		for i := 0; i+1 < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp, m.last.Load()
	}
	const traced = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	forged := []string{"X-Forwarded-For", "6.6.6.6", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "evil", "Authorization", "Basic x", "Traceparent", traced, "Tracestate", "a=b", shadowHeader, "true"}

	r := to(t, m, Settings{})
	resp, got := ask(r, forged...)
	for name, want := range map[string]string{"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "flights.example.com", "Authorization": "Basic x", "Traceparent": traced, "Tracestate": "a=b"} {
		if got.Header.Get(name) != want {
			t.Errorf("%s: %s", name, got.Header.Get(name))
		}
	}
	if _, ok := got.Header["Idempotency-Key"]; ok || got.Header.Get(shadowHeader) != "" {
		t.Errorf("passed on %v", got.Header)
	}
	id := got.Header.Get(idHeader)
	if len(id) != 32 || resp.Header.Get(idHeader) != id || len(resp.Header[idHeader]) != 1 || resp.Header.Get("X-Own") != "1" {
		t.Errorf("id %s, answered %v", id, resp.Header)
	}
	if got.Host != "flights.example.com" || got.RequestURI != "/a%2Fb?x=1&y=%20" {
		t.Errorf("host %s, path %s", got.Host, got.RequestURI)
	}
	if resp, got = ask(r, idHeader, "mine-1"); got.Header.Get(idHeader) != "mine-1" || resp.Header.Get(idHeader) != "mine-1" {
		t.Errorf("id %s", resp.Header.Get(idHeader))
	}
	if _, got = ask(r, idHeader, `a"b`); got.Header.Get(idHeader) == `a"b` {
		t.Error("an id of any bytes is passed on")
	}

	r = to(t, m, Settings{Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	_, got = ask(r, forged...)
	for name, want := range map[string]string{"X-Forwarded-For": "6.6.6.6, 127.0.0.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil"} {
		if got.Header.Get(name) != want {
			t.Errorf("from a proxy that is trusted, %s: %s", name, got.Header.Get(name))
		}
	}
}

func TestSchema(t *testing.T) {
	var wrong atomic.Bool
	m := handles(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if wrong.Load() {
			_, _ = io.WriteString(w, `{"predictions":["late"]}`)
			return
		}
		_, _ = io.WriteString(w, `{"predictions":[1]}`)
	})
	seen := make(chan Answered, 10)
	r := run(t, Options{Sink: func(a Answered) { seen <- a }})
	s := m.servers()
	signature := []byte(`{"inputs":"[{\"type\":\"double\",\"name\":\"delay\",\"required\":true}]","outputs":"[{\"type\":\"double\"}]"}`)
	s.Signature = signature
	r.serve("one", s)
	r.apply(desired(1, 0))
	status, text := post(t, r.url, `{"dataframe_records":[{"delay":"soon"}]}`)
	var said map[string]string
	if err := json.Unmarshal([]byte(text), &said); err != nil || status != 400 || said["field"] != "delay" || !strings.Contains(said["error"], `field "delay": it is double, and "soon" was sent`) {
		t.Errorf("%d %s", status, text)
	}
	if a := <-seen; a.Schema != BadRequest || a.Status != 400 || a.Key != "" || m.asked.Load() != 0 {
		t.Errorf("handed %+v", a)
	}
	post(t, r.url, `{"dataframe_records":[{"delay":1}]}`)
	if a := <-seen; a.Schema != Fits {
		t.Errorf("handed %+v", a)
	}
	s.Signature = []byte(`{"inputs":"a form of tomorrow"}`)
	r.serve("one", s)
	if status, _ := post(t, r.url, `{"dataframe_records":[{"delay":"soon"}]}`); status != 200 || !strings.Contains(r.log.String(), "not held against the signature") {
		t.Errorf("a signature that nobody knows: %d", status)
	}
	<-seen
	s.Signature = signature
	r.serve("one", s)
	wrong.Store(true)
	if status, _ := post(t, r.url, `{"dataframe_records":[{"delay":1}]}`); status != 200 {
		t.Errorf("an answer that does not fit: %d", status)
	}
	if a := <-seen; a.Schema != BadAnswer || !strings.Contains(a.SchemaWhy, "late") {
		t.Errorf("handed %+v", a)
	}
	if c := r.seen(deploy.Stable).Counts; c.Requests != 4 || c.Refused != 1 || c.Schema != 1 || c.Answers != 3 || c.Errors != 0 {
		t.Errorf("counted %+v", c)
	}
}

func TestLimits(t *testing.T) {
	hold := make(chan struct{})
	m := handles(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/hold" {
			select {
			case <-hold:
			case <-r.Context().Done():
			}
		}
	})
	r := to(t, m, Settings{Limits: Limits{Body: 1000, Keep: 100, Arm: 2, ArmQueue: 1, QueueTime: patience}})
	if status, _ := post(t, r.url, strings.Repeat("a", 1001)); status != 413 {
		t.Errorf("a body that is too long: %d", status)
	}
	resp, err := http.Post(r.url, "text/plain", io.MultiReader(strings.NewReader(strings.Repeat("a", 1001)))) // chunked
	if err != nil || resp.StatusCode != 413 {
		t.Errorf("a body that is too long, of a length that is not known: %v, %v", resp, err)
	}
	for _, n := range []int{1000, 99} {
		if status, _ := post(t, r.url, strings.Repeat("a", n)); status != 200 {
			t.Errorf("%d bytes: %d", n, status)
		}
	}
	done := make(chan int, 3)
	for range 3 {
		go func() {
			status, _ := post(t, r.url+"/hold", "{}")
			done <- status
		}()
	}
	until(t, "two are served and one waits", func() bool {
		text, err := r.client.Metrics(t.Context())
		return err == nil && strings.Contains(text, "mlx_router_in_flight{service=\"flights\"} 3\n") && m.asked.Load() == 5
	})
	resp, err = http.Post(r.url, "text/plain", strings.NewReader(""))
	if err != nil || resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("a full queue: %v, %v", resp, err)
	}
	close(hold)
	for range 3 {
		if status := <-done; status != 200 {
			t.Errorf("one that waited: %d", status)
		}
	}

	slow := handles(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // else a server of Go does not see that its client leaves
		<-r.Context().Done()
	})
	r = to(t, slow, Settings{Limits: Limits{Time: 50 * time.Millisecond}})
	if status, text := post(t, r.url, "{}"); status != 504 {
		t.Errorf("a slow server: %d %s", status, text)
	}
	if c := r.seen(deploy.Stable).Counts; c.Errors != 1 {
		t.Errorf("counted %+v", c)
	}
	until(t, "the server is told", func() bool { return slow.last.Load().Context().Err() != nil })
}

// TestSlowBody holds that a client which sends its body a byte a minute does not hold a place for ever.
func TestSlowBody(t *testing.T) {
	r := to(t, answers(t, "1"), Settings{Limits: Limits{Time: 100 * time.Millisecond}})
	s := answers(t, "1").servers()
	s.Signature = []byte(`{"inputs":[{"name":"a","type":"long"}]}`) // the body is read before a server is asked
	r.serve("one", s)
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != 408 && resp.StatusCode != 504 {
		t.Errorf("answered %v, %v", resp, err)
	}
	// Neither does one whose body is passed on as it comes, and the model has no part in it.
	reads := handles(t, func(_ http.ResponseWriter, req *http.Request) { _, _ = io.Copy(io.Discard, req.Body) })
	r = to(t, reads, Settings{Limits: Limits{Time: 100 * time.Millisecond}})
	if conn, err = net.Dial("tcp", strings.TrimPrefix(r.url, "http://")); err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{")
	if resp, err = http.ReadResponse(bufio.NewReader(conn), nil); err != nil || resp.StatusCode != 504 && resp.StatusCode != 408 {
		t.Errorf("answered %v, %v", resp, err)
	}
	until(t, "it is over", func() bool { return r.seen(deploy.Stable).InFlight == 0 })
	if c := r.seen(deploy.Stable).Counts; c.Requests != 1 || c.Errors != 0 {
		t.Errorf("what the client did counts as an error of the model: %+v", c)
	}
}

func TestClientLeaves(t *testing.T) {
	m := handles(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	seen := make(chan Answered, 1)
	r := run(t, Options{Sink: func(a Answered) { seen <- a }})
	r.serve("one", m.servers())
	r.apply(desired(1, 0))
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for m.asked.Load() == 0 {
			time.Sleep(time.Millisecond)
		}
		leave()
	}()
	if _, err := http.DefaultClient.Do(req); !errors.Is(err, context.Canceled) {
		t.Errorf("answered: %v", err)
	}
	if a := <-seen; a.Status != 0 {
		t.Errorf("handed %+v", a)
	}
	if c := r.seen(deploy.Stable).Counts; c.Requests != 1 || c.Errors != 0 || c.Answers != 0 {
		t.Errorf("counted %+v", c)
	}
}

// TestStreams holds that events come as they are sent, and longer than a request may take.
func TestStreams(t *testing.T) {
	for _, kind := range []string{"text/event-stream", "application/x-ndjson", "multipart/x-mixed-replace; boundary=x"} {
		next := make(chan struct{})
		m := handles(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			for i := range 5 {
				fmt.Fprintf(w, "data: %d\n", i)
				_ = http.NewResponseController(w).Flush()
				<-next
			}
		})
		r := to(t, m, Settings{Limits: Limits{Time: 100 * time.Millisecond}})
		resp, err := http.Get(r.url)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(resp.Body)
		for i := range 5 {
			line, err := lines.ReadString('\n')
			if err != nil || line != fmt.Sprintf("data: %d\n", i) { // the server waits until it is here
				t.Fatalf("%s: line %d: %q, %v", kind, i, line, err)
			}
			if i == 2 {
				time.Sleep(150 * time.Millisecond) // longer than Limits.Time
			}
			next <- struct{}{}
		}
		if _, err := lines.ReadString('\n'); err != io.EOF {
			t.Errorf("%s: the end: %v", kind, err)
		}
		resp.Body.Close()
		if c := r.seen(deploy.Stable).Counts; c.Answers != 1 || c.Outputs.High.Count() != 0 {
			t.Errorf("%s: counted %+v", kind, c)
		}
	}
}

// TestChunks holds that an answer whose length nobody knows is passed on bit by bit, too.
func TestChunks(t *testing.T) {
	next := make(chan struct{})
	m := handles(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, "[1")
		_ = http.NewResponseController(w).Flush()
		<-next
		_, _ = io.WriteString(w, ",2]")
		w.Header().Set(http.TrailerPrefix+"X-End", "yes")
	})
	r := to(t, m, Settings{})
	resp, err := http.Get(r.url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	first := make([]byte, 2)
	if _, err := io.ReadFull(resp.Body, first); err != nil || string(first) != "[1" {
		t.Errorf("%q, %v", first, err)
	}
	close(next)
	rest, err := io.ReadAll(resp.Body)
	if err != nil || string(rest) != ",2]" || resp.Trailer.Get("X-End") != "yes" {
		t.Errorf("%q, %v, trailer %v", rest, err, resp.Trailer)
	}
	until(t, "it is counted", func() bool { return r.seen(deploy.Stable).Counts.Outputs.High.Count() == 1 })
}

func TestWebSocket(t *testing.T) {
	m := handles(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "websocket" {
			t.Errorf("no upgrade: %v", r.Header)
		}
		conn, both, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
		line, _ := both.ReadString('\n')
		_, _ = io.WriteString(conn, "heard "+line)
	})
	r := to(t, m, Settings{Limits: Limits{Time: 100 * time.Millisecond}})
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
	lines := bufio.NewReader(conn)
	resp, err := http.ReadResponse(lines, nil)
	if err != nil || resp.StatusCode != 101 {
		t.Fatalf("answered %v, %v", resp, err)
	}
	time.Sleep(150 * time.Millisecond) // longer than Limits.Time
	fmt.Fprint(conn, "hello\n")
	if line, err := lines.ReadString('\n'); err != nil || line != "heard hello\n" {
		t.Errorf("%q, %v", line, err)
	}
	conn.Close()
	until(t, "it is counted", func() bool { return r.seen(deploy.Stable).Counts.Answers == 1 })
}

// TestBigBodies holds that 50 MB go there and back unchanged, and are not held in memory.
func TestBigBodies(t *testing.T) {
	big := bytes.Repeat([]byte("0123456789abcdef"), 50<<20/16)
	m := handles(t, func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).EnableFullDuplex(); err != nil { // it answers while it reads
			t.Error(err)
		}
		w.Header().Set("Content-Type", "image/png")
		_, _ = io.Copy(w, r.Body)
	})
	r := to(t, m, Settings{})
	for name, body := range map[string]io.Reader{"known": bytes.NewReader(big), "chunked": io.MultiReader(bytes.NewReader(big))} {
		resp, err := http.Post(r.url, "image/png", body)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.New()
		n, err := io.Copy(sum, resp.Body)
		resp.Body.Close()
		if want := sha256.Sum256(big); err != nil || n != int64(len(big)) || !bytes.Equal(sum.Sum(nil), want[:]) {
			t.Errorf("%s: %d bytes, %v", name, n, err)
		}
	}
	// A body that a model with a schema would have kept is passed on whole as well.
	s := m.servers()
	s.Signature = []byte(`{"inputs":[{"name":"a","type":"long"}]}`)
	r.serve("one", s)
	resp, err := http.Post(r.url, "application/json", io.MultiReader(bytes.NewReader(big)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil || !bytes.Equal(got, big) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	until(t, "the memory is given back", func() bool {
		text, err := r.client.Metrics(t.Context())
		return err == nil && strings.Contains(text, `mlx_router_kept_bytes{service="flights"} 0`)
	})
}

// certificate writes one for 127.0.0.1, and returns what trusts it.
func certificate(t *testing.T, dir, name string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{"cert": {Type: "CERTIFICATE", Bytes: der}, "key": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(cert)
	return pool
}

// TestTLS holds that HTTP/2 is spoken over TLS, and that a new certificate is used without a start.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	pool := certificate(t, dir, "first")
	m := answers(t, "1")
	r := to(t, m, Settings{TLS: &TLS{Cert: filepath.Join(dir, "cert"), Key: filepath.Join(dir, "key")}})
	ask := func(pool *x509.CertPool) (*http.Response, error) {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
		defer transport.CloseIdleConnections()
		resp, err := (&http.Client{Transport: transport}).Post(r.url, "application/json", strings.NewReader("{}"))
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		return resp, err
	}
	resp, err := ask(pool)
	if err != nil || resp.ProtoMajor != 2 || resp.StatusCode != 200 || m.last.Load().Header.Get("X-Forwarded-Proto") != "https" {
		t.Errorf("answered %v, %v", resp, err)
	}
	second := certificate(t, dir, "second")
	until(t, "the new certificate is used", func() bool {
		resp, err := ask(second)
		return err == nil && resp.TLS.PeerCertificates[0].DNSNames[0] == "second"
	})
	if err := os.WriteFile(filepath.Join(dir, "cert"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	until(t, "somebody is told", func() bool { return strings.Contains(r.log.String(), "the certificate stays the old one") })
	if _, err := ask(second); err != nil {
		t.Errorf("a broken file cuts everybody off: %v", err)
	}
}

// TestH2C holds that HTTP/2 without TLS is spoken on both sides, with trailers as gRPC needs them.
func TestH2C(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status")
		fmt.Fprintf(w, "%s %s %s", r.Proto, body, r.Header.Get("Te"))
		w.Header().Set("Grpc-Status", "0")
	}))
	both := new(http.Protocols)
	both.SetUnencryptedHTTP2(true)
	server.Config.Protocols = both
	server.Start()
	defer server.Close()
	r := run(t, Options{})
	r.serve("one", Servers{Addresses: []string{server.Listener.Addr().String()}, H2C: true})
	r.apply(desired(1, 0))
	transport := &http.Transport{Protocols: both}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+"/inference.GRPCInferenceService/ModelInfer", strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("Te", "trailers")
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || string(text) != "HTTP/2.0 hello trailers" || resp.ProtoMajor != 2 || resp.Trailer.Get("Grpc-Status") != "0" {
		t.Errorf("%s %q, trailer %v, %v", resp.Proto, text, resp.Trailer, err)
	}
}

func TestMetrics(t *testing.T) {
	m := answers(t, "1")
	address := freeAddress(t)
	r := to(t, m, Settings{Metrics: address})
	for range 3 {
		post(t, r.url, "{}")
	}
	resp, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`mlx_router_requests_total{service="flights",role="stable",model="flights@v1",release="one"} 3`,
		`mlx_router_share{service="flights",role="stable",model="flights@v1",release="one"} 1`,
		`mlx_router_latency_seconds_count{service="flights",role="stable",model="flights@v1",release="one"} 3`,
		`mlx_router_latency_seconds_bucket{service="flights",role="stable",model="flights@v1",release="one",le="+Inf"} 3`,
		`mlx_router_generation{service="flights"} 1`,
	} {
		if !strings.Contains(string(text), want+"\n") {
			t.Errorf("no %s", want)
		}
	}
	seen := map[string]bool{}
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		if name, ok := strings.CutPrefix(line, "# TYPE "); ok {
			if name = strings.Fields(name)[0]; seen[name] {
				t.Errorf("%s is described twice", name)
			}
			seen[name] = true
		}
	}
	for _, bad := range []string{"0.0.0.0:0", "192.0.2.1:80", ":9000", "x"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if err := Run(t.Context(), Options{Service: service, State: t.TempDir(), Now: time.Now, Listeners: []net.Listener{l}, Settings: Settings{Metrics: bad}}); err == nil {
			t.Errorf("metrics are shown at %s", bad)
		}
		l.Close()
	}
}

func TestTraces(t *testing.T) {
	bodies := make(chan []byte, 10)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies <- body
	}))
	defer collector.Close()
	m := answers(t, "1")
	r := to(t, m, Settings{Traces: Traces{Endpoint: collector.URL + "/v1/traces", Share: deploy.All}})
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	post(t, r.url, "{}", "Traceparent", parent)
	got := m.last.Load().Header.Get("Traceparent")
	if !strings.HasPrefix(got, parent[:36]) || got == parent {
		t.Errorf("passed on %s", got)
	}
	post(t, r.url, "{}")
	if own := m.last.Load().Header.Get("Traceparent"); len(own) != 55 || own[3:35] == parent[3:35] || !strings.HasSuffix(own, "-01") {
		t.Errorf("made %s", own)
	}
	r.stop() // what is left is sent
	text := string(<-bodies)
	for _, want := range []string{`"traceId":"` + parent[3:35], `"parentSpanId":"` + parent[36:52], `"spanId":"` + got[36:52], `"service.name"`, `"mlx.release"`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
}

func TestSettings(t *testing.T) {
	for name, s := range map[string]Settings{"balance": {Balance: "x"}, "limit": {Limits: Limits{Body: -1}}, "pointer": {Compare: Compare{Pointer: "x"}}, "tolerance": {Compare: Compare{Relative: -1}}} {
		if err := Run(t.Context(), Options{Service: service, State: t.TempDir(), Now: time.Now, Settings: s}); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	var s Settings
	if err := json.Unmarshal([]byte(`{"trusted":["10.0.0.0/8"],"limits":{"time":1000},"sample":{"share":100}}`), &s); err != nil || !s.Trusted[0].Contains(netip.MustParseAddr("10.1.1.1")) {
		t.Errorf("%+v, %v", s, err)
	}
	var long strings.Builder
	for long.Len() < 150 {
		long.WriteString("/a-long-name-of-a-folder")
	}
	r := run(t, Options{State: filepath.Join(t.TempDir(), long.String())}) // longer than the name of a socket may be
	r.apply(desired(1, 0))
}

// TestEarlyAnswers holds that a server which answers before it has read the body costs nobody the next request on the connection.
func TestEarlyAnswers(t *testing.T) {
	m := handles(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnprocessableEntity) })
	for name, address := range map[string]string{"early": m.Listener.Addr().String(), "refused": freeAddress(t)} {
		r := run(t, Options{Settings: Settings{Limits: Limits{Keep: 1}}})
		r.serve("one", Servers{Addresses: []string{address}})
		r.apply(desired(1, 0))
		for _, size := range []int{2, 1000, 200 << 10, 300 << 10, 600 << 10, 2 << 20} {
			body := strings.Repeat("a", size)
			for i := range 10 {
				for kind, reader := range map[string]io.Reader{"known": strings.NewReader(body), "chunked": io.MultiReader(strings.NewReader(body))} {
					resp, err := http.Post(r.url, "text/plain", reader)
					if err != nil {
						t.Fatalf("%s, %s, %d bytes, request %d: %v", name, kind, size, i, err)
					}
					_, _ = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
					if resp.StatusCode != http.StatusUnprocessableEntity && resp.StatusCode != http.StatusBadGateway {
						t.Fatalf("%s, %s, %d bytes: status %d", name, kind, size, resp.StatusCode)
					}
				}
			}
		}
	}
}

// TestSlowReader holds that a client which does not read its answer does not hold a place for ever.
func TestSlowReader(t *testing.T) {
	for _, kind := range []string{"application/octet-stream", "text/event-stream"} {
		t.Run(kind, func(t *testing.T) {
			block := make([]byte, 1<<20)
			m := handles(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", kind)
				for range 64 { // more than the system keeps for somebody who does not read, which it has well before the time is over
					if _, err := w.Write(block); err != nil {
						return
					}
				}
			})
			r := to(t, m, Settings{Limits: Limits{Time: 2 * time.Second}})
			conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			until(t, "the model is asked", func() bool { return m.asked.Load() == 1 })
			until(t, "the place is free again", func() bool {
				text, err := r.client.Metrics(t.Context())
				return err == nil && strings.Contains(text, "mlx_router_in_flight{service=\"flights\"} 0\n") && r.seen(deploy.Stable).InFlight == 0
			})
			if c := r.seen(deploy.Stable).Counts; c.Errors != 0 {
				t.Errorf("what the client did counts as an error of the model: %+v", c)
			}
		})
	}
}

// TestQuietStream holds that a stream may be quiet for longer than a request may take.
func TestQuietStream(t *testing.T) {
	m := handles(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for range 2 {
			_, _ = io.WriteString(w, "data: a\n\n")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(1500 * time.Millisecond)
		}
	})
	r := to(t, m, Settings{Limits: Limits{Time: time.Second}})
	status, text := post(t, r.url, "{}")
	if status != 200 || strings.Count(text, "data: a") != 2 {
		t.Errorf("answered %d %q", status, text)
	}
}

// TestPackedBodies holds that bodies which become long when they are unpacked count as memory, and are not unpacked when there is none.
func TestPackedBodies(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(make([]byte, 1<<20))
	_ = z.Close()
	r := &router{o: Options{Settings: Settings{Limits: Limits{Keep: 2 << 20, KeepAll: 4 << 20}}}}
	req := &http.Request{Header: http.Header{"Content-Encoding": {"gzip"}}}
	b := &body{kept: packed.Bytes(), whole: true}
	if n := len(b.plain(r, req)); n != 1<<20 || r.kept.Load() != 1<<20 || len(b.plain(r, req)) != n {
		t.Errorf("unpacked to %d bytes, and %d count", n, r.kept.Load())
	}
	b.release(r)
	if n := r.kept.Load(); n != 0 {
		t.Errorf("%d bytes count when it is over", n)
	}
	r.kept.Store(4<<20 - 1000)
	if b := (&body{kept: packed.Bytes(), whole: true}); b.plain(r, req) != nil || r.kept.Load() != 4<<20-1000 {
		t.Errorf("unpacked where there was no memory: %d", r.kept.Load())
	}
}

// TestLongHeader holds that what nobody has asked for takes no memory.
func TestLongHeader(t *testing.T) {
	m := answers(t, "1")
	r := to(t, m, Settings{})
	if status, _ := post(t, r.url, "{}", "X-Long", strings.Repeat("a", 60<<10)); status != 200 {
		t.Errorf("a header of 60 KiB: %d", status)
	}
	if status, _ := post(t, r.url, "{}", "X-Long", strings.Repeat("a", 200<<10)); status != 431 || m.asked.Load() != 1 {
		t.Errorf("a header of 200 KiB: %d, and the model was asked %d times", status, m.asked.Load())
	}
}

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"mlx/internal/fault"
)

// hookServer counts what it is asked by Idempotency-Key.
type hookServer struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
	keys   []string
	fail   int // answers 503 so often
}

func newHookServer(t *testing.T, fail int) *hookServer {
	h := &hookServer{fail: fail}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		h.mu.Lock()
		defer h.mu.Unlock()
		h.keys, h.bodies = append(h.keys, r.Header.Get("Idempotency-Key")), append(h.bodies, string(body))
		if h.fail > 0 {
			h.fail--
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(h.Close)
	return h
}

func TestWebRetries(t *testing.T) {
	for _, c := range []struct {
		fail, asked int
		ok          bool
	}{{0, 1, true}, {3, 4, true}, {4, 4, false}} {
		h := newHookServer(t, c.fail)
		var waited []time.Duration
		w := newWeb()
		w.pause = func(_ context.Context, d time.Duration) error { waited = append(waited, d); return nil }
		_, err := w.ask(t.Context(), call{method: http.MethodPost, url: h.URL + "/secret?token=x", header: http.Header{"Idempotency-Key": {"k"}}})
		if (err == nil) != c.ok || len(h.keys) != c.asked || len(waited) != c.asked-1 {
			t.Errorf("fails %d: %v, asked %d, waited %v", c.fail, err, len(h.keys), waited)
		}
		for i := range waited {
			if waited[i] != webPause<<i {
				t.Errorf("waited %v", waited)
			}
		}
		if err != nil && (strings.Contains(err.Error(), "token") || fault.KindOf(err) != fault.Unavailable) {
			t.Error(err)
		}
	}
}

func TestWebRefuses(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"not found": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) },
		"elsewhere": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		},
		"endless": func(w http.ResponseWriter, _ *http.Request) {
			for range 5 {
				_, _ = w.Write(make([]byte, 1<<20))
			}
		},
	} {
		asked := 0
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked++; handler(w, r) }))
		_, err := newWeb().ask(t.Context(), call{method: http.MethodGet, url: s.URL})
		if err == nil || asked != 1 {
			t.Errorf("%s: %v, asked %d", name, err, asked)
		}
		s.Close()
	}
}

// TestWebTellsNoSecret: whatever goes wrong, and whatever a server says, the error has nothing of the address but its server.
func TestWebTellsNoSecret(t *testing.T) {
	says := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = fmt.Fprintf(conn, text, r.URL.Path)
			_ = conn.Close()
		}
	}
	for name, handler := range map[string]http.HandlerFunc{
		"status":   says("HTTP/1.1 404 no %s\r\nContent-Length: 0\r\n\r\n"),
		"location": says("HTTP/1.1 302 Found\r\nLocation: ::%s\r\nContent-Length: 0\r\n\r\n"),
		"short":    says("HTTP/1.1 200 OK\r\nX-Path: %s\r\nContent-Length: 9\r\n\r\n"),
		"garbage":  says("%s\r\n\r\n"),
	} {
		s := httptest.NewServer(handler)
		w := newWeb()
		w.pause = func(context.Context, time.Duration) error { return nil }
		_, err := w.ask(t.Context(), call{method: http.MethodPost, url: s.URL + "/s3cret?token=s3cret"})
		if err == nil || strings.Contains(err.Error(), "s3cret") || !strings.Contains(err.Error(), s.URL+"/…") {
			t.Errorf("%s: %v", name, err)
		}
		s.Close()
	}
}

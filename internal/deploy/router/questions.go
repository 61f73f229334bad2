package router

import (
	"context"
	"encoding/json"
	"io"
	"log/slog" //nolint:depguard // net/http reports what clients do wrong to no other kind of logger
	"net/http"
	"time"
)

// Bounds of those who ask: anybody in a cluster may connect.
const (
	questionTime  = 4 * time.Second
	questionsIdle = 2 * time.Minute
	maxQuestion   = 16 << 10
)

// Questions are what a pod in which a router runs answers on a port of its own: what was counted (/v1/actual is a deploy.Actual), /metrics, whether
// it runs (/healthz), and whether it can work: ready says what is missing, "" for nothing. More may be added to the ServeMux; nothing that is asked there changes anything.
func Questions(c *Client, ready func(context.Context) string, log *slog.Logger) (*http.Server, *http.ServeMux) {
	unavailable := func(w http.ResponseWriter, why string) { http.Error(w, why, http.StatusServiceUnavailable) }
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/actual", func(w http.ResponseWriter, req *http.Request) {
		a, err := c.Actual(req.Context())
		if err != nil {
			unavailable(w, err.Error())
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(a) // the other side may be gone
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, req *http.Request) {
		text, err := c.Metrics(req.Context())
		if err != nil {
			unavailable(w, err.Error())
			return
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_, _ = io.WriteString(w, text) // the other side may be gone
	})
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {}) // 200: it runs
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, req *http.Request) {
		if why := ready(req.Context()); why != "" {
			unavailable(w, why)
		}
	})
	return &http.Server{Handler: mux, ReadHeaderTimeout: questionTime, IdleTimeout: questionsIdle, MaxHeaderBytes: maxQuestion,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}, mux // what clients do wrong need nobody see
}

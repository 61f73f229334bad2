package router

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"

	"mlx/internal/deploy"
	"mlx/internal/deploy/folder"
	"mlx/internal/fault"
)

const (
	controlFile = "control.sock"
	maxControl  = 4 << 20 // bytes of what is said to it
)

// control is the socket that is told what to do.
type control struct {
	server *http.Server
	r      *router
	done   func()
}

// listenControl takes the place of the socket of the router before, whole and at once.
func (r *router) listenControl() (*control, error) {
	name := controlFile + "." + strconv.FormatInt(r.me, 36)
	path, done, err := folder.SocketPath(r.o.State, name)
	if err != nil {
		return nil, fault.New(fault.Unavailable, "cannot open the control socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err == nil {
		l.(*net.UnixListener).SetUnlinkOnClose(false)
		err = errors.Join(os.Chmod(filepath.Join(r.o.State, name), 0o600), os.Rename(filepath.Join(r.o.State, name), filepath.Join(r.o.State, controlFile)))
	}
	if err != nil {
		done()
		return nil, fault.New(fault.Unavailable, "cannot open the control socket: %w", err)
	}
	c := &control{r.o.listen(&http.Server{Handler: r.controls()}), r, done}
	go func() { _ = c.server.Serve(l) }() // ends with close
	return c, nil
}

// close leaves the socket to a router that has taken over.
func (c *control) close() {
	_ = c.server.Close()
	if c.r.owner() {
		_ = os.Remove(filepath.Join(c.r.o.State, controlFile)) // there may be none
	}
	c.done()
}

func (r *router) controls() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /v1/desired", func(w http.ResponseWriter, req *http.Request) {
		var d deploy.Desired
		r.reply(w, decode(w, req, &d, func() error { return r.apply(d) }))
	})
	mux.HandleFunc("PUT /v1/servers/{key}", func(w http.ResponseWriter, req *http.Request) {
		var s Servers
		r.reply(w, decode(w, req, &s, func() error { return r.serve(req.PathValue("key"), s) }))
	})
	mux.HandleFunc("PUT /v1/lease", func(w http.ResponseWriter, req *http.Request) {
		var lease struct{ Generation uint64 }
		r.reply(w, decode(w, req, &lease, func() error { return r.renew(lease.Generation) }))
	})
	mux.HandleFunc("GET /v1/actual", func(w http.ResponseWriter, req *http.Request) {
		a, err := r.observe(req.Context())
		if err != nil {
			r.reply(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(a) // the other side may be gone
	})
	mux.HandleFunc("POST /v1/drain", func(w http.ResponseWriter, _ *http.Request) {
		r.reply(w, nil)
		r.endDrain.Do(func() { close(r.drain) })
	})
	mux.HandleFunc("GET /metrics", r.serveMetrics)
	return mux
}

func decode(w http.ResponseWriter, req *http.Request, to any, do func() error) error {
	text, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxControl))
	if err == nil {
		err = json.Unmarshal(text, to)
	}
	if err != nil {
		return fault.New(fault.Usage, "cannot read what is asked: %w", err)
	}
	return do()
}

// controlError is what the socket answers to what it refuses.
type controlError struct {
	Error      string `json:"error"`
	Generation uint64 `json:"generation"` // that is in force
}

func (r *router) reply(w http.ResponseWriter, err error) {
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	status := http.StatusInternalServerError
	var known *fault.Error
	switch {
	case errors.Is(err, deploy.ErrStale):
		status = http.StatusConflict
	case errors.Is(err, errReverted):
		status = http.StatusGone
	case errors.As(err, &known):
		status = known.Kind.Row().HTTP
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(controlError{err.Error(), r.table.Load().desired.Generation}) // the other side may be gone
}

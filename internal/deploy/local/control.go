//go:build unix

package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Bounds of what a supervisor reads.
const (
	maxArmsText = 1 << 20
	maxReplicas = 1000
)

// control answers those who ask the supervisor, on a socket that only this user can connect to.
func (s *supervisor) control(ctx context.Context) (*http.Server, error) {
	l, err := listenUnix(ctx, s.o.Dir, socketName)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /running", func(w http.ResponseWriter, _ *http.Request) { answer(w, s.running()) })
	mux.HandleFunc("PUT /arms", func(w http.ResponseWriter, r *http.Request) {
		a, err := readArms(http.MaxBytesReader(w, r.Body, maxArmsText))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if err := s.want(ctx, a); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		answer(w, s.running())
	})
	mux.HandleFunc("POST /upgrade", func(w http.ResponseWriter, r *http.Request) {
		if err := s.plane.upgrade(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		answer(w, s.running())
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	go func() {
		if err := server.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			s.o.log("the supervisor cannot be asked any more: %v", err)
		}
	}()
	return server, nil
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // who does not get it asks again
}

func readArms(body interface{ Read([]byte) (int, error) }) (Arms, error) {
	var a Arms
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	if err := d.Decode(&a); err != nil {
		return Arms{}, err
	}
	seen := map[string]bool{}
	for _, w := range a.Arms {
		switch {
		case len(w.Release.Key) < 12 || seen[w.Release.Key]:
			return Arms{}, fmt.Errorf("%q is the key of no release, or of two", w.Release.Key)
		case w.Replicas < 0 || w.Replicas > maxReplicas:
			return Arms{}, fmt.Errorf("%d is no number of servers", w.Replicas)
		}
		seen[w.Release.Key] = true
	}
	return a, nil
}

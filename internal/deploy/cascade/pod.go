package cascade

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/fault"
)

// Pod is a plan whose stages have servers that somebody else keeps running: containers of one pod, each of which listens on a port of 127.0.0.1.
type Pod struct {
	Plan  Plan       `json:"plan"`
	Ports []int      `json:"ports"` // of the server of each stage
	Ready [][]string `json:"ready"` // of each: paths, one of which tells with 200 that it can work
}

// ReadPod reads the plan of a pod, and refuses one that nobody can follow.
func ReadPod(text []byte) (Pod, error) {
	bad := func(err error) (Pod, error) {
		return Pod{}, fault.New(fault.Usage, "cannot answer by stages: the plan of the pod: %w", err)
	}
	if len(text) > maxPlan {
		return bad(errors.New("it is longer than any plan"))
	}
	var p Pod
	if err := json.Unmarshal(text, &p); err != nil {
		return bad(err)
	}
	if err := p.Plan.check(); err != nil {
		return bad(err)
	}
	if len(p.Ports) != len(p.Plan.Stages) || len(p.Ready) != len(p.Plan.Stages) {
		return bad(errors.New("it does not say of each stage where it is"))
	}
	for i, s := range p.Plan.Stages {
		switch {
		case s.List != nil:
			return bad(fmt.Errorf("stage %q has a list, and no pod has its file", s.Name))
		case p.Ports[i] < 1 || p.Ports[i] > 65535 || len(p.Ready[i]) == 0:
			return bad(fmt.Errorf("stage %q is nowhere", s.Name))
		}
	}
	return p, nil
}

// Times of the questions whether a stage is ready.
const (
	probeSoon  = 200 * time.Millisecond // while it is not
	probeEvery = time.Second
	probeTime  = 3 * time.Second
	probeMost  = 3 // so many questions in a row that a stage does not answer: it is not ready
)

// Neighbours are the servers of the stages of a pod, as they are found ready.
type Neighbours struct {
	pod    Pod
	client *http.Client
	states []neighbour
}

type neighbour struct {
	ready   atomic.Bool
	trouble atomic.Pointer[string]
}

// NewNeighbours asks nothing yet.
func NewNeighbours(p Pod) *Neighbours {
	n := &Neighbours{pod: p, client: newClient(true), states: make([]neighbour, len(p.Ports))}
	for i := range n.states {
		text := "its server has not answered yet"
		n.states[i].trouble.Store(&text)
	}
	return n
}

// Address is where the server of a stage is; empty: it is not ready.
func (n *Neighbours) Address(i int) string {
	if !n.states[i].ready.Load() {
		return ""
	}
	return n.address(i)
}

func (n *Neighbours) address(i int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(n.pod.Ports[i]))
}

// Trouble is why the server of a stage is not ready.
func (n *Neighbours) Trouble(i int) string { return *n.states[i].trouble.Load() }

// Watch asks all of them, again and again, until the context is over.
func (n *Neighbours) Watch(ctx context.Context) {
	var all sync.WaitGroup
	for i := range n.states {
		all.Go(func() { n.watch(ctx, i) })
	}
	all.Wait()
	n.client.CloseIdleConnections()
}

func (n *Neighbours) watch(ctx context.Context, i int) {
	state, misses := &n.states[i], 0
	for {
		err := n.ask(ctx, i)
		wait := probeEvery
		if err == nil {
			misses = 0
			state.ready.Store(true)
		} else {
			text := err.Error()
			state.trouble.Store(&text)
			var gone *net.OpError
			if misses++; misses >= probeMost || errors.As(err, &gone) && gone.Op == "dial" {
				state.ready.Store(false)
			}
			wait = probeSoon
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// ask asks one of them; an error is why it is not ready.
func (n *Neighbours) ask(ctx context.Context, i int) (err error) {
	ctx, end := context.WithTimeout(ctx, probeTime)
	defer end()
	for _, path := range n.pod.Ready[i] {
		var req *http.Request
		if req, err = http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.address(i)+path, nil); err != nil {
			return err
		}
		var answer *http.Response
		if answer, err = n.client.Do(req); err != nil {
			return err
		}
		if err = answer.Body.Close(); answer.StatusCode == http.StatusOK {
			return err
		}
		err = fmt.Errorf("its server answers %s at %s", answer.Status, path)
	}
	return err
}

// Stats tells whoever looks after the pod how the stages are: at /ready/N whether that of number N can work, at /v1/stages what all have answered.
func (n *Neighbours) Stats(c *Cascade) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /ready/{stage}", func(w http.ResponseWriter, req *http.Request) {
		i, err := strconv.Atoi(req.PathValue("stage"))
		switch {
		case err != nil || i < 0 || i >= len(n.states):
			http.Error(w, "there is no such stage", http.StatusNotFound)
		case !n.states[i].ready.Load():
			http.Error(w, n.Trouble(i), http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("GET /v1/stages", func(w http.ResponseWriter, _ *http.Request) {
		all := c.Counts()
		for i := range all {
			if all[i].Ready = 1; !n.states[i].ready.Load() {
				all[i].Ready, all[i].Trouble = 0, n.Trouble(i)
			}
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(struct { // who has gone asks again
			Stages []deploy.SeenStage `json:"stages"`
		}{all})
	})
	return mux
}

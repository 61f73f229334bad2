// Package tracking hides the MLflow REST dialect: which routes a client of the 1.x to 3.x series calls, in which form it wants
// each answer and each error, and how that becomes runs and versions of models. Nothing here is a second truth: what a client tells
// lies in the folder of a run until the run ends, and in the ledger then, and every answer is folded from these.
package tracking

import (
	"context"
	"net/http"
	"sync"
	"time"

	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/registry"
	"mlx/internal/run"
	"mlx/internal/snapshot"
)

// Options say what is served, and to whom.
type Options struct {
	Runner   run.Runner // records runs; Runs and Tmp are its folders
	History  run.History
	Registry registry.Registry
	Ledger   *lineage.Ledger
	Store    *snapshot.Store
	Now      func() time.Time
	Dir      string   // folder for what is not in the ledger yet: uploads, logged models; survives a crash
	Base     run.Body // what runs that begin here have in common: code, machine, folder, process

	Token string   // what clients must show; empty: nothing
	Hosts []string // names, beside those of the loopback, that a request may be for

	// Joined is the run that clients are part of, when they are processes of its command: the first run that one of them
	// begins is that run. Zero: each begins a run of its own.
	Joined func() object.Digest
	// Peer says what is known of the process that has made a connection, from its address to that of the endpoint; nil: nothing.
	Peer func(client, server string) Peer
	// Allow refuses a move of a version that the policy does not allow. nil allows all.
	Allow func(ctx context.Context, v *registry.Version, to registry.Stage) ([]registry.Evidence, error)
	// Fetch brings a version that is not in the store from elsewhere. nil: there is no elsewhere.
	Fetch func(ctx context.Context, root object.Digest) error
	// Trouble is told of what a client cannot be told; may be nil.
	Trouble func(error)
}

// Peer is a process that speaks to the endpoint.
type Peer struct {
	PID    int
	Parent int
	Rank   int  // of a distributed run; -1: none
	Worker bool // of joblib or multiprocessing: part of the program that started it
}

// Server answers clients. It is an http.Handler; Close records what is not recorded yet.
type Server struct {
	o           Options
	mux         *http.ServeMux
	woken       sync.Once
	live        live
	join        join
	experiments experiments
	creating    sync.Mutex // of experiments
	rows        rows
	present     sync.Map // object.Digest of versions that are in the store

	sums        sums
	models      models
	registering locks
	cache       registry.Cache
	traces      traces
	evalsets    locks
}

// New makes a server. It opens nothing and reads nothing yet: a script that never calls costs nothing.
func New(o Options) *Server {
	s := &Server{o: o, cache: registry.Cache{Registry: o.Registry}}
	s.live.runs, s.live.most = map[string]*held{}, maxHeld
	s.experiments.o, s.rows.o = &s.o, &s.o
	s.mux = s.routes()
	return s
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := s.guard(r); err != nil {
		writeError(w, err)
		return
	}
	s.woken.Do(func() { s.wake(context.WithoutCancel(r.Context())) })
	if !s.bytes(w, r) {
		s.mux.ServeHTTP(w, r)
	}
}

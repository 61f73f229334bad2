package meter

import (
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"time"

	"mlx/internal/deploy/router"
)

// breaks counts requests that got no answer, because there was no connection to the server or it broke.
type breaks struct {
	mu   sync.Mutex
	n    int64
	more chan struct{} // closed when there is another one
}

func newBreaks() *breaks { return &breaks{more: make(chan struct{})} }

// hear notes what became of a request. It is a router.Sink.
func (b *breaks) hear(a router.Answered) {
	if a.Role != "" || a.Status != http.StatusBadGateway {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.n++
	close(b.more)
	b.more = make(chan struct{})
}

func (b *breaks) now() (n int64, more <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.n, b.more
}

// brokenWait is how long somebody waits for news: proxies on the way keep a question for longer.
const brokenWait = 10 * time.Second

// Broken is what a meter says of the requests that got no answer from its server, since it was started.
type Broken struct {
	Broken int64 `json:"broken"`
}

// broken answers as soon as there are others than the number that whoever asks knows of.
func (m *meter) broken(w http.ResponseWriter, req *http.Request) {
	known, err := strconv.ParseInt(req.PathValue("known"), 10, 64)
	if err != nil {
		http.Error(w, "how many are known is a number", http.StatusBadRequest)
		return
	}
	defer m.listening.Add(-1)
	if m.listening.Add(1) > maxWaiting {
		http.Error(w, "too many wait already", http.StatusServiceUnavailable)
		return
	}
	n, more := m.breaks.now()
	if n == known {
		over := time.NewTimer(brokenWait)
		defer over.Stop()
		select {
		case <-more:
		case <-over.C:
		case <-m.ending:
		case <-req.Context().Done():
			return
		}
		n, _ = m.breaks.now()
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(Broken{n}) // the other side may be gone
}

package meter

import (
	"context"
	"fmt"
	"io"
	"mlx/internal/deploy/router"
	"net"
	"net/http"
	"time"
)

const (
	probeTime = 4 * time.Second
	// notTold is how long somebody waits for the end of a pod that was not told to end: only its server is being started again.
	notTold = 2 * time.Second
	// maxWaiting bounds who waits for the end at once.
	maxWaiting = 16
)

func newProbe() *http.Client {
	return &http.Client{
		Timeout:       probeTime,
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// newServer answers on the port of the meter itself. Nothing that is asked there changes anything.
func (m *meter) newServer() *http.Server {
	server, mux := router.Questions(m.client, m.missing, m.o.Log)
	mux.HandleFunc("GET /v1/broken/{known}", m.broken)
	mux.HandleFunc("GET /drained", m.waitDrained)
	return server
}

// missing is what the probe of a pod asks: why its server cannot work, "" if it can. It is not counted, as a request to the server itself would be.
func (m *meter) missing(ctx context.Context) string {
	select {
	case <-m.ending:
		return "the pod is ending"
	default:
	}
	if !m.routed.Load() {
		return "the meter has not begun"
	}
	return m.ask(ctx)
}

// ask says what is missing at the server, "" for nothing.
func (m *meter) ask(ctx context.Context) string {
	if len(m.o.Settings.Ready) == 0 {
		c, err := (&net.Dialer{Timeout: probeTime}).DialContext(ctx, "tcp", m.target())
		if err != nil {
			return "nothing listens on the port of the server"
		}
		_ = c.Close() // it was opened to see that it can be
		return ""
	}
	said := ""
	for _, path := range m.o.Settings.Ready {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+m.target()+path, nil)
		if err != nil {
			return fmt.Sprintf("%s is no path", path)
		}
		resp, err := m.probe.Do(req)
		if err != nil {
			return "nothing answers on the port of the server"
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16)) // what it says does not matter
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return ""
		}
		if said != "" {
			said += ", "
		}
		said += fmt.Sprintf("%s answers %d", path, resp.StatusCode)
	}
	return said
}

// waitDrained answers when the pod was told to end and the last request is answered. It is what the server of the pod waits for before it is
// told to end: without that it would leave the requests behind that the meter still passes on.
func (m *meter) waitDrained(w http.ResponseWriter, req *http.Request) {
	defer m.waiting.Add(-1)
	if m.waiting.Add(1) > maxWaiting {
		http.Error(w, "too many wait already", http.StatusServiceUnavailable)
		return
	}
	told := time.NewTimer(notTold)
	defer told.Stop()
	select {
	case <-m.ending:
	case <-told.C:
		return
	case <-req.Context().Done():
		return
	}
	select {
	case <-m.drained:
	case <-req.Context().Done():
	}
}

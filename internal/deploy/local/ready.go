//go:build unix

package local

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// probeEvery is how often a server that is not ready is asked.
const probeEvery = 50 * time.Millisecond

// probe asks a server until it says that it can work, and tells at which address.
func (s *server) probe(ctx context.Context, port int, ready chan<- string) {
	paths := Probes(s.release.Model)
	if p := s.release.Serve.Ready; p != "" {
		paths = []string{"/" + strings.TrimPrefix(p, "/")}
	}
	address := loopback(port)
	client := &http.Client{
		Timeout:       5 * time.Second,
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	every := time.NewTicker(probeEvery)
	defer every.Stop()
	for {
		why := ask(ctx, client, address, paths)
		if why == "" {
			ready <- address
			return
		}
		if ctx.Err() != nil {
			return
		}
		s.mu.Lock()
		s.trouble = why
		s.mu.Unlock()
		select {
		case <-every.C:
		case <-ctx.Done():
			return
		}
	}
}

// isLine says whether a server tells in words why it is not ready.
func isLine(said string) bool {
	const most = 500
	return said != "" && len(said) <= most && !strings.ContainsAny(said, "\n\r") && said[0] != '<' && said[0] != '{'
}

const nothingListens = "nothing listens on its port: a server listens on port $PORT of 127.0.0.1"

// ask says what is missing, "" for nothing.
func ask(ctx context.Context, client *http.Client, address string, paths []string) string {
	answers := make([]string, 0, len(paths))
	for _, p := range paths {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+p, nil)
		if err != nil {
			return fmt.Sprintf("%s is no path", p)
		}
		resp, err := client.Do(req)
		if err != nil {
			return nothingListens
		}
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<16)) // only why it is not ready matters
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return ""
		}
		if said := strings.TrimSpace(string(text)); resp.StatusCode == http.StatusServiceUnavailable && len(paths) == 1 && isLine(said) {
			return said
		}
		answers = append(answers, fmt.Sprintf("%s answers %d", p, resp.StatusCode))
	}
	if len(paths) > 1 {
		return strings.Join(answers, ", ") + ": name its path as ready in mlx.yaml"
	}
	return answers[0]
}

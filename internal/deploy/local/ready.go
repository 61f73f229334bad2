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

// probes are the paths at which servers say that they can work, in the order in which they are tried: Open Inference Protocol v2
// (KServe, MLServer, Triton), Kubernetes's words (BentoML), MLflow and TorchServe, vLLM and TGI, TensorFlow Serving.
func probes(model string) []string {
	return []string{"/v2/health/ready", "/v2/models/" + model + "/ready", "/readyz", "/ping", "/health", "/v1/models/" + model}
}

// probe asks a server until it says that it can work, and tells at which address.
func (s *server) probe(ctx context.Context, port int, ready chan<- string) {
	paths := probes(s.release.Model)
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
		s.missing(ctx, why)
		select {
		case <-every.C:
		case <-ctx.Done():
			return
		}
	}
}

// silent is what is missing while nobody answers at all.
const silent = "nothing listens on its port: a server listens on port $PORT of 127.0.0.1"

// missing notes what a process lacks that runs. Why the one before it ended says more than that this one is silent yet.
func (s *server) missing(ctx context.Context, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil {
		return // it has ended, and is not asked any more
	}
	if s.lacks = why; why != silent || s.restarts == 0 {
		s.trouble = why
	}
}

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
			return silent
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16)) // what it says does not matter
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return ""
		}
		answers = append(answers, fmt.Sprintf("%s answers %d", p, resp.StatusCode))
	}
	if len(paths) > 1 {
		return strings.Join(answers, ", ") + ": name its path as ready in mlx.yaml"
	}
	return answers[0]
}

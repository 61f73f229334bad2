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

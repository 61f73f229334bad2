package gate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"mlx/internal/fault"
)

// Times of a server that mlx starts.
const (
	serveTime = 2 * time.Minute // to be ready, when the gate names no longer timeout
	serveLook = 50 * time.Millisecond
)

// served is the model of a gate as it is served: by a server that was started here, or at an address.
type served struct {
	base   string  // http://127.0.0.1:PORT
	server *Server // nil for an address
}

func (s *served) stop() {
	if s.server != nil {
		s.server.Stop()
	}
}

// serving is the address of the gate's model. The first check that asks starts the server; it is stopped when the gate is judged.
func (s *session) serving(ctx context.Context, about Subject, r Rule) (string, error) {
	if s.asking.served != nil {
		return s.asking.served.base, s.alive(r)
	}
	m := s.spec.Model
	if m.URL != "" {
		if about.World.Allow == nil {
			return "", s.wrong(r, "no address can be contacted here")
		}
		if err := about.World.Allow(ctx, m.URL); err != nil {
			return "", fault.New(fault.KindOf(err), "cannot judge %s: %w", s.spec.Name, err).In(r.At)
		}
		s.asking.served = &served{base: m.URL}
		return m.URL, nil
	}
	if about.World.Serve == nil {
		return "", s.wrong(r, "no server can be started here")
	}
	server, err := about.World.Serve(ctx, Call{Command: m.Serve, Files: s.laidOut(), File: s.spec.At.File, GPU: s.asksGPU()})
	if err != nil {
		return "", fault.New(fault.KindOf(err), "cannot judge %s: %w", s.spec.Name, err).In(r.At)
	}
	s.asking.served = &served{base: "http://" + server.Address, server: server}
	if err := s.ready(ctx, r); err != nil {
		server.Stop()
		s.asking.served = nil
		return "", err
	}
	return s.asking.served.base, nil
}

// asksGPU says whether a rule is about the GPUs.
func (s *session) asksGPU() bool {
	return slices.ContainsFunc(s.spec.Rules, func(r Rule) bool { return r.Kind == "measure" && strings.HasPrefix(r.Name, "gpu") })
}

// alive says whether the server that was started still runs.
func (s *session) alive(r Rule) error {
	server := s.asking.served.server
	if server == nil {
		return nil
	}
	if reply, over := server.Ended(); over {
		return s.wrong(r, "%s", endedBadly(fmt.Sprintf("the server %q", s.spec.Model.Serve), reply))
	}
	return nil
}

// ready waits until the server can work: the path that the gate or its protocol names answers 200, or the port is open.
func (s *session) ready(ctx context.Context, r Rule) error {
	m := s.spec.Model
	p, err := protocolOf(*m)
	if err != nil {
		return s.wrong(r, "%v", err)
	}
	path := p.ready
	if m.Ready != "" {
		path = "/" + strings.TrimPrefix(m.Ready, "/")
	}
	limit := max(serveTime, m.Timeout)
	waiting, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	client := askClient(5 * time.Second)
	defer client.CloseIdleConnections()
	look := time.NewTicker(serveLook)
	defer look.Stop()
	for {
		why := s.isReady(waiting, client, path)
		if why == nil {
			return nil
		}
		select {
		case <-look.C:
		case <-waiting.Done():
			if ctx.Err() != nil {
				return ctx.Err()
			}
			err := s.wrong(r, "the server %q was not ready after %s: %v", m.Serve, limit, why)
			if said := lastLines(s.asking.served.server.Errors(), 3); said != "" {
				return err.Hint("it said: %s", said)
			}
			return err.Hint("it must listen on port $PORT of 127.0.0.1")
		}
		if err := s.alive(r); err != nil {
			return err
		}
	}
}

// isReady asks once. The error says what is missing.
func (s *session) isReady(ctx context.Context, client *http.Client, path string) error {
	address := s.asking.served.server.Address
	if path == "" {
		c, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", address)
		if err != nil {
			return errors.New("nothing listens on its port")
		}
		return c.Close()
	}
	u := url.URL{Scheme: "http", Host: address}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String()+path, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return errors.New("nothing answers on its port")
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %d", path, resp.StatusCode)
	}
	return nil
}

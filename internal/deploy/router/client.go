package router

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/deploy/folder"
	"mlx/internal/fault"
)

// ErrReverted says that a lease cannot be renewed: the candidate has lost its traffic, and gets it back by a new generation only.
var ErrReverted = errReverted

// Client talks to the router of a state folder, whichever process that is at the moment.
type Client struct {
	http *http.Client
}

const maxAnswer = 32 << 20

// NewClient connects when it is first asked.
func NewClient(state string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		path, done, err := folder.SocketPath(state, controlFile)
		if err != nil {
			return nil, err
		}
		defer done()
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
	// Each request has a connection of its own: the router behind the name may be another one by the next.
	return &Client{&http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}, Timeout: 30 * time.Second}}
}

// Apply asks for a state, which lasts once Apply returns. deploy.ErrStale: the router has obeyed that generation, or a later one.
func (c *Client) Apply(ctx context.Context, d deploy.Desired) error {
	return c.tell(ctx, http.MethodPut, "/v1/desired", d)
}

// Serve says by which servers a release is served. Servers without an address: by none any more.
func (c *Client) Serve(ctx context.Context, key string, s Servers) error {
	if !keyForm.MatchString(key) {
		return fault.New(fault.Usage, "cannot name the servers: %.140q is no key of a release", key)
	}
	return c.tell(ctx, http.MethodPut, "/v1/servers/"+key, s)
}

// Renew says that the candidate of a generation may keep its traffic for another lease. deploy.ErrStale: another generation is in force.
// ErrReverted: it has lost it.
func (c *Client) Renew(ctx context.Context, generation uint64) error {
	return c.tell(ctx, http.MethodPut, "/v1/lease", map[string]uint64{"generation": generation})
}

// Drain ends the router once the requests under way are answered. It does not wait for that.
func (c *Client) Drain(ctx context.Context) error {
	return c.tell(ctx, http.MethodPost, "/v1/drain", struct{}{})
}

// Actual tells what is so.
func (c *Client) Actual(ctx context.Context) (deploy.Actual, error) {
	var a deploy.Actual
	text, err := c.ask(ctx, http.MethodGet, "/v1/actual", nil)
	if err != nil {
		return a, err
	}
	if err := json.Unmarshal(text, &a); err != nil {
		return a, fault.New(fault.Integrity, "cannot read what the router says: %w", err)
	}
	return a, nil
}

// Metrics is the text that Prometheus reads.
func (c *Client) Metrics(ctx context.Context) (string, error) {
	text, err := c.ask(ctx, http.MethodGet, "/metrics", nil)
	return string(text), err
}

func (c *Client) tell(ctx context.Context, method, path string, what any) error {
	body, err := json.Marshal(what)
	if err != nil {
		return fault.New(fault.Usage, "cannot write what is asked of the router: %w", err)
	}
	_, err = c.ask(ctx, method, path, body)
	return err
}

func (c *Client) ask(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://router"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fault.New(fault.Unavailable, "cannot ask the router: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fault.New(fault.Unavailable, "cannot ask the router: %w", err)
	}
	if resp.StatusCode < 300 {
		return text, nil
	}
	return nil, refusedBy(resp.StatusCode, text)
}

// refusedBy makes an error of what the router answered.
func refusedBy(status int, text []byte) error {
	var said controlError
	if json.Unmarshal(text, &said) != nil {
		said.Error = strings.TrimSpace(string(text[:min(len(text), 200)]))
	}
	switch status {
	case http.StatusConflict:
		return fmt.Errorf("%w: the router obeys generation %d", deploy.ErrStale, said.Generation)
	case http.StatusGone:
		return ErrReverted
	case http.StatusBadRequest:
		return fault.New(fault.Usage, "%w", errors.New(said.Error))
	}
	return fault.New(fault.Unavailable, "%w", errors.New(said.Error))
}

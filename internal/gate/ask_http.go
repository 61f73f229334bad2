package gate

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"mlx/internal/fault"
)

// Bounds of asking over HTTP.
const (
	askAnswerMost = 64 << 20 // bytes of the answer to one request
	askDial       = 10 * time.Second
)

// protocol is how a served model is spoken to.
type protocol struct {
	path   func(name string) string // below the address
	ready  string                   // path that answers 200 when the server can work; empty: as soon as it listens
	encode func(f *askFrame) ([]byte, error)
	decode func(body []byte) ([]answer, error)
}

func protocolOf(m Model) (protocol, error) {
	switch m.Protocol {
	case "v2":
		return protocol{func(name string) string { return "/v2/models/" + url.PathEscape(name) + "/infer" }, "/v2/health/ready", encodeV2, decodeV2}, nil
	case "mlflow":
		return protocol{func(string) string { return "/invocations" }, "/ping", encodeMLflow, decodePredictions}, nil
	case "", "json":
		return protocol{jsonPath, "", encodeInstances, decodePredictions}, nil
	}
	return protocol{}, fmt.Errorf("protocol %q is none of v2, mlflow, json", m.Protocol)
}

// jsonPath is that of TensorFlow Serving and KServe when the model has a name.
func jsonPath(name string) string {
	if name != "" {
		return "/v1/models/" + url.PathEscape(name) + ":predict"
	}
	return "/predict"
}

// httpAsker asks a served model.
type httpAsker struct {
	client   *http.Client
	address  string
	protocol protocol
}

// newHTTPAsker makes the asker of the model at an address. An address with a path is taken as it is.
func newHTTPAsker(m Model, base string) (*httpAsker, error) {
	p, err := protocolOf(m)
	if err != nil {
		return nil, fault.New(fault.Usage, "%w", err)
	}
	address, err := endpoint(base, p.path(m.Name))
	if err != nil {
		return nil, err
	}
	return &httpAsker{client: askClient(cmp.Or(m.Timeout, askTime)), address: address, protocol: p}, nil
}

func endpoint(base, path string) (string, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", fault.New(fault.Usage, "%q is no address of a model such as http://127.0.0.1:8080", withoutSecrets(base))
	}
	if p := strings.Trim(u.Path, "/"); p == "" {
		u.Path, u.RawPath = "", ""
		return u.String() + path, nil
	}
	return u.String(), nil
}

// withoutSecrets is an address without user, password and query.
func withoutSecrets(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "the address"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

// askClient asks one request after the other.
func askClient(timeout time.Duration) *http.Client {
	return straight(timeout, &http.Transport{})
}

// straight is a client that goes nowhere but to the address: no proxy, no redirect.
func straight(timeout time.Duration, t *http.Transport) *http.Client {
	t.DialContext = (&net.Dialer{Timeout: askDial}).DialContext
	return &http.Client{
		Timeout: timeout, Transport: t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (h *httpAsker) ask(ctx context.Context, rows *askFrame) ([]answer, error) {
	body, err := h.protocol.encode(rows)
	if err != nil {
		return nil, err
	}
	status, got, err := h.post(ctx, body)
	if err != nil {
		return nil, err
	}
	if err := badStatus(status, got); err != nil {
		return nil, err
	}
	answers, err := h.protocol.decode(got)
	if err != nil {
		return nil, refused("status %d with an answer that cannot be read: %w", status, err)
	}
	return answers, nil
}

func (h *httpAsker) post(ctx context.Context, body []byte) (status int, got []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.address, bytes.NewReader(body))
	if err != nil {
		return 0, nil, fault.New(fault.Usage, "%w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	resp, err := h.client.Do(req)
	if err != nil {
		return 0, nil, fault.New(fault.Unavailable, "%w", unreached(err))
	}
	defer resp.Body.Close()
	got, err = io.ReadAll(io.LimitReader(resp.Body, askAnswerMost+1))
	if err != nil {
		return 0, nil, fault.New(fault.Unavailable, "status %d, and the answer broke off: %w", resp.StatusCode, unreached(err))
	}
	if len(got) > askAnswerMost {
		return 0, nil, refused("status %d with an answer of more than %d bytes", resp.StatusCode, askAnswerMost)
	}
	return resp.StatusCode, got, nil
}

// unreached takes the address out of an error: it may hold a password.
func unreached(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		if u.Timeout() {
			return errors.New("it took too long")
		}
		return u.Err
	}
	return err
}

// badStatus is the error for a status that is no answer, with the beginning of what came with it.
func badStatus(status int, body []byte) error {
	switch {
	case status >= 200 && status < 300:
		return nil
	case status >= 300 && status < 400:
		return fault.New(fault.Denied, "status %d: it sends the rows elsewhere, and nobody allowed that address", status)
	}
	text := fmt.Sprintf("status %d %s", status, http.StatusText(status))
	if said := lastLines(body[:min(len(body), 4096)], 3); said != "" {
		text += ": " + said
	}
	return refused("%s", text)
}

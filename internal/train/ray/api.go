package ray

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"mlx/internal/fault"
)

// Bounds of what is read from the API, and of what it is given time for.
const (
	maxReply   = 8 << 20
	maxTrouble = 4 << 10
	callTime   = 60 * time.Second
	tries      = 4
)

// api speaks HTTP with the dashboard of Ray.
type api struct {
	base   string
	token  func() string
	client *http.Client
	name   string // of the backend
}

func newAPI(o Options) (api, error) {
	u, err := url.Parse(o.Backend.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return api{}, fault.New(fault.Usage, "cannot use the backend %s: its url %q is no address of a Ray dashboard", o.Backend.Name, o.Backend.URL).
			Hint("mlx config set backends.%s.url http://HEAD:8265   # the address that ray start prints", o.Backend.Name)
	}
	a := api{base: strings.TrimSuffix(u.String(), "/"), token: o.Token, client: o.Client, name: o.Backend.Name}
	if a.client == nil {
		a.client = &http.Client{}
	}
	// A redirect could carry the token to somebody else.
	c := *a.client
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	a.client = &c
	return a, nil
}

// refusal is an answer of the API that is not 2xx.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string {
	text := r.text
	if text == "" {
		text = http.StatusText(r.status)
	}
	return "Ray answers " + text
}

// call is one request.
type call struct {
	method, path string
	body         func() (io.ReadCloser, int64, error) // nil is none
	kind         string                               // of the body
	once         bool                                 // it must not be repeated
	stream       bool                                 // the answer has no end that could be waited for
}

// do makes a request, again where that is harmless and may help. The caller closes the answer, which is a good one.
func (a api) do(ctx context.Context, c call) (*http.Response, error) {
	var last error
	for n := range tries {
		if n > 0 {
			select {
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			case <-time.After(time.Duration(n*n) * 200 * time.Millisecond):
			}
		}
		resp, err := a.try(ctx, c)
		if err == nil {
			return resp, nil
		}
		last = err
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		var r *refusal
		if c.once || errors.As(err, &r) && r.status != 502 && r.status != 503 && r.status != 504 {
			break
		}
	}
	return nil, a.blame(last)
}

func (a api) try(ctx context.Context, c call) (*http.Response, error) {
	cancel := context.CancelFunc(func() {})
	if !c.stream {
		ctx, cancel = context.WithTimeout(ctx, callTime)
	}
	req, err := a.request(ctx, c)
	if err != nil {
		cancel()
		return nil, err
	}
	resp, err := a.client.Do(req)
	if err != nil {
		cancel()
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
		resp.Body.Close()
		cancel()
		return nil, &refusal{resp.StatusCode, brief(string(text))}
	}
	resp.Body = &ending{resp.Body, cancel}
	return resp, nil
}

func (a api) request(ctx context.Context, c call) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, c.method, a.base+c.path, nil)
	if err != nil {
		return nil, err
	}
	if c.body != nil {
		if req.Body, req.ContentLength, err = c.body(); err != nil {
			return nil, err
		}
		req.Header.Set("Content-Type", c.kind)
	}
	req.Header.Set("User-Agent", "mlx")
	if a.token != nil {
		if t := a.token(); t != "" {
			req.Header.Set("Authorization", "Bearer "+t)
		}
	}
	return req, nil
}

// ending ends the context of a request with its answer.
type ending struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (e *ending) Close() error {
	defer e.cancel()
	return e.ReadCloser.Close()
}

// brief is what a person needs of an answer: of an object its message, and of a Python traceback the last line, which says what is wrong.
func brief(text string) string {
	text = strings.TrimSpace(text)
	var reply struct{ Msg string }
	if json.Unmarshal([]byte(text), &reply) == nil && reply.Msg != "" {
		text = strings.TrimSpace(reply.Msg)
	}
	if strings.HasPrefix(text, "Traceback") || strings.Contains(text, "\nTraceback") {
		lines := strings.Split(text, "\n")
		text = lines[len(lines)-1]
	}
	text, _, _ = strings.Cut(text, "\n")
	return text[:min(len(text), maxTrouble)]
}

// blame says whose trouble it is: ours, the network's, or Ray's.
func (a api) blame(err error) error {
	var r *refusal
	switch {
	case !errors.As(err, &r):
		return fault.New(fault.Unavailable, "cannot reach Ray at %s: %w", a.base, err).
			Hint("mlx backend check %s   # is the cluster up, is the port forwarded?", a.name)
	case r.status == http.StatusUnauthorized || r.status == http.StatusForbidden:
		return fault.New(fault.Denied, "cannot use Ray at %s: %w", a.base, err).
			Hint("export RAY_AUTH_TOKEN=…   # the token of the cluster")
	case r.status == http.StatusNotFound:
		return fault.New(fault.NotFound, "cannot use Ray at %s: %w", a.base, err)
	case r.status == http.StatusBadRequest || r.status == http.StatusRequestEntityTooLarge:
		return fault.New(fault.Conflict, "cannot use Ray at %s: %w", a.base, err)
	}
	return fault.New(fault.Unavailable, "cannot use Ray at %s: %w", a.base, err)
}

// get reads a JSON answer.
func (a api) get(ctx context.Context, path string, v any) error {
	resp, err := a.do(ctx, call{method: http.MethodGet, path: path})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxReply)).Decode(v); err != nil {
		return fault.New(fault.Unavailable, "cannot read what Ray at %s answers: %w", a.base, err)
	}
	return nil
}

// post sends JSON, once: what it asks for may have been done although the answer is lost.
func (a api) post(ctx context.Context, path string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	body := func() (io.ReadCloser, int64, error) {
		return io.NopCloser(bytes.NewReader(text)), int64(len(text)), nil
	}
	resp, err := a.do(ctx, call{method: http.MethodPost, path: path, body: body, kind: "application/json", once: true})
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// missing says that the API knows no such thing.
func missing(err error) bool {
	var r *refusal
	return errors.As(err, &r) && r.status == http.StatusNotFound
}

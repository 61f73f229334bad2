package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"mlx/internal/drift"
	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/repo"
)

// Times of telling a server.
const (
	webTime  = 30 * time.Second // one attempt
	webTries = 4
	webPause = 500 * time.Millisecond // before the second attempt; twice as long before each further one
	webMost  = 30 * time.Second       // that a server may ask for
	webReply = 4 << 20
)

// web asks one server, several times where it is not there or asks for patience.
type web struct {
	client *http.Client
	pause  func(ctx context.Context, d time.Duration) error
}

func newWeb() web {
	return web{
		// A redirection would send the answer, and what gives access, to an address that nobody has allowed.
		client: &http.Client{Timeout: webTime, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		pause: func(ctx context.Context, d time.Duration) error {
			t := time.NewTimer(d)
			defer t.Stop()
			select {
			case <-t.C:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		},
	}
}

// call is a question to a server.
type call struct {
	method, url string
	header      http.Header
	body        []byte
	public      bool // the path of the address is no secret
}

// shown is the address in messages and records.
func (c call) shown() string {
	if c.public {
		return shownURL(c.url)
	}
	return repo.ShownServer(c.url)
}

// ask returns the body of an answer of 200 to 299. Errors hold no part of the address that could be secret.
func (w web) ask(ctx context.Context, c call) ([]byte, error) {
	wait := webPause
	for try := 1; ; try++ {
		body, again, err := w.once(ctx, c)
		if err == nil || again < 0 || try == webTries || ctx.Err() != nil {
			return body, err
		}
		if err := w.pause(ctx, min(max(wait, again), webMost)); err != nil {
			return nil, err
		}
		wait *= 2
	}
}

// once asks one time. again is negative where another attempt would be answered alike; else the pause that the server asks for.
func (w web) once(ctx context.Context, c call) (body []byte, again time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, c.method, c.url, bytes.NewReader(c.body))
	if err != nil {
		return nil, -1, fault.New(fault.Usage, "%s is no address", c.shown())
	}
	if c.header != nil {
		req.Header = c.header.Clone()
	}
	resp, err := w.client.Do(req)
	if err != nil {
		return nil, 0, fault.New(fault.Unavailable, "%s cannot be reached: %w", c.shown(), unreached(err))
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, webReply+1))
	switch code := resp.StatusCode; {
	case code >= 200 && code < 300 && err == nil && len(body) <= webReply:
		return body, -1, nil
	case code >= 200 && code < 300 && err == nil:
		return nil, -1, fault.New(fault.Unavailable, "%s answers with more than %d bytes", c.shown(), webReply)
	case code >= 200 && code < 300:
		return nil, 0, fault.New(fault.Unavailable, "%s stopped in the middle of its answer", c.shown())
	case code == http.StatusRequestTimeout || code == http.StatusTooEarly || code == http.StatusTooManyRequests || code >= 500:
		if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s > 0 && s < 3600 {
			again = time.Duration(s) * time.Second
		}
	default:
		again = -1
	}
	kind := fault.Unavailable
	if resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden {
		kind = fault.Denied
	}
	said := strings.TrimSpace(fmt.Sprint(resp.StatusCode, " ", http.StatusText(resp.StatusCode))) // what else it says could be anything
	return nil, again, fault.New(kind, "%s answers %s", c.shown(), said)
}

// unreached is why a server could not be asked, without the address, which url.Error names, and without the words of a server, which other
// errors quote.
func unreached(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var network net.Error
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &network) || errors.As(err, &certificate) || errors.Is(err, io.EOF) || errors.Is(err, context.Canceled) ||
		errors.Is(err, http.ErrSchemeMismatch) {
		return err
	}
	return errors.New("it does not answer as a web server does")
}

// payload is the answer as a program gets it.
func (x *acting) payload() ([]byte, error) {
	v := driftViewOf([]driftTold{{Record: x.rec.ID, At: x.rec.At, Answer: x.answer, New: true, Written: x.monitor.At}})
	return json.Marshal(v)
}

// webhookDeed posts the answer to an address. The server knows by the key what it was told before.
type webhookDeed struct{ plain }

func (d *webhookDeed) ready(ctx context.Context) outcome {
	u, err := url.Parse(d.action.Of)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return failedBefore(fault.New(fault.Usage, "webhook of %s is no address that begins with https://", d.name))
	}
	return d.plain.ready(ctx)
}

// do counts once with a server that keeps to Idempotency-Key, however often it is asked.
func (d *webhookDeed) do(ctx context.Context, key object.Digest) outcome {
	body, err := d.payload()
	if err != nil {
		return failedBefore(err)
	}
	header := http.Header{"Content-Type": {"application/json"}, "User-Agent": {userAgent}, "Idempotency-Key": {key.Hex()}}
	if _, err := newWeb().ask(ctx, call{method: http.MethodPost, url: d.action.Of, header: header, body: body}); err != nil {
		return failedBefore(err)
	}
	return outcome{state: drift.ActionSucceeded}
}

const userAgent = "mlx"

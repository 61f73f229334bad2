package source

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"mlx/internal/fault"
)

const (
	firstPause  = 300 * time.Millisecond
	longPause   = 20 * time.Second
	maxPause    = 2 * time.Minute // that a server may ask for
	maxRedirect = 10
)

// newClient makes a client that takes bytes as they are and follows no redirection to a weaker place.
func newClient(rt http.RoundTripper) *http.Client {
	if rt == nil {
		t := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // the standard library's own type
		t.DisableCompression = true
		t.ResponseHeaderTimeout = 2 * time.Minute
		rt = t
	}
	return &http.Client{Transport: rt, CheckRedirect: func(req *http.Request, via []*http.Request) error {
		from := via[len(via)-1].URL
		switch {
		case len(via) >= maxRedirect:
			return fault.New(fault.Unavailable, "more than %d redirections", maxRedirect)
		case req.URL.Scheme != "https" && req.URL.Scheme != "http":
			return fault.New(fault.Denied, "it redirects to %s:, which is no place on the web", req.URL.Scheme)
		case from.Scheme == "https" && req.URL.Scheme == "http":
			return fault.New(fault.Denied, "it redirects from https to http, where anybody may change the bytes").
				Hint("mlx import %s   # if you accept that", Plain(req.URL.String()))
		}
		req.Header.Del("Referer") // it would tell the next host the signature of this one
		return nil
	}}
}

// web brings one file by http or https.
func (f *Fetcher) web(ctx context.Context, q Request) (Result, error) {
	d := download{f: f, url: q.Source.given}
	if len(q.Pins) == 1 && q.Pins[0].Name == "" {
		d.known = q.Pins[0]
	}
	var err error
	if d.out, err = newPart(q.Dest, f.o.Progress); err != nil {
		return Result{}, err
	}
	defer d.out.f.Close()
	if err := d.run(ctx); err != nil {
		return Result{}, err
	}
	if d.unchanged {
		return Result{Pins: q.Pins}, nil
	}
	pin := Pin{Bytes: d.out.n, ETag: d.first.etag, Modified: d.first.modified}
	if pin.Digest, err = d.out.finish(true); err != nil {
		return Result{}, err
	}
	return Result{Changed: pin.Digest != d.known.Digest || len(q.Pins) == 0, Pins: []Pin{pin}}, nil
}

// state is how a server described the bytes.
type state struct {
	etag, modified string
	total          int64 // -1: it did not say
	sha256, md5    string
}

// download is one file, over as many connections as it takes.
type download struct {
	f         *Fetcher
	url       string
	known     Pin
	out       *part
	first     *state // of the answer that the bytes so far came from
	unchanged bool
	pause     time.Duration // that the server asked for
}

// errAgain marks what may work at the next try.
type errAgain struct{ error }

func (e errAgain) Unwrap() error { return e.error }

func (d *download) run(ctx context.Context) error {
	for tries := 1; ; tries++ {
		before := d.out.n
		err := d.attempt(ctx)
		var again errAgain
		if err == nil || ctx.Err() != nil || !errors.As(err, &again) {
			return err
		}
		if d.out.n > before {
			tries = 1
		}
		if tries >= d.f.o.Retries {
			return fault.New(fault.Unavailable, "after %d tries: %w", tries, again.error)
		}
		if err := d.f.o.Wait(ctx, d.delay(tries)); err != nil {
			return err
		}
	}
}

// delay doubles with every try, and is random so that many clients do not come back at once.
func (d *download) delay(tries int) time.Duration {
	if d.pause > 0 {
		p := min(d.pause, maxPause)
		d.pause = 0
		return p
	}
	long := min(firstPause<<min(tries, 10), longPause)
	return long/2 + rand.N(long/2) //nolint:gosec // no secret
}

func (d *download) attempt(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	req, err := d.request(ctx)
	if err != nil {
		return err
	}
	resp, err := d.f.client.Do(req)
	if err != nil {
		return lost(err)
	}
	defer resp.Body.Close()
	wanted, err := d.answer(resp)
	if err != nil || !wanted {
		return err
	}
	stalled := errors.New("no byte came for " + d.f.o.Stall.String())
	watch := time.AfterFunc(d.f.o.Stall, func() { cancel(stalled) })
	defer watch.Stop()
	_, err = io.CopyBuffer(struct{ io.Writer }{d.out}, &watched{resp.Body, watch, d.f.o.Stall}, make([]byte, 1<<18))
	switch {
	case errors.Is(err, errDisk):
		return err
	case err != nil && errors.Is(context.Cause(ctx), stalled):
		return errAgain{stalled}
	case err != nil:
		return errAgain{d.cut(err)}
	}
	return d.check()
}

type watched struct {
	r     io.Reader
	timer *time.Timer
	after time.Duration
}

func (w *watched) Read(b []byte) (int, error) {
	n, err := w.r.Read(b)
	w.timer.Reset(w.after)
	return n, err
}

func (d *download) cut(err error) error {
	if d.first.total >= 0 {
		return fmt.Errorf("the connection broke after %d of %d bytes: %w", d.out.n, d.first.total, err)
	}
	return fmt.Errorf("the connection broke after %d bytes: %w", d.out.n, err)
}

// check compares what came with what was announced.
func (d *download) check() error {
	switch s := d.first; {
	case s.total >= 0 && d.out.n < s.total:
		return errAgain{d.cut(io.ErrUnexpectedEOF)}
	case s.total >= 0 && d.out.n > s.total:
		return fault.New(fault.Integrity, "%d bytes came, %d were announced", d.out.n, s.total)
	case s.sha256 != "" && s.sha256 != base64.StdEncoding.EncodeToString(d.out.sha.Sum(nil)):
		return fault.New(fault.Integrity, "the bytes have not the SHA-256 that the server announced")
	case s.md5 != "" && s.md5 != base64.StdEncoding.EncodeToString(d.out.md5.Sum(nil)):
		return fault.New(fault.Integrity, "the bytes have not the MD5 that the server announced")
	}
	return nil
}

func (d *download) request(ctx context.Context) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url, http.NoBody)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return nil, fault.New(fault.Usage, "it is no URL: %w", err)
	}
	req.Header.Set("Accept-Encoding", "identity")
	req.Header.Set("User-Agent", "mlx")
	if d.out.n > 0 {
		if v := d.first.validator(); v != "" {
			req.Header.Set("Range", fmt.Sprintf("bytes=%d-", d.out.n))
			req.Header.Set("If-Range", v)
			return req, nil
		}
		if err := d.out.reset(); err != nil {
			return nil, err
		}
		d.first = nil
	}
	if d.known.ETag != "" {
		req.Header.Set("If-None-Match", d.known.ETag)
	} else if d.known.Modified != "" {
		req.Header.Set("If-Modified-Since", d.known.Modified)
	}
	return req, nil
}

// validator is what proves that a second answer is of the same bytes.
func (s *state) validator() string {
	if s.etag != "" {
		if strings.HasPrefix(s.etag, "W/") {
			return ""
		}
		return s.etag
	}
	return s.modified
}

// answer reads the head of an answer. It reports whether its body is wanted.
func (d *download) answer(resp *http.Response) (bool, error) {
	now := stateOf(resp)
	switch resp.StatusCode {
	case http.StatusNotModified:
		if d.known.Digest.IsZero() {
			return false, fault.New(fault.Unavailable, "the server says that nothing changed, and nobody asked")
		}
		d.unchanged = true
		return false, nil
	case http.StatusOK:
		return d.whole(now)
	case http.StatusPartialContent:
		return true, d.rest(resp, now)
	case http.StatusRequestedRangeNotSatisfiable:
		if d.out.n > 0 {
			return false, errChanged()
		}
	}
	return false, d.refused(resp)
}

func errChanged() error {
	return fault.New(fault.Unavailable, "it changed while it was read, so nothing of it was kept")
}

// whole takes all bytes from the beginning.
func (d *download) whole(now *state) (bool, error) {
	if d.first != nil && d.out.n > 0 {
		if now.etag != d.first.etag || now.modified != d.first.modified || now.total != d.first.total {
			return false, errChanged()
		}
		if err := d.out.reset(); err != nil { // it cannot go on in the middle
			return false, err
		}
	}
	d.first = now
	seen := Pin{Bytes: now.total, ETag: now.etag, Modified: now.modified}
	if now.etag != "" { // some servers change the time with every copy of the same file
		seen.Modified = d.known.Modified
	}
	if !d.known.Digest.IsZero() && seen.same(d.known) {
		d.unchanged = true // it does not know conditions, but what it says of the bytes is the same
		return false, nil
	}
	if now.total >= 0 {
		d.f.o.Progress.SetTotal(now.total)
	}
	return true, nil
}

// rest takes the bytes that are missing, if they belong to the same whole.
func (d *download) rest(resp *http.Response, now *state) error {
	var from, to, total int64
	if n, err := fmt.Sscanf(resp.Header.Get("Content-Range"), "bytes %d-%d/%d", &from, &to, &total); err != nil || n != 3 || d.first == nil || d.out.n == 0 {
		return fault.New(fault.Unavailable, "the server sent a part that was not asked for")
	}
	if from != d.out.n || d.first.total >= 0 && total != d.first.total || now.etag != d.first.etag && now.etag != "" ||
		now.modified != d.first.modified && now.modified != "" {
		return errChanged()
	}
	d.first.total = total
	return nil
}

// refused is the error for a status that is no answer.
func (d *download) refused(resp *http.Response) error {
	text := "the server answers " + resp.Status
	switch code := resp.StatusCode; {
	case code == http.StatusUnauthorized || code == http.StatusForbidden || code == http.StatusProxyAuthRequired:
		return fault.New(fault.Denied, "%s", text)
	case code == http.StatusNotFound || code == http.StatusGone:
		return fault.New(fault.NotFound, "%s", text)
	case code == http.StatusRequestTimeout || code == http.StatusTooEarly || code == http.StatusTooManyRequests || code >= 500:
		if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s > 0 {
			d.pause = min(time.Duration(s), time.Hour/time.Second) * time.Second
		}
		return errAgain{errors.New(text)}
	default:
		return fault.New(fault.Unavailable, "%s", text)
	}
}

// lost tells a connection that may come back from an answer that will not change.
func lost(err error) error {
	var e *fault.Error
	if errors.As(err, &e) {
		return err // of a redirection
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // it names the URL with what gives access
	}
	for _, final := range []string{"x509:", "certificate", "unsupported protocol scheme", "no such host"} {
		if strings.Contains(err.Error(), final) {
			return fault.New(fault.Unavailable, "%w", err)
		}
	}
	return errAgain{err}
}

func stateOf(resp *http.Response) *state {
	s := &state{etag: short(resp.Header.Get("ETag")), modified: short(resp.Header.Get("Last-Modified")), total: resp.ContentLength}
	if s.etag == "" && tooFresh(resp) {
		s.modified = ""
	}
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Encoding") != "" {
		return s
	}
	s.md5 = resp.Header.Get("Content-MD5")
	for _, v := range append(resp.Header.Values("Repr-Digest"), resp.Header.Values("Digest")...) {
		for word := range strings.SplitSeq(v, ",") {
			name, sum, _ := strings.Cut(strings.TrimSpace(word), "=")
			if strings.EqualFold(name, "sha-256") {
				s.sha256 = strings.Trim(sum, ":")
			}
		}
	}
	for _, v := range resp.Header.Values("X-Goog-Hash") {
		for word := range strings.SplitSeq(v, ",") {
			if sum, ok := strings.CutPrefix(strings.TrimSpace(word), "md5="); ok {
				s.md5 = sum
			}
		}
	}
	return s
}

// tooFresh reports whether the bytes are so new that they may change again within the same second, which the time of a
// server would not tell.
func tooFresh(resp *http.Response) bool {
	modified, err1 := http.ParseTime(resp.Header.Get("Last-Modified"))
	now, err2 := http.ParseTime(resp.Header.Get("Date"))
	return err1 == nil && err2 == nil && now.Sub(modified) < 2*time.Second
}

// short drops a tag that is too long to be kept: without it the bytes are compared.
func short(s string) string {
	if len(s) > 1024 {
		return ""
	}
	return s
}

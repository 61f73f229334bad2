package cascade

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"syscall"
	"time"
)

// Bounds of what is held in memory.
const (
	maxBody   = 256 << 20 // of one request
	maxBodies = 1 << 30   // of all requests that are being answered
	maxAnswer = 16 << 20  // of an answer that is looked at; a longer one passes through, where it is the last word
)

// Times of the connections to servers of stages.
const (
	idleTime  = 1500 * time.Millisecond // servers close connections that rest, and must not do so when one is used again
	awaitMost = 10 * time.Second        // a stage that has had no server for so long is not waited for
	awaitEach = 2 * time.Millisecond
	mayChange = 100 * time.Millisecond // a process that has ended has been seen to by then
)

// errLate is the cause of a stage whose deadline is over.
var errLate = errors.New("its deadline is over")

// newClient makes a client; one that is not to keep connections asks each time on a new one.
func newClient(keep bool) *http.Client {
	return &http.Client{
		Transport: &http.Transport{MaxIdleConns: 4096, MaxIdleConnsPerHost: 512, IdleConnTimeout: idleTime, DisableCompression: true,
			DisableKeepAlives: !keep, DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// refusal is an error that the client has to mend, or can do nothing about.
type refusal struct {
	status int
	why    string
}

func (e *refusal) Error() string { return e.why }

func statusOf(err error) int {
	var bad *refusal
	if errors.As(err, &bad) {
		return bad.status
	}
	return http.StatusBadRequest
}

// read reads a request whole. free lets go of what is held of it.
func (c *Cascade) read(w http.ResponseWriter, req *http.Request) (body []byte, free func(), err error) {
	held := int64(0)
	free = func() { c.held.Add(-held) }
	take := func(n int64) bool {
		held += n
		return c.held.Add(n) <= maxBodies
	}
	var b bytes.Buffer
	if n := req.ContentLength; n > 0 && n <= maxBody {
		if !take(n) {
			return nil, free, &refusal{http.StatusServiceUnavailable, "too much is being answered already"}
		}
		b.Grow(int(n) + bytes.MinRead)
	}
	from := http.MaxBytesReader(w, req.Body, maxBody)
	for err == nil {
		_, err = io.CopyN(&b, from, 64<<10)
		if more := int64(b.Len()) - held; more > 0 && !take(more) {
			return nil, free, &refusal{http.StatusServiceUnavailable, "too much is being answered already"}
		}
	}
	var long *http.MaxBytesError
	switch {
	case errors.Is(err, io.EOF):
		return b.Bytes(), free, nil
	case errors.As(err, &long):
		return nil, free, &refusal{http.StatusRequestEntityTooLarge, fmt.Sprintf("the request is longer than %d bytes", maxBody)}
	}
	return nil, free, &refusal{http.StatusBadRequest, "the request did not come whole"}
}

// plain unpacks a body. What comes of it counts as held until free is called: a short request may be packed of a very long one.
func (c *Cascade) plain(coding string, body []byte) (text []byte, free func(), err error) {
	held := int64(0)
	free = func() { c.held.Add(-held) }
	switch coding {
	case "", "identity":
		return body, free, nil
	case "gzip":
	default:
		return nil, free, &refusal{http.StatusUnsupportedMediaType, "requests packed with " + coding + " are not read here"}
	}
	z, err := gzip.NewReader(bytes.NewReader(body))
	var b bytes.Buffer
	for err == nil && b.Len() <= maxBody {
		room := int64(min(max(b.Len(), 64<<10), maxBody+1-b.Len())) // a buffer grows to twice of what it has
		held += room
		if c.held.Add(room) > maxBodies {
			return nil, free, &refusal{http.StatusServiceUnavailable, "too much is being answered already"}
		}
		_, err = io.CopyN(&b, z, room)
	}
	if !errors.Is(err, io.EOF) || b.Len() > maxBody {
		return nil, free, &refusal{http.StatusBadRequest, "the request is not packed as it says, or too long"}
	}
	return b.Bytes(), free, nil
}

// reply is what a stage has answered. Of a list that does not know a request all is empty.
type reply struct {
	stage  int
	status int
	header http.Header
	body   []byte
	stream io.ReadCloser // what is to come; nil: body is all
	cancel func()        // ends the stream
	err    error         // it is no answer
	late   bool
}

// close lets go of an answer that nobody wants.
func (r *reply) close() {
	if r == nil || r.stream == nil {
		return
	}
	_ = r.stream.Close() // it is not wanted
	if r.cancel != nil {
		r.cancel()
	}
}

// hop are the headers that belong to a connection.
func hop() []string {
	return []string{"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}
}

// give passes an answer on as it is.
func (r *reply) give(w http.ResponseWriter, stages string) {
	defer r.close()
	for name, values := range r.header {
		w.Header()[name] = values
	}
	for _, name := range hop() {
		w.Header().Del(name)
	}
	w.Header().Set(StageHeader, stages)
	if r.stream == nil {
		w.Header().Set("Content-Length", fmt.Sprint(len(r.body)))
	}
	w.WriteHeader(r.status)
	if _, err := w.Write(r.body); err != nil || r.stream == nil {
		return // who asked is gone, or has all
	}
	control := http.NewResponseController(w)
	buffer := make([]byte, 32<<10)
	for {
		_ = control.Flush() // a server that writes at once is passed on at once
		n, err := r.stream.Read(buffer)
		if _, writeErr := w.Write(buffer[:n]); writeErr != nil || errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			panic(http.ErrAbortHandler) // it cannot be taken for whole
		}
	}
}

// fail answers a request whose stage has failed: with its own words, if it had some.
func (r *reply) fail(w http.ResponseWriter, name string) {
	switch {
	case r.status >= http.StatusInternalServerError:
		r.give(w, name)
	case r.late:
		r.close()
		refuse(w, http.StatusGatewayTimeout, "stage "+name+": its deadline is over")
	default:
		r.close()
		refuse(w, http.StatusBadGateway, "stage "+name+" has failed")
	}
}

// refuse answers in place of a stage.
func refuse(w http.ResponseWriter, status int, why string) {
	w.Header().Set("Content-Type", "application/json")
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(status)
	_, _ = w.Write(problem(why)) // the client may be gone
}

func problem(why string) []byte {
	text, _ := json.Marshal(map[string]string{"error": why}) // strings only
	return append(text, '\n')
}

// send asks the server of a stage. One that refuses has seen nothing, and is asked again when it is there; one that breaks is asked again once if
// that does no harm, and once more where the first time was on a connection that had been used before.
func (a asking) send(ctx context.Context, s *stage) *reply {
	client, rested := a.client, "" // the server that broke a connection that had been used before
	for broke := false; ; {
		address, err := a.await(ctx, s)
		if err != nil {
			return &reply{stage: s.number, err: err}
		}
		r, reused := a.once(ctx, s, address, client)
		switch {
		case r.err == nil || ctx.Err() != nil:
			return r
		case errors.Is(r.err, syscall.ECONNREFUSED):
		case broke || !a.o.Plan.Idempotent || rested != "" && rested != address:
			return r
		case reused:
			rested, client = address, a.fresh
			continue // the connection may have been closed while it rested, as may others
		default: // also one that ends: it breaks the connections that it has, and then those that wait for it
			broke, client = true, a.fresh
		}
		a.awaitChange(ctx, s, address)
	}
}

// await is where a stage can be asked: at once, or as soon as it has started again.
func (a asking) await(ctx context.Context, s *stage) (string, error) {
	for {
		if address := a.o.Address(s.number); address != "" {
			s.without.Store(0)
			return address, nil
		}
		// Who asks after a long rest does not know whether it had a server meanwhile.
		now := a.o.Now().UnixNano()
		if last := s.looked.Swap(now); time.Duration(now-last) > awaitMost {
			s.without.Store(now)
		}
		if !s.without.CompareAndSwap(0, now) && time.Duration(now-s.without.Load()) > awaitMost {
			return "", fmt.Errorf("it has no server: %s", a.o.Trouble(s.number))
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("it has no server: %s", a.o.Trouble(s.number))
		case <-time.After(awaitEach):
		}
	}
}

// awaitChange waits until it is seen that the server of an address has ended, for a moment.
func (a asking) awaitChange(ctx context.Context, s *stage, address string) {
	over := time.NewTimer(mayChange)
	defer over.Stop()
	for a.o.Address(s.number) == address {
		select {
		case <-ctx.Done():
			return
		case <-over.C:
			return
		case <-time.After(awaitEach):
		}
	}
}

// once asks a server one time. reused: on a connection that had been used before.
func (a asking) once(ctx context.Context, s *stage, address string, client *http.Client) (_ *reply, reused bool) {
	bad := func(err error) *reply { return &reply{stage: s.number, err: err} }
	to := *a.req.URL
	to.Scheme, to.Host = "http", address
	if s.Path != "" {
		to.Path, to.RawPath = s.Path, ""
	}
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused }})
	req, err := http.NewRequestWithContext(traced, a.req.Method, to.String(), bytes.NewReader(a.body))
	if err != nil {
		return bad(err), false
	}
	req.Header, req.Host = a.req.Header.Clone(), a.req.Host
	for _, name := range hop() {
		req.Header.Del(name)
	}
	req.Header.Del("Accept-Encoding") // what it says is looked at
	req.Header.Del("Expect")
	resp, err := client.Do(req)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return bad(err), reused
	}
	r := &reply{stage: s.number, status: resp.StatusCode, header: resp.Header}
	if streams(resp) {
		r.stream = resp.Body
		return r, reused
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	r.body = text
	switch {
	case err != nil:
		_ = resp.Body.Close() // it broke
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return bad(err), reused
	case len(text) == maxAnswer: // there may be more
		r.stream = resp.Body
	default:
		_ = resp.Body.Close() // it was read whole
	}
	return r, reused
}

// streams says whether an answer comes bit by bit, and may have no end.
func streams(resp *http.Response) bool {
	kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return err == nil && (kind == "text/event-stream" || kind == "application/x-ndjson" || strings.HasPrefix(kind, "multipart/"))
}

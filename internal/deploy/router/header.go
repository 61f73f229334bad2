package router

import (
	"encoding/hex"
	"math/rand/v2"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"strings"

	"mlx/internal/deploy/router/internal/trace"
)

// The headers that the router adds, and reads.
const (
	idHeader     = "X-Request-Id"
	shadowHeader = "X-Mlx-Shadow" // of a copy: its answer goes to nobody
	stageHeader  = "X-Mlx-Stage"  // of an answer: the stages that have made it, as a server that has some says
)

const maxID = 128

// requestID is that of the client if it sent a sound one.
func requestID(req *http.Request) string {
	if id := req.Header.Get(idHeader); id != "" && len(id) <= maxID && sound(id) {
		return id
	}
	var b [16]byte
	for i := range 2 {
		v := rand.Uint64()
		for k := range 8 {
			b[i*8+k] = byte(v >> (8 * k))
		}
	}
	return hex.EncodeToString(b[:])
}

func sound(id string) bool {
	for i := range len(id) {
		c := id[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_' && c != '.' && c != ':' && c != '/' && c != '+' && c != '=' {
			return false
		}
	}
	return true
}

// wellFormed refuses what could be sent to no server, and would be taken for a failure of one: net/http lets it in.
func wellFormed(req *http.Request) bool {
	if !token(req.Method) {
		return false
	}
	for name := range req.Trailer {
		if !token(name) {
			return false
		}
	}
	return true
}

// token is a word of HTTP, RFC 9110 section 5.6.2.
func token(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// rewrite makes the request that servers get.
func (r *router) rewrite(p *httputil.ProxyRequest) {
	x := exchangeOf(p.In.Context())
	p.Out.URL.Scheme, p.Out.URL.Host = "http", "server" // once says which
	p.Out.Host = p.In.Host
	p.Out.Header.Set(idHeader, x.id)
	p.Out.Header.Del(shadowHeader) // only copies have it
	trusted := r.trusts(p.In.RemoteAddr)
	if trusted {
		p.Out.Header["X-Forwarded-For"] = p.In.Header["X-Forwarded-For"]
	}
	p.SetXForwarded()
	if trusted {
		for _, name := range []string{"X-Forwarded-Proto", "X-Forwarded-Host"} {
			if v := p.In.Header.Get(name); v != "" {
				p.Out.Header.Set(name, v)
			}
		}
	}
	if x.r.spans != nil {
		p.Out.Header.Set(trace.Header, x.span.String())
	}
}

// trusts: what a proxy at this address says of its client is believed.
func (r *router) trusts(remote string) bool {
	if len(r.o.Settings.Trusted) == 0 {
		return false
	}
	address, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false
	}
	for _, p := range r.o.Settings.Trusted {
		if p.Contains(address.Addr().Unmap()) {
			return true
		}
	}
	return false
}

// startSpan goes on with the trace of the client, or begins one.
func (x *exchange) startSpan() {
	parent, ok := trace.Parse(x.req.Header.Get(trace.Header))
	if ok {
		x.parent = parent
	}
	switch {
	case x.r.spans == nil:
		x.span = parent // passed on as it came
	case ok:
		x.span = parent.Child()
	default:
		x.span = trace.New(sampledTrace(x))
	}
}

func sampledTrace(x *exchange) bool {
	return Bucket("trace", x.id) < int(x.r.o.Settings.Traces.Share)
}

func (x *exchange) endSpan() {
	if x.r.spans == nil || !x.span.Sampled {
		return
	}
	facts := []trace.Fact{
		trace.Text("http.request.method", x.req.Method), trace.Text("url.path", x.req.URL.Path), trace.Number("http.response.status_code", int64(x.status)),
		trace.Text("mlx.request_id", x.id),
	}
	if x.by != nil {
		facts = append(facts, trace.Text("mlx.role", string(x.by.Role)), trace.Text("mlx.release", x.by.Release.Key), trace.Text("server.address", x.server.address))
	}
	if x.retried {
		facts = append(facts, trace.Text("mlx.retried_from", x.arm.Release.Key))
	}
	x.r.spans.Add(trace.Span{
		Context: x.span, Parent: x.parent.Span, Name: x.req.Method, Start: x.at, End: x.r.o.Now(), Failed: x.status >= 500 || x.reply.err != nil, Facts: facts,
	})
}

package image

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"mlx/internal/fault"
)

// Access is how registries are spoken to: with the credentials that `docker login` and its helpers keep, without encryption only where
// nothing leaves this machine.
type Access struct {
	UserAgent string
	Transport http.RoundTripper // nil: the usual one
}

func (a Access) options() []remote.Option {
	t := a.Transport
	if t == nil {
		t = remote.DefaultTransport
	}
	return []remote.Option{
		remote.WithAuthFromKeychain(authn.DefaultKeychain), remote.WithUserAgent(a.UserAgent),
		remote.WithTransport(guard{t}), remote.WithJobs(2),
	}
}

// guard refuses to speak without encryption to other machines. What asks for it may be a name, a redirect, or the place where a registry
// wants its tokens to be fetched.
type guard struct{ next http.RoundTripper }

// errPlain is what guard answers.
var errPlain = errors.New("it would be spoken to without encryption, and it is another machine")

// RoundTrip implements http.RoundTripper.
func (g guard) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" && !loopback(r.URL) {
		return nil, errPlain
	}
	return g.next.RoundTrip(r)
}

func loopback(u *url.URL) bool {
	host := u.Hostname()
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

// reference reads REGISTRY/REPO[:TAG][@DIGEST]. Without a tag it is the given one.
func reference(word, tag string) (name.Reference, error) {
	ref, err := name.ParseReference(word, name.WithDefaultTag(tag))
	if err != nil {
		return nil, fault.New(fault.Usage, "cannot read %q as an image of a registry: %w", word, err).
			Hint("REGISTRY/REPOSITORY, as registry.example/team/flights")
	}
	return ref, nil
}

// failed gives an error of a registry or of a file its kind. what says what was tried.
func failed(ctx context.Context, what string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var known *fault.Error
	if errors.As(err, &known) {
		wrapped := fault.New(fault.KindOf(err), "%s: %w", what, err)
		for _, h := range fault.Hints(err) {
			_ = wrapped.Hint("%s", h)
		}
		return wrapped
	}
	var answer *transport.Error
	var address *url.Error
	switch {
	case errors.As(err, &answer):
		return answered(what, answer)
	case errors.Is(err, errPlain):
		return fault.New(fault.Denied, "%s: %w", what, errPlain).Hint("give the registry a certificate, or reach it through a tunnel to 127.0.0.1")
	case errors.As(err, &address):
		return fault.New(fault.Unavailable, "%s: %w", what, err)
	}
	kind := fault.KindOf(err)
	var network net.Error
	if errors.As(err, &network) {
		kind = fault.Unavailable
	}
	return fault.New(kind, "%s: %w", what, err)
}

// answered is what the refusal of a registry means.
func answered(what string, t *transport.Error) error {
	words := http.StatusText(t.StatusCode)
	if len(t.Errors) > 0 {
		words = t.Errors[0].String()
	}
	registry := ""
	if t.Request != nil {
		registry = t.Request.URL.Host
	}
	switch {
	case t.StatusCode == http.StatusUnauthorized || t.StatusCode == http.StatusForbidden:
		return fault.New(fault.Denied, "%s: the registry refuses: %s", what, words).Hint("docker login %s", registry)
	case t.StatusCode == http.StatusNotFound:
		return fault.New(fault.NotFound, "%s: the registry does not have it", what)
	case t.StatusCode >= http.StatusInternalServerError || t.StatusCode == http.StatusTooManyRequests || t.Temporary():
		return fault.New(fault.Unavailable, "%s: the registry answers %d: %s", what, t.StatusCode, words)
	}
	return fault.New(fault.Conflict, "%s: the registry answers %d: %s", what, t.StatusCode, words)
}

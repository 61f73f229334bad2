package repo

import (
	"net"
	"path/filepath"
	"strings"

	"mlx/internal/fault"
)

// Targets on a host: by the router of mlx, which is what is meant where none is said, or by an HAProxy that passes the requests on.
const (
	TargetHost    = "host"
	TargetHAProxy = "haproxy"
)

// HAProxy is one that runs on the hosts of a service already. mlx changes addresses, states and weights of the servers of one backend by the
// runtime socket, and nothing else of it.
type HAProxy struct {
	Socket  string `yaml:"socket" doc:"Its runtime socket, of level admin: a path, or 127.0.0.1:PORT." need:"true"`
	Backend string `yaml:"backend" doc:"The backend that the service owns; the name of the service when absent."`
	Log     string `yaml:"log" doc:"Address of 127.0.0.1 to which it sends its log lines: answers are counted from them." need:"true"`

	At fault.Position `yaml:"-"`
}

// loopback says whether an address HOST:PORT is one of this machine alone.
func loopback(address string) bool {
	host, port, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err == nil && port != "" && port != "0" && ip != nil && ip.IsLoopback()
}

// plainWord says whether a word can stand in a command of HAProxy.
func plainWord(word string) bool {
	return len(word) <= 200 && !strings.ContainsFunc(word, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("-_.:", c)
	})
}

// checkHAProxy refuses what an HAProxy cannot be asked for: it looks into no request, and keeps none.
func (s Service) checkHAProxy(name string) error {
	h := s.HAProxy
	bad := func(at fault.Position, format string, args ...any) *fault.Error {
		return failPosition(at, "service "+name+" "+format, args...)
	}
	switch named := h.Socket != ""; {
	case s.Target != TargetHAProxy && named:
		return bad(h.At, "names an HAProxy that requests do not come through").Hint("target: haproxy")
	case s.Target != TargetHAProxy:
		return nil
	case !named:
		return bad(s.At, "names no HAProxy").Hint("haproxy: {socket: /run/haproxy/admin.sock, log: '127.0.0.1:5514'}")
	case !filepath.IsAbs(h.Socket) && !loopback(h.Socket) || strings.ContainsAny(h.Socket, "\n\r"):
		return bad(h.At, "drives HAProxy by %q, which is neither a whole path nor an address of this machine alone", h.Socket).
			Hint("haproxy: {socket: /run/haproxy/admin.sock, …}")
	case !loopback(h.Log):
		return bad(h.At, "takes log lines at %q, which is no address of this machine alone", h.Log).Hint("haproxy: {log: '127.0.0.1:5514', …}")
	case !plainWord(h.Backend):
		return bad(h.At, "has a backend %q, which is no name of one: letters, digits, - _ . and : are", h.Backend)
	}
	const wayOut = "target: host   # an HAProxy may stand before the router of mlx: server mlx 127.0.0.1:8080"
	refuse := func(at fault.Position, what string) error {
		return bad(at, "has target haproxy, which %s", what).Hint(wayOut)
	}
	switch {
	case s.Sticky.Header != "" || s.Sticky.Cookie != "" || s.Sticky.Field != "":
		return refuse(s.Sticky.At, "keeps no user with one version: sticky is for the router of mlx")
	case s.Rollout.Strategy == "ab":
		return refuse(s.Rollout.At, "keeps no user with one version: an A/B test needs the router of mlx")
	case s.Rollout.Strategy == "shadow" || s.Rollout.Mirror.Set:
		return refuse(s.Rollout.At, "copies no requests: a shadow needs the router of mlx")
	case s.Compare.At.Line > 0:
		return refuse(s.Compare.At, "copies no requests: there is nothing to compare")
	case s.Schema == "refuse" || s.Schema == "count":
		return refuse(s.At, "looks into no request: schema is for the router of mlx")
	case s.Log.At.Line > 0:
		return refuse(s.Log.At, "keeps no predictions: log is for the router of mlx")
	case s.Traces != "" || s.Metrics != "":
		return refuse(s.At, "has metrics and traces of its own: metrics: and traces: are for the router of mlx")
	case s.TLS.Cert != "" || len(s.Proxies) > 0:
		return refuse(s.At, "has its certificates and proxies in haproxy.cfg: tls: and proxies: are for the router of mlx")
	case s.Limits.Body > 0 || s.Limits.Queue > 0 || s.Limits.Idle.Duration > 0:
		return refuse(s.Limits.At, "has its limits in haproxy.cfg: body, queue and idle are for the router of mlx")
	}
	for _, check := range s.Rollout.Checks {
		if m := check.Measure; m == "disagreement" || m == "prediction_psi" || m == "schema" || check.Monitor != "" {
			return refuse(check.At, "looks into no answer: "+m+" needs the router of mlx")
		}
	}
	return nil
}

// haproxyTrust is what is driven of an HAProxy, as a user allows it; empty: nothing.
func (s Service) haproxyTrust() string {
	if s.Target != TargetHAProxy {
		return ""
	}
	backend := s.HAProxy.Backend
	if backend == "" {
		backend = "of its name"
	}
	return " through HAProxy at " + s.HAProxy.Socket + ", backend " + backend
}

// sameBackend refuses two services that would drive the same servers.
func (c *Config) sameBackend() error {
	owner := map[string]string{}
	for name, s := range c.Services.All() {
		if s.Target != TargetHAProxy {
			continue
		}
		backend := s.HAProxy.Backend
		if backend == "" {
			backend = name
		}
		for _, key := range []string{s.HAProxy.Socket + "\n" + backend, "log\n" + s.HAProxy.Log} {
			if other, ok := owner[key]; ok {
				return failPosition(s.HAProxy.At, "service %s has the backend or the log address of service %s: each has its own", name, other)
			}
			owner[key] = name
		}
	}
	return nil
}

package tracking

import (
	"crypto/subtle"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// guard refuses requests that a web page in a browser could have caused, and those without the token.
func (s *Server) guard(r *http.Request) error {
	if !s.ours(r.Host) {
		return failf(PermissionDenied, "This endpoint does not answer for host %.200q", r.Host)
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		u, err := url.Parse(origin)
		if err != nil || !s.ours(u.Host) {
			return failf(PermissionDenied, "This endpoint does not answer pages of %.200q", origin)
		}
	}
	if s.o.Token == "" || r.URL.Path == "/health" {
		return nil
	}
	given := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if user, password, ok := r.BasicAuth(); ok {
		if given = password; given == "" {
			given = user
		}
	}
	if subtle.ConstantTimeCompare([]byte(given), []byte(s.o.Token)) != 1 {
		return failf(Unauthenticated, "A token is needed: set MLFLOW_TRACKING_TOKEN")
	}
	return nil
}

// ours reports whether a host is the loopback or one of those that the endpoint was started for.
func (s *Server) ours(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.Trim(name, "[]"))
	if name == "" { // a page of no site says so too, and a machine may have no name
		return false
	}
	ip := net.ParseIP(name)
	return name == "localhost" || ip != nil && ip.IsLoopback() || slices.Contains(s.o.Hosts, name)
}

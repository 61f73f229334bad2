// Package haproxy hides how an HAProxy that runs already carries the traffic of a service: a plane drives one backend of it by its runtime
// socket, and counts answers from its log lines. Requests go from HAProxy straight to the model servers, so that they are answered whatever
// becomes of the plane.
package haproxy

import (
	"net"
	"strings"
	"time"
)

// Settings name an HAProxy, and the part of it that belongs to a service.
type Settings struct {
	Socket  string // its runtime socket: a path, or HOST:PORT
	Backend string // whose servers are driven
	Log     string // HOST:PORT to which it sends log lines
	Servers int    // of the service at a time, of one release
	Listen  string // address of its frontend; empty: not known
}

// network is how the runtime socket is connected to.
func (s Settings) network() string {
	if strings.HasPrefix(s.Socket, "/") {
		return "unix"
	}
	return "tcp"
}

// Slots is how many servers the backend needs: for a release, the one that takes its place, and the one before, which is kept ready.
func (s Settings) Slots() int { return arms * max(s.Servers, 1) }

// roomFor is how many it had better have: servers that are leaving still answer what they were given.
func (s Settings) roomFor() int { return (arms + 1) * max(s.Servers, 1) }

// spares is how many backup servers it needs: what was in service answers for a candidate that has all requests, and whose servers break.
func (s Settings) spares() int { return max(s.Servers, 1) }

// stateFile is where a plane leaves how the servers are, for the HAProxy that comes next: beside the runtime socket, and so gone when the
// machine is started again, as the servers are. Empty: nowhere.
func (s Settings) stateFile() string {
	if s.network() != "unix" {
		return ""
	}
	return strings.TrimSuffix(s.Socket, ".sock") + "." + s.Backend + ".state"
}

const arms = 3

// Times of a plane.
const (
	lookEvery = 200 * time.Millisecond // how often it looks whether HAProxy does what it was told
	askTime   = 2 * time.Second        // HAProxy answers within this, or it is gone
	troubled  = 10 * time.Second       // how long it is told that somebody else changed something
)

// Loopback says whether an address HOST:PORT is one of this machine alone, with a port.
func Loopback(address string) bool {
	host, port, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err == nil && port != "" && port != "0" && ip != nil && ip.IsLoopback()
}

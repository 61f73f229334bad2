// Package local hides how a service is kept running on one machine without any other software: a supervisor that holds the listening
// socket, starts the router and the model servers as processes of their own, starts again what ends, and takes over what a supervisor
// before it has left. Requests go through the router alone: when the supervisor ends, they are answered all the same.
package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"mlx/internal/deploy"
)

// Options say what is kept running. All are needed but Log.
type Options struct {
	Service  string
	Dir      string       // keeps all of the service: what is to run, what runs, what it printed
	Listen   string       // HOST:PORT of the router
	Listener net.Listener // of the router, where somebody else has opened it (systemd); nil: it is opened
	// Datagrams: Listen is where datagrams come that are the router's business, and not connections.
	Datagrams bool
	Program   []string // mlx and its words that start a router of this service: on the socket 3, and it writes to 4 when it answers
	Router    Router
	Lay       func(ctx context.Context, r deploy.Release) (Place, error)
	Environ   []string // of servers and router
	Now       func() time.Time
	Log       func(format string, args ...any) // one line each: what people who look at the supervisor want to know
	Drain     time.Duration                    // what requests that are being answered have when a server or router is stopped
	// Await is how long who connects waits, when all of the service starts, until its servers are ready: the first router gets the words
	// --await and this time.
	Await time.Duration
}

// Socket is what the supervisor holds for its routers, so that what comes while none runs waits: a *net.TCPListener, or Datagrams.
type Socket interface {
	File() (*os.File, error)
	Addr() net.Addr
}

// Datagrams is a socket of UDP.
type Datagrams struct{ *net.UDPConn }

// Addr is where they are sent to.
func (d Datagrams) Addr() net.Addr { return d.LocalAddr() }

// SocketOf is one that another process has handed over.
func SocketOf(f *os.File) (Socket, error) {
	l, err := net.FileListener(f)
	if err == nil {
		if tcp, ok := l.(*net.TCPListener); ok {
			return tcp, nil
		}
		return nil, errors.Join(fmt.Errorf("%s is no socket of TCP", l.Addr()), l.Close())
	}
	c, other := net.FilePacketConn(f)
	if other != nil {
		return nil, err
	}
	if udp, ok := c.(*net.UDPConn); ok {
		return Datagrams{udp}, nil
	}
	return nil, errors.Join(fmt.Errorf("%s is no socket of UDP", c.LocalAddr()), c.Close())
}

// Place is where a release lies on this machine.
type Place struct {
	Dir string   // in which its server starts
	Env []string // of its server: where the model is, and what it is called
}

// Router is what the supervisor asks of the router.
type Router interface {
	// Serve says at which addresses the servers of each release can be asked.
	Serve(ctx context.Context, servers map[string][]string) error
	// Actual is what the router counts and obeys.
	Actual(ctx context.Context) (deploy.Actual, error)
}

// Names in the folder of a service.
const (
	armsName    = "arms.json"       // what is to run
	socketName  = "supervisor.sock" // where the supervisor is told, and asked
	handName    = "listener.sock"   // where a router hands over its listening socket
	lockName    = "supervisor.lock"
	serversName = "servers" // a folder with a file for each server: what runs
	routerName  = "router.json"
	logsName    = "logs"
)

// Arms are what is to run: the releases, and how many servers of each.
type Arms struct {
	Arms []Wanted `json:"arms"`
}

// Wanted is one release of which servers are to run.
type Wanted struct {
	Release  deploy.Release `json:"release"`
	Replicas int            `json:"replicas"`
	Until    time.Time      `json:"until,omitzero"` // it is stopped then
}

// Running is what a supervisor tells of a service.
type Running struct {
	PID     int          `json:"pid"` // of the supervisor
	Address string       `json:"address"`
	Router  RouterState  `json:"router"`
	Arms    []RunningArm `json:"arms"`
}

// RouterState is how the router is.
type RouterState struct {
	PID      int    `json:"pid"` // 0: it does not run
	Restarts int    `json:"restarts"`
	Trouble  string `json:"trouble,omitempty"`
}

// RunningArm is how the servers of a release are.
type RunningArm struct {
	Key      string   `json:"key"`
	Replicas int      `json:"replicas"`
	Servers  []string `json:"servers"` // HOST:PORT of those that are ready
	Restarts int      `json:"restarts"`
	Trouble  string   `json:"trouble,omitempty"`
	Memory   int64    `json:"memory,omitempty"` // bytes that the largest of them holds, with its stages

	Stages []deploy.SeenStage `json:"stages,omitempty"`
}

// LogOf is the file that a server of a release prints to.
func LogOf(dir, key string, n int) string {
	return filepath.Join(dir, logsName, shortKey(key)+"-"+strconv.Itoa(n)+".log")
}

// Logs are the files that servers of a release have printed to, by number, and those of their stages.
func Logs(dir, key string) ([]string, error) {
	own, err := filepath.Glob(filepath.Join(dir, logsName, shortKey(key)+"-*.log"))
	if err != nil {
		return nil, err
	}
	stages, err := filepath.Glob(filepath.Join(dir, stagesName, shortKey(key)+"-*", logsName, "*.log"))
	return append(own, stages...), err
}

func (o Options) file(name ...string) string {
	return filepath.Join(append([]string{o.Dir}, name...)...)
}

func (o Options) log(format string, args ...any) {
	if o.Log != nil {
		o.Log(format, args...)
	}
}

// ErrLocked says that somebody else does what only one may do at a time.
var ErrLocked = errors.New("somebody else holds the lock")

// private makes a folder that nobody else may look into.
func private(dir string) error { return os.MkdirAll(dir, 0o700) }

func shortKey(key string) string { return key[:min(12, len(key))] }

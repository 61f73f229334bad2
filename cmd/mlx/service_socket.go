package main

import (
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"mlx/internal/fault"
)

// The words in which systemd, and others like it, say that they hand over sockets that listen: to the process with this number, so many,
// the first of which is file 3.
const (
	listenPID   = "LISTEN_PID="
	listenFDs   = "LISTEN_FDS="
	listenNames = "LISTEN_FDNAMES="

	firstHanded = 3
)

// handedOver is the socket that whoever started this process has opened for it; nil: there is none. Who holds it keeps those who connect
// while no router runs.
func (a *app) handedOver(service string) (net.Listener, error) {
	if a.environment(listenPID) != strconv.Itoa(os.Getpid()) { // it was meant for somebody else
		return nil, nil
	}
	n, err := strconv.Atoi(a.environment(listenFDs))
	switch {
	case err == nil && n == 0:
		return nil, nil
	case err != nil || n != 1:
		return nil, fault.New(fault.Usage, "cannot run %s: %s%.20s sockets are handed over, and it listens on one", service, listenFDs, a.environment(listenFDs)).
			Hint("mlx export systemd service:%s", shellWord(service))
	}
	f := os.NewFile(firstHanded, "socket")
	l, err := net.FileListener(f)
	_ = f.Close() // the listener has its own
	if err != nil {
		return nil, fault.New(fault.Usage, "cannot run %s: file 3, which is handed over, is no socket that listens: %w", service, err)
	}
	if _, ok := l.(*net.TCPListener); !ok {
		_ = l.Close()
		return nil, fault.New(fault.Usage, "cannot run %s: the socket %s, which is handed over, is none of TCP", service, l.Addr()).
			Hint("mlx export systemd service:%s", shellWord(service))
	}
	return l, nil
}

// environment is the value of a variable whose name ends with its sign; empty: there is none.
func (a *app) environment(name string) string {
	for _, one := range a.environ {
		if value, ok := strings.CutPrefix(one, name); ok {
			return value
		}
	}
	return ""
}

// unhanded is the environment without what is meant for this process alone.
func (a *app) unhanded() []string {
	return slices.DeleteFunc(slices.Clone(a.environ), func(one string) bool {
		return strings.HasPrefix(one, listenPID) || strings.HasPrefix(one, listenFDs) || strings.HasPrefix(one, listenNames)
	})
}

//go:build interop && unix

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"mlx/internal/deploy"
	"mlx/internal/deploy/fleet"
	"mlx/internal/deploy/local"
	"mlx/internal/deploy/router"
	"mlx/internal/train"
)

// triedHosts are two hosts of one service: names of a real sshd, each with a clone and a supervisor of its own.
type triedHosts struct {
	*targetBench
	each  []*hosted // what runs on each, by its clone
	asked atomic.Int64
}

// sshHostsBench is two hosts over a real sshd.
func sshHostsBench(t *testing.T) (deploy.Bench, deploy.Driver) {
	t.Helper()
	sshd := newSSHServer(t)
	p := newSomebody(t)
	names := []string{"gpu-box", "gpu-two"}
	config := "\n    hosts:"
	for _, name := range names {
		config += fmt.Sprintf("\n      - {host: %s, dir: '%s', mlx: '%s'}", name, p.path(name), p.path("there"))
	}
	p.env = append(p.env, "MLX_SSH=ssh -F '"+sshd.config+"'")
	b := &triedHosts{targetBench: triedBy(p, triedServer, config)}
	there := b.there()
	b.do("project", "mkdir", "../remote")
	b.mlx("remote", "add", "share", b.path("remote"), "--default")
	b.do("project", "git", "add", "-A")
	b.do("project", "git", "commit", "-qm", "two")
	b.mlx("trust", "-y", "-q")
	b.mlx("push", "-q")
	target := &fleet.Driver{}
	for _, name := range names {
		b.host(name)
		host := &train.Host{Name: name, Dir: b.path(name), SSH: []string{"ssh", "-F", sshd.config}, Home: b.path(), Sockets: []string{b.path()}}
		target.Members = append(target.Members, fleet.Member{Name: name, Target: &fleet.Remote{Dial: func(ctx context.Context) (io.ReadWriteCloser, error) {
			return host.Program(ctx, []string{there, "agent", "service", deploy.Tried})
		}}})
	}
	b.disturb = b.disturbances(sshd)
	return b, target
}

// there is the program of the hosts, to which sshd gives nothing of the environment.
func (b *triedHosts) there() string {
	mlx := strings.TrimSpace(b.do("project", "sh", "-c", "command -v mlx"))
	text := "#!/bin/sh\n"
	for _, name := range []string{"HOME", "XDG_CONFIG_HOME"} {
		text += fmt.Sprintf("export %s=%s\n", name, shellWord(strings.TrimSpace(b.do("project", "printenv", name))))
	}
	b.write([]byte(text+"exec "+shellWord(mlx)+" \"$@\"\n"), "there")
	b.do("project", "chmod", "755", b.path("there"))
	return b.path("there")
}

// host makes a clone in which the service runs.
func (b *triedHosts) host(name string) {
	b.t.Helper()
	b.do("project", "git", "clone", "-q", ".", b.path(name))
	b.do(name, "mlx", "trust", "-y", "-q")
	b.do(name, "mlx", "pull", "--no-checkout", "-q")
	h := *b.hosted
	h.dir = name
	h.start()
	b.each = append(b.each, &h)
}

// Ask asks the hosts in turn, as what stands before them would.
func (b *triedHosts) Ask(context.Context) string {
	return b.each[int(b.asked.Add(1))%len(b.each)].once(servedQuestion())
}

// disturbances are what is done to the hosts. sshd is the way to both of them.
func (b *triedHosts) disturbances(sshd *sshServer) map[string]func() (func() error, error) {
	return map[string]func() (func() error, error){
		deploy.DisturbCandidate: func() (func() error, error) { // of one host: that ends it on all
			version := strings.TrimPrefix(b.status().arm("candidate").Model.Name, deploy.Tried+"@v")
			b.write(nil, "down", version)
			b.kill(b.serverOn(b.each[1], "candidate"))
			return func() error { return os.Remove(b.path("down", version)) }, nil
		},
		deploy.DisturbStable: func() (func() error, error) {
			for _, h := range b.each {
				b.kill(b.serverOn(h, "stable"))
			}
			return noUndo, nil
		},
		deploy.DisturbAway: func() (func() error, error) {
			sshd.tell("stop")
			return func() error { sshd.tell("stop", "off"); return nil }, nil
		},
		deploy.DisturbHand: func() (func() error, error) {
			h := b.each[1]
			driver := &local.Driver{Supervisor: local.Client{Dir: h.state()}, Router: router.NewClient(h.state("router"))}
			return noUndo, takenByHand(b.t.Context(), driver)
		},
		deploy.DisturbLeft: func() (func() error, error) {
			var all error
			for _, h := range b.each {
				all = errors.Join(all, h.left(b.status()))
			}
			return noUndo, all
		},
	}
}

// serverOn is the process that serves a role on a host.
func (b *triedHosts) serverOn(h *hosted, role string) int {
	return h.processIn(h.state("servers", b.status().arm(role).Release[:12]+"-1.json"))
}

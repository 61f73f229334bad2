//go:build interop && unix

package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"mlx/internal/deploy"
	"mlx/internal/deploy/local"
	"mlx/internal/deploy/router"
)

// haproxyProgram is the HAProxy that .ci/haproxy has found. A test that needs it fails without one.
func haproxyProgram(t *testing.T) string {
	t.Helper()
	name := os.Getenv("MLX_TEST_HAPROXY")
	if name == "" {
		name = "haproxy"
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf(`there is no haproxy here: %v; eval "$(.ci/haproxy)"`, err)
	}
	return path
}

// freeDatagrams is an address of this machine to which nobody takes datagrams.
func freeDatagrams() (string, error) {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return c.LocalAddr().String(), c.Close()
}

// TestInteropHAProxy tells the stories of testdata/interop/haproxy at a real HAProxy.
func TestInteropHAProxy(t *testing.T) {
	program := haproxyProgram(t)
	bin := t.TempDir()
	if err := os.Symlink(program, filepath.Join(bin, "haproxy")); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{Dir: "testdata/interop/haproxy", RequireExplicitExec: true, Setup: func(env *testscript.Env) error {
		env.Setenv("PATH", bin+string(os.PathListSeparator)+env.Getenv("PATH"))
		frontend, errListen := freeAddress(t.Context())
		logs, errLogs := freeDatagrams()
		env.Setenv("FRONTEND", frontend)
		env.Setenv("LOGS", logs)
		return errors.Join(errListen, errLogs, isolate(env))
	}})
}

// behindHAProxy is a service that runs behind a real HAProxy, and the runtime socket of that.
func behindHAProxy(t *testing.T) (b *targetBench, proxy *exec.Cmd, socket string) {
	t.Helper()
	address, errListen := freeAddress(t.Context())
	logs, errLogs := freeDatagrams()
	if err := errors.Join(errListen, errLogs); err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "mlx-haproxy-") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket = filepath.Join(dir, "admin.sock")
	b = newTried(t, fmt.Sprintf("\n    listen: %s\n    target: haproxy\n    haproxy: {socket: %s, log: '%s'}", address, socket, logs))
	proxy = b.startHAProxy(dir)
	b.start()
	return b, proxy, socket
}

// haproxyBench is this machine behind a real HAProxy.
func haproxyBench(t *testing.T) (deploy.Bench, deploy.Driver) {
	t.Helper()
	b, _, socket := behindHAProxy(t)
	driver := &local.Driver{Supervisor: local.Client{Dir: b.state()}, Router: router.NewClient(b.state("router"))}
	b.disturb = map[string]func() (func() error, error){
		deploy.DisturbCandidate: func() (func() error, error) { return b.downs("candidate") },
		deploy.DisturbStable:    func() (func() error, error) { b.kill(b.server("stable")); return noUndo, nil },
		deploy.DisturbAway: func() (func() error, error) {
			return func() error { return os.Rename(socket+".away", socket) }, os.Rename(socket, socket+".away")
		},
		deploy.DisturbHand: func() (func() error, error) { return noUndo, b.weightsByHand(socket) },
		deploy.DisturbLeft: func() (func() error, error) { return noUndo, errors.Join(b.left(b.status()), b.slotsLeft(socket)) },
	}
	return b, driver
}

// startHAProxy runs one by the lines that mlx prints.
func (b *targetBench) startHAProxy(dir string, words ...string) *exec.Cmd {
	b.t.Helper()
	config := filepath.Join(dir, "haproxy.cfg")
	b.do("project", "mlx", "export", "haproxy", "service:"+deploy.Tried, "-o", config)
	cmd := exec.Command(haproxyProgram(b.t), append([]string{"-f", config}, words...)...)
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
	})
	pid := fmt.Sprintf("Pid: %d\n", cmd.Process.Pid)
	b.awaits("HAProxy answers", func() bool {
		text, err := saidTo(filepath.Join(dir, "admin.sock"), "show info")
		return err == nil && strings.Contains(text, pid)
	})
	return cmd
}

// saidTo is what HAProxy answers to a command.
func saidTo(socket, command string) (string, error) {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, command+"\n"); err != nil {
		return "", err
	}
	text, err := io.ReadAll(c)
	return string(text), err
}

// slotsIn are the servers of the backend that are not in maintenance, with their addresses.
func slotsIn(socket string) (map[string]string, error) {
	text, err := saidTo(socket, "show servers state "+deploy.Tried)
	at := map[string]string{}
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) > 18 && f[0] != "#" && f[6] != "5" {
			at[f[3]] = f[4] + ":" + f[18]
		}
	}
	return at, err
}

// weightsByHand gives all to the candidate, as somebody does who writes to the runtime socket.
func (b *targetBench) weightsByHand(socket string) error {
	running, err := local.Client{Dir: b.state()}.Running(b.t.Context())
	if err != nil {
		return err
	}
	slots, err := slotsIn(socket)
	if err != nil {
		return err
	}
	stable := b.status().arm("stable").Release
	for _, a := range running.Arms {
		for name, address := range slots {
			if a.Key == stable && slices.Contains(a.Servers, address) {
				if _, err := saidTo(socket, "set server "+deploy.Tried+"/"+name+" weight 0"); err != nil {
					return err
				}
			}
		}
	}
	b.awaits("it is told", func() bool {
		v := b.status()
		return v.Trouble != nil && strings.Contains(*v.Trouble, "somebody set the weight")
	})
	return nil
}

// slotsLeft is an error if HAProxy has servers that do not run.
func (b *targetBench) slotsLeft(socket string) error {
	running, err := local.Client{Dir: b.state()}.Running(b.t.Context())
	if err != nil {
		return err
	}
	slots, err := slotsIn(socket)
	if err != nil {
		return err
	}
	for name, address := range slots {
		if !slices.ContainsFunc(running.Arms, func(a local.RunningArm) bool { return slices.Contains(a.Servers, address) }) {
			return fmt.Errorf("HAProxy has server %s at %s still", name, address)
		}
	}
	return nil
}

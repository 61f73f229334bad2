//go:build linux

// Package child starts this program again, as a server that a benchmark asks.
package child

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"mlx/bench/internal/traffic"
	"mlx/internal/deploy/router"
)

// Process is a child, and the first line that it said.
type Process struct {
	*exec.Cmd
	Line string
}

// Start runs this program with these words and open files, and waits until it has said a line.
func Start(files []*os.File, args ...string) (*Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, args...)
	cmd.ExtraFiles, cmd.Stderr = files, os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("%s said nothing: %w", args[0], err)
	}
	return &Process{cmd, strings.TrimSpace(line)}, nil
}

// Kill ends it, if it has not ended.
func (p *Process) Kill() {
	_ = p.Process.Kill() // it may have ended
	_ = p.Wait()
}

// Serve says where it answers, and answers until it is killed.
func Serve(port string, h http.Handler) {
	l, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		Fail(err)
	}
	fmt.Println(l.Addr())
	Fail(http.Serve(l, h))
}

// Model is a server that thinks for a while, such as 1ms, and answers.
func Model(think string) {
	d, err := time.ParseDuration(think)
	if err != nil {
		Fail(err)
	}
	Serve("0", traffic.Model(d))
}

// Fail ends a child that cannot go on.
func Fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// Reverted tells, once a router has taken its rollout back by itself, how long after now; after most it tells in any case.
func Reverted(client *router.Client, most time.Duration) <-chan time.Duration {
	said, reverted := time.Now(), make(chan time.Duration, 1)
	go func() {
		for {
			a, err := client.Actual(context.Background())
			if err == nil && a.Reverted != nil || time.Since(said) > most {
				reverted <- time.Since(said)
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	return reverted
}

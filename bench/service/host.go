//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"mlx/bench/internal/traffic"
	"mlx/internal/deploy"
	"mlx/internal/deploy/local"
	"mlx/internal/deploy/router"
)

// patience is how long anything may take that is waited for.
const patience = time.Minute

// host is a service that runs.
type host struct {
	b          *bench
	name       string
	url        string
	command    *exec.Cmd
	supervisor local.Client
	router     *router.Client
}

// run runs a service, and puts versions into service one after the other.
func (b *bench) run(name string, versions ...string) (*host, error) {
	dir := filepath.Join(b.dir, ".git", "mlx", "services", name)
	h := &host{b: b, name: name, supervisor: local.Client{Dir: dir}, router: router.NewClient(filepath.Join(dir, "router"))}
	h.command = exec.Command(b.mlx, "-C", b.dir, "service", "run", name)
	h.command.Stderr = io.Discard
	out, err := h.command.StdoutPipe()
	if err == nil {
		err = h.command.Start()
	}
	if err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	words := strings.Split(strings.TrimSpace(line), "\t")
	if err != nil || len(words) < 2 {
		return nil, fmt.Errorf("mlx service run says %q: %w", line, err)
	}
	h.url = words[1] + "/v2/models/m/infer"
	for _, v := range versions {
		if err := h.bring(v); err != nil {
			h.end()
			return nil, err
		}
	}
	return h, nil
}

// bring puts a version into service in one step, under a little load.
func (h *host) bring(version string) error {
	first := !h.serves()
	o, err := traffic.During(h.url, perSecond/5, func() error {
		return h.b.call("deploy", h.name, "m@"+version, "--strategy", "bluegreen", "--bake", "300ms", "--min-samples", "1")
	})
	if err == nil && o.Lost > 0 && !first {
		err = fmt.Errorf("%d were lost while %s came: %s", o.Lost, version, o.First)
	}
	return err
}

// serves says whether anything is in service.
func (h *host) serves() bool {
	a, err := h.router.Actual(context.Background())
	return err == nil && slices.ContainsFunc(a.Arms, func(s deploy.Seen) bool { return s.Share > 0 })
}

// end stops a service as people do.
func (h *host) end() {
	_ = h.command.Process.Signal(syscall.SIGTERM)
	_ = h.command.Wait() // whatever it says
}

func (h *host) running() (local.Running, error) { return h.supervisor.Running(context.Background()) }

// routerPID is the process of the router.
func (h *host) routerPID() (int, error) {
	r, err := h.running()
	if err == nil && r.Router.PID == 0 {
		err = fmt.Errorf("no router runs: %s", r.Router.Trouble)
	}
	return r.Router.PID, err
}

// until waits for what the router tells.
func (h *host) until(what string, is func(deploy.Actual) bool) error {
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		a, err := h.router.Actual(context.Background())
		if err == nil && is(a) {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s does not happen in generation %d: %w", what, a.Generation, err)
		}
	}
}

// share waits until the candidate has at least a share.
func (h *host) share(least deploy.Share) error {
	return h.until("a candidate with "+least.String(), func(a deploy.Actual) bool {
		return slices.ContainsFunc(a.Arms, func(s deploy.Seen) bool { return s.Role == deploy.Candidate && s.Share >= least })
	})
}

// candidate is the process of the candidate's server.
func (h *host) candidate() (int, error) {
	a, err := h.router.Actual(context.Background())
	if err != nil {
		return 0, err
	}
	at := slices.IndexFunc(a.Arms, func(s deploy.Seen) bool { return s.Role == deploy.Candidate })
	if at < 0 {
		return 0, fmt.Errorf("%s has no candidate", h.name)
	}
	address, err := h.server(a.Arms[at].Key)
	if err != nil {
		return 0, err
	}
	resp, err := http.Get("http://" + address + "/pid")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(text))
}

// server is where the server of a release answers; "" is the only release that there is.
func (h *host) server(key string) (string, error) {
	r, err := h.running()
	if err != nil {
		return "", err
	}
	for _, a := range r.Arms {
		if (key == "" || a.Key == key) && len(a.Servers) > 0 {
			return a.Servers[0], nil
		}
	}
	return "", fmt.Errorf("%s has no server that is ready", h.name)
}

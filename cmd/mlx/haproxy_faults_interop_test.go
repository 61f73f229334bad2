//go:build interop && unix

package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"mlx/internal/deploy"
	"mlx/internal/deploy/router"
)

// canaryOf has v1 in service and v2 at 20 %, where it stays.
func canaryOf(b *targetBench) *beside {
	b.t.Helper()
	b.mlx("deploy", deploy.Tried, deploy.Tried+"@v1")
	controller := b.begin("project", "mlx", "deploy", deploy.Tried, deploy.Tried+"@v2", "--bake", "1h")
	controller.says("step 1")
	return controller
}

// resumed goes on to the end, after whoever carried the rollout out was killed: v2 is in service, or the lease was over by then.
func resumed(b *targetBench) {
	b.t.Helper()
	out, problem, status := b.try("project", "mlx", "service", "resume", deploy.Tried, "--full")
	v := b.status()
	switch name := v.arm("stable").Model.Name; {
	case status == 0 && v.State == "stable" && name == deploy.Tried+"@v2":
	case status == 1 && v.State == "rolled_back" && name == deploy.Tried+"@v1" && strings.Contains(problem, "lease_expired"):
	default:
		b.t.Errorf("resume ends with %d, and it is %+v\n%s%s", status, v, out, problem)
	}
}

// TestInteropHAProxyPlaneKilled kills the plane, then the supervisor, then both and the controller: nobody loses a request, what runs is taken
// over, and resume finishes.
func TestInteropHAProxyPlaneKilled(t *testing.T) {
	t.Parallel()
	b, _, _ := behindHAProxy(t)
	controller := canaryOf(b)
	u := b.ask(50, servedQuestion())
	plane := b.processIn(b.state("router.json"))
	b.kill(plane)
	b.awaits("another plane runs", func() bool {
		return b.processIn(b.state("router.json")) != plane && b.status().arm("candidate") != nil
	})
	b.awaits("it gives the candidate what it had", func() bool { // it takes a moment until it answers
		now, err := router.NewClient(b.state("router")).Actual(t.Context())
		return err == nil && slices.ContainsFunc(now.Arms, func(a deploy.Seen) bool { return a.Role == deploy.Candidate && a.Share == 2000 })
	})

	plane = b.processIn(b.state("router.json"))
	b.kill(b.run.cmd.Process.Pid)
	b.run.end()
	u.since(20)
	b.start()
	if now := b.processIn(b.state("router.json")); now != plane {
		t.Errorf("plane %d runs, and not %d", now, plane)
	}

	b.kill(controller.cmd.Process.Pid)
	controller.end()
	b.kill(b.run.cmd.Process.Pid)
	b.run.end()
	b.kill(plane)
	u.since(20)
	b.start()
	resumed(b)
	u.stop("v1", "v2")
}

// TestInteropHAProxyBeginsAnew reloads HAProxy and kills it in the middle of a rollout, which goes on, or is finished by resume.
func TestInteropHAProxyBeginsAnew(t *testing.T) {
	t.Parallel()
	b, proxy, socket := behindHAProxy(t)
	controller := canaryOf(b)
	u := b.ask(50, servedQuestion())
	next := b.startHAProxy(filepath.Dir(socket), "-sf", fmt.Sprint(proxy.Process.Pid))
	if now := u.since(100); b.given(deploy.Candidate) != 2000 || now["v2"] < 15 || now["v2"] > 25 {
		t.Errorf("it goes on with %v", now)
	}
	u.stop("v1", "v2")

	if err := next.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = next.Wait()
	b.awaits("it is told", func() bool {
		v := b.status()
		return v.Trouble != nil && strings.Contains(*v.Trouble, "HAProxy does not answer at")
	})
	b.kill(controller.cmd.Process.Pid)
	controller.end()
	b.startHAProxy(filepath.Dir(socket))
	b.awaits("its servers are set again", func() bool { return b.status().State == "rolling" || b.status().State == "diverged" })
	resumed(b)
}

//go:build unix

package run

import (
	"context"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func shell(script string) Tool { return Tool{Argv: []string{"sh", "-c", script}, Most: 1 << 10} }

func TestTool(t *testing.T) {
	in := shell("cat; echo oops >&2; exit 3")
	in.Stdin = strings.NewReader("hello")
	end, err := in.Run(t.Context())
	if err != nil || end.Status != 3 || string(end.Stdout) != "hello" || string(end.Stderr) != "oops\n" {
		t.Errorf("%+v %v", end, err)
	}
	if end, err = shell("kill -9 $$").Run(t.Context()); err != nil || end.Status != 137 {
		t.Errorf("%+v %v", end, err)
	}
	if end, err = shell("while :; do echo aaaaaaaaaaaaaaaa; done").Run(t.Context()); err != nil || !end.TooLong || len(end.Stdout) != 1<<10 {
		t.Errorf("%v %d %v", end.TooLong, len(end.Stdout), err)
	}
	if _, err := (Tool{Argv: []string{"no-such-program-at-all"}}).Run(t.Context()); err == nil {
		t.Error("there is no such program")
	}
}

// Nothing that a tool started outlives it: not after its time, not when nobody wants its answer, not when it left something behind.
func TestToolGroup(t *testing.T) {
	slow := shell("sleep 600 & echo $!; wait")
	slow.Timeout = 200 * time.Millisecond
	end, err := slow.Run(t.Context())
	if err != nil || !end.TimedOut || end.Status != 137 {
		t.Fatalf("%+v %v", end, err)
	}
	over(t, string(end.Stdout))
	left := shell("sleep 600 >/dev/null 2>&1 & echo $!")
	if end, err = left.Run(t.Context()); err != nil || end.Status != 0 {
		t.Fatalf("%+v %v", end, err)
	}
	over(t, string(end.Stdout))
	ctx, cancel := context.WithCancel(t.Context())
	work, err := shell("trap '' TERM; sleep 600 & wait; wait; sleep 600").Start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	<-work.Ended()
	stubborn, err := shell("trap '' TERM; sleep 600 & wait; wait; sleep 600").Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if end := stubborn.Stop(time.Millisecond); end.Status == 0 {
		t.Errorf("%+v", end)
	}
}

// over waits until a process is gone, or only waits to be collected.
func over(t *testing.T, pid string) {
	t.Helper()
	n, err := strconv.Atoi(strings.TrimSpace(pid))
	if err != nil {
		t.Fatalf("%q is no process", pid)
	}
	for range 1000 {
		if startOf(n) == "" {
			return
		}
		time.Sleep(time.Millisecond)
	}
	_ = syscall.Kill(n, syscall.SIGKILL)
	t.Errorf("process %d still runs", n)
}

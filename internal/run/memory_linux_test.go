package run

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// memoryGroup makes a control group of some memory, where the test may.
func memoryGroup(t *testing.T, limit int) string {
	t.Helper()
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Skip(err)
	}
	for line := range strings.Lines(string(groups)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		dir, file := "", ""
		switch {
		case len(parts) == 3 && parts[1] == "memory":
			dir, file = filepath.Join("/sys/fs/cgroup/memory", parts[2]), "memory.limit_in_bytes"
		case len(parts) == 3 && parts[0] == "0":
			dir, file = filepath.Join("/sys/fs/cgroup", parts[2]), "memory.max"
		default:
			continue
		}
		dir = filepath.Join(dir, fmt.Sprintf("mlx-test-%d", os.Getpid()))
		if os.Mkdir(dir, 0o755) != nil {
			continue
		}
		t.Cleanup(func() { os.Remove(dir) })
		if os.WriteFile(filepath.Join(dir, file), fmt.Append(nil, limit), 0o644) == nil {
			return dir
		}
	}
	t.Skip("no control group can be made here")
	return ""
}

// A command that the system ended because memory was short says so, also where a shell stands in between.
func TestRunOutOfMemory(t *testing.T) {
	group := memoryGroup(t, 160<<20)
	dir := t.TempDir()
	for _, tt := range []struct {
		command []string
		state   State
		cause   string
	}{
		{[]string{os.Args[0]}, Killed, "killed: out of memory"},
		{[]string{"sh", "-c", os.Args[0] + "; exit $?"}, Failed, "exit status 137: out of memory"},
	} {
		mlx := exec.Command("sh", append([]string{"-c", `echo $$ > "$0" && exec "$@"`, filepath.Join(group, "cgroup.procs"), os.Args[0], dir}, tt.command...)...)
		mlx.Env = append(os.Environ(), "RUN_TEST_ROLE=runner", "RUNS_ROLE=devour")
		if out, err := mlx.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		r, err := openBench(dir)
		if err != nil {
			t.Fatal(err)
		}
		v, err := History{Ledger: r.Ledger, Host: host, Now: time.Now}.Last(context.Background(), "main", 0)
		if err != nil || v.State != tt.state || v.Cause == nil || *v.Cause != tt.cause {
			t.Errorf("%s %v %v", v.State, v.Cause, err)
		}
	}
}

// What this process uses is not counted against a tool, which begins as a copy of it.
func TestToolMemoryIsItsOwn(t *testing.T) {
	const ballast = 96 << 20
	held := make([]byte, ballast)
	for i := range held {
		held[i] = 1
	}
	end, err := Tool{Argv: []string{"sh", "-c", ":"}}.Run(t.Context())
	if err != nil || end.Status != 0 || !end.Usage.Known || end.Usage.Memory >= ballast || held[ballast-1] != 1 {
		t.Errorf("%+v %v", end, err)
	}
}

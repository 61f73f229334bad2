package train

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"time"
)

// node tells what this node is.
func (v *server) node(ctx context.Context) Node {
	n := Node{Version: v.o.Version, OS: runtime.GOOS, Arch: runtime.GOARCH, Host: v.o.Host, Root: v.o.Root, PID: os.Getpid(), Program: v.o.Program}
	n.Free, n.NoExec = spaceOf(v.o.Root)
	n.Quota = quotaOf(ctx, v.o.Root)
	return n
}

// quotaWait is how long the node's quota program may take: a file server that does not answer must not hold a job up.
const quotaWait = time.Second

// quotaOf asks the system's quota program, where there is one, how many bytes the user may still write; nil where
// nothing limits that.
func quotaOf(ctx context.Context, dir string) *int64 {
	program, err := exec.LookPath("quota")
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, quotaWait)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "-w", "-p", "-f", dir)
	cmd.WaitDelay = quotaWait
	text, _ := cmd.Output() // a status other than 0 says that a limit is reached
	return parseQuota(text)
}

// parseQuota reads the least room that a line of `quota -wp` leaves: file system, blocks used (KiB, with a * where they are
// too many), soft limit, hard limit.
func parseQuota(text []byte) *int64 {
	var least *int64
	for line := range bytes.Lines(text) {
		f := bytes.Fields(line)
		if len(f) < 4 {
			continue
		}
		used, err := strconv.ParseInt(string(bytes.TrimSuffix(f[1], []byte("*"))), 10, 53)
		if err != nil {
			continue
		}
		for _, limit := range f[2:4] {
			n, err := strconv.ParseInt(string(limit), 10, 53)
			if err != nil || n == 0 {
				continue
			}
			if left := max(0, n-used) << 10; least == nil || left < *least {
				least = &left
			}
		}
	}
	return least
}

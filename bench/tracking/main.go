//go:build linux

// Command tracking measures the endpoint that MLflow clients speak to: a process of its own is asked over one connection that is
// kept, as a client keeps it.
//
//	go run ./bench/tracking                    ours, beside figures of mlflow 3.17.2 that were measured once
//	go run ./bench/tracking -peer /venv/bin    the real mlflow server beside it, from that folder
//	go run ./bench/tracking -runs 1000         over fewer runs
//
// CPU time is what is judged: wall time depends on who else uses the machine.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	if err := start(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "tracking:", err)
		os.Exit(1)
	}
}

type options struct {
	peer string
	runs int
}

func start(ctx context.Context, args []string) error {
	if len(args) == 2 && args[0] == "child-serve" {
		return serve(args[1])
	}
	var o options
	flags := flag.NewFlagSet("tracking", flag.ContinueOnError)
	flags.StringVar(&o.peer, "peer", "", "folder with mlflow; empty: figures that were measured once")
	flags.IntVar(&o.runs, "runs", 10_000, "runs to search")
	if err := flags.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mlx-bench-tracking-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := fill(ctx, dir, o.runs); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	ours, err := measureServer(exec.CommandContext(ctx, self, "child-serve", dir), "", o.runs)
	if err != nil {
		return err
	}
	theirs := onceMeasured()
	if o.peer != "" {
		if theirs, err = peer(ctx, o, filepath.Join(dir, "peer")); err != nil {
			return err
		}
	}
	report(ours, theirs)
	return nil
}

// figure is what one thing took.
type figure struct {
	name  string
	calls int
	cpu   time.Duration // of the server, for each call
	wall  time.Duration // of the client, the middle one
	note  string
}

// onceMeasured are figures of mlflow 3.17.2, sqlite, two workers, on a machine of two cores.
func onceMeasured() []figure {
	ms := func(f float64) time.Duration { return time.Duration(f * float64(time.Millisecond)) }
	return []figure{
		{name: "ready", cpu: 9 * time.Second, wall: 65 * time.Second, note: "0.8 GB in 5 processes"},
		{name: "log-metric", cpu: ms(9.6), wall: ms(46)},
		{name: "log-batch of 1,000", cpu: ms(121), wall: ms(880)},
		{name: "create and end a run", cpu: ms(36), wall: ms(282)},
		{name: "search: page of 100", cpu: ms(123), wall: ms(390)},
		{name: "search: metric > x", cpu: ms(117), wall: ms(444)},
		{name: "search: param and tag, by metric", cpu: ms(220), wall: ms(1300)},
		{name: "search: best of one metric", cpu: ms(3900), wall: 21 * time.Second},
		{name: "100,000 steps written in batches", cpu: 0, wall: 77 * time.Second},
		{name: "100,000 steps read", cpu: 0, wall: 32 * time.Second},
	}
}

func report(ours, theirs []figure) {
	by := map[string]figure{}
	for _, f := range theirs {
		by[f.name] = f
	}
	fmt.Printf("%-36s %8s %12s %12s %12s %12s  %s\n", "", "calls", "CPU a call", "wall p50", "mlflow CPU", "mlflow wall", "")
	for _, f := range ours {
		other := by[f.name]
		fmt.Printf("%-36s %8d %12s %12s %12s %12s  %s\n", f.name, f.calls, shown(f.cpu), shown(f.wall), shown(other.cpu), shown(other.wall), f.note)
	}
}

func shown(d time.Duration) string {
	switch {
	case d == 0:
		return "-"
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.3f ms", float64(d)/1e6)
	case d < time.Second:
		return fmt.Sprintf("%.1f ms", float64(d)/1e6)
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

// begin starts a server and waits until it answers.
func begin(cmd *exec.Cmd, url string) (string, time.Duration, error) {
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", 0, err
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return "", 0, err
	}
	if url == "" {
		line, err := bufio.NewReader(out).ReadString('\n')
		if err != nil {
			return "", 0, fmt.Errorf("the server did not start: %w", err)
		}
		url = strings.TrimSpace(line)
	}
	c := newClient(url)
	for time.Since(began) < 3*time.Minute {
		if _, err := c.ask("GET", "/health", ""); err == nil {
			return url, time.Since(began), nil
		}
		time.Sleep(time.Millisecond)
	}
	return "", 0, errors.New("the server does not answer")
}

// peer fills and measures the real server.
func peer(ctx context.Context, o options, dir string) ([]figure, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	const url = "http://127.0.0.1:5987"
	cmd := exec.CommandContext(ctx, filepath.Join(o.peer, "mlflow"), "server", "--port", "5987", "--workers", "2",
		"--backend-store-uri", "sqlite:///"+filepath.Join(dir, "db"), "--artifacts-destination", filepath.Join(dir, "artifacts"))
	cmd.Env = append(os.Environ(), "MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false")
	return measureServer(cmd, url, o.runs)
}

//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// client asks over one connection.
type client struct {
	url  string
	http *http.Client
}

func newClient(url string) *client {
	return &client{url, &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1, DisableCompression: true}}}
}

func (c *client) ask(method, path, body string) (string, error) {
	if !strings.HasPrefix(path, "/") {
		path = "/api/2.0/mlflow/" + path
	}
	req, err := http.NewRequest(method, c.url+path, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %d %.300s", method, path, resp.StatusCode, text)
	}
	return string(text), err
}

// bench is a server under measurement.
type bench struct {
	*client
	pid     int
	figures []figure
}

// times asks several times, and notes what one time took.
func (b *bench) times(name string, n int, do func(i int) error) error {
	before := cpuOf(b.pid)
	walls := make([]time.Duration, n)
	for i := range n {
		began := time.Now()
		if err := do(i); err != nil {
			return err
		}
		walls[i] = time.Since(began)
	}
	slices.Sort(walls)
	b.figures = append(b.figures, figure{name: name, calls: n, cpu: (cpuOf(b.pid) - before) / time.Duration(n), wall: walls[n/2]})
	return nil
}

// note notes how much memory the server has.
func (b *bench) note(name string) error {
	b.figures = append(b.figures, figure{name: name, note: memoryOf(b.pid)})
	return nil
}

// cpuOf is the processor time of a process and those it started, and that of those that it waited for.
func cpuOf(pid int) time.Duration {
	var sum time.Duration
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, task := range tasks {
		text, err := os.ReadFile(task)
		if fields := strings.Fields(string(text)); err == nil && len(fields) > 0 {
			ns, _ := strconv.ParseInt(fields[0], 10, 64)
			sum += time.Duration(ns)
		}
	}
	children, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, file := range children {
		text, _ := os.ReadFile(file)
		for _, child := range strings.Fields(string(text)) {
			if n, err := strconv.Atoi(child); err == nil {
				sum += cpuOf(n)
			}
		}
	}
	return sum
}

// memoryOf is the memory that a process has, and the most that it has had.
func memoryOf(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	var all []string
	for line := range strings.Lines(string(text)) {
		name, rest, _ := strings.Cut(line, ":")
		if fields := strings.Fields(rest); len(fields) > 0 && (name == "VmHWM" || name == "VmRSS") {
			kb, _ := strconv.Atoi(fields[0])
			all = append(all, fmt.Sprintf("%s %.1f MiB", name, float64(kb)/1024))
		}
	}
	return strings.Join(all, ", ")
}

func between(text, before, after string) (string, error) {
	_, rest, ok := strings.Cut(text, before)
	found, _, ok2 := strings.Cut(rest, after)
	if !ok || !ok2 {
		return "", fmt.Errorf("no %s in %.200s", before, text)
	}
	return found, nil
}

// measureServer starts a server and asks it everything. A server that has its runs already says where it is; the other is filled.
func measureServer(cmd *exec.Cmd, url string, runs int) (figures []figure, err error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	at, ready, err := begin(cmd, url)
	if cmd.Process != nil {
		defer func() {
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // it and those that it started
			_ = cmd.Wait()
		}()
	}
	if err != nil {
		return nil, err
	}
	b := &bench{client: newClient(at), pid: cmd.Process.Pid}
	b.figures = append(b.figures, figure{name: "ready", calls: 1, cpu: cpuOf(b.pid), wall: ready, note: memoryOf(b.pid)})
	if url != "" {
		if err := b.fill(runs); err != nil {
			return nil, err
		}
	}
	for _, step := range []func() error{b.logging, b.searching, b.series, b.artifacts} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return b.figures, b.note("memory at the end")
}

func (b *bench) newRun() (string, error) {
	text, err := b.ask("POST", "runs/create", `{"experiment_id": "0", "start_time": 1795447678834, "tags": [{"key": "mlflow.user", "value": "root"}]}`)
	if err != nil {
		return "", err
	}
	return between(text, `"run_id":"`, `"`)
}

func points(from, n int) string {
	var s strings.Builder
	for i := range n {
		if i > 0 {
			s.WriteByte(',')
		}
		fmt.Fprintf(&s, `{"key":"loss","value":%v,"timestamp":%d,"step":%d}`, 1/float64(from+i+1), 1795447679137+int64(from+i), from+i)
	}
	return s.String()
}

func (b *bench) logging() error {
	id, err := b.newRun()
	if err != nil {
		return err
	}
	return errors.Join(
		b.times("log-metric", 2000, func(i int) error {
			_, err := b.ask("POST", "runs/log-metric", fmt.Sprintf(`{"run_uuid": %q, "key": "a", "value": %v, "timestamp": %d, "step": %d, "run_id": %q}`,
				id, float64(i)/7, 1795447679137+i, i, id))
			return err
		}),
		b.times("log-batch of 1,000", 50, func(i int) error {
			_, err := b.ask("POST", "runs/log-batch", `{"run_id": "`+id+`", "metrics": [`+points(i*1000, 1000)+`]}`)
			return err
		}),
		b.times("create and end a run", 100, func(int) error {
			id, err := b.newRun()
			if err == nil {
				_, err = b.ask("POST", "runs/update", `{"run_id": "`+id+`", "status": "FINISHED", "end_time": 1795447679138}`)
			}
			return err
		}))
}

func (b *bench) searching() error {
	ask := func(q string) func(int) error {
		return func(int) error {
			_, err := b.ask("POST", "runs/search", `{"experiment_ids": ["0"], `+q+`}`)
			return err
		}
	}
	return errors.Join(
		b.times("search: the first one", 1, ask(`"max_results": 100`)),
		b.times("search: page of 100", 20, ask(`"max_results": 100`)),
		b.times("search: metric > x", 20, ask(`"filter": "metrics.m0 > 0.99"`)),
		b.times("search: param and tag, by metric", 20, ask(`"filter": "params.p0 = '3' and tags.t1 = 'v1'", "order_by": ["metrics.m1 DESC"]`)),
		b.times("search: best of one metric", 20, ask(`"order_by": ["metrics.m2 DESC"], "max_results": 1`)),
		b.note("memory with all runs"),
		b.times("search: 1,000 runs", 5, ask(`"max_results": 1000`)))
}

func (b *bench) series() error {
	id, err := b.newRun()
	if err != nil {
		return err
	}
	return errors.Join(
		b.times("100,000 steps written in batches", 1, func(int) error {
			for i := range 100 {
				if _, err := b.ask("POST", "runs/log-batch", `{"run_id": "`+id+`", "metrics": [`+points(i*1000, 1000)+`]}`); err != nil {
					return err
				}
			}
			return nil
		}),
		b.times("100,000 steps read", 1, func(int) error {
			token := ""
			for {
				text, err := b.ask("GET", "metrics/get-history?metric_key=loss&max_results=25000&run_id="+id+"&page_token="+token, "")
				if err != nil {
					return err
				}
				if token, err = between(text, `"next_page_token":"`, `"`); err != nil {
					return nil // that was the last page
				}
			}
		}))
}

//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"mlx/bench/internal/measure"
	"mlx/bench/internal/traffic"
)

// stagedService is a service of a list and two models, all of which are this program.
const stagedService = `services:
  guard:
    stages:
      - {name: known, hashes: known.hashes, reply: {outputs: []}}
      - {name: small, model: small, cmd: 'exec %[1]s', ready: /health, next: '$env["/outputs/0/data/0"] < 0.9', deadline: 10s}
      - {name: large, model: large, cmd: 'exec %[1]s', ready: /health, deadline: 20s}
    idempotent: true
    rollout: {steps: [5%%, 20%%, 100%%], bake: 2s, min_samples: 20, max_bake: 1m, checks: [{expr: errors < 0.01}]}
`

// runs is how commands are run in a folder.
type runs func(words ...string) (string, error)

func in(dir string) runs {
	return func(words ...string) (string, error) {
		cmd := exec.Command(words[0], words[1:]...)
		var out, problem bytes.Buffer
		cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &problem
		if err := cmd.Run(); err != nil {
			return "", fmt.Errorf("%s: %w: %s", strings.Join(words, " "), err, problem.String())
		}
		return out.String(), nil
	}
}

// project makes a repository with the service and its models.
func project(dir, program string) (runs, error) {
	self, err := os.Executable()
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return nil, err
	}
	for name, text := range map[string]string{"one.json": "1", "two.json": "2", "known.hashes": strings.Repeat("a", 64) + "\n",
		"serve.sh": "exec " + self + " child-port\n", "mlx.yaml": fmt.Sprintf(stagedService, "sh serve.sh")} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	run := in(dir)
	for _, words := range [][]string{{"git", "init", "-q"}, {program, "init"}, {"git", "add", "-A"},
		{"git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "one"},
		{program, "model", "register", "small", "one.json"}, {program, "model", "register", "large", "one.json"}, {program, "model", "register", "large", "two.json"}} {
		if _, err := run(words...); err != nil {
			return nil, err
		}
	}
	return run, nil
}

// rollout deploys another version of one stage by mlx, and goes back, at 500 requests a second.
func (b *bench) rollout() (err error) {
	program, err := filepath.Abs(b.mlx)
	if err != nil {
		return err
	}
	dir := b.dir + "/project"
	run, err := project(dir, program)
	if err != nil {
		return err
	}
	supervisor := exec.Command(program, "service", "run", "guard", "--json")
	supervisor.Dir = dir
	if err := supervisor.Start(); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, supervisor.Process.Signal(syscall.SIGTERM))
		_ = supervisor.Wait() // by that signal
	}()
	url, err := b.began(func() (string, error) { return run(program, "service", "status", "guard", "--json") })
	if err != nil {
		return err
	}
	if _, err := run(program, "deploy", "guard", "large@v1"); err != nil {
		return err
	}
	var back time.Duration
	o, err := traffic.During(url+"/v2/models/m/infer", 500, func() error {
		time.Sleep(2 * time.Second)
		if _, err := run(program, "deploy", "guard", "large@v2"); err != nil {
			return err
		}
		time.Sleep(time.Second)
		began := time.Now()
		_, err := run(program, "rollback", "guard", "-m", "bench")
		back = time.Since(began)
		time.Sleep(2 * time.Second)
		return err
	})
	if err != nil {
		return err
	}
	if o.Lost > 0 {
		fmt.Println("the first that was lost:", o.First)
	}
	b.report.Add(measure.Line{Measure: "requests, 500/s, 5-20-100 % and back", Value: float64(o.Sent), Unit: "requests"})
	b.report.Add(measure.Line{Measure: "of these lost", Value: float64(o.Lost), Unit: "requests", Bar: none})
	b.report.Add(measure.Line{Measure: "through the router and two stages, P50", Value: milliseconds(traffic.At(o.Took, 0.5)), Unit: "ms"})
	b.report.Add(measure.Line{Measure: "rollback, the command as a whole", Value: back.Seconds(), Unit: "s"})
	return nil
}

// began waits until the service says where it answers.
func (b *bench) began(status func() (string, error)) (string, error) {
	for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(100 * time.Millisecond) {
		var v struct{ URL string }
		text, err := status()
		if err == nil && json.Unmarshal([]byte(text), &v) == nil && v.URL != "" {
			return v.URL, nil
		}
	}
	return "", errors.New("the service does not begin")
}

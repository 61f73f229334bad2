//go:build !windows

package train

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the program of the tests stand in for mlx on a node: questions about jobs are answered by the real code, and the
// agent is one that executes the file `do` in the folder of its job.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "agent" {
		if err := asAgent(os.Args[2], os.Args[3]); err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(2)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func asAgent(verb, dir string) error {
	switch verb {
	case "jobs":
		self, err := os.Executable()
		if err != nil {
			return err
		}
		host, err := os.Hostname()
		if err != nil {
			return err
		}
		n := NodeJobs{Root: dir, Program: self, Host: host, Environ: os.Environ(), Now: time.Now}
		return n.Answer(context.Background(), os.Stdin, os.Stdout)
	case "run":
		return execute(dir)
	case "serve":
		return serveNode(dir)
	}
	return errors.New("unknown verb " + verb)
}

// execute is an agent without a run: it hands TERM to the command, and writes how that ended. Of node 1 and on there is no result.
func execute(dir string) error {
	stops := make(chan os.Signal, 1)
	signal.Notify(stops, syscall.SIGTERM)
	cmd := exec.Command("sh", filepath.Join(dir, "do"))
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() {
		<-stops
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
	}()
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return err
	}
	if r := os.Getenv(NodeRankVariable); r != "" && r != "0" {
		return nil
	}
	text, err := json.Marshal(Result{Kind: "result/v1", State: "succeeded", Status: cmd.ProcessState.ExitCode()})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, ResultName), text, 0o600)
}
